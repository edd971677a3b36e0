//! Transfers: ids, signatures, what they make, and the bytes.

use super::*;
use crate::encoding::DecodeError;
use crate::fixture::*;
use crate::state::genesis_token_id;
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn a_memo_is_utf8() {
    let transfer = payment(&network(), 0);
    let mut bytes = Transfer { memo: "aa".into(), ..transfer }.to_bytes();
    *bytes.last_mut().expect("not empty") = 0xff;
    assert_eq!(Transfer::from_bytes(&bytes), Err(DecodeError::BadText));
}

#[test]
fn unknown_kinds_are_refused() {
    let output = |tag: u8| [&[tag][..], &[0; 100]].concat();
    let what = "kind of output";
    assert_eq!(Output::from_bytes(&output(3)), Err(DecodeError::BadTag { what, tag: 3 }));
    let mut issue =
        Output::Issue { definition: fungible("x"), supply: 1, to: address(BOB) }.to_bytes();
    issue[6] = 2;
    let what = "kind of asset";
    assert_eq!(Output::from_bytes(&issue), Err(DecodeError::BadTag { what, tag: 2 }));
}

#[test]
fn weak_owners_and_receivers_do_not_decode() {
    let bytes = payment(&network(), 0).to_bytes();
    for at in [40, bytes.len() - 36] {
        let mut weak = bytes.clone();
        weak[at..at + 32].fill(0);
        assert_eq!(Transfer::from_bytes(&weak), Err(DecodeError::BadKey), "at {at}");
    }
}

#[test]
fn made_says_what_each_output_leaves() {
    let network = network();
    let transfer = everything(&network);
    let id = transfer.id();
    let made = transfer.made(id);
    assert_eq!(made.len(), 5);
    let silver = input(&network, 4);
    let moved = TokenState { token: silver.state.token, height: 1, made_by: id };
    assert_eq!(made[0], Made { state: moved, asset: silver.asset, amount: 1, owner: address(BOB) });
    let gold = input(&network, 0).asset;
    let fresh = |index| TokenState { token: created_token_id(id, index), height: 0, made_by: id };
    let change = Made { state: fresh(2), asset: gold, amount: 50_000, owner: address(ALICE) };
    assert_eq!(made[2], change);
    let asset = issued_asset_id(id, 4);
    assert_eq!(made[4], Made { state: fresh(4), asset, amount: 1, owner: address(BOB) });
}

#[test]
fn r1_decode_a_damaged_transfer_is_another_transfer() {
    let transfer = everything(&network());
    let id = transfer.id();
    check_damage(&transfer, |other| other.id() != id);
}

#[test]
fn r1_decode_a_damaged_signed_transfer_is_not_the_owners() {
    let signed = signed(everything(&network()));
    assert!(VerifiedTransfer::verify(signed.clone()).is_ok());
    let bad = Err(TransferError::BadSignature);
    check_damage(&signed, |other| VerifiedTransfer::verify(other.clone()) == bad);
}

#[test]
fn an_id_never_covers_the_signature() {
    let network = network();
    let by_alice = signed(payment(&network, 0));
    let by_bob = payment(&network, 0).sign(&key(BOB));
    assert_eq!(by_alice.transfer.id(), by_bob.transfer.id());
    assert_ne!(by_alice.signature, by_bob.signature);
    let verified = VerifiedTransfer::verify(by_alice.clone()).expect("hers");
    assert_eq!(verified.id(), by_alice.transfer.id());
    assert_eq!((verified.signed(), verified.transfer()), (&by_alice, &by_alice.transfer));
    assert_eq!(VerifiedTransfer::verify(by_bob), Err(TransferError::BadSignature));
}

#[test]
fn a_signature_is_for_one_network_and_one_epoch() {
    let signed = signed(payment(&network(), 0));
    let bad = Err(TransferError::BadSignature);
    let mut other = signed.clone();
    other.transfer.network = NetworkId(hash(Tag::Genesis, &[b"other"]));
    assert_eq!(VerifiedTransfer::verify(other), bad);
    let mut other = signed;
    other.transfer.epoch += 1;
    assert_eq!(VerifiedTransfer::verify(other), bad);
}

#[test]
fn owners_signatures_together_and_alone_agree() {
    let network = network();
    let all: Vec<SignedTransfer> = (0..4)
        .map(|position| {
            let signer = if position == 2 { BOB } else { ALICE };
            payment(&network, position).sign(&key(signer))
        })
        .collect();
    let ids: Vec<TransferId> = all.iter().map(|signed| signed.transfer.id()).collect();
    let mut rng = StdRng::seed_from_u64(1);
    let found = verify_owners(&all.iter().collect::<Vec<_>>(), &ids, &mut rng);
    assert_eq!(found, [true, true, false, true]);
    let mut wrong_ids = ids;
    wrong_ids.rotate_left(1);
    let found = verify_owners(&all.iter().collect::<Vec<_>>(), &wrong_ids, &mut rng);
    assert_eq!(found, [false; 4], "the signature covers the id");
}

#[test]
fn every_part_of_a_transfer_is_in_its_id() {
    let network = network();
    let id = everything(&network).id();
    let changes: [fn(&mut Transfer); 8] = [
        |transfer| transfer.epoch += 1,
        |transfer| transfer.owner = address(BOB),
        |transfer| transfer.inputs[0].state.height += 1,
        |transfer| transfer.inputs[0].amount += 1,
        |transfer| transfer.inputs[0].state.token = genesis_token_id(9),
        |transfer| transfer.outputs.swap(1, 2),
        |transfer| transfer.memo.push('.'),
        |transfer| transfer.memo.clear(),
    ];
    let mut ids = vec![id];
    for change in changes {
        let mut other = everything(&network);
        change(&mut other);
        assert!(!ids.contains(&other.id()));
        ids.push(other.id());
    }
}
