//! Every bound of the validator, filled past the brim.

use super::*;

#[test]
fn open_batches_of_one_proposer_are_bounded_and_stuck_ones_do_not_count() {
    let mut validator = validator(1);
    let proposal = |number: usize| batch(PROPOSER, &[pay_coin(0, &number.to_string())]).0;
    for number in 0..OPEN_BATCHES_PER_PROPOSER_MAX {
        assert_eq!(validator.proposed(0, PROPOSER, proposal(number)).judge.len(), 1);
    }
    let step = validator.proposed(0, PROPOSER, proposal(OPEN_BATCHES_PER_PROPOSER_MAX));
    assert!(step.judge.is_empty() && step.blame.len() == 1);
    let (other, _) = batch(2, &[pay_coin(9, "")]);
    assert_eq!(validator.proposed(0, 2, other).judge.len(), 1, "another proposer has room");
}

#[test]
fn an_owner_that_splits_its_locks_does_not_use_up_its_proposers_room() {
    let network = network();
    let mut validator = Validator::new(network.clone(), 1, member_key(1), Tips::genesis(network));
    validator.set_mode(Mode::Voting);
    // Locks that never become final: one batch of the honest proposer each, here all of one token
    // chain.
    for number in 0..8 {
        let (proposal, _) = batch(PROPOSER, &[pay_coin(number, "split")]);
        assert_eq!(voted(&propose(&mut validator, 0, &proposal), Phase::Lock), "1");
    }
    assert_eq!(validator.load().0, 8);
    validator.tick(DEADLINE_US * 2);
    assert_eq!(validator.load().0, 8, "locked batches are kept");
    assert!(validator.has_room_for(0, PROPOSER, 0));
    let recent = validator.open.values().filter(|open| open.touched_us + DEADLINE_US > DEADLINE_US);
    assert_eq!(recent.count(), 0);
}

#[test]
fn waiting_for_parents_is_bounded() {
    let mut validator = validator(1);
    let batch_id = batch(PROPOSER, &[pay_coin(0, "")]).1.id();
    let invented = (0..=WAITING_MAX).map(|number| {
        TransferId(ledger::hash::hash(ledger::hash::Tag::Transfer, &[&number.to_le_bytes()]))
    });
    validator.wait_for(&invented.collect(), batch_id);
    assert_eq!(validator.load().2, WAITING_MAX);
    // The batch is gone: so is what waited for it.
    validator.tick(0);
    assert_eq!(validator.load().2, 0);
}

#[test]
fn evidence_is_bounded() {
    let mut validator = validator(1);
    let mut state = coin(0).state;
    for _ in 0..EVIDENCE_MAX {
        state.height += 1;
        validator.convicted.insert(state);
    }
    let (first, _) = batch(PROPOSER, &[pay_coin(0, "one")]);
    let (second, _) = batch(2, &[pay_coin(0, "two")]);
    propose(&mut validator, 0, &first);
    assert!(propose(&mut validator, 0, &second).evidence.is_empty());
}

#[test]
fn resolved_batches_are_forgotten_after_a_while_and_locked_ones_kept() {
    let mut validator = validator(1);
    let (first, first_batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (second, _) = batch(PROPOSER, &[pay_coin(1, "")]);
    propose(&mut validator, 0, &first);
    propose(&mut validator, 0, &second);
    certify(&mut validator, 0, certificate(Phase::Commit, &first_batch, "1"));
    validator.tick(RESOLVED_KEEP_US);
    assert_eq!(validator.load().0, 2);
    validator.tick(RESOLVED_KEEP_US + 1);
    assert_eq!(validator.load().0, 1, "the locked one stays");
}

#[test]
fn a_batch_that_is_being_judged_is_not_judged_again() {
    let mut one = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let pending = one.proposed(0, PROPOSER, proposal.clone());
    assert_eq!(pending.judge.len(), 1);
    for _ in 0..3 {
        let again = one.proposed(0, PROPOSER, proposal.clone());
        assert!(again.judge.is_empty() && again.after.is_empty() && again.blame.is_empty());
    }
    assert_eq!(one.load().1, 1);
    assert_eq!(voted(&settle(&mut one, 0, pending), Phase::Lock), "1");
    assert_eq!(one.load().1, 0);
}

#[test]
fn a_batch_takes_its_proposers_room_until_all_of_it_is_applied() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    propose(&mut validator, 0, &proposal);
    let room = OPEN_BYTES_PER_PROPOSER_MAX;
    assert!(!validator.has_room_for(0, PROPOSER, room));
    validator.certified(0, certificate(Phase::Commit, &batch, "10"));
    assert_eq!(validator.open.unfinished(PROPOSER).count(), 1);
    assert!(!validator.has_room_for(0, PROPOSER, room), "the other is locked still");
    validator.certified(0, certificate(Phase::Commit, &batch, "01"));
    assert!(validator.has_room_for(0, PROPOSER, room));
    assert_eq!(validator.open.unfinished(PROPOSER).count(), 0, "it is not looked at any more");
    assert_eq!(validator.load().0, 1, "and answers repeats");
    validator.tick(RESOLVED_KEEP_US * 2);
    assert_eq!(validator.load().0, 0);
}
