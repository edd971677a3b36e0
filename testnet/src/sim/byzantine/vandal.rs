//! Proposes transfers that break each rule of R2 and R3, and one that was spent long ago, signed by
//! owners that plot with it. None of them may ever be locked.

use super::{Actor, Own, Packet, Sent};
use crate::sim::client::{OWNERS, owner_key};
use consensus::Tips;
use consensus::message::Message;
use ledger::asset::genesis_asset_id;
use ledger::state::{genesis_token_id, raw_cid};
use ledger::{
    Address, AssetDefinition, AssetKind, Entry, Input, Keypair, NetworkId, Output, SignedTransfer,
    TokenState, Transfer, TransferId,
};
use rand::RngExt;

/// Batches of them in a run.
const BATCHES_MAX: u32 = 12;

/// Breaks rules.
#[derive(Debug, Default)]
pub struct Vandal {
    batches: u32,
    /// What was seen to be final, and is signed and sent again.
    old: Option<Entry>,
}

impl Actor for Vandal {
    fn gets(&mut self, _own: &mut Own<'_>, _from: u16, packet: &Packet) -> Sent {
        if let (None, Packet::Message(Message::Propose(proposal))) = (&self.old, packet) {
            self.old = Some(proposal.entries[0].clone());
        }
        Vec::new()
    }

    fn ticks(&mut self, own: &mut Own<'_>) -> Sent {
        if self.batches >= BATCHES_MAX || own.rng.random_range(0..20) > 0 {
            return Vec::new();
        }
        self.batches += 1;
        let mut entries = broken(own);
        entries.extend(self.old.clone());
        let proposal = own.proposal(entries);
        own.to_all(&Packet::Message(Message::Propose(proposal)))
    }
}

/// A transfer of each kind that no validator may find Valid.
pub fn broken(own: &mut Own<'_>) -> Vec<Entry> {
    let key = owner_key(own.rng.random_range(0..OWNERS));
    let owner = Address(key.public());
    let tips = own.node.validator.tips();
    // In the order of ids, so that one run is like another.
    let Some((token, tip)) = tips.tokens_of(&owner).next() else { return Vec::new() };
    let input = Input { state: tip.state(token), asset: tip.asset, amount: tip.amount };
    let others = shapes(own, (owner, input)).into_iter().map(|transfer| transfer.sign(&key));
    let mut signed: Vec<SignedTransfer> = others.collect();
    signed.extend(thefts(own, tips, (owner, input)));
    signed.into_iter().map(Entry::ordinary).collect()
}

fn plain(own: &Own<'_>, owner: Address, inputs: Vec<Input>, outputs: Vec<Output>) -> Transfer {
    let (network, epoch) = (own.network.id, own.network.epoch);
    Transfer { network, epoch, owner, inputs, outputs, memo: "vandal".into() }
}

/// What breaks a rule by itself.
fn shapes(own: &Own<'_>, (to, input): (Address, Input)) -> Vec<Transfer> {
    let (asset, amount) = (input.asset, input.amount);
    let moved = |input| Output::Move { input, to };
    let create = |amount| Output::Create { asset, amount, to };
    let issue = |name: &str, kind, supply| Output::Issue {
        definition: AssetDefinition { name: name.into(), kind },
        supply,
        to,
    };
    let item = || AssetKind::Item { content: raw_cid(b"vandal") };
    let of = |inputs, outputs| plain(own, to, inputs, outputs);
    let mut elsewhere = of(vec![input], vec![moved(0)]);
    elsewhere.network = NetworkId::default();
    let mut before = of(vec![input], vec![moved(0)]);
    before.epoch = before.epoch.wrapping_sub(1);
    let coin = AssetKind::Fungible { decimals: 0 };
    vec![
        elsewhere,
        before,
        of(vec![], vec![create(1)]),
        of(vec![input], vec![]),
        of(vec![input, input], vec![moved(0), moved(1)]),
        of(vec![input], vec![moved(0), create(0)]),
        of(vec![input], vec![moved(0), moved(0)]),
        of(vec![input], vec![moved(1)]),
        of(vec![input], vec![create(amount + 1)]),
        of(vec![input], vec![moved(0), create(amount)]),
        of(vec![input], vec![moved(0), issue("COIN", coin, 5)]),
        of(vec![input], vec![moved(0), issue("item", item(), 2)]),
    ]
}

/// What is not the signer's, not worth what it says, or no token at all.
fn thefts(own: &Own<'_>, tips: &Tips, (owner, input): (Address, Input)) -> Vec<SignedTransfer> {
    let key = (0..OWNERS).map(owner_key).find(|key| Address(key.public()) == owner);
    let Some(key) = key else { return Vec::new() };
    let thief = Keypair::from_seed([0xed; 32]);
    let to = Address(thief.public());
    let pay = |owner, input: Input, key: &Keypair| {
        plain(own, owner, vec![input], vec![Output::Move { input: 0, to }]).sign(key)
    };
    let mut forged = pay(owner, input, &key);
    // Not the bit that others flip: a Doubler flipped it back (seed 413713), and so an honest
    // owner's key had signed two transfers of one state.
    forged.signature.0[17] ^= 4;
    let token = genesis_token_id(1_000_000);
    let nowhere = TokenState { token, height: 0, made_by: TransferId::default() };
    let other_asset = genesis_asset_id(77);
    let mut found = vec![
        pay(to, input, &thief),
        pay(owner, input, &thief),
        pay(owner, Input { amount: input.amount + 1, ..input }, &key),
        pay(owner, Input { asset: other_asset, ..input }, &key),
        pay(owner, Input { state: nowhere, ..input }, &key),
        forged,
    ];
    // A state that is spent long ago.
    if input.state.height > 0 {
        let made_by = TransferId::default();
        let state = TokenState { height: input.state.height - 1, made_by, ..input.state };
        found.push(pay(owner, Input { state, ..input }, &key));
    }
    // Another output's token that is not there yet.
    if let Some(tip) = tips.tip(&input.state.token) {
        let state =
            TokenState { height: tip.height + 1, made_by: TransferId::default(), ..input.state };
        found.push(pay(owner, Input { state, ..input }, &key));
    }
    found
}
