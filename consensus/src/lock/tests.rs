//! Tests of the lock table.

use super::*;
use crate::testkit::*;

fn held(round: u32, memo: &str) -> Held {
    Held { round, transfer: id(&pay_coin(0, memo)), batch: BatchId::default() }
}

#[test]
fn a_lock_is_for_one_transfer_a_round_and_a_repeat_is_not_new() {
    let mut locks = Locks::default();
    let (one, two) = (held(0, "one"), held(0, "two"));
    assert_eq!(locks.lock(address(0), &[coin(0), coin(1)], one), Ok(true));
    assert_eq!(locks.lock(address(0), &[coin(0), coin(1)], one), Ok(false));
    let (held_by, wanted_by) = (one.transfer, two.transfer);
    let conflict = Refusal::LockConflict { state: coin(1).state, held_by, wanted_by };
    assert_eq!(locks.lock(address(0), &[coin(2), coin(1)], two), Err(conflict));
    assert!(locks.get(&coin(2).state.token).is_none(), "all or none");
    assert_eq!(locks.count(), 2);
}

#[test]
fn a_higher_round_replaces_a_lock_and_a_lower_one_is_refused() {
    let mut locks = Locks::default();
    let state = coin(0).state;
    assert_eq!(locks.lock(address(0), &[coin(0)], held(0, "one")), Ok(true));
    assert_eq!(locks.lock(address(0), &[coin(0)], held(2, "two")), Ok(true));
    let low = Refusal::RoundTooLow { state, promised: 2 };
    assert_eq!(locks.lock(address(0), &[coin(0)], held(1, "three")), Err(low.clone()));
    assert_eq!(locks.accept(&[coin(0)], held(1, "three")), Err(low.clone()));
    assert_eq!(locks.accept(&[coin(0)], held(0, "one")), Err(low));
    assert_eq!(locks.get(&state.token).expect("a row").promised, 2);
}

#[test]
fn accepting_raises_the_promise_of_all_states_and_never_falls_back() {
    let mut locks = Locks::default();
    assert_eq!(locks.accept(&[coin(0), coin(1)], held(3, "one")), Ok(true));
    assert_eq!(locks.accept(&[coin(0), coin(1)], held(3, "one")), Ok(false));
    for position in [0, 1] {
        let row = locks.get(&coin(position).state.token).expect("a row");
        assert_eq!((row.promised, row.accepted), (3, Some(held(3, "one"))));
        let state = coin(position).state;
        let low = Err(Refusal::RoundTooLow { state, promised: 3 });
        assert_eq!(locks.accept(&[coin(position)], held(0, "two")), low);
        assert_eq!(locks.lock(address(0), &[coin(position)], held(2, "two")), low);
    }
    // One state too high refuses all of a transfer's states.
    assert!(locks.accept(&[coin(2), coin(1)], held(0, "two")).is_err());
    assert!(locks.get(&coin(2).state.token).is_none());
}

#[test]
fn spent_states_lose_their_rows() {
    let mut locks = Locks::default();
    assert_eq!(locks.lock(address(0), &[coin(0), coin(1)], held(0, "one")), Ok(true));
    locks.release(address(0), &[coin(0)]);
    assert_eq!(locks.rows().map(|row| row.state).collect::<Vec<_>>(), [coin(1).state]);
}

#[test]
fn what_is_locked_of_an_owner_is_counted_once_until_it_is_spent() {
    let mut locks = Locks::default();
    let (owner, asset) = (address(0), coin(0).asset);
    let units = coin(0).amount;
    assert_eq!(locks.accept(&[coin(1)], held(0, "one")), Ok(true));
    assert_eq!(locks.locked(owner, asset), 0, "accepted without a lock of its own");
    for (coins, memo, round) in [(0..2, "one", 0), (0..2, "one", 0), (0..1, "two", 1)] {
        let coins: Vec<_> = coins.map(coin).collect();
        locks.lock(owner, &coins, held(round, memo)).expect("no conflict");
        assert_eq!(locks.locked(owner, asset), 2 * units);
    }
    assert!(locks.lock(owner, &[coin(2), coin(0)], held(1, "three")).is_err());
    assert_eq!((locks.locked(owner, asset), locks.locked(address(1), asset)), (2 * units, 0));
    locks.release(owner, &[coin(0), coin(2)]);
    assert_eq!(locks.locked(owner, asset), units);
    locks.release(owner, &[coin(1)]);
    assert_eq!(locks, Locks::default());
}
