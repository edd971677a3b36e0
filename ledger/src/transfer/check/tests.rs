//! R3 and the shape: each error by a transfer that breaks exactly one rule, each limit over the
//! brim.

use super::*;
use crate::asset::AssetKind;
use crate::encoding::{Canonical, DecodeError};
use crate::fixture::*;
use crate::genesis::Network;
use crate::hash::{Digest, Tag, TransferId, hash};
use crate::state::TokenState;
use crate::transfer::Input;

/// Genesis, and beyond it one known item: what a validator's state knows.
struct WithItem {
    network: Network,
    item: AssetId,
}

impl Rules for WithItem {
    fn network(&self) -> NetworkId {
        self.network.id
    }
    fn epoch(&self) -> u64 {
        self.network.epoch
    }
    fn is_reserved(&self, name: &str) -> bool {
        self.network.is_reserved(name)
    }
    fn is_indivisible(&self, asset: &AssetId) -> bool {
        *asset == self.item
    }
}

/// An input that is nobody's tip but has the right form; `number` orders it.
fn invented(number: u16, asset: AssetId, amount: u64) -> Input {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let state = TokenState { token: TokenId(Digest(id)), ..input(&network(), 0).state };
    Input { state, asset, amount }
}

fn create(asset: AssetId, amount: u64) -> Output {
    Output::Create { asset, amount, to: address(BOB) }
}

/// Checks `everything` after `change`.
fn check(change: impl FnOnce(&mut Transfer)) -> Result<(), TransferError> {
    let network = network();
    let mut transfer = everything(&network);
    change(&mut transfer);
    transfer.check(&network)
}

#[test]
fn r3_conserve_a_transfer_of_every_kind_is_valid() {
    assert_eq!(check(|_| {}), Ok(()));
    let network = network();
    assert_eq!(payment(&network, 0).check(&network), Ok(()));
}

#[test]
fn another_network_or_epoch_is_refused() {
    let expected = network().id;
    let found = NetworkId(hash(Tag::Genesis, &[b"other"]));
    let other_network = check(|transfer| transfer.network = found);
    assert_eq!(other_network, Err(TransferError::OtherNetwork { expected, found }));
    let other_epoch = check(|transfer| transfer.epoch = 8);
    assert_eq!(other_epoch, Err(TransferError::OtherEpoch { expected: 7, found: 8 }));
}

#[test]
fn no_inputs_or_no_outputs_are_refused() {
    assert_eq!(check(|transfer| transfer.inputs.clear()), Err(TransferError::Empty));
    assert_eq!(check(|transfer| transfer.outputs.clear()), Err(TransferError::Empty));
    // An issuer has an input, too: else one definition could be issued twice under one id.
    let issue = Output::Issue { definition: fungible("x"), supply: 1, to: address(BOB) };
    let alone = check(|transfer| {
        transfer.inputs.clear();
        transfer.outputs = vec![issue];
    });
    assert_eq!(alone, Err(TransferError::Empty));
}

#[test]
fn unsorted_inputs_are_refused() {
    let second = |transfer: &Transfer| transfer.inputs[1].state.token;
    let mut expected = None;
    let swapped = check(|transfer| {
        transfer.inputs.swap(0, 1);
        expected = Some(second(transfer));
    });
    assert_eq!(swapped, Err(TransferError::InputOrder(expected.expect("set"))));
}

#[test]
fn one_token_twice_is_refused_in_any_disguise() {
    let first = |transfer: &Transfer| transfer.inputs[0];
    let network = network();
    let token = first(&everything(&network)).state.token;
    let refused = Err(TransferError::InputOrder(token));
    assert_eq!(check(|transfer| transfer.inputs.insert(0, first(transfer))), refused);
    let higher = check(|transfer| {
        let mut again = first(transfer);
        again.state.height += 1;
        transfer.inputs.insert(1, again);
    });
    assert_eq!(higher, refused);
    let richer = check(|transfer| {
        let mut again = first(transfer);
        again.amount += 1;
        transfer.inputs.insert(1, again);
    });
    assert_eq!(richer, refused);
}

#[test]
fn one_input_is_moved_at_most_once() {
    let network = network();
    let mut transfer = payment(&network, 0);
    transfer.outputs.push(Output::Move { input: 0, to: address(ALICE) });
    let twice = TransferError::BadMove { output: 1, input: 0 };
    assert_eq!(transfer.check(&network), Err(twice));
    transfer.outputs = vec![Output::Move { input: 1, to: address(BOB) }];
    let absent = TransferError::BadMove { output: 0, input: 1 };
    assert_eq!(transfer.check(&network), Err(absent));
}

#[test]
fn r3_conserve_a_moved_input_is_not_spent_as_well() {
    let network = network();
    let mut transfer = payment(&network, 0);
    let gold = transfer.inputs[0].asset;
    transfer.outputs.push(create(gold, transfer.inputs[0].amount));
    let made = u128::from(transfer.inputs[0].amount);
    let unbalanced = TransferError::Unbalanced { asset: gold, spent: 0, made };
    assert_eq!(transfer.check(&network), Err(unbalanced));
}

#[test]
fn a_move_ends_at_the_greatest_height() {
    let network = network();
    let mut transfer = payment(&network, 0);
    transfer.inputs[0].state.height = u64::MAX;
    let bad = TransferError::BadMove { output: 0, input: 0 };
    assert_eq!(transfer.check(&network), Err(bad));
    transfer.inputs[0].state.height = u64::MAX - 1;
    assert_eq!(transfer.check(&network), Ok(()));
    assert_eq!(transfer.made(transfer.id())[0].state.height, u64::MAX);
}

#[test]
fn zero_outputs_are_refused() {
    let zero_create = check(|transfer| transfer.outputs.push(create(transfer.inputs[0].asset, 0)));
    assert_eq!(zero_create, Err(TransferError::ZeroOutput(5)));
    for definition in [fungible("nothing"), item("nothing")] {
        let zero_issue = check(|transfer| {
            transfer.outputs[3] = Output::Issue { definition, supply: 0, to: address(BOB) };
        });
        assert_eq!(zero_issue, Err(TransferError::ZeroOutput(3)));
    }
    let network = network();
    let mut transfer = payment(&network, 0);
    transfer.inputs[0].amount = 0;
    assert_eq!(transfer.check(&network), Err(TransferError::ZeroOutput(0)));
}

#[test]
fn r3_conserve_each_asset_balances_alone() {
    let network = network();
    let (gold, silver) = (input(&network, 0), input(&network, 4));
    let with = |outputs: Vec<Output>| {
        let mut inputs = vec![gold, silver];
        inputs.sort_by_key(|input| input.state);
        Transfer { inputs, outputs, ..payment(&network, 0) }.check(&network)
    };
    let unbalanced = |asset, spent, made| Err(TransferError::Unbalanced { asset, spent, made });
    let all = vec![create(gold.asset, 100_000), create(silver.asset, 1)];
    assert_eq!(with(all), Ok(()));
    // One more of one and one less of the other.
    let mixed = with(vec![create(gold.asset, 99_999), create(silver.asset, 2)]);
    assert!(matches!(mixed, Err(TransferError::Unbalanced { .. })));
    let one_more = with(vec![create(gold.asset, 100_001), create(silver.asset, 1)]);
    assert_eq!(one_more, unbalanced(gold.asset, 100_000, 100_001));
    let vanished = with(vec![create(gold.asset, 100_000)]);
    assert_eq!(vanished, unbalanced(silver.asset, 1, 0));
    let unknown = AssetId(hash(Tag::Asset, &[b"unknown"]));
    let from_nothing =
        with(vec![create(gold.asset, 100_000), create(silver.asset, 1), create(unknown, 5)]);
    assert_eq!(from_nothing, unbalanced(unknown, 0, 5));
}

#[test]
fn r3_conserve_what_is_issued_pays_for_nothing() {
    let issued = check(|transfer| {
        let Output::Create { amount, .. } = &mut transfer.outputs[1] else { panic!("a create") };
        *amount += 1_000;
    });
    assert!(matches!(issued, Err(TransferError::Unbalanced { spent: 200_000, made: 201_000, .. })));
}

#[test]
fn r3_conserve_sums_above_64_bits_do_not_wrap() {
    let network = network();
    let gold = input(&network, 0).asset;
    let max = u64::MAX;
    let with = |amounts: &[u64], outputs: &[u64]| {
        let inputs = (0..).zip(amounts).map(|(n, amount)| invented(n, gold, *amount)).collect();
        let outputs = outputs.iter().map(|amount| create(gold, *amount)).collect();
        Transfer { inputs, outputs, ..payment(&network, 0) }.check(&network)
    };
    assert_eq!(with(&[max, max, max], &[max, max, max]), Ok(()));
    // Modulo 2^64 both sides would be 1.
    let wrapped = TransferError::Unbalanced { asset: gold, spent: 1, made: u128::from(max) + 2 };
    assert_eq!(with(&[1], &[max, 2]), Err(wrapped));
    let wrapped = TransferError::Unbalanced { asset: gold, spent: u128::from(max) + 2, made: 1 };
    assert_eq!(with(&[max, 2], &[1]), Err(wrapped));
}

#[test]
fn r3_conserve_an_item_only_moves() {
    let network = network();
    let painting = issued_asset_id(TransferId::default(), 0);
    let rules = WithItem { network: network.clone(), item: painting };
    let transfer = |outputs: Vec<Output>| Transfer {
        inputs: vec![invented(0, painting, 1)],
        outputs,
        ..payment(&network, 0)
    };
    let moved = Output::Move { input: 0, to: address(BOB) };
    let refused = Err(TransferError::Indivisible(painting));
    assert_eq!(transfer(vec![moved.clone()]).check(&rules), Ok(()));
    assert_eq!(transfer(vec![create(painting, 1)]).check(&rules), refused, "made anew");
    let issue = Output::Issue { definition: fungible("x"), supply: 1, to: address(BOB) };
    assert_eq!(transfer(vec![issue]).check(&rules), refused, "burnt");
    let doubled = transfer(vec![moved, create(painting, 1)]).check(&rules);
    assert!(matches!(doubled, Err(TransferError::Unbalanced { spent: 0, made: 1, .. })));
}

#[test]
fn r3_conserve_an_item_is_issued_once() {
    for supply in [2, u64::MAX] {
        let network = network();
        let mut transfer = everything(&network);
        transfer.outputs[4] = Output::Issue { definition: item("two"), supply, to: address(BOB) };
        let asset = issued_asset_id(transfer.id(), 4);
        assert_eq!(transfer.check(&network), Err(TransferError::Indivisible(asset)));
    }
}

#[test]
fn names_of_genesis_assets_are_reserved() {
    for definition in [fungible("GOLD"), item("SILVER")] {
        let name = definition.name.clone();
        let issued = check(|transfer| {
            transfer.outputs[3] = Output::Issue { definition, supply: 1, to: address(BOB) };
        });
        assert_eq!(issued, Err(TransferError::ReservedName(name)));
    }
    // Other names are only labels: twice in one transfer gives two assets.
    let network = network();
    let mut transfer = everything(&network);
    transfer.outputs.push(transfer.outputs[3].clone());
    assert_eq!(transfer.check(&network), Ok(()));
    let made = transfer.made(transfer.id());
    assert_ne!(made[3].asset, made[5].asset);
    assert_ne!(made[3].state.token, made[5].state.token);
}

#[test]
fn definitions_that_could_not_be_decoded_are_refused() {
    let mut sha3 = [7; 36];
    sha3[..4].copy_from_slice(&[1, 0x55, 0x16, 0x20]);
    let bad = [
        fungible(""),
        fungible("two words"),
        item(&"x".repeat(33)),
        AssetDefinition { kind: AssetKind::Fungible { decimals: 19 }, ..fungible("x") },
        AssetDefinition { kind: AssetKind::Item { content: sha3 }, ..item("x") },
        AssetDefinition { kind: AssetKind::Item { content: [0; 36] }, ..item("x") },
    ];
    for definition in bad {
        let shown = format!("{definition:?}");
        let found = check(|transfer| {
            transfer.outputs[3] = Output::Issue { definition, supply: 1, to: address(BOB) };
        });
        assert_eq!(found, Err(TransferError::BadDefinition(3)), "{shown}");
    }
}

#[test]
fn a_memo_has_at_most_256_bytes() {
    assert_eq!(check(|transfer| transfer.memo = "m".repeat(256)), Ok(()));
    let what = "bytes in the memo";
    let too_long = Err(TransferError::TooMany { what, max: 256 });
    assert_eq!(check(|transfer| transfer.memo = "m".repeat(257)), too_long);
    assert_eq!(check(|transfer| transfer.memo = "é".repeat(129)), too_long, "bytes, not letters");
    let mut transfer = everything(&network());
    transfer.memo = "m".repeat(257);
    let refused = Transfer::from_bytes(&transfer.to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 256, found: 257, .. })));
}

#[test]
fn at_most_4096_inputs() {
    let network = network();
    let gold = input(&network, 0).asset;
    let with = |count: u16| Transfer {
        inputs: (0..count).map(|number| invented(number, gold, 1)).collect(),
        outputs: vec![create(gold, u64::from(count))],
        ..payment(&network, 0)
    };
    assert_eq!(with(4_096).check(&network), Ok(()));
    assert_eq!(Transfer::from_bytes(&with(4_096).to_bytes()), Ok(with(4_096)));
    let over = TransferError::TooMany { what: "inputs", max: 4_096 };
    assert_eq!(with(4_097).check(&network), Err(over));
    let refused = Transfer::from_bytes(&with(4_097).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 4_096, found: 4_097, .. })));
}

#[test]
fn at_most_4096_outputs() {
    let network = network();
    let gold = input(&network, 0).asset;
    let with = |count: usize| Transfer {
        inputs: vec![invented(0, gold, u64::try_from(count).expect("small"))],
        outputs: vec![create(gold, 1); count],
        ..payment(&network, 0)
    };
    assert_eq!(with(4_096).check(&network), Ok(()));
    assert_eq!(Transfer::from_bytes(&with(4_096).to_bytes()), Ok(with(4_096)));
    let made = with(4_096).made(TransferId::default());
    let mut tokens: Vec<TokenId> = made.iter().map(|made| made.state.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 4_096, "each output makes another token");
    let over = TransferError::TooMany { what: "outputs", max: 4_096 };
    assert_eq!(with(4_097).check(&network), Err(over));
    let refused = Transfer::from_bytes(&with(4_097).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 4_096, found: 4_097, .. })));
}
