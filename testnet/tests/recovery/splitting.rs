//! Owners that split their own locks: transfers of overlapping tokens, each sent to a part of the
//! committee at one instant; and what has to hold afterwards.

use crate::running::{Place, block_on, wait_until};
use ledger::{Address, Canonical, Input, Keypair, Output, SignedTransfer, Transfer};
use node::client::Wait;
use node::view::TokenRow;
use node::{Client, keyfile};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest wait for the end of one transfer, at one node.
const PATIENCE: Duration = Duration::from_secs(20);

/// Alice, and where the validators are.
pub struct Splitter {
    network: ledger::Network,
    alice: Keypair,
    bob: Address,
    nodes: Vec<String>,
}

/// Tokens of an account that no transfer holds at the first node.
pub fn tokens_of(place: &Place, name: &str, count: usize) -> Vec<Value> {
    let document = place.quorate(&format!("tokens {name}")).ok();
    let rows = document["tokens"].as_array().expect("tokens").iter();
    let free = rows.filter(|row| row["locked_by"].is_null()).cloned();
    let tokens: Vec<Value> = free.take(count).collect();
    assert_eq!(tokens.len(), count, "{name} has enough");
    tokens
}

/// Waits until no validator has a lock left on a token of alice or bob.
pub fn check_unlocked(place: &Place, document: &Value) {
    let validators = document["validators"].as_array().expect("validators");
    for validator in validators {
        let node = validator["name"].as_str().expect("a name");
        for account in ["alice", "bob"] {
            let is_free = || {
                let tokens = place.quorate(&format!("--node {node} tokens {account}")).ok();
                let rows = tokens["tokens"].as_array().expect("tokens").clone();
                rows.iter().all(|row| row["locked_by"].is_null()).then_some(())
            };
            wait_until(is_free).unwrap_or_else(|| panic!("{node} still locks for {account}"));
        }
    }
}

impl Splitter {
    pub fn new(document: &Value) -> Self {
        let genesis = Path::new(document["genesis"].as_str().expect("a path"));
        let account = |index: usize| {
            let path = document["accounts"][index]["key"].as_str().expect("a path");
            keyfile::load(Path::new(path)).expect("a key")
        };
        let validators = document["validators"].as_array().expect("validators").iter();
        Self {
            network: node::node::load_network(genesis).expect("a genesis"),
            alice: account(0),
            bob: Address(account(1).public()),
            nodes: validators.map(|v| v["api"].as_str().expect("a URL").into()).collect(),
        }
    }

    fn sign(&self, inputs: Vec<Input>, memo: String) -> SignedTransfer {
        let mut inputs = inputs;
        inputs.sort_by_key(|input| input.state);
        let moved = 0..u16::try_from(inputs.len()).expect("a few");
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: Address(self.alice.public()),
            inputs,
            outputs: moved.map(|input| Output::Move { input, to: self.bob }).collect(),
            memo,
        };
        transfer.sign(&self.alice)
    }

    /// Signs one transfer for each set of `spends` and sends transfer k to every validator whose
    /// number is k modulo their count, all at one time. Returns what each validator told.
    pub fn split(&self, round: usize, tokens: &[Value], spends: &[&[usize]]) -> Vec<Value> {
        let input = |place: &usize| {
            let row: TokenRow = serde_json::from_value(tokens[*place].clone()).expect("a token");
            row.input()
        };
        let signed: Vec<SignedTransfer> = spends
            .iter()
            .enumerate()
            .map(|(index, set)| {
                self.sign(set.iter().map(input).collect(), format!("{round}.{index}"))
            })
            .collect();
        block_on(async {
            let mut sending = JoinSet::new();
            for (index, node) in self.nodes.iter().enumerate() {
                let client = Client::new([node], PATIENCE).expect("a client");
                let signed = signed[(index + round) % signed.len()].clone();
                sending.spawn(async move {
                    let id = signed.transfer.id();
                    match client.submit(signed.to_bytes().into(), Wait::Final).await {
                        Ok(sent) => json!({"id": id, "status": sent.transfer.status}),
                        Err(failure) if failure.code.exit == 6 => {
                            json!({"id": id, "status": "locked"})
                        }
                        Err(failure) => json!({"id": id, "status": failure.code.slug}),
                    }
                });
            }
            sending.join_all().await
        })
    }

    /// At most one transfer of each token is final, the same at all validators: every token's chain
    /// verifies, and what was told to be final is.
    pub fn check_one_final(&self, place: &Place, tokens: &[Value], finals: &BTreeSet<String>) {
        for id in finals {
            let shown = place.quorate(&format!("tx show {}", id.trim_matches('"'))).ok();
            assert_eq!(shown["status"], "final");
        }
        for token in tokens {
            let id = token["id"].as_str().expect("an id");
            place.quorate(&format!("token verify {id}")).ok();
        }
    }
}
