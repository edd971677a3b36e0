//! R10 after a batch is forgotten: it is closed when its votes could gain bits, and only then.

use super::*;
use crate::Batch;
use ledger::BatchId;

/// Lets everything resolved be forgotten; the batches that are closed then.
fn closed(mut one: Validator) -> Vec<BatchId> {
    one.tick(RESOLVED_KEEP_US * 2);
    assert_eq!(one.load().0, 0, "all of it is resolved");
    one.closed.batches()
}

fn commit(one: &mut Validator, batch: &Batch, text: &str) {
    certify(one, 1, certificate(Phase::Commit, batch, text));
}

#[test]
fn a_batch_that_can_gain_no_vote_is_forgotten_whole() {
    let mut applied = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    propose(&mut applied, 0, &proposal);
    commit(&mut applied, &batch, "1");
    assert_eq!(closed(applied), []);
    // Never voted on: it may be voted on later.
    let mut refused = validator(1);
    let parentless = pay(1, &[made(&pay_coin(0, ""))], 2, "");
    let transfers = [pay(1, &[coin(0)], 2, "not the owner"), parentless];
    let (proposal, _) = self::batch(PROPOSER, &transfers);
    assert_eq!(voted(&propose(&mut refused, 0, &proposal), Phase::Lock), "");
    assert_eq!(closed(refused), []);
    // What has no vote breaks a rule, whenever it is looked at.
    let mut wrong = validator(1);
    let transfers = [pay_coin(0, ""), pay(1, &[coin(1)], 2, "not the owner")];
    let (proposal, batch) = self::batch(PROPOSER, &transfers);
    assert_eq!(voted(&propose(&mut wrong, 0, &proposal), Phase::Lock), "1.");
    commit(&mut wrong, &batch, "1.");
    assert_eq!(closed(wrong), []);
    // What has no vote is spent by another.
    let mut lost = validator(1);
    let (wins, wins_batch) = self::batch(2, &[pay_coin(1, "wins")]);
    let (proposal, batch) = self::batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "loses")]);
    propose(&mut lost, 0, &wins);
    assert_eq!(voted(&propose(&mut lost, 0, &proposal), Phase::Lock), "1.");
    commit(&mut lost, &wins_batch, "1");
    commit(&mut lost, &batch, "1.");
    assert_eq!(closed(lost), []);
}

#[test]
fn r10_a_batch_with_votes_of_either_phase_that_could_gain_others_is_closed() {
    let child = pay(1, &[made(&pay_coin(2, ""))], 2, "its parent is missing");
    let mut locked = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), child.clone()]);
    assert_eq!(voted(&propose(&mut locked, 0, &proposal), Phase::Lock), "1.");
    commit(&mut locked, &batch, "1.");
    assert_eq!(closed(locked), [batch.id()]);
    // A Commit vote alone: its lock is another's, and a quorum's certificate is accepted.
    let mut accepted = validator(1);
    let (held, _) = self::batch(2, &[pay_coin(0, "held here")]);
    let (proposal, batch) = self::batch(PROPOSER, &[pay_coin(0, "a quorum's"), child]);
    propose(&mut accepted, 0, &held);
    assert_eq!(voted(&propose(&mut accepted, 0, &proposal), Phase::Lock), "");
    let step = certify(&mut accepted, 0, certificate(Phase::Lock, &batch, "1."));
    assert_eq!(voted(&step, Phase::Commit), "1.");
    commit(&mut accepted, &batch, "1.");
    assert_eq!(closed(accepted), [batch.id()]);
}
