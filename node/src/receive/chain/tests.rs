//! How transfers fit onto a chain: each case by itself.

use super::*;
use crate::receive::tests::{address, made, token};

fn id(number: u8) -> TransferId {
    TransferId(ledger::Digest([number; 32]))
}

/// Transfer `by` moves token 1 from the state of this height and maker.
fn moves(height: u64, made_by: u8, by: u8) -> Touch {
    let made_by = if made_by == 0 { TransferId::default() } else { id(made_by) };
    let state = TokenState { token: token(1), height, made_by };
    let made = made(1);
    Touch {
        token: token(1),
        asset: made.asset,
        amount: made.amount,
        by: id(by),
        spends: Some((state, address(1))),
        makes: Some(address(2)),
    }
}

fn ends(height: u64, made_by: u8, by: u8) -> Touch {
    Touch { makes: None, ..moves(height, made_by, by) }
}

fn new(chain: Option<&Chain>, touch: &Touch) -> Chain {
    match fit(chain, touch) {
        Fit::New(chain) => chain,
        other => panic!("{other:?}"),
    }
}

/// Heights 3 to 6: spent by transfers 4, 5 and 6, each named after the height that it makes.
fn chain() -> Chain {
    let mut chain = None;
    for by in 4..=6 {
        chain = Some(new(chain.as_ref(), &moves(u64::from(by) - 1, by - 1, by)));
    }
    chain.expect("three moves")
}

#[test]
fn an_unknown_token_is_taken_at_any_height_and_grows() {
    let chain = chain();
    let (state, link) = chain.head(token(1));
    assert_eq!((state.height, state.made_by), (6, id(6)));
    assert_eq!((chain.live_owner(), link.spent_by), (Some(&address(2)), None));
    assert_eq!(fit(Some(&chain), &moves(4, 4, 5)), Fit::Known);
    let ended = new(Some(&chain), &ends(6, 6, 7));
    assert_eq!(ended.live_owner(), None);
    assert_eq!(ended.head(token(1)).1.spent_by, Some(id(7)));
    assert_eq!(fit(Some(&ended), &ends(6, 6, 7)), Fit::Known);
}

#[test]
fn what_does_not_join_on_is_a_gap() {
    assert_eq!(fit(Some(&chain()), &moves(8, 8, 9)), Fit::Gap(vec![id(8)]));
    assert_eq!(fit(Some(&chain()), &moves(7, 7, 8)), Fit::Gap(vec![id(7)]));
}

#[test]
fn two_spenders_of_one_state_are_a_fork() {
    let chain = chain();
    for touch in [moves(4, 4, 99), ends(4, 4, 99)] {
        let (state, _) = touch.spends.expect("it spends");
        assert_eq!(fit(Some(&chain), &touch), Fit::Fork { state, other: id(5) });
    }
    // Another maker of a height: the receipts of both makers tell which state was spent twice.
    assert_eq!(fit(Some(&chain), &moves(5, 55, 66)), Fit::Gap(vec![id(5), id(55)]));
}

#[test]
fn what_lies_below_is_old_unless_it_joins_on_from_below() {
    let chain = chain();
    assert_eq!(fit(Some(&chain), &moves(1, 1, 2)), Fit::Old);
    let longer = new(Some(&chain), &moves(2, 2, 3));
    assert_eq!(longer.head(token(1)), chain.head(token(1)), "the head stays");
    assert_eq!(fit(Some(&longer), &moves(2, 2, 3)), Fit::Known);
    let other = moves(2, 2, 33);
    let (state, _) = other.spends.expect("it spends");
    assert_eq!(fit(Some(&longer), &other), Fit::Fork { state, other: id(3) });
    // Before the lowest link's maker is known, its receipt is asked for.
    assert_eq!(fit(Some(&chain), &other), Fit::Gap(vec![id(3)]));
}

#[test]
fn a_created_token_is_known_by_its_maker() {
    let create = Touch { spends: None, ..moves(0, 0, 1) };
    let chain = new(None, &create);
    assert_eq!((chain.top(), chain.live_owner()), (0, Some(&address(2))));
    assert_eq!(fit(Some(&chain), &create), Fit::Known);
    let moved = new(Some(&chain), &moves(0, 1, 2));
    assert_eq!(fit(Some(&moved), &create), Fit::Known, "it is spent, and stays so");
    // The other order: first the move, then the transfer that created it.
    let moved = new(None, &moves(0, 1, 2));
    assert_eq!(fit(Some(&moved), &create), Fit::Known);
    assert_eq!(fit(Some(&self::chain()), &create), Fit::Old);
}

#[test]
fn a_chain_keeps_a_bounded_number_of_links() {
    let mut chain = Chain::of(&made(1));
    let links = u64::try_from(LINKS_MAX).expect("small");
    let number = |height: u64| u8::try_from(height % 200).expect("small");
    for height in 0..=links {
        let maker = if height == 0 { 0 } else { number(height) };
        let touch = moves(height, maker, number(height + 1));
        chain = match fit(Some(&chain), &touch) {
            Fit::New(chain) => chain,
            other => panic!("{other:?} at {height}"),
        };
    }
    assert_eq!(chain.links.len(), LINKS_MAX);
    assert_eq!(chain.top(), links + 1);
    assert_eq!(fit(Some(&chain), &moves(0, 0, 1)), Fit::Old, "its link is gone");
    let below = moves(chain.first - 1, number(chain.first - 1), number(chain.first));
    let Fit::New(same) = fit(Some(&chain), &below) else { panic!("it joins on from below") };
    assert_eq!(same, chain, "a full chain is not lengthened");
}
