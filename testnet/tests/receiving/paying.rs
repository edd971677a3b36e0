//! Many payments at once, made here and sent through the client in batches.

use crate::running::{Place, block_on};
use crate::{PAID, SENDERS};
use bytes::Bytes;
use ledger::{Address, Canonical, Input, Keypair, Network, Output, Transfer, TransferId};
use node::Client;
use node::client::Wait;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The accounts that pay.
pub struct Payer {
    keys: Vec<Keypair>,
    /// Who is paid.
    pub paid: Address,
    /// The network.
    pub network: Network,
    /// The validators' APIs.
    pub nodes: Vec<String>,
    client: Client,
}

impl Payer {
    /// Of a testnet that is up.
    pub fn new(place: &Place, document: &Value) -> Self {
        let list = |name: &str| document[name].as_array().expect("a list").clone();
        let nodes: Vec<String> = list("validators")
            .iter()
            .map(|validator| validator["api"].as_str().expect("a URL").to_string())
            .collect();
        let accounts = list("accounts");
        let keys = accounts[..SENDERS].iter().map(|account| {
            let path = Path::new(account["key"].as_str().expect("a path"));
            node::keyfile::load(path).expect("a key")
        });
        let paid = &accounts[SENDERS];
        assert_eq!(paid["name"], PAID);
        let genesis = place.dir().join("genesis.json");
        Self {
            keys: keys.collect(),
            paid: paid["address"].as_str().expect("text").parse().expect("an address"),
            network: node::node::load_network(&genesis).expect("a genesis"),
            client: Client::new(&nodes, Duration::from_secs(60)).expect("URLs"),
            nodes,
        }
    }

    /// The address of a paying account.
    pub fn address(&self, account: usize) -> Address {
        Address(self.keys[account].public())
    }

    /// Each account makes so many payments of so many tokens each; returns the ids when all are
    /// final.
    pub fn pay(&self, payments: usize, tokens: usize) -> Vec<TransferId> {
        let mut transfers: Vec<Bytes> = Vec::new();
        for key in &self.keys {
            let page = self.client.tokens_page(Address(key.public()), None, payments * tokens);
            let rows = block_on(page).expect("tokens").tokens;
            assert_eq!(rows.len(), payments * tokens, "the account has enough");
            let inputs: Vec<Input> = rows.iter().map(|row| row.input()).collect();
            transfers.extend(inputs.chunks(tokens).map(|inputs| self.transfer(key, inputs)));
        }
        let mut ids = Vec::new();
        // Batches of many senders, as they come in a network.
        for some in transfers.chunks(100) {
            let sent = block_on(self.client.submit_batch(some, Wait::Final)).expect("sent");
            for row in sent.outcomes {
                assert_eq!(row.error, None);
                ids.push(row.id.expect("an id"));
            }
        }
        ids
    }

    fn transfer(&self, key: &Keypair, inputs: &[Input]) -> Bytes {
        let count = u16::try_from(inputs.len()).expect("few");
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: Address(key.public()),
            inputs: inputs.to_vec(),
            outputs: (0..count).map(|input| Output::Move { input, to: self.paid }).collect(),
            memo: String::new(),
        };
        transfer.sign(key).to_bytes().into()
    }
}
