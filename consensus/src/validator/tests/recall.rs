//! Tests of §5: an own vote that is not remembered ends the voting; one that is, never does.

use super::*;
use crate::{Batch, Proposal};

/// A certificate with the vote of member 1, who is looked at.
fn with_own(phase: Phase, batch: &Batch, text: &str) -> CheckedCertificate {
    certificate_of([0, 1, 2, 3, 4], phase, batch, text)
}

fn prove(
    validator: &mut Validator,
    (proposal, batch): (&Proposal, &Arc<Batch>),
    checked: CheckedCertificate,
) -> Step {
    let certificate = checked.certificate().clone();
    let applied = AppliedBatch { proposal: proposal.clone(), certificate };
    validator.proven(0, applied, batch.clone(), checked)
}

#[test]
fn an_own_vote_that_is_not_remembered_ends_the_voting() {
    let transfer = pay_coin(0, "");
    let (proposal, batch) = batch(PROPOSER, &[transfer.clone()]);
    for mode in [Mode::Voting, Mode::CatchingUp] {
        let mut lost = Validator::new(network(), 1, member_key(1), Tips::genesis(network()));
        lost.set_mode(mode);
        let step = prove(&mut lost, (&proposal, &batch), with_own(Phase::Commit, &batch, "1"));
        assert_eq!(step.forgotten, Some(id(&transfer)));
        assert_eq!(lost.mode(), Mode::Silent);
        assert_eq!(lost.tips().applied(), 1, "it applies and serves all the same");
    }
    // The Lock vote alone, when the batch is there without a lock.
    let mut lost = validator(1);
    lost.set_mode(Mode::CatchingUp);
    propose(&mut lost, 0, &proposal);
    lost.set_mode(Mode::Voting);
    let step = certify(&mut lost, 1, with_own(Phase::Lock, &batch, "1"));
    assert_eq!((step.forgotten, lost.mode()), (Some(id(&transfer)), Mode::Silent));
    assert!(answers(&step).iter().all(|(_, answer)| answer.vote.is_none()));
}

#[test]
fn accepted_amnesia_is_not_told_again() {
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let mut lost = validator(1);
    lost.accept_amnesia();
    let step = prove(&mut lost, (&proposal, &batch), with_own(Phase::Commit, &batch, "1"));
    assert_eq!((step.forgotten, lost.mode()), (None, Mode::Voting));
}

#[test]
fn a_parent_that_is_missing_behind_an_own_vote_was_forgotten() {
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (proposal, batch) = batch(PROPOSER, &[child.clone()]);
    let mut rolled_back = validator(1);
    let checked = with_own(Phase::Commit, &batch, "1");
    let step = prove(&mut rolled_back, (&proposal, &batch), checked);
    assert_eq!(step.forgotten, Some(id(&child)));
}

#[test]
fn own_votes_are_remembered_live_after_restarts_and_when_their_batch_is_forgotten() {
    let mut live = validator(1);
    let (mine, other) = (pay_coin(0, ""), pay_coin(1, ""));
    let (first, first_batch) = batch(PROPOSER, &[mine.clone(), other.clone()]);
    let (second, second_batch) = batch(2, &[mine]);
    let mut records = propose(&mut live, 0, &first).persist;
    records.extend(propose(&mut live, 0, &second).persist);
    let mut rebuilt = replayed(1, &records);
    let step = certify(&mut live, 1, with_own(Phase::Lock, &first_batch, "11"));
    assert_eq!(step.forgotten, None);
    let again = certify(&mut rebuilt, 1, with_own(Phase::Lock, &first_batch, "11"));
    assert_eq!(again.forgotten, None);
    assert_eq!(step.persist, again.persist);
    records.extend(step.persist);
    let mut rebuilt = replayed(1, &records);
    for validator in [&mut live, &mut rebuilt] {
        // The lock of the second batch is that of the first; its accept came with the first, too.
        let step = certify(validator, 2, with_own(Phase::Lock, &second_batch, "1"));
        assert_eq!(step.forgotten, None);
        let step = certify(validator, 3, with_own(Phase::Commit, &first_batch, "11"));
        assert_eq!((step.forgotten, step.applied.len()), (None, 2));
        validator.tick(RESOLVED_KEEP_US * 2);
        assert_eq!(validator.load().0, 0, "both batches are forgotten");
        let late = [(&first, &first_batch, "11"), (&second, &second_batch, "1")];
        for (proposal, batch, text) in late {
            let checked = with_own(Phase::Commit, batch, text);
            assert_eq!(prove(validator, (proposal, batch), checked).forgotten, None);
        }
        assert_eq!(validator.mode(), Mode::Voting);
    }
}

#[test]
fn a_lock_for_another_transfer_does_not_explain_an_own_vote() {
    // As after a rollback: it voted for one, has forgotten it, and locked the other.
    let (forgot, holds) = (pay_coin(0, "forgot"), pay_coin(0, "holds"));
    let (forgotten, forgotten_batch) = batch(PROPOSER, &[forgot.clone()]);
    let (held, _) = batch(2, &[holds]);
    for phase in [Phase::Lock, Phase::Commit] {
        let mut one = validator(1);
        propose(&mut one, 0, &held);
        propose(&mut one, 0, &forgotten);
        let step = certify(&mut one, 1, with_own(phase, &forgotten_batch, "1"));
        assert_eq!((step.forgotten, one.mode()), (Some(id(&forgot)), Mode::Silent), "{phase:?}");
    }
}

#[test]
fn a_higher_lock_explains_an_own_vote_of_a_lower_round_and_an_equal_one_does_not() {
    let entry = |memo: &str, round: u32| ledger::Entry {
        signed: pay_coin(0, memo),
        round,
        justification: if round > 0 { vec![0] } else { Vec::new() },
    };
    let (_, low) = of_entries(PROPOSER, vec![entry("low", 1)]);
    for (round, is_explained) in [(0, false), (1, false), (2, true)] {
        let mut one = validator(1);
        let held = crate::lock::Held {
            round,
            transfer: id(&pay_coin(0, "high")),
            batch: Default::default(),
        };
        one.locks.lock(address(0), &[coin(0)], held).expect("nothing is locked yet");
        one.locks.accept(&[coin(0)], held).expect("nothing is promised above");
        for phase in [Phase::Lock, Phase::Commit] {
            let mut one = one.clone();
            let (proposal, _) = of_entries(PROPOSER, low.entries().to_vec());
            let checked = with_own(phase, &low, "1");
            let step = prove_or_fetch(&mut one, &proposal, &low, checked);
            assert_eq!(step.forgotten.is_none(), is_explained, "round {round}, {phase:?}");
        }
    }
}

/// The certificate, then the batch that it waits for.
fn prove_or_fetch(
    one: &mut Validator,
    proposal: &Arc<Proposal>,
    batch: &Arc<Batch>,
    checked: CheckedCertificate,
) -> Step {
    one.certified(0, checked);
    one.fetched(0, proposal.clone(), batch.clone())
}
