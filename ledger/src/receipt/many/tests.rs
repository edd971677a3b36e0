//! The batch form against its slow twin, one receipt at a time.

use super::*;
use crate::bitmap::Bitmap;
use crate::entry::Entry;
use crate::fixture::*;
use crate::key::Signature;
use rand::{SeedableRng, rngs::StdRng};

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

/// All receipts of a batch of five, whose last entry has too few votes, and damaged ones of each
/// kind among them.
fn mixture(network: &Network) -> Vec<Receipt> {
    let entries = batch(network, 5);
    let bits: [&[bool]; 2] = [&[true; 5], &[true, true, true, true, false]];
    let votes = [(0, bits[0]), (1, bits[1]), (2, bits[1])];
    let first = certificate(network, Phase::Commit, &entries, &votes);
    let votes = [(1, bits[0]), (2, bits[0]), (3, bits[0])];
    let second = certificate(network, Phase::Commit, &entries, &votes);
    let mut bad = second.clone();
    bad.groups[0].votes[0].signature = Signature([0; 64]);
    let mut all = Vec::new();
    for certificate in [&first, &second, &bad] {
        all.extend((0..5).map(|index| receipt(&entries, index, certificate.clone())));
    }
    let mut moved = all[1].clone();
    moved.inclusion.index = 3;
    let mut forged = all[2].clone();
    forged.entry.signed.signature.0[5] ^= 1;
    let mut counted = all[0].clone();
    counted.inclusion.count = 6;
    let forger = Entry::ordinary(payment(network, 0).sign(&key(BOB)));
    let votes: [(u16, &[bool]); 3] = [(0, &[true]), (1, &[true]), (2, &[true])];
    let one = std::slice::from_ref(&forger);
    let unsigned = receipt(one, 0, certificate(network, Phase::Commit, one, &votes));
    all.extend([moved, forged, counted, unsigned]);
    all
}

#[test]
fn many_at_once_get_the_answers_that_each_gets_alone() {
    let network = network();
    let all = mixture(&network);
    let found = verify_many(all.clone(), &network, &mut rng());
    assert_eq!(found.iter().filter(|one| one.is_ok()).count(), 9, "four and five of five");
    for (receipt, found) in all.iter().zip(found) {
        let alone = receipt.verify(&network, &mut rng());
        // A forged signature is a wrong leaf, too: which fault is told may differ.
        assert_eq!(found.clone().ok(), alone.clone().ok(), "{found:?} and alone {alone:?}");
    }
    assert_eq!(verify_many(Vec::new(), &network, &mut rng()), []);
}

#[test]
fn each_distinct_certificate_is_there_once() {
    let network = network();
    let all = mixture(&network);
    let grouped = group(&all[..15]);
    assert_eq!(grouped.certificates.len(), 3);
    assert_eq!(grouped.of, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    let mut other_count = [all[0].clone(), all[0].clone()];
    other_count[1].inclusion.count = 6;
    assert_eq!(group(&other_count).certificates.len(), 2, "the count is part of what is checked");
}

#[test]
fn bits_are_those_of_the_certificate() {
    let network = network();
    let all = mixture(&network);
    let bits = all[0].certificate.verify_commit(5, &network, &mut rng()).expect("it holds");
    assert_eq!(bits, Bitmap::from_bools(&[true, true, true, true, false]));
}
