//! Receipts that do not join on: what they prove spent leaves the balance at once, and comes back
//! with the links only. Receipts of the journal that change nothing are shown all the same.

use super::*;

#[test]
fn a_receipt_far_above_takes_the_head_out_of_the_balance_for_good() {
    for exclusion in BOTH {
        let mut world = World::new();
        let route = [Case::ToWallet, Case::ToStranger, Case::ToStranger, Case::ToWallet];
        let chain = world.chain(&route);
        let (token, last) = world.tracked(&chain[3]);
        let mut receiver = world.open();
        let receive = |receiver: &Receiver, index: usize| {
            let outcomes = receiver.receive(vec![chain[index].clone()], exclusion);
            outcomes.expect("received").remove(0)
        };
        assert_eq!(receive(&receiver, 0), Outcome::New);
        assert_eq!(world.balance(&receiver), (1_000, 1));
        assert!(matches!(receive(&receiver, 3), Outcome::Gap(_)));
        let bytes = world.journal_bytes();
        for _ in 0..2 {
            assert_eq!(world.balance(&receiver), (0, 0), "after a restart, too");
            assert_eq!(receiver.book().overtaken_count(), Some((1, token)));
            assert!(matches!(receive(&receiver, 3), Outcome::Gap(_)));
            assert_eq!(receive(&receiver, 0), Outcome::Duplicate);
            assert_eq!(world.journal_bytes(), bytes, "the proof is kept once");
            drop(receiver);
            receiver = world.open();
        }
        assert_eq!(receive(&receiver, 1), Outcome::New);
        assert_eq!(receive(&receiver, 2), Outcome::New);
        assert_eq!(world.balance(&receiver), (0, 0), "the state below the proof's is a stranger's");
        assert_eq!(receive(&receiver, 3), Outcome::New);
        for _ in 0..2 {
            assert_eq!(world.balance(&receiver), (1_000, 1));
            assert_eq!(receiver.book().overtaken_count(), None);
            let head = receiver.heads().chain(&token).expect("received");
            assert_eq!(head.head(token).0, last);
            drop(receiver);
            receiver = world.open();
        }
    }
}

#[test]
fn genesis_tokens_that_moved_far_on_are_in_no_balance() {
    let mut world = World::new();
    // The sender's own wallet, fresh: its genesis tokens live as far as the genesis file says.
    let receiver = world.open_for(&[fixture::SENDER]);
    let sender = address(fixture::SENDER);
    let before = receiver.book().balances(&sender).values().next().copied().expect("tokens");
    let chain = world.chain(&[Case::ToStranger; 5]);
    let far = receiver.receive(vec![chain[4].clone()], Guards).expect("received");
    assert!(matches!(far[0], Outcome::Gap(_)), "{far:?}");
    let after = receiver.book().balances(&sender).values().next().copied().expect("tokens");
    assert_eq!((before.0 - after.0, before.1 - after.1), (1_000, 1));
}

#[test]
fn a_token_that_has_ended_is_not_looked_for_any_more() {
    let (heads, book) = (Heads::new(10), Book::new(10));
    let made = made(fixture::WALLET);
    let (token, hosted) = (made.state.token, BTreeSet::from([made.owner]));
    let put = |chain: chain::Chain| {
        let seen = heads.see(&token).expect("room");
        assert!(heads.move_all(&[heads::Move { seen, next: Arc::new(chain) }]));
        book.refresh(&[token], &heads, &hosted);
    };
    let live = chain::Chain::of(&made);
    put(live.clone());
    assert!(book.is_owned(&token));
    book.overtake(&[(token, 1)], &heads, &hosted);
    assert_eq!((book.is_owned(&token), book.overtaken_count()), (false, Some((1, token))));
    let end = chain::Touch {
        token,
        asset: made.asset,
        amount: made.amount,
        by: TransferId(ledger::Digest([1; 32])),
        spends: Some((made.state, made.owner)),
        makes: None,
    };
    let chain::Fit::New(ended) = chain::fit(Some(&live), &end) else { panic!("it fits") };
    put(ended);
    assert_eq!((book.is_owned(&token), book.overtaken_count()), (false, None));
}

#[test]
fn what_was_kept_for_other_addresses_is_shown_and_received_when_it_comes_again() {
    let mut world = World::new();
    let receipts = world.payments(2);
    let id = receipts[1].entry.signed.transfer.id();
    let receiver = world.open();
    receiver.receive(receipts.clone(), Guards).expect("received");
    drop(receiver);
    let receiver = world.open_for(&[fixture::STRANGER]);
    assert_eq!(receiver.receipt(&id), Ok(Some(receipts[1].clone())), "its place is kept");
    assert!(!receiver.has(&id), "and it has changed nothing");
    let again = receiver.receive(receipts, Guards).expect("received");
    assert_eq!(again, vec![Outcome::Foreign; 2]);
    drop(receiver);
    let receiver = world.open();
    assert!(receiver.has(&id));
    assert_eq!((world.balance(&receiver), receiver.book().receipt_count()), ((2_000, 2), 2));
}
