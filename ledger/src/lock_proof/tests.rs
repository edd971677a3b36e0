//! Tests of lock proofs.

use super::*;
use crate::fixture::*;
use crate::merkle;

fn rng() -> rand::rngs::StdRng {
    rand::SeedableRng::seed_from_u64(1)
}

fn proof(phase: Phase, bits: &[bool]) -> LockProof {
    let network = network();
    let entries = batch(&network, 3);
    let leaves: Vec<Digest> =
        entries.iter().map(|entry| entry.leaf(entry.signed.transfer.id())).collect();
    let votes = [(0, bits), (1, bits), (3, bits)];
    let certificate = certificate(&network, phase, &entries, &votes);
    LockProof::of(&entries[1], Inclusion::new(1, 3, merkle::path(&leaves, 1)), &certificate)
}

#[test]
fn it_proves_one_transfer_of_a_batch_locked_and_no_other() {
    let network = network();
    let good = proof(Phase::Lock, &[false, true, true]);
    let accepted = good.verify(&network, &mut rng()).expect("it holds");
    assert_eq!(accepted, Accepted { round: 0, transfer: good.id() });
    let other = proof(Phase::Lock, &[true, false, true]);
    assert_eq!(other.verify(&network, &mut rng()), Err(LockProofError::NotCertified));
    let commit = proof(Phase::Commit, &[true, true, true]);
    assert!(matches!(commit.verify(&network, &mut rng()), Err(LockProofError::Certificate(_))));
}

#[test]
fn a_changed_bit_anywhere_is_refused() {
    let network = network();
    let good = proof(Phase::Lock, &[true, true, true]);
    check_damage(&good, |damaged| damaged.verify(&network, &mut rng()).is_err());
}

#[test]
fn above_round_0_the_justification_is_known_by_its_hash() {
    let network = network();
    let mut entries = batch(&network, 2);
    entries[0].round = 3;
    entries[0].justification = vec![1, 2, 3];
    let leaves: Vec<Digest> =
        entries.iter().map(|entry| entry.leaf(entry.signed.transfer.id())).collect();
    let bits = [true, true];
    let votes = [(0, &bits[..]), (1, &bits), (2, &bits)];
    let certificate = certificate(&network, Phase::Lock, &entries, &votes);
    let inclusion = Inclusion::new(0, 2, merkle::path(&leaves, 0));
    let good = LockProof::of(&entries[0], inclusion, &certificate);
    assert_eq!(good.verify(&network, &mut rng()).map(|accepted| accepted.round), Ok(3));
    let mut forged = good.clone();
    forged.signed.signature.0[0] ^= 1;
    assert_eq!(forged.verify(&network, &mut rng()), Err(LockProofError::BadSignature));
    let mut lower = good.clone();
    lower.round = 2;
    assert!(lower.verify(&network, &mut rng()).is_err());
    let mut plain = good;
    plain.round = 0;
    assert!(plain.verify(&network, &mut rng()).is_err());
}

#[test]
fn in_round_0_the_signature_is_the_one_that_was_voted_on() {
    let network = network();
    let mut other = proof(Phase::Lock, &[true, true, true]);
    other.signed.signature.0[0] ^= 1;
    let found = other.verify(&network, &mut rng());
    assert_eq!(found, Err(LockProofError::OtherBatch { index: 1 }));
}
