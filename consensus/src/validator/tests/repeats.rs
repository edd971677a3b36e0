//! R8 idempotent: the same again, from the same proposer or another.

use super::*;

#[test]
fn r8_idempotent_repeats_get_the_same_answer_and_write_nothing() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let first = propose(&mut validator, 0, &proposal);
    let again = propose(&mut validator, 1, &proposal);
    assert_eq!(first.after, again.after);
    assert!(again.persist.is_empty());
    let lock = certificate(Phase::Lock, &batch, "1");
    let accepted = certify(&mut validator, 2, lock.clone());
    let again = certify(&mut validator, 3, lock.clone());
    assert!(again.persist.is_empty());
    assert_eq!(accepted.after, again.after);
    let answer = validator.wants(lock.certificate()).expect_err("it knows that");
    assert_eq!(accepted.after, answer.after);
    let commit = certificate(Phase::Commit, &batch, "1");
    assert!(validator.wants(commit.certificate()).is_ok());
    assert_eq!(certify(&mut validator, 4, commit.clone()).applied.len(), 1);
    assert!(validator.wants(commit.certificate()).is_err());
    let again = certify(&mut validator, 5, commit);
    assert!(again.applied.is_empty() && again.persist.is_empty());
    assert_eq!(validator.tips().applied(), 1);
}

#[test]
fn r8_the_same_transfer_by_another_proposer_is_answered_to_that_proposer() {
    let mut validator = validator(1);
    let transfer = pay_coin(0, "");
    let (first, first_batch) = batch(PROPOSER, &[transfer.clone()]);
    let (second, second_batch) = batch(2, &[transfer]);
    assert_eq!(first_batch.id(), second_batch.id(), "one content, one id");
    propose(&mut validator, 0, &first);
    let step = propose(&mut validator, 1, &second);
    let to: Vec<u16> = answers(&step).iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [2]);
    let step = certify(&mut validator, 2, certificate(Phase::Lock, &first_batch, "1"));
    let to: Vec<u16> = answers(&step).iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [PROPOSER, 2], "the first proposer may be gone");
}

#[test]
fn r8_two_proposers_of_one_batch_in_the_pipeline_are_both_answered() {
    let mut validator = validator(1);
    let (first, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (second, _) = batch(2, &[pay_coin(0, "")]);
    let one = validator.proposed(0, PROPOSER, first);
    let two = validator.proposed(0, 2, second);
    let mut both = settle(&mut validator, 0, one);
    both.merge(settle(&mut validator, 0, two));
    let to: Vec<u16> = answers(&both).iter().map(|(to, _)| *to).collect();
    assert!(to.contains(&PROPOSER) && to.contains(&2), "{to:?}");
    assert_eq!(persisted(&both), [1, 2], "one lock, written once");
}

#[test]
fn r8_an_own_batch_again_gets_the_answers_of_both_phases() {
    let mut own = validator(PROPOSER);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let first = own.own(0, proposal.clone(), batch.clone());
    certify(&mut own, 1, certificate_of([1, 2, 3, 4, 5], Phase::Lock, &batch, "1"));
    let again = own.own(2, proposal, batch);
    assert_eq!(voted(&again, Phase::Lock), voted(&first, Phase::Lock));
    assert_eq!(voted(&again, Phase::Commit), "1");
    assert!(again.persist.is_empty());
}

#[test]
fn r8_a_spent_input_names_its_spender_and_the_proof_is_applied() {
    let mut validator = validator(1);
    let transfer = pay_coin(0, "");
    let (proposal, batch_of) = batch(PROPOSER, &[transfer.clone()]);
    propose(&mut validator, 0, &proposal);
    let commit = certificate(Phase::Commit, &batch_of, "1");
    certify(&mut validator, 0, commit.clone());
    let (again, _) = batch(2, &[transfer.clone(), pay_coin(1, "")]);
    let step = propose(&mut validator, 1, &again);
    assert_eq!(voted(&step, Phase::Lock), ".1");
    assert_eq!(only_refusal(&step), RefusedKind::Spent);
    assert_eq!(answers(&step)[0].1.refused[0].transfer, id(&transfer));

    // The proof path: the one who asked has neither batch nor certificate.
    let mut asker = self::validator(2);
    let applied =
        AppliedBatch { proposal: (*proposal).clone(), certificate: commit.certificate().clone() };
    let step = asker.proven(2, applied.clone(), batch_of.clone(), commit.clone());
    assert_eq!((persisted(&step), step.applied.len()), (vec![1, 4], 1));
    let step = asker.proven(3, applied.clone(), batch_of.clone(), commit);
    assert!(step.persist.is_empty() && step.applied.is_empty());
    // A Lock certificate proves nothing final, and nothing for another batch.
    let mut other = self::validator(3);
    let lock = certificate(Phase::Lock, &batch_of, "1");
    assert!(other.proven(3, applied.clone(), batch_of, lock).applied.is_empty());
    let (_, stranger) = batch(2, &[pay_coin(5, "")]);
    let commit = certificate(Phase::Commit, &stranger, "1");
    assert!(other.proven(3, applied, stranger, commit).applied.is_empty());
    assert_eq!(other.tips().applied(), 0);
}
