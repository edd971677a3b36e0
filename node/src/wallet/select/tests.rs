//! Every way to choose, and every way in which it can fail.

use super::*;
use ledger::{Keypair, TokenState, TransferId, asset::genesis_asset_id, state::genesis_token_id};

/// Token `position` with this amount, of asset 0.
fn token(position: u64, amount: u64) -> Input {
    let token = genesis_token_id(position);
    let state = TokenState { token, height: 0, made_by: TransferId::default() };
    Input { state, asset: genesis_asset_id(0), amount }
}

fn tokens(amounts: &[u64]) -> Vec<Input> {
    (0..).zip(amounts).map(|(position, amount)| token(position, *amount)).collect()
}

/// Amounts spent, in descending order, and the change.
fn check(amounts: &[u64], wanted: &Wanted, expected: Result<(&[u64], u64), SelectError>) {
    let found = choose(&tokens(amounts), wanted).map(|chosen| {
        let is_sorted = chosen.inputs.windows(2).all(|w| w[0].state.token < w[1].state.token);
        assert!(is_sorted, "inputs are sorted by token");
        let mut spent: Vec<u64> = chosen.inputs.iter().map(|input| input.amount).collect();
        assert_eq!(spent.iter().sum::<u64>(), chosen.amount + chosen.change);
        spent.sort_unstable_by(|a, b| b.cmp(a));
        (spent, chosen.change)
    });
    assert_eq!(found, expected.map(|(spent, change)| (spent.to_vec(), change)));
}

#[test]
fn an_amount_takes_the_largest_tokens_until_it_is_covered() {
    check(&[5, 100, 20], &Wanted::Amount(1), Ok((&[100], 99)));
    check(&[5, 100, 20], &Wanted::Amount(100), Ok((&[100], 0)));
    check(&[5, 100, 20], &Wanted::Amount(101), Ok((&[100, 20], 19)));
    check(&[5, 100, 20], &Wanted::Amount(125), Ok((&[100, 20, 5], 0)));
    let too_little = SelectError::TooLittle { wanted: 126, available: 125 };
    check(&[5, 100, 20], &Wanted::Amount(126), Err(too_little));
    check(&[], &Wanted::Amount(1), Err(SelectError::TooLittle { wanted: 1, available: 0 }));
}

#[test]
fn an_amount_in_too_many_pieces_is_told_apart_from_too_little() {
    let brim = u64::try_from(INPUTS_MAX).expect("small");
    let many = tokens(&vec![1; INPUTS_MAX + 1]);
    let chosen = choose(&many, &Wanted::Amount(brim)).expect("just fits");
    assert_eq!(chosen.inputs.len(), INPUTS_MAX);
    let pieces = SelectError::TooManyPieces { wanted: brim + 1, covered: brim };
    assert_eq!(choose(&many, &Wanted::Amount(brim + 1)), Err(pieces));
    let too_little = SelectError::TooLittle { wanted: brim + 2, available: brim + 1 };
    assert_eq!(choose(&many, &Wanted::Amount(brim + 2)), Err(too_little));
}

#[test]
fn a_count_moves_tokens_as_they_are() {
    check(&[5, 100, 20], &Wanted::Count(2), Ok((&[20, 5], 0)));
    check(&[5], &Wanted::Count(2), Err(SelectError::TooFew { wanted: 2, available: 1 }));
    check(&[5], &Wanted::Count(0), Err(SelectError::BadCount(0)));
    check(&[5], &Wanted::Count(INPUTS_MAX + 1), Err(SelectError::BadCount(INPUTS_MAX + 1)));
    let all = tokens(&vec![1; INPUTS_MAX]);
    let chosen = choose(&all, &Wanted::Count(INPUTS_MAX)).expect("just fits");
    let owner = Address(Keypair::from_seed([1; 32]).public());
    assert_eq!(chosen.outputs(owner, owner).len(), INPUTS_MAX);
}

#[test]
fn named_tokens_move_whole_or_pay_an_amount() {
    let ids = |positions: &[u64]| positions.iter().map(|p| genesis_token_id(*p)).collect();
    check(&[5, 100], &Wanted::Whole(ids(&[0])), Ok((&[5], 0)));
    check(&[5, 100], &Wanted::Whole(ids(&[1, 0, 1])), Ok((&[100, 5], 0)));
    check(&[5, 100], &Wanted::From(ids(&[1, 0]), 103), Ok((&[100, 5], 2)));
    let too_little = SelectError::TooLittle { wanted: 6, available: 5 };
    check(&[5, 100], &Wanted::From(ids(&[0]), 6), Err(too_little));
    check(&[5], &Wanted::Whole(ids(&[9])), Err(SelectError::NotOwned(genesis_token_id(9))));
    check(&[5], &Wanted::Whole(Vec::new()), Err(SelectError::BadCount(0)));
    let mut mixed = tokens(&[5, 100]);
    mixed[1].asset = genesis_asset_id(1);
    let refused = choose(&mixed, &Wanted::Whole(ids(&[0, 1])));
    assert!(matches!(refused, Err(SelectError::OtherAsset(_))), "{refused:?}");
}

#[test]
fn sums_do_not_wrap() {
    check(&[u64::MAX, 1], &Wanted::Count(2), Err(SelectError::Overflow));
    check(&[u64::MAX, 1], &Wanted::Amount(u64::MAX), Ok((&[u64::MAX], 0)));
}

#[test]
fn outputs_give_the_amount_and_bring_back_the_change() {
    let [owner, to] = [1, 2].map(|seed| Address(Keypair::from_seed([seed; 32]).public()));
    let chosen = choose(&tokens(&[7]), &Wanted::Amount(5)).expect("enough");
    let asset = genesis_asset_id(0);
    let create = |amount, to| Output::Create { asset, amount, to };
    assert_eq!(chosen.outputs(owner, to), [create(5, to), create(2, owner)]);
    let exact = choose(&tokens(&[7]), &Wanted::Amount(7)).expect("enough");
    assert_eq!(exact.outputs(owner, to), [create(7, to)]);
    let whole = choose(&tokens(&[7]), &Wanted::Count(1)).expect("enough");
    assert_eq!(whole.outputs(owner, to), [Output::Move { input: 0, to }]);
}
