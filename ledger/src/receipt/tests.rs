//! Receipts: what holds, each error, and that no flipped bit holds.

use super::*;
use crate::encoding::{Canonical, DecodeError};
use crate::fixture::*;
use crate::hash::Digest;
use crate::merkle;
use crate::vote::Phase;
use rand::{SeedableRng, rngs::StdRng};

const YES: &[bool] = &[true];

fn verify(receipt: &Receipt, network: &Network) -> Result<VerifiedReceipt, ReceiptError> {
    receipt.verify(network, &mut StdRng::seed_from_u64(1))
}

/// The receipt of entry `index` of `count`, committed by members 0 to 2.
fn good(network: &Network, index: usize, count: usize) -> Receipt {
    let entries = batch(network, count);
    let bits = vec![true; count];
    let votes: [(u16, &[bool]); 3] = [(0, &bits), (1, &bits), (2, &bits)];
    receipt(&entries, index, certificate(network, Phase::Commit, &entries, &votes))
}

/// A receipt for these entries' first, whatever they are.
fn of(network: &Network, entries: &[Entry]) -> Receipt {
    let votes: [(u16, &[bool]); 3] = [(0, YES), (1, YES), (2, YES)];
    receipt(entries, 0, certificate(network, Phase::Commit, entries, &votes))
}

#[test]
fn a_receipt_of_each_position_holds() {
    let network = network();
    for count in 1..=5 {
        for index in 0..count {
            let receipt = good(&network, index, count);
            let verified = verify(&receipt, &network).expect("it holds");
            assert_eq!(verified.receipt(), &receipt);
            assert_eq!(verified.id(), receipt.entry.signed.transfer.id());
            assert_eq!(verified.transfer().signed(), &receipt.entry.signed);
            assert_eq!(Receipt::from_bytes(&receipt.to_bytes()), Ok(receipt));
        }
    }
}

#[test]
fn r1_decode_a_receipt_with_any_bit_flipped_proves_nothing() {
    let network = network();
    let receipt = good(&network, 1, 3);
    check_damage(&receipt, |other| verify(other, &network).is_err());
}

/// The same receipt, said to stand elsewhere.
fn at(receipt: &Receipt, index: u32, count: u32) -> Receipt {
    let path = receipt.inclusion.path.clone();
    Receipt { inclusion: Inclusion { index, count, path }, ..receipt.clone() }
}

#[test]
fn another_index_count_or_path_is_refused() {
    let network = network();
    let receipt = good(&network, 1, 5);
    for index in 0..9 {
        for count in 0..17 {
            let other = at(&receipt, index, count);
            let found = verify(&other, &network).map(|_| ());
            let is_same = (index, count) == (1, 5);
            let expected = if is_same { Ok(()) } else { Err(ReceiptError::OtherBatch { index }) };
            assert_eq!(found, expected, "{index} of {count}");
        }
    }
    let refused = Err(ReceiptError::OtherBatch { index: 1 });
    for (index, count) in [(1, u32::MAX), (1, 4_097), (1, 1), (1, 0)] {
        assert_eq!(verify(&at(&receipt, index, count), &network), refused);
    }
    let other = |change: fn(&mut Vec<Digest>)| {
        let mut other = receipt.clone();
        change(&mut other.inclusion.path);
        verify(&other, &network)
    };
    assert_eq!(other(|path| path.truncate(2)), refused);
    assert_eq!(other(|path| path.push(Digest::default())), refused);
    assert_eq!(other(|path| path.swap(0, 1)), refused);
    assert_eq!(other(|path| path.clear()), refused);
}

#[test]
fn a_batch_has_at_most_4096_entries() {
    let network = network();
    let one = good(&network, 0, 1);
    let leaf = one.entry.leaf(one.entry.signed.transfer.id());
    let mut leaves = vec![leaf; 4_097];
    leaves[0] = Digest::default();
    let inclusion = Inclusion::new(4_096, 4_097, merkle::path(&leaves, 4_096));
    let mut other = Receipt { inclusion, ..one };
    other.certificate.batch = merkle::root(&leaves);
    assert_eq!(other.inclusion.path.len(), 1);
    assert_eq!(verify(&other, &network), Err(ReceiptError::OtherBatch { index: 4_096 }));
}

#[test]
fn r1_decode_a_path_has_at_most_12_nodes() {
    let network = network();
    let with = |count| {
        let inclusion = Inclusion::new(0, 1, vec![Digest::default(); count]);
        Receipt { inclusion, ..good(&network, 0, 1) }
    };
    assert_eq!(Receipt::from_bytes(&with(12).to_bytes()), Ok(with(12)));
    let refused = Receipt::from_bytes(&with(13).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 12, found: 13, .. })));
}

#[test]
fn the_transfer_of_another_entry_is_refused() {
    let network = network();
    let mut other = good(&network, 1, 3);
    other.entry = good(&network, 0, 3).entry;
    assert_eq!(verify(&other, &network), Err(ReceiptError::OtherBatch { index: 1 }));
}

#[test]
fn a_transfer_that_no_quorum_committed_is_refused() {
    let network = network();
    let entries = batch(&network, 3);
    let votes: [(u16, &[bool]); 4] = [
        (0, &[true, true, false]),
        (1, &[true, true, false]),
        (2, &[true, false, true]),
        (3, &[false, false, false]),
    ];
    let certificate = certificate(&network, Phase::Commit, &entries, &votes);
    let found = |index| verify(&receipt(&entries, index, certificate.clone()), &network);
    assert!(found(0).is_ok());
    assert_eq!(found(1), Err(ReceiptError::NotCertified), "two of four");
    assert_eq!(found(2), Err(ReceiptError::NotCertified), "one of four");
}

#[test]
fn r7_certificates_of_locks_make_no_receipt() {
    let network = network();
    let entries = batch(&network, 1);
    let votes: [(u16, &[bool]); 4] = [(0, YES), (1, YES), (2, YES), (3, YES)];
    let lock = certificate(&network, Phase::Lock, &entries, &votes);
    let found = verify(&receipt(&entries, 0, lock), &network);
    assert_eq!(found, Err(ReceiptError::Certificate(CertificateError::OtherBallot)));
}

#[test]
fn r7_certificates_below_the_quorum_make_no_receipt() {
    let network = network();
    let entries = batch(&network, 1);
    let votes: [(u16, &[bool]); 2] = [(0, YES), (1, YES)];
    let two = certificate(&network, Phase::Commit, &entries, &votes);
    let found = verify(&receipt(&entries, 0, two), &network);
    assert_eq!(found, Err(ReceiptError::Certificate(CertificateError::NoQuorum)));
}

#[test]
fn bitmaps_past_the_batch_are_refused() {
    let network = network();
    let entries = batch(&network, 1);
    let votes: [(u16, &[bool]); 3] = [(0, &[true; 2]), (1, &[true; 2]), (2, &[true; 2])];
    let long = certificate(&network, Phase::Commit, &entries, &votes);
    let found = verify(&receipt(&entries, 0, long), &network);
    let length = CertificateError::BitmapLength { expected: 1, found: 2 };
    assert_eq!(found, Err(ReceiptError::Certificate(length)));
}

#[test]
fn r3_conserve_a_quorum_does_not_make_an_unbalanced_transfer_valid() {
    let network = network();
    let mut transfer = everything(&network);
    transfer.outputs.pop();
    transfer.outputs.remove(2);
    let found = verify(&of(&network, &[Entry::ordinary(signed(transfer))]), &network);
    assert!(matches!(found, Err(ReceiptError::Transfer(TransferError::Unbalanced { .. }))));
}

#[test]
fn a_quorum_does_not_make_a_forged_signature_valid() {
    let network = network();
    let forged = payment(&network, 0).sign(&key(BOB));
    let found = verify(&of(&network, &[Entry::ordinary(forged)]), &network);
    assert_eq!(found, Err(ReceiptError::Transfer(TransferError::BadSignature)));
}

#[test]
fn receipts_of_other_networks_are_refused() {
    let mut genesis = genesis(&[1, 1, 1, 1]);
    genesis.epoch += 1;
    let other = genesis.network().expect("a good genesis");
    let found = verify(&good(&other, 0, 1), &network());
    assert!(matches!(found, Err(ReceiptError::Transfer(TransferError::OtherNetwork { .. }))));
}

#[test]
fn a_receipt_of_recovery_binds_round_and_justification() {
    let network = network();
    let signed = signed(payment(&network, 0));
    let entry = Entry { signed, round: 2, justification: b"reports".to_vec() };
    let receipt = of(&network, std::slice::from_ref(&entry));
    assert!(verify(&receipt, &network).is_ok());
    assert_eq!(Receipt::from_bytes(&receipt.to_bytes()), Ok(receipt.clone()));
    let refused = Err(ReceiptError::OtherBatch { index: 0 });
    for other in [
        Entry { round: 1, ..entry.clone() },
        Entry { justification: b"reportz".to_vec(), ..entry.clone() },
        Entry { justification: Vec::new(), ..entry.clone() },
        Entry::ordinary(entry.signed.clone()),
    ] {
        let other = Receipt { entry: other, ..receipt.clone() };
        assert_eq!(verify(&other, &network), refused);
    }
}

#[test]
fn other_signatures_make_another_batch() {
    let network = network();
    let signed = signed(payment(&network, 0));
    let entry = Entry::ordinary(signed.clone());
    let mut other = entry.clone();
    other.signed.signature.0[0] ^= 1;
    let id = signed.transfer.id();
    assert_eq!(id, other.signed.transfer.id());
    assert_ne!(entry.leaf(id), other.leaf(id));
}

#[test]
fn r1_decode_an_entry_is_justified_exactly_above_round_0() {
    let network = network();
    let signed = signed(payment(&network, 0));
    let with = |round, justification: &[u8]| Entry {
        signed: signed.clone(),
        round,
        justification: justification.to_vec(),
    };
    for good in [with(0, b""), with(1, b"x"), with(u32::MAX, b"xyz")] {
        assert_eq!(Entry::from_bytes(&good.to_bytes()), Ok(good));
    }
    let unjustified = Entry::from_bytes(&with(1, b"").to_bytes());
    let why = "an entry above round 0 without justification";
    assert_eq!(unjustified, Err(DecodeError::NotCanonical(why)));
    // In round 0 a justification is neither sent nor hashed: the leaf is the one of the bytes.
    let id = signed.transfer.id();
    let spare = with(0, b"spare");
    let sent = Entry::from_bytes(&spare.to_bytes()).expect("it decodes");
    assert_eq!(sent, with(0, b""));
    assert_eq!(sent.leaf(id), spare.leaf(id));
}

#[test]
fn r1_decode_a_justification_has_at_most_4_mib() {
    let network = network();
    let signed = signed(payment(&network, 0));
    let with = |bytes| Entry { signed: signed.clone(), round: 1, justification: vec![1; bytes] };
    let most = crate::entry::JUSTIFICATION_BYTES_MAX;
    assert_eq!(Entry::from_bytes(&with(most).to_bytes()), Ok(with(most)));
    let refused = Entry::from_bytes(&with(most + 1).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { found, .. }) if found == most + 1));
}

#[test]
fn r1_decode_a_damaged_entry_is_another_entry() {
    let network = network();
    let signed = signed(payment(&network, 0));
    let entry = Entry { signed, round: 1, justification: b"reports".to_vec() };
    let leaf = entry.leaf(entry.signed.transfer.id());
    check_damage(&entry, |other| other.leaf(other.signed.transfer.id()) != leaf);
}
