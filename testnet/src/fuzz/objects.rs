//! Every value that is hashed, signed, stored or sent, decoded from arbitrary bytes: it is refused,
//! or encodes to the very same bytes; and what is computed from it does not panic.

use super::Target;
use super::fixture;
use super::wire;
use consensus::evidence::{OwnerEvidence, VoteEvidence};
use consensus::record::{Certified, Closed, Locked, Promise, Promised};
use consensus::{AppliedBatch, AppliedLine, Batch, Evidence, Proposal, Record};
use ledger::{
    Bitmap, Canonical, Certificate, Entry, Justification, LockProof, Phase, Receipt, SignedRecover,
    SignedReport, SignedTransfer, TokenState, Transfer, Vote,
};
use std::fmt::Debug;
use std::sync::Arc;

/// The target.
pub const TARGET: Target = Target {
    name: "objects",
    check,
    seeds,
    bytes_max: 16 * 1024,
    // A list's items are at most some ten times as large in memory as their shortest bytes, and
    // what is decoded is encoded again and compared.
    memory_max: (1 << 20, 32),
};

/// How each kind is looked at, by the first byte.
const KINDS: &[fn(&[u8])] = &[
    transfer,
    |bytes| drop(round_trip::<Transfer>(bytes)),
    entry,
    |bytes| drop(round_trip::<Vote>(bytes)),
    certificate,
    receipt,
    |bytes| drop(round_trip::<LockProof>(bytes)),
    |bytes| drop(round_trip::<Justification>(bytes)),
    recover,
    |bytes| drop(round_trip::<SignedReport>(bytes)),
    bitmap,
    |bytes| drop(round_trip::<TokenState>(bytes).map(|state| ledger::cid_text(&state.cid()))),
    proposal,
    |bytes| drop(round_trip::<AppliedBatch>(bytes)),
    |bytes| drop(round_trip::<AppliedLine>(bytes)),
    |bytes| drop(round_trip::<Evidence>(bytes)),
    record,
];

/// One kind, by the first byte, of the rest.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    KINDS[usize::from(*kind) % KINDS.len()](bytes);
}

fn round_trip<T: Canonical + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert_eq!(value.to_bytes(), bytes, "it has one form");
    Some(value)
}

fn transfer(bytes: &[u8]) {
    let Some(signed) = round_trip::<SignedTransfer>(bytes) else { return };
    let id = signed.transfer.id();
    let made = signed.transfer.check(&**fixture::network()).map(|()| signed.transfer.made(id));
    if let Ok(made) = made {
        assert!(made.len() <= signed.transfer.outputs.len());
        assert!(made.iter().all(|made| made.amount > 0), "nothing is worth nothing");
    }
}

fn entry(bytes: &[u8]) {
    let Some(entry) = round_trip::<Entry>(bytes) else { return };
    assert_eq!(entry.round == 0, entry.justification.is_empty());
    entry.leaf(entry.signed.transfer.id());
}

fn certificate(bytes: &[u8]) {
    let Some(certificate) = round_trip::<Certificate>(bytes) else { return };
    let votes = certificate.votes();
    if !votes.is_empty() {
        let distinct: std::collections::BTreeSet<u16> =
            votes.iter().map(|vote| vote.member).collect();
        let again = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
        assert!(again == certificate || distinct.len() < votes.len(), "votes are its groups");
    }
}

fn receipt(bytes: &[u8]) {
    let Some(receipt) = round_trip::<Receipt>(bytes) else { return };
    let document = node::view::ReceiptDocument::of(fixture::network().id, &receipt);
    assert_eq!(node::view::ReceiptDocument::parse(&document.to_text()), Ok(document));
}

fn recover(bytes: &[u8]) {
    let Some(signed) = round_trip::<SignedRecover>(bytes) else { return };
    let states = &signed.recover.states;
    assert!(states.windows(2).all(|pair| pair[0] < pair[1]), "ascending, without repeats");
}

fn bitmap(bytes: &[u8]) {
    let Some(bitmap) = round_trip::<Bitmap>(bytes) else { return };
    let ones: Vec<usize> = bitmap.indexes().collect();
    assert_eq!(ones.len(), bitmap.ones());
    let bits: Vec<bool> = (0..bitmap.count()).map(|index| bitmap.has(index)).collect();
    assert_eq!(Bitmap::from_bools(&bits), bitmap);
    assert_eq!(bitmap.without(&bitmap).ones(), 0);
    assert!(bitmap.covers(&bitmap));
}

fn proposal(bytes: &[u8]) {
    let Some(proposal) = round_trip::<Proposal>(bytes) else { return };
    if let Ok(batch) = Batch::of(&proposal) {
        assert_eq!(batch.id(), proposal.claimed);
        assert_eq!(batch.count(), proposal.entries.len());
    }
}

fn record(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    if let Ok(Some(record)) = Record::read(*kind, payload) {
        assert_eq!((record.kind(), &record.payload()[..]), (*kind, payload), "it has one form");
    }
}

/// One valid value of each kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let (proposal, batch) = fixture::batch(0, fixture::entries());
    let lock = fixture::certificate(Phase::Lock, &batch);
    let refresh = fixture::refresh(1, 2);
    let states = [fixture::coin(0).state];
    let bits = Bitmap::from_bools(&[true, false, true]);
    let line = AppliedLine { batch: batch.id(), bitmap: bits.clone() };
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("transfer", fixture::rich().to_bytes()),
        ("unsigned", fixture::rich().transfer.to_bytes()),
        ("entry", refresh.to_bytes()),
        ("vote", fixture::vote(0, Phase::Lock, &batch, &[true, false, true]).to_bytes()),
        ("certificate", lock.to_bytes()),
        ("receipt", fixture::receipts(fixture::entries())[1].to_bytes()),
        ("lock_proof", batch.lock_proof(0, &lock).to_bytes()),
        ("justification", refresh.justification.clone()),
        ("recover", fixture::recover(0, 1, states.to_vec()).to_bytes()),
        ("report", fixture::report(0, 1, &states).to_bytes()),
        ("bitmap", bits.to_bytes()),
        ("state", states[0].to_bytes()),
        ("proposal", proposal.to_bytes()),
        ("applied", fixture::applied(fixture::entries()).to_bytes()),
        ("line", line.to_bytes()),
        ("evidence", evidence().0.to_bytes()),
    ];
    assert_eq!(kinds.len() + 1, KINDS.len());
    let mut seeds = Vec::new();
    for (kind, (name, bytes)) in (0u8..).zip(kinds) {
        seeds.push((name.into(), [vec![kind], bytes].concat()));
    }
    let kind = u8::try_from(seeds.len()).expect("a few");
    for record in records() {
        let number = record.kind();
        let bytes = [vec![kind, number], record.payload()].concat();
        seeds.push((format!("record-{number}"), bytes));
    }
    for (name, message) in wire::messages() {
        if let consensus::Message::Report(reply) = message {
            let lock = reply.locks.first().map(Canonical::to_bytes).unwrap_or_default();
            seeds.push((format!("{name}-lock"), [vec![6], lock].concat()));
        }
    }
    seeds
}

/// Evidence against owner 2, and against member 6.
pub fn evidence() -> (Evidence, Evidence) {
    let (first, second) = (fixture::pay(8, "first"), fixture::pay(8, "second"));
    let owner = OwnerEvidence { first: Entry::ordinary(first), second: Entry::ordinary(second) };
    let (_, batch) = fixture::batch(0, fixture::entries());
    let vote = |bits: &[bool]| fixture::vote(6, Phase::Lock, &batch, bits);
    let (first, second) = (vote(&[true, false, false]), vote(&[false, true, false]));
    (Evidence::Owner(owner), Evidence::Votes(VoteEvidence { first, second }))
}

/// A record of each kind, such that a validator at genesis can replay them in this order.
pub fn records() -> Vec<Record> {
    let (proposal, batch) = fixture::batch(0, fixture::entries());
    let bitmap = Bitmap::from_bools(&[true, true, true]);
    let certified = |phase| Certified {
        certificate: fixture::certificate(phase, &batch),
        bitmap: bitmap.clone(),
    };
    let state = fixture::coin(2).state;
    let promises = vec![Promise { state, accepted: None }];
    vec![
        Record::Batch(Arc::new(proposal)),
        Record::Locked(Locked { batch: batch.id(), bitmap: bitmap.clone() }),
        Record::Accepted(certified(Phase::Lock)),
        Record::Applied(certified(Phase::Commit)),
        Record::Evidence(evidence().0),
        Record::Closed(Closed { batches: vec![batch.id()] }),
        Record::Promised(Promised { round: 2, promises }),
    ]
}
