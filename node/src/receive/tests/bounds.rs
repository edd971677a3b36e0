//! Bounds, overfilled; the record's form; what a torn or damaged journal leaves.

use super::*;
use crate::receive::guard::Guards;
use crate::receive::record::{read_received, received};
use crate::receive::verify::Verifier;
use ledger::DecodeError;
use std::io::{Seek, SeekFrom, Write};

#[test]
fn a_batch_has_a_most() {
    let mut world = World::new();
    let receipt = world.payments(1).remove(0);
    let receiver = world.open();
    let many = vec![receipt; RECEIPTS_MAX + 1];
    let refused = receiver.receive(many, Exclusion::Guards);
    assert_eq!(refused, Err(ReceiveError::TooMany { found: RECEIPTS_MAX + 1 }));
    assert_eq!(world.balance(&receiver), (0, 0));
}

#[test]
fn more_guards_than_there_are_is_told_at_once() {
    let mut world = World::new();
    let receipts = world.payments(3);
    let mut receiver = world.open();
    receiver.guards = Guards::new(2);
    let refused = receiver.receive(receipts.clone(), Exclusion::Guards);
    assert_eq!(refused, Err(ReceiveError::Busy));
    let two = receiver.receive(receipts[..2].to_vec(), Exclusion::Guards).expect("two fit");
    assert_eq!(two, vec![Outcome::New; 2]);
}

#[test]
fn a_full_table_of_heads_refuses_new_tokens_only() {
    let mut world = World::new();
    let chain = world.chain(&[Case::ToWallet, Case::ToStranger]);
    let other = world.payments(1);
    let mut receiver = world.open();
    receiver.heads = Heads::new(1);
    let receive = |receipt: &Receipt| {
        receiver.receive(vec![receipt.clone()], Exclusion::Guards).expect("received").remove(0)
    };
    assert_eq!(receive(&chain[0]), Outcome::New);
    assert_eq!(receiver.full(), None);
    assert_eq!(receive(&other[0]), Outcome::Full);
    assert!(receiver.full().is_some_and(|why| why.contains("no room")), "and it is named");
    assert_eq!(receive(&chain[1]), Outcome::New, "what is tracked goes on");
}

#[test]
fn a_full_book_refuses_more_receipts() {
    let mut world = World::new();
    let receipts = world.payments(3);
    let mut receiver = world.open();
    receiver.book = Book::new(2);
    let outcomes = receiver.receive(receipts.clone(), Exclusion::Guards).expect("received");
    assert_eq!(outcomes, vec![Outcome::New; 3], "what was there decides, a batch is not cut");
    let more = receiver.receive(world.payments(1), Exclusion::Guards).expect("received");
    assert_eq!(more, [Outcome::Full]);
    let again = receiver.receive(receipts[..1].to_vec(), Exclusion::Guards).expect("received");
    assert_eq!(again, [Outcome::Duplicate], "known ones stay known");
}

#[test]
fn evidence_beyond_its_bound_is_refused_and_not_kept() {
    let mut world = World::new();
    let [one, two] = [world.fork(), world.fork()];
    let receiver = world.open();
    let receive = |receipt: &Receipt| {
        receiver.receive(vec![receipt.clone()], Exclusion::Guards).expect("received").remove(0)
    };
    assert_eq!((receive(&one.0), receive(&one.1)), (Outcome::New, Outcome::Fork));
    let fork = receiver.forks().remove(0);
    receiver.forks.write().kept = vec![fork; FORKS_MAX];
    assert_eq!((receive(&two.0), receive(&two.1)), (Outcome::New, Outcome::Fork));
    assert_eq!(receiver.forks().len(), FORKS_MAX);
    assert_eq!(world.balance(&receiver), (2_000, 2));
}

#[test]
fn the_certificates_that_are_remembered_are_bounded() {
    let mut world = World::new();
    let batches: Vec<Vec<Receipt>> = (0..3).map(|_| world.payments(1)).collect();
    let verifier = Verifier::new(world.network.clone(), 1, 2).expect("threads");
    let all = || {
        for batch in &batches {
            assert!(verifier.verify(batch.clone())[0].is_ok());
        }
    };
    all();
    assert_eq!(verifier.certificates_checked(), 3);
    verifier.verify(batches[2].clone());
    assert_eq!(verifier.certificates_checked(), 3, "the newest are remembered");
    all();
    assert_eq!(verifier.certificates_checked(), 6, "the oldest were not");
}

#[test]
fn verifying_on_all_cores_says_what_each_receipt_says_alone() {
    let mut world = World::new();
    let mut receipts = [world.payments(70), world.payments(3)].concat();
    receipts[1].entry.signed.signature.0[0] ^= 1;
    receipts[40].inclusion.path[0].0[0] ^= 1;
    receipts[71].certificate.groups[0].votes[1].signature.0[9] ^= 1;
    let verifier = Verifier::new(world.network.clone(), 2, 10).expect("threads");
    let together = verifier.verify(receipts.clone());
    for (index, (receipt, found)) in receipts.iter().zip(together).enumerate() {
        let alone = receipt.verify(&world.network, &mut rand::rng());
        assert_eq!(found.ok(), alone.ok(), "{index}");
    }
}

#[test]
fn a_record_reads_back_and_nothing_damaged_does() {
    let mut world = World::new();
    let receipts = [world.payments(3), world.payments(2)].concat();
    let bytes = received(&receipts);
    let alone: usize = receipts.iter().map(|one| received(std::slice::from_ref(one)).len()).sum();
    assert!(bytes.len() < alone, "certificates are there once");
    assert_eq!(read_received(&bytes), Ok(receipts));
    for cut in [0, 3, 4, 100, bytes.len() - 1] {
        assert!(read_received(&bytes[..cut]).is_err(), "{cut}");
    }
    assert_eq!(read_received(&[&bytes[..], &[0]].concat()), Err(DecodeError::Trailing(1)));
    let mut other = bytes.clone();
    let last = other.len() - 4;
    other[last] = 9;
    assert!(matches!(read_received(&other), Err(DecodeError::NotCanonical(_))));
    let many = u32::try_from(RECEIPTS_MAX + 1).expect("small").to_bytes();
    assert!(matches!(read_received(&many), Err(DecodeError::TooMany { .. })));
}

#[test]
fn a_torn_record_is_not_received_at_all() {
    let mut world = World::new();
    let (first, second) = (world.payments(5), world.payments(5));
    let receiver = world.open();
    receiver.receive(first, Exclusion::Guards).expect("received");
    let before = std::fs::metadata(world.journal()).expect("a file").len();
    let end = receiver.journal.end().offset;
    drop(receiver);
    // The second record reaches the disk but for its last bytes, as a crash would leave it: it is
    // written whole elsewhere and copied here in part.
    let other = World::beside(&world);
    let whole = other.open();
    whole.receive(second.clone(), Exclusion::Guards).expect("received");
    drop(whole);
    let bytes = std::fs::read(other.journal()).expect("a journal");
    let start = usize::try_from(crate::journal::Location::START.offset).expect("small");
    let mut file =
        std::fs::OpenOptions::new().write(true).open(world.journal()).expect("a journal");
    file.seek(SeekFrom::Start(end)).expect("sought");
    file.write_all(&bytes[start..start + 1_500]).expect("written");
    drop(file);
    assert!(before >= end, "segments are preallocated");
    let receiver = world.open();
    assert_eq!(world.balance(&receiver), (5_000, 5), "never half");
    let outcomes = receiver.receive(second, Exclusion::Guards).expect("received");
    assert_eq!(outcomes, vec![Outcome::New; 5], "and it comes again");
    assert_eq!(world.balance(&receiver), (10_000, 10));
}
