//! Tests of certificates that wait: for their batch, or for a parent. What waits is bounded, asked
//! for again, and the one that says more is kept.

use super::*;
use crate::Batch;
use ledger::BatchId;

fn number(number: usize) -> ledger::Digest {
    ledger::hash::hash(ledger::hash::Tag::Root, &[&number.to_le_bytes()])
}

type Proposed = (Arc<crate::Proposal>, Arc<Batch>);

/// A parent, and a batch with its child alone.
fn family() -> (Proposed, Proposed) {
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    (batch(PROPOSER, &[parent]), batch(PROPOSER, &[child]))
}

#[test]
fn parked_is_bounded_and_the_oldest_goes() {
    let mut one = validator(6);
    for index in 0..PARKED_MAX {
        let since_us = 1_000 + u64::try_from(index).expect("small");
        let parked = crate::validator::Parked { since_us, ..Default::default() };
        one.parked.insert(BatchId(number(index)), parked);
    }
    let (_, newest) = batch(PROPOSER, &[pay_coin(0, "")]);
    for phase in [Phase::Lock, Phase::Commit] {
        certify(&mut one, 100_000, certificate(phase, &newest, "1"));
        assert_eq!(one.load().2, PARKED_MAX);
        assert!(one.parked.contains_key(&newest.id()));
        assert!(!one.parked.contains_key(&BatchId(number(0))), "the oldest has gone");
        assert!(one.parked.contains_key(&BatchId(number(1))), "and no other");
    }
}

#[test]
fn of_two_certificates_that_wait_the_one_that_certifies_more_is_kept() {
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    for order in [["1.", "11"], ["11", "1."]] {
        let mut one = validator(6);
        for text in order {
            certify(&mut one, 0, certificate(Phase::Lock, &batch, text));
            certify(&mut one, 0, certificate(Phase::Commit, &batch, text));
        }
        assert_eq!(one.load().2, 1);
        let step = one.fetched(1, proposal.clone(), batch.clone());
        assert_eq!(step.applied.len(), 2, "{order:?}");
        let mut one = validator(6);
        for text in order {
            certify(&mut one, 0, certificate(Phase::Lock, &batch, text));
        }
        let step = one.fetched(1, proposal.clone(), batch.clone());
        assert_eq!(voted(&step, Phase::Commit), "11", "{order:?}");
    }
}

#[test]
fn a_missing_batch_is_asked_for_again_after_a_while_and_not_while_it_is_judged() {
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let wanted = |from: &[u16]| Fetch::Batch { batch: batch.id(), from: from.to_vec() };
    let mut one = validator(6);
    let step = certify(&mut one, 5, certificate(Phase::Lock, &batch, "1"));
    assert_eq!(step.fetch, [wanted(&QUORUM)]);
    assert!(one.tick(RETRY_US + 4).fetch.is_empty());
    assert_eq!(one.tick(RETRY_US + 5).fetch, [wanted(&QUORUM)]);
    assert!(one.tick(2 * RETRY_US + 4).fetch.is_empty(), "the pause begins anew");
    // Another certificate begins it anew, too; who can't have asked itself is not asked.
    certify(&mut one, 2 * RETRY_US, certificate(Phase::Commit, &batch, "1"));
    assert!(one.tick(3 * RETRY_US - 1).fetch.is_empty());
    assert_eq!(one.tick(3 * RETRY_US).fetch, [wanted(&QUORUM)]);
    let mut own = validator(0);
    let step = certify(&mut own, 0, certificate(Phase::Lock, &batch, "1"));
    assert_eq!(step.fetch, [wanted(&QUORUM[1..])], "not itself");
    assert_eq!(own.tick(RETRY_US).fetch, [wanted(&QUORUM[1..])]);
    let mut judging = validator(6);
    let pending = judging.proposed(0, PROPOSER, proposal);
    let step = judging.certified(0, certificate(Phase::Lock, &batch, "1"));
    assert!(step.fetch.is_empty(), "its pipeline has it");
    let step = settle(&mut judging, 1, pending);
    assert_eq!(voted(&step, Phase::Commit), "1");
}

#[test]
fn what_waits_for_a_parent_is_bounded_with_the_rest_and_goes_on_at_a_tick() {
    let ((first, first_batch), (second, second_batch)) = family();
    let full = |count: usize| {
        let mut one = validator(1);
        for index in 0..count {
            let parked = crate::validator::Parked { since_us: 9 * RETRY_US, ..Default::default() };
            one.parked.insert(BatchId(number(index)), parked);
        }
        propose(&mut one, 0, &second);
        certify(&mut one, 0, certificate(Phase::Commit, &second_batch, "1"));
        assert_eq!(one.parked.len(), count.max(PARKED_MAX.min(count + 1)));
        one
    };
    full(PARKED_MAX);
    let mut one = full(PARKED_MAX - 1);
    // A second one of the same batch takes the place of the first.
    certify(&mut one, 1, certificate(Phase::Lock, &second_batch, "1"));
    assert_eq!(one.parked.len(), PARKED_MAX);
    // Nothing wakes it, as if there had been no room among what waits.
    one.waiting.clear();
    propose(&mut one, 2, &first);
    let step = certify(&mut one, 2, certificate(Phase::Commit, &first_batch, "1"));
    assert_eq!(step.applied.len(), 1);
    let early = one.tick(RETRY_US);
    assert_eq!(early.applied.len(), 0, "{:?}", early.applied);
    let step = one.tick(RETRY_US + 1);
    assert_eq!(
        (step.applied.len(), step.fetch.len()),
        (1, 0),
        "the child, and no batch is asked for"
    );
    assert_eq!(one.parked.len(), PARKED_MAX - 1);
}

#[test]
fn r6_a_lock_certificate_of_a_fetched_child_goes_on_when_its_parent_is_applied() {
    let ((first, first_batch), (second, second_batch)) = family();
    let mut one = validator(6);
    certify(&mut one, 0, certificate(Phase::Lock, &second_batch, "1"));
    let step = one.fetched(0, second, second_batch.clone());
    assert!(step.persist.is_empty() && step.after.is_empty(), "its parent is missing");
    certify(&mut one, 1, certificate(Phase::Commit, &first_batch, "1"));
    let step = one.fetched(1, first, first_batch);
    assert_eq!(voted(&step, Phase::Commit), "1");
}

/// A token that goes to and fro: each pays what the one before made.
fn chain(count: usize) -> Vec<ledger::SignedTransfer> {
    let mut input = coin(0);
    let one = |turn: usize| {
        let signed =
            pay(u8::from(!turn.is_multiple_of(2)), &[input], u8::from(turn.is_multiple_of(2)), "");
        input = made(&signed);
        signed
    };
    (0..count).map(one).collect()
}

/// Hands over a batch with a Commit certificate for all of it.
fn prove(validator: &mut Validator, transfers: &[ledger::SignedTransfer]) -> Step {
    let (proposal, batch) = batch(PROPOSER, transfers);
    let checked = certificate(Phase::Commit, &batch, &"1".repeat(transfers.len()));
    let certificate = checked.certificate().clone();
    let applied = AppliedBatch { proposal: (*proposal).clone(), certificate };
    validator.proven(1, applied, batch, checked)
}

/// The stack of a thread is 2 MiB; a call within a call for each entry took 2.3 kB a level.
#[test]
fn a_batch_in_reverse_order_is_applied_without_a_stack_of_calls() {
    let mut transfers = chain(2_000);
    transfers.reverse();
    let mut one = validator(6);
    let step = prove(&mut one, &transfers);
    assert_eq!((step.applied.len(), one.tips().applied()), (2_000, 2_000));
    assert!(step.fetch.is_empty() && one.parked.is_empty(), "nothing is missing");
    // Replaying applies a record's entries in their order.
    let again = replayed(6, &step.persist);
    assert_eq!(again.tips().digest(), one.tips().digest());
}

#[test]
fn batches_that_wait_for_each_other_entry_by_entry_wake_each_other_without_a_stack_of_calls() {
    let transfers = chain(2_000);
    let every = |from: usize| transfers.iter().skip(from).step_by(2).cloned().collect::<Vec<_>>();
    let mut one = validator(6);
    let step = prove(&mut one, &every(1));
    assert!(step.applied.is_empty());
    let step = prove(&mut one, &every(0));
    assert_eq!((step.applied.len(), one.tips().applied()), (2_000, 2_000));
    assert!(one.parked.is_empty() && one.woken.is_empty());
    assert!(step.judge.len() <= 2, "each batch is judged again once at most");
    let again = replayed(6, &step.persist);
    assert_eq!(again.tips().digest(), one.tips().digest());
}
