//! What the tests share: a committee of seven with quorum five, owners with tokens, and helpers
//! that take
//! a batch by hand from proposal to certificates. Unit tests and the golden files include the same
//! file.

#![allow(dead_code, reason = "each test program uses a part of it")]

use consensus::judge::judge;
use consensus::{
    Answer, Batch, CheckedCertificate, Message, Mode, Proposal, Record, Step, Tips, To, Validator,
};
use ledger::{
    Address, Ballot, Bitmap, Certificate, Entry, Genesis, GenesisAsset, GenesisMember,
    GenesisTokens, Input, Keypair, Name, Network, Output, Phase, SignedTransfer, Transfer,
    TransferId, VerifiedTransfer, Vote,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

pub const MEMBERS: u16 = 7;
/// Members enough for a quorum.
pub const QUORUM: [u16; 5] = [0, 1, 2, 3, 4];
/// Tokens of each owner, 10 COIN each; owner `o` has those from `o * TOKENS` on.
pub const TOKENS: usize = 8;
pub const OWNERS: u8 = 4;

pub fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

pub fn member_key(member: u16) -> Keypair {
    Keypair::from_seed([u8::try_from(member + 1).expect("seven members"); 32])
}

pub fn owner_key(owner: u8) -> Keypair {
    Keypair::from_seed([100 + owner; 32])
}

pub fn address(owner: u8) -> Address {
    Address(owner_key(owner).public())
}

pub fn network() -> Arc<Network> {
    let member = |index: u16| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a good name"),
        key: Address(member_key(index).public()),
        weight: 1,
    };
    let tokens = |owner: u8| GenesisTokens {
        owner: address(owner),
        asset: "COIN".into(),
        amount: "10".into(),
        count: u64::try_from(TOKENS).expect("a few"),
    };
    let genesis = Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("testkit").expect("a good name"),
        epoch: 3,
        committee: (0..MEMBERS).map(member).collect(),
        assets: vec![GenesisAsset { name: "COIN".into(), decimals: 0 }],
        tokens: (0..OWNERS).map(tokens).collect(),
    };
    Arc::new(genesis.network().expect("a good genesis"))
}

/// The genesis token at this position.
pub fn coin(position: usize) -> Input {
    let made = network().tokens().nth(position).expect("there are that many");
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

/// Moves all these inputs from `owner` to `to`. `memo` makes it another transfer.
pub fn pay(owner: u8, inputs: &[Input], to: u8, memo: &str) -> SignedTransfer {
    let network = network();
    let mut inputs = inputs.to_vec();
    inputs.sort_by_key(|input| input.state.token);
    let moved = 0..u16::try_from(inputs.len()).expect("a few");
    let transfer = Transfer {
        network: network.id,
        epoch: network.epoch,
        owner: address(owner),
        outputs: moved.map(|input| Output::Move { input, to: address(to) }).collect(),
        inputs,
        memo: memo.into(),
    };
    transfer.sign(&owner_key(owner))
}

/// Moves genesis token `position` of its owner to the next owner.
pub fn pay_coin(position: usize, memo: &str) -> SignedTransfer {
    let owner = u8::try_from(position / TOKENS).expect("a few owners");
    pay(owner, &[coin(position)], (owner + 1) % OWNERS, memo)
}

/// What output 0 of this transfer made, as the next transfer's input.
pub fn made(signed: &SignedTransfer) -> Input {
    let made = signed.transfer.made(signed.transfer.id())[0];
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

pub fn verified(signed: &SignedTransfer) -> VerifiedTransfer {
    VerifiedTransfer::verify(signed.clone()).expect("a good signature")
}

pub fn id(signed: &SignedTransfer) -> TransferId {
    signed.transfer.id()
}

/// A batch as member `proposer` sends it.
pub fn batch(proposer: u16, transfers: &[SignedTransfer]) -> (Arc<Proposal>, Arc<Batch>) {
    let entries = transfers.iter().cloned().map(Entry::ordinary).collect();
    of_entries(proposer, entries)
}

pub fn of_entries(proposer: u16, entries: Vec<Entry>) -> (Arc<Proposal>, Arc<Batch>) {
    let network = network();
    let batch = Batch::new(entries);
    let key = member_key(proposer);
    let proposal = Proposal::sign(&batch, &network.id, network.epoch, proposer, &key);
    (Arc::new(proposal), Arc::new(batch))
}

/// Bits as text: `1.1` is entries 0 and 2 of three.
pub fn bits(text: &str) -> Bitmap {
    Bitmap::from_bools(&text.chars().map(|c| c == '1').collect::<Vec<_>>())
}

pub fn vote(member: u16, phase: Phase, batch: &Batch, text: &str) -> Vote {
    let network = network();
    let ballot = Ballot { epoch: network.epoch, phase, batch: batch.id(), bitmap: bits(text) };
    ballot.sign(&network.id, member, &member_key(member))
}

/// A certificate of the first five members for these entries.
pub fn certificate(phase: Phase, batch: &Batch, text: &str) -> CheckedCertificate {
    let votes: Vec<Vote> = QUORUM.iter().map(|m| vote(*m, phase, batch, text)).collect();
    let votes: Vec<&Vote> = votes.iter().collect();
    CheckedCertificate::check(Certificate::from_votes(&votes), &network(), &mut rng())
        .expect("a quorum of good votes")
}

/// A voting member at genesis.
pub fn validator(member: u16) -> Validator {
    let network = network();
    let tips = Tips::genesis(network.clone());
    let mut validator = Validator::new(network, member, member_key(member), tips);
    validator.set_mode(Mode::Voting);
    validator
}

/// A voting member rebuilt from records alone.
pub fn replayed(member: u16, records: &[Record]) -> Validator {
    let network = network();
    let tips = Tips::genesis(network.clone());
    let mut validator = Validator::new(network, member, member_key(member), tips);
    for record in records {
        let bytes = record.payload();
        let read = Record::read(record.kind(), &bytes).expect("its own bytes").expect("a kind");
        assert_eq!(&read, record);
        validator.replay(read).expect("a journal that it wrote itself");
    }
    validator.replayed_all();
    validator.set_mode(Mode::Voting);
    validator
}

/// Runs what a step wants judged and merges what comes of it, until nothing is left to judge.
pub fn settle(validator: &mut Validator, now_us: u64, mut step: Step) -> Step {
    while !step.judge.is_empty() {
        let judge_now = std::mem::take(&mut step.judge);
        for wanted in judge_now {
            let judged = judge(validator.tips(), wanted.proposal, wanted.only.as_ref(), &mut rng());
            step.merge(validator.judged(now_us, judged));
        }
    }
    step
}

/// A proposal arrives and is judged.
pub fn propose(validator: &mut Validator, now_us: u64, proposal: &Arc<Proposal>) -> Step {
    let step = validator.proposed(now_us, proposal.proposer, proposal.clone());
    settle(validator, now_us, step)
}

/// A certificate arrives, and what it wakes is judged.
pub fn certify(validator: &mut Validator, now_us: u64, checked: CheckedCertificate) -> Step {
    let step = validator.certified(now_us, checked);
    settle(validator, now_us, step)
}

/// The answers in a step, with who gets them.
pub fn answers(step: &Step) -> Vec<(u16, &Answer)> {
    let of = |outgoing: &'_ consensus::Outgoing| match outgoing.to {
        To::Member(to) => to,
        To::All => panic!("an answer is for one"),
    };
    step.after
        .iter()
        .filter_map(|outgoing| match &outgoing.message {
            Message::Answer(answer) => Some((of(outgoing), answer)),
            _ => None,
        })
        .collect()
}

/// The bits of the one vote of this phase in a step, as text; empty for an answer without a vote.
pub fn voted(step: &Step, phase: Phase) -> String {
    let mut found = answers(step).into_iter().filter(|(_, answer)| answer.phase == phase);
    let (_, answer) = found.next().expect("an answer of this phase");
    let text = |vote: &Vote| {
        let bitmap = &vote.ballot.bitmap;
        (0..bitmap.count()).map(|index| if bitmap.has(index) { '1' } else { '.' }).collect()
    };
    answer.vote.as_ref().map(text).unwrap_or_default()
}

/// The kinds of a step's records, in order.
pub fn persisted(step: &Step) -> Vec<u8> {
    step.persist.iter().map(Record::kind).collect()
}
