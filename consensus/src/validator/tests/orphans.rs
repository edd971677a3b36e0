//! Tests of orphans (protocol §3): turns, pauses, and what of a batch is proposed again.

use super::*;
use crate::limits::{ORPHAN_AGE_US, ORPHAN_EVERY_US, ORPHAN_TURN_US};
use ledger::BatchId;

fn orphans(one: &mut Validator, now_us: u64) -> Vec<BatchId> {
    one.tick(now_us).orphans.iter().map(|batch| batch.id()).collect()
}

#[test]
fn validators_take_turns_with_an_orphan() {
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let mut turns: Vec<u64> = Vec::new();
    for member in 0..MEMBERS {
        let mut one = validator(member);
        propose(&mut one, 0, &proposal);
        assert_eq!(orphans(&mut one, 1), []);
        let first = |turn: u64| 1 + ORPHAN_AGE_US + turn * ORPHAN_TURN_US;
        let turn = (0..u64::from(MEMBERS)).find(|turn| {
            assert_eq!(orphans(&mut one, first(*turn) - 1), [], "not before its turn");
            orphans(&mut one, first(*turn)) == [batch.id()]
        });
        turns.push(turn.expect("it has one"));
    }
    turns.sort_unstable();
    assert_eq!(turns, (0..u64::from(MEMBERS)).collect::<Vec<_>>(), "each has its own");
}

#[test]
fn orphans_go_one_at_a_time_the_one_that_waits_longest_first() {
    let mut one = validator(1);
    let batches: Vec<_> = (0..3).map(|position| batch(0, &[pay_coin(position, "")])).collect();
    for (proposal, _) in &batches {
        propose(&mut one, 0, proposal);
    }
    one.tick(1);
    let turn = |id: &BatchId| (u64::from(id.bytes()[0]) + 1) % u64::from(MEMBERS);
    let mut wanted: Vec<BatchId> = batches.iter().map(|(_, batch)| batch.id()).collect();
    wanted.sort_by_key(|id| (turn(id), *id));
    let late = 1 + ORPHAN_AGE_US + u64::from(MEMBERS) * ORPHAN_TURN_US;
    let mut found = Vec::new();
    for number in 0..3 {
        let now_us = late + number * ORPHAN_EVERY_US;
        found.extend(orphans(&mut one, now_us));
        assert_eq!(found.len(), usize::try_from(number).expect("small") + 1);
        assert_eq!(orphans(&mut one, now_us + ORPHAN_EVERY_US - 1), []);
    }
    assert_eq!(found, wanted);
}

#[test]
fn only_the_batch_that_holds_a_lock_is_proposed_again_for_it() {
    let mut one = validator(1);
    let shared = pay_coin(0, "");
    let (first, first_batch) = batch(0, &[shared.clone()]);
    let (second, second_batch) = batch(2, &[shared, pay_coin(1, ""), pay_coin(2, "")]);
    propose(&mut one, 0, &first);
    assert_eq!(voted(&propose(&mut one, 0, &second), Phase::Lock), "111");
    certify(&mut one, 0, certificate(Phase::Commit, &second_batch, ".1."));
    one.tick(1);
    let late = 1 + ORPHAN_AGE_US + u64::from(MEMBERS) * ORPHAN_TURN_US;
    let mut ids = Vec::new();
    for number in 0..4 {
        for batch in one.tick(late + number * ORPHAN_EVERY_US).orphans {
            ids.push(batch.ids().to_vec());
        }
    }
    ids.sort();
    let mut wanted = vec![first_batch.ids().to_vec(), vec![second_batch.ids()[2]]];
    wanted.sort();
    assert_eq!(ids, wanted, "neither what is applied nor what the first batch holds");
}
