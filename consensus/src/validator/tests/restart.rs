//! Tests of restarts: replay rebuilds the same state, and votes are never taken back.

use super::*;

/// A history with all kinds of records: locks, accepts, applies, a conflict.
fn history(validator: &mut Validator) -> Vec<Record> {
    let mut records = Vec::new();
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let pair = pay(0, &[coin(1), coin(2)], 1, "both");
    let (first, first_batch) = batch(PROPOSER, &[parent, pair.clone(), pay_coin(3, "")]);
    let (conflict, _) = batch(2, &[pay_coin(1, "conflict"), pair]);
    let (second, second_batch) = batch(3, &[child, pay_coin(4, "")]);
    records.extend(propose(validator, 0, &first).persist);
    records.extend(propose(validator, 0, &conflict).persist);
    let lock = certificate(Phase::Lock, &first_batch, "111");
    records.extend(certify(validator, 1, lock).persist);
    let commit = certificate(Phase::Commit, &first_batch, "1..");
    records.extend(certify(validator, 2, commit).persist);
    records.extend(propose(validator, 3, &second).persist);
    let commit = certificate(Phase::Commit, &second_batch, "1.");
    records.extend(certify(validator, 4, commit).persist);
    let lock = certificate(Phase::Lock, &second_batch, "11");
    records.extend(certify(validator, 5, lock).persist);
    records
}

#[test]
fn replay_rebuilds_the_same_tips_and_locks_from_every_prefix_and_answers_alike() {
    let mut live = validator(1);
    let records = history(&mut live);
    let rebuilt = replayed(1, &records);
    assert_same_state(&live, &rebuilt);
    for count in 0..records.len() {
        let prefix = replayed(1, &records[..count]);
        assert!(prefix.tips().applied() <= live.tips().applied());
    }
}

#[test]
fn live_records_rebuild_the_locks_on_newer_tips() {
    let mut live = validator(1);
    history(&mut live);
    let network = network();
    let mut rebuilt = Validator::new(network, 1, member_key(1), live.tips().clone());
    for record in live.live_records() {
        rebuilt.replay(record).expect("its own records");
    }
    rebuilt.replayed_all();
    assert_same_state(&live, &rebuilt);
    assert_eq!(live.live_records(), rebuilt.live_records());
}

#[test]
fn replay_over_newer_tips_keeps_the_lock_of_a_transfers_other_state() {
    let mut live = validator(1);
    let (lost, _) = batch(PROPOSER, &[pay(0, &[coin(0), coin(1)], 1, "loses")]);
    let (wins, wins_batch) = batch(2, &[pay_coin(0, "wins")]);
    let mut records = propose(&mut live, 0, &lost).persist;
    propose(&mut live, 0, &wins);
    records.extend(certify(&mut live, 1, certificate(Phase::Commit, &wins_batch, "1")).persist);
    let mut rebuilt = Validator::new(network(), 1, member_key(1), live.tips().clone());
    for record in records {
        rebuilt.replay(record).expect("its own records");
    }
    rebuilt.replayed_all();
    assert_eq!(locks_of(&live).len(), 1, "coin 1 is locked for the one that lost");
    assert_same_state(&live, &rebuilt);
}

#[test]
fn a_vote_is_never_taken_back_after_a_restart() {
    let mut live = validator(1);
    let transfer = pay_coin(0, "");
    let parent = pay_coin(2, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (alone, alone_batch) = batch(2, &[transfer.clone()]);
    let (mixed, _) = batch(PROPOSER, &[transfer, pay_coin(1, ""), child]);
    let (parents, parents_batch) = batch(3, &[parent]);
    let mut records = propose(&mut live, 0, &alone).persist;
    let step = propose(&mut live, 0, &mixed);
    assert_eq!(voted(&step, Phase::Lock), "11.");
    records.extend(step.persist);
    let mut rebuilt = replayed(1, &records);
    certify(&mut rebuilt, 1, certificate(Phase::Commit, &alone_batch, "1"));
    propose(&mut rebuilt, 1, &parents);
    certify(&mut rebuilt, 1, certificate(Phase::Commit, &parents_batch, "1"));
    assert_eq!(voted(&propose(&mut rebuilt, 2, &mixed), Phase::Lock), "111");
}

/// Votes for the first of two entries, of which the second waits for a parent; the first is
/// applied, the
/// batch forgotten, the parent applied, and the batch proposed again.
fn forgotten(restarts: impl Fn(Validator, &[Record]) -> Validator) -> Step {
    let mut live = validator(1);
    let parent = pay_coin(2, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (mixed, mixed_batch) = batch(PROPOSER, &[pay_coin(0, ""), child]);
    let (parents, parents_batch) = batch(3, &[parent]);
    let step = propose(&mut live, 0, &mixed);
    assert_eq!(voted(&step, Phase::Lock), "1.");
    let mut records = step.persist;
    records.extend(certify(&mut live, 1, certificate(Phase::Commit, &mixed_batch, "1.")).persist);
    live.tick(RESOLVED_KEEP_US * 2);
    assert_eq!(live.load().0, 0, "it is forgotten");
    let mut live = restarts(live, &records);
    propose(&mut live, RESOLVED_KEEP_US * 2, &parents);
    certify(&mut live, RESOLVED_KEEP_US * 2, certificate(Phase::Commit, &parents_batch, "1"));
    let lock = propose(&mut live, RESOLVED_KEEP_US * 2, &mixed);
    let commit =
        certify(&mut live, RESOLVED_KEEP_US * 2, certificate(Phase::Lock, &mixed_batch, "11"));
    let votes = answers(&commit).into_iter().filter(|(_, answer)| answer.vote.is_some()).count();
    assert_eq!(votes, 0);
    lock
}

#[test]
fn r10_a_vote_is_never_contradicted_after_its_batch_is_forgotten() {
    assert_eq!(voted(&forgotten(|live, _| live), Phase::Lock), "");
    let replayed = forgotten(|_, records| replayed(1, records));
    assert_eq!(voted(&replayed, Phase::Lock), "");
    let compacted = forgotten(|live, _| {
        let tips = live.tips().clone();
        let mut rebuilt = Validator::new(network(), 1, member_key(1), tips);
        for record in live.live_records() {
            rebuilt.replay(record).expect("its own records");
        }
        rebuilt.replayed_all();
        rebuilt.set_mode(Mode::Voting);
        rebuilt
    });
    assert_eq!(voted(&compacted, Phase::Lock), "");
}

#[test]
fn closed_batches_are_bounded_and_above_that_nothing_half_spent_is_voted_on() {
    let over = forgotten(|mut live, _| {
        live.closed = Default::default();
        for number in 0..=CLOSED_MAX {
            let id = ledger::hash::hash(ledger::hash::Tag::Root, &[&number.to_le_bytes()]);
            live.closed.insert(ledger::BatchId(id));
        }
        assert_eq!(live.closed.batches().len(), CLOSED_MAX);
        live
    });
    assert_eq!(voted(&over, Phase::Lock), "");
}

#[test]
fn a_crash_between_persist_and_send_ends_in_the_same_vote() {
    let mut live = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let step = propose(&mut live, 0, &proposal);
    let mut rebuilt = replayed(1, &step.persist);
    let again = propose(&mut rebuilt, 1, &proposal);
    assert_eq!(step.after, again.after);
    assert!(again.persist.is_empty());
    let mut records = step.persist;
    let step = certify(&mut live, 2, certificate(Phase::Lock, &batch, "1"));
    records.extend(step.persist);
    let mut rebuilt = replayed(1, &records);
    let again = propose(&mut rebuilt, 3, &proposal);
    assert_eq!(voted(&again, Phase::Commit), "1");
    // A conflicting transfer is refused after the restart as it was before.
    let (conflict, _) = self::batch(2, &[pay_coin(0, "conflict")]);
    assert_eq!(voted(&propose(&mut rebuilt, 4, &conflict), Phase::Lock), "");
}

#[test]
fn each_replay_error_is_produced() {
    use crate::record::{Certified, Locked};
    use crate::validator::ReplayError;
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(0, "conflict")]);
    let id = batch.id();
    let fresh = || {
        let mut validator = validator(1);
        validator.replay(Record::Batch(proposal.clone())).expect("a good batch");
        validator
    };
    let locked = |text: &str| Record::Locked(Locked { batch: id, bitmap: bits(text) });
    let mut empty = validator(1);
    assert_eq!(empty.replay(locked("1.")), Err(ReplayError::NoBatch(id)));
    assert_eq!(fresh().replay(locked("1")), Err(ReplayError::BitmapLength(id)));
    assert_eq!(fresh().replay(locked("11")), Err(ReplayError::Forbidden(id)));
    let mut wrong = (*proposal).clone();
    wrong.claimed = Default::default();
    let wrong = empty.replay(Record::Batch(Arc::new(wrong)));
    assert!(matches!(wrong, Err(ReplayError::WrongRoot(_))));
    let commit = certificate(Phase::Commit, &batch, "11").certificate().clone();
    let applied = Record::Applied(Certified { certificate: commit, bitmap: bits("11") });
    assert_eq!(fresh().replay(applied), Err(ReplayError::DoesNotFit(coin(0).state)));
}

#[test]
fn above_the_limit_of_closed_batches_only_what_is_half_spent_gets_no_vote() {
    let mut one = validator(1);
    // Two too many: once over it is over for good.
    for number in 0..CLOSED_MAX + 2 {
        let id = ledger::hash::hash(ledger::hash::Tag::Root, &[&number.to_le_bytes()]);
        one.closed.insert(ledger::BatchId(id));
    }
    let (fresh, _) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    assert_eq!(voted(&propose(&mut one, 0, &fresh), Phase::Lock), "11", "nothing of it is spent");
    let (spends, spends_batch) = batch(2, &[pay_coin(2, "")]);
    propose(&mut one, 0, &spends);
    certify(&mut one, 0, certificate(Phase::Commit, &spends_batch, "1"));
    let (half, _) = batch(PROPOSER, &[pay_coin(2, "late"), pay_coin(3, "")]);
    assert_eq!(voted(&propose(&mut one, 1, &half), Phase::Lock), "", "it may have been voted on");
    // One whose votes are remembered goes on, although one of its states is spent now.
    let parent = pay_coin(4, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (mixed, mixed_batch) = batch(3, &[pay_coin(5, ""), child]);
    assert_eq!(voted(&propose(&mut one, 1, &mixed), Phase::Lock), "1.");
    certify(&mut one, 1, certificate(Phase::Commit, &mixed_batch, "1."));
    let (parents, parents_batch) = batch(2, &[parent]);
    propose(&mut one, 2, &parents);
    let step = certify(&mut one, 2, certificate(Phase::Commit, &parents_batch, "1"));
    assert_eq!(voted(&step, Phase::Lock), "11");
}

#[test]
fn r9_evidence_is_not_kept_again_after_a_restart() {
    let mut live = validator(1);
    let (first, _) = batch(PROPOSER, &[pay_coin(0, "one")]);
    let (second, _) = batch(2, &[pay_coin(0, "two")]);
    let mut records = propose(&mut live, 0, &first).persist;
    records.extend(propose(&mut live, 0, &second).persist);
    let mut rebuilt = replayed(1, &records);
    let (third, _) = batch(3, &[pay_coin(0, "three")]);
    let step = propose(&mut rebuilt, 1, &third);
    assert!(step.evidence.is_empty() && step.persist.is_empty());
}

#[test]
fn replay_tells_what_it_applied_and_remembers_the_bits() {
    let mut live = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    let mut records = propose(&mut live, 0, &proposal).persist;
    let step = certify(&mut live, 1, certificate(Phase::Commit, &batch, "1."));
    records.extend(step.persist);
    let mut rebuilt = Validator::new(network(), 1, member_key(1), Tips::genesis(network()));
    let mut told = Vec::new();
    for record in records.clone() {
        told.extend(rebuilt.replay(record).expect("its own records"));
    }
    assert_eq!(told, step.applied);
    assert_eq!(rebuilt.applied_of(&batch.id()), Some(bits("1.")));
    // Over tips that hold it already, nothing is told and nothing is applied twice.
    let mut newer = Validator::new(network(), 1, member_key(1), live.tips().clone());
    for record in records {
        assert_eq!(newer.replay(record), Ok(Vec::new()));
    }
    assert_eq!(newer.applied_of(&batch.id()), Some(bits("1.")));
    assert_eq!(newer.tips().applied(), 1);
}

#[test]
fn a_promise_of_a_state_that_is_spent_by_now_is_not_read_back() {
    use crate::record::{Promise, Promised};
    let mut live = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    propose(&mut live, 0, &proposal);
    certify(&mut live, 0, certificate(Phase::Commit, &batch, "1"));
    let mut rebuilt = Validator::new(network(), 1, member_key(1), live.tips().clone());
    let promise = |position: usize| Promise { state: coin(position).state, accepted: None };
    let promised = Promised { round: 1, promises: vec![promise(0), promise(1)] };
    rebuilt.replay(Record::Promised(promised)).expect("its own record");
    assert!(rebuilt.locks().get(&coin(0).state.token).is_none());
    let row = rebuilt.locks().get(&coin(1).state.token).expect("a row");
    assert_eq!(row.promised, 1);
    // The token's next state has a row of its own.
    rebuilt.set_mode(Mode::Voting);
    let (next, _) = self::batch(2, &[pay(1, &[made(&pay_coin(0, ""))], 2, "")]);
    assert_eq!(voted(&propose(&mut rebuilt, 1, &next), Phase::Lock), "1");
}

#[test]
fn a_snapshots_tips_are_taken_before_anything_else() {
    let mut live = validator(1);
    history(&mut live);
    let mut joined = Validator::new(network(), 1, member_key(1), Tips::genesis(network()));
    joined.replay_tips(live.tips().clone());
    assert_eq!(joined.tips().digest(), live.tips().digest());
    assert_eq!(joined.tips().applied(), live.tips().applied());
}
