//! Proposes transfers whose parents do not exist, by the thousand in all: each of them may make a
//! validator ask, and wait.

use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use ledger::hash::{Tag, hash};
use ledger::state::created_token_id;
use ledger::{
    Address, Entry, Input, Keypair, Output, SignedTransfer, TokenState, Transfer, TransferId,
};
use rand::RngExt;

/// Inputs of one invented transfer, at most.
const INPUTS_MAX: u64 = 300;
/// Batches of them in a run.
const BATCHES_MAX: u32 = 12;
/// Seed of the owner who signs for that.
const OWNER: [u8; 32] = [0xee; 32];

/// Invents parents.
#[derive(Debug, Default)]
pub struct Inventor {
    batches: u32,
}

impl Actor for Inventor {
    fn ticks(&mut self, own: &mut Own<'_>) -> Sent {
        if self.batches >= BATCHES_MAX || own.rng.random_range(0..20) > 0 {
            return Vec::new();
        }
        self.batches += 1;
        let count = own.rng.random_range(1..3u64);
        let entries = (0..count).map(|_| Entry::ordinary(invented(own))).collect();
        let proposal = own.proposal(entries);
        own.to_all(&Packet::Message(Message::Propose(proposal)))
    }
}

fn invented(own: &mut Own<'_>) -> SignedTransfer {
    let key = Keypair::from_seed(OWNER);
    let owner = Address(key.public());
    let asset = *own.network.assets.keys().next().expect("genesis has an asset");
    let count = own.rng.random_range(1..=INPUTS_MAX);
    let mut input = || {
        let made_by = TransferId(hash(Tag::Transfer, &[&own.rng.random::<u64>().to_le_bytes()]));
        let state = TokenState { token: created_token_id(made_by, 0), height: 0, made_by };
        Input { state, asset, amount: 1 }
    };
    let mut inputs: Vec<Input> = (0..count).map(|_| input()).collect();
    inputs.sort_by_key(|input| input.state.token);
    let transfer = Transfer {
        network: own.network.id,
        epoch: own.network.epoch,
        owner,
        inputs,
        outputs: vec![Output::Create { asset, amount: count, to: owner }],
        memo: String::new(),
    };
    transfer.sign(&key)
}
