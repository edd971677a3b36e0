//! Tests of the validator: each rule R1 to R10 by name. Restarts are in `tests/restart.rs`.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "one transfer or many read alike")]

mod restart;

use crate::limits::*;
use crate::testkit::*;
use crate::{
    AppliedBatch, CheckedCertificate, Evidence, Fetch, Judged, Mode, Outgoing, Record, RefusedKind,
    Step, Tips, To, Validator,
};
use ledger::{Certificate, Entry, Phase, Signature, TransferError, TransferId};
use std::sync::Arc;

const PROPOSER: u16 = 0;

/// The rows without the batches that they came in: one transfer may be in two.
fn locks_of(validator: &Validator) -> Vec<crate::lock::Lock> {
    let of = |mut row: crate::lock::Lock| {
        for held in [&mut row.locked, &mut row.accepted].into_iter().flatten() {
            held.batch = Default::default();
        }
        row
    };
    let mut rows: Vec<_> = validator.locks().rows().copied().map(of).collect();
    rows.sort_by_key(|row| row.state);
    rows
}

fn assert_same_state(left: &Validator, right: &Validator) {
    assert_eq!(locks_of(left), locks_of(right));
    let tips = |validator: &Validator| {
        let mut tips: Vec<_> = validator.tips().tokens().map(|(id, tip)| (*id, *tip)).collect();
        tips.sort_by_key(|(id, _)| *id);
        tips
    };
    assert_eq!(tips(left), tips(right));
    assert_eq!(left.tips().digest(), right.tips().digest());
    assert_eq!(left.tips().applied(), right.tips().applied());
}

fn only_refusal(step: &Step) -> RefusedKind {
    let answers = answers(step);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].1.refused.len(), 1);
    answers[0].1.refused[0].kind
}

// ---------------------------------------------------------------------------------------- R1

#[test]
fn r1_decode_a_wrong_root_is_refused_whole_and_its_sender_blamed() {
    let mut validator = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (other, _) = batch(PROPOSER, &[pay_coin(1, "")]);
    let mut wrong = (*proposal).clone();
    wrong.entries = other.entries.clone();
    let key = member_key(PROPOSER);
    let step = propose(&mut validator, 0, &Arc::new(wrong));
    assert!(step.persist.is_empty() && step.after.is_empty());
    assert_eq!(step.blame.len(), 1);
    assert_eq!(step.blame[0].member, PROPOSER);
    // With a good signature over the wrong root, too.
    let mut signed = crate::Proposal::sign(
        &crate::Batch::of(&other).expect("a good batch"),
        &network().id,
        network().epoch,
        PROPOSER,
        &key,
    );
    signed.claimed = proposal.claimed;
    let step = propose(&mut validator, 0, &Arc::new(signed));
    assert!(step.persist.is_empty() && step.after.is_empty() && step.blame.len() == 1);
    // And the real batch is taken after that.
    assert_eq!(voted(&propose(&mut validator, 0, &proposal), Phase::Lock), "1");
}

#[test]
fn r1_a_batch_without_its_proposers_signature_of_another_epoch_or_relayed_is_refused() {
    let mut validator = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let refused = |validator: &mut Validator, from: u16, proposal: crate::Proposal| {
        let step = validator.proposed(0, from, Arc::new(proposal));
        let step = settle(validator, 0, step);
        assert!(step.persist.is_empty() && step.after.is_empty());
        assert_eq!(step.blame.len(), 1);
        assert_eq!(step.blame[0].member, from);
    };
    let unsigned = crate::Proposal { signature: Signature([0; 64]), ..(*proposal).clone() };
    refused(&mut validator, PROPOSER, unsigned);
    refused(&mut validator, PROPOSER, crate::Proposal { epoch: 4, ..(*proposal).clone() });
    refused(&mut validator, 2, (*proposal).clone());
}

#[test]
fn r1_a_claimed_id_does_not_keep_the_real_batch_out() {
    let mut validator = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (mut wrong, _) = batch(2, &[pay_coin(9, "")]);
    Arc::make_mut(&mut wrong).claimed = proposal.claimed;
    let pending = validator.proposed(0, 2, wrong);
    assert_eq!(pending.judge.len(), 1);
    // While the pipeline still has the wrong one, the real one comes.
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "1");
    let step = settle(&mut validator, 0, pending);
    assert_eq!(step.blame[0].member, 2);
    assert_eq!(voted(&propose(&mut validator, 1, &proposal), Phase::Lock), "1");
}

// ---------------------------------------------------------------------------------------- R2, R3

#[test]
fn r2_owner_inputs_are_tips_unspent_and_the_signers() {
    let mut validator = validator(1);
    let mut wrong_amount = coin(1);
    wrong_amount.amount = 11;
    let mut unknown = coin(2);
    unknown.state.token = ledger::state::genesis_token_id(1_000);
    let mut forged = pay_coin(3, "");
    forged.signature.0[0] ^= 1;
    let transfers = [
        pay(1, &[coin(0)], 2, "not the owner"),
        pay(0, &[wrong_amount], 1, ""),
        pay(0, &[unknown], 1, ""),
        forged,
        pay_coin(4, ""),
    ];
    let (proposal, _) = batch(PROPOSER, &transfers);
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "....1");
    let refused = &answers(&step)[0].1.refused;
    assert!(refused.iter().all(|refused| refused.kind == RefusedKind::Invalid));
    assert_eq!(refused.len(), 4);
    assert_eq!(validator.locks().count(), 1);
}

#[test]
fn r3_conserve_amounts_balance_per_asset() {
    let mut validator = validator(1);
    let mut transfer = pay_coin(0, "").transfer;
    let (asset, to) = (coin(0).asset, address(1));
    transfer.outputs = vec![ledger::Output::Create { asset, amount: 11, to }];
    let unbalanced = transfer.sign(&owner_key(0));
    let judged = crate::judge::judge_entry(validator.tips(), &Entry::ordinary(unbalanced.clone()));
    let expected = TransferError::Unbalanced { asset, spent: 10, made: 11 };
    assert_eq!(judged, crate::Verdict::Invalid(crate::Refusal::Transfer(expected)));
    let (proposal, _) = batch(PROPOSER, &[unbalanced]);
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        ("", RefusedKind::Invalid)
    );
    assert!(step.persist.is_empty());
}

// ---------------------------------------------------------------------------------------- R4, R5

#[test]
fn r4_one_lock_the_earlier_entry_wins_and_all_states_or_none() {
    let mut validator = validator(1);
    let both = pay(0, &[coin(0), coin(1)], 1, "");
    let first = pay(0, &[coin(0)], 2, "conflict");
    let second = pay(0, &[coin(1), coin(2)], 2, "conflict, too");
    let (proposal, _) = batch(PROPOSER, &[both.clone(), first.clone(), second]);
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "1..");
    // The second conflicting transfer has locked none of its states.
    assert_eq!(validator.locks().count(), 2);
    assert!(validator.locks().get(&coin(2).state.token).is_none());
    // Nor does it in a batch of another proposer.
    let (again, _) = batch(2, &[first]);
    let step = propose(&mut validator, 0, &again);
    assert_eq!(voted(&step, Phase::Lock), "");
    assert_eq!(answers(&step)[0].1.refused[0].transfer, id(&both));
    assert_eq!(only_refusal(&step), RefusedKind::Locked);
}

#[test]
fn r4_a_round_above_zero_needs_its_justification() {
    let mut validator = validator(1);
    let entry = Entry { signed: pay_coin(0, ""), round: 1, justification: b"none".to_vec() };
    let (proposal, _) = of_entries(PROPOSER, vec![entry]);
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        ("", RefusedKind::Invalid)
    );
    assert_eq!(validator.locks().count(), 0);
}

#[test]
fn r5_lock_before_vote_the_vote_stands_on_the_records_of_its_step() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    let step = propose(&mut validator, 0, &proposal);
    assert!(step.now.is_empty(), "a vote never leaves before the sync");
    assert_eq!(persisted(&step), [1, 2]);
    let locked = crate::record::Locked { batch: batch.id(), bitmap: bits("11") };
    assert_eq!(step.persist[1], Record::Locked(locked));
    assert_eq!(step.persist[0], Record::Batch(proposal));
    assert_eq!(voted(&step, Phase::Lock), "11");
}

// ---------------------------------------------------------------------------------------- R6, R7

#[test]
fn r6_accept_before_commit_vote() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    propose(&mut validator, 0, &proposal);
    let step = certify(&mut validator, 1, certificate(Phase::Lock, &batch, "11"));
    assert!(step.now.is_empty());
    assert_eq!(persisted(&step), [3]);
    assert_eq!(voted(&step, Phase::Commit), "11");
    assert_eq!(validator.tips().applied(), 0, "what is accepted is not acted on");
    let row = validator.locks().get(&coin(0).state.token).expect("its lock");
    assert_eq!(row.accepted.expect("accepted").transfer, batch.ids()[0]);
}

#[test]
fn r6_a_lock_certificate_for_a_refused_entry_is_accepted_all_the_same() {
    let mut validator = validator(1);
    let (held, _) = batch(2, &[pay_coin(0, "held here")]);
    propose(&mut validator, 0, &held);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "a quorum's")]);
    assert_eq!(voted(&propose(&mut validator, 0, &proposal), Phase::Lock), "");
    let step = certify(&mut validator, 1, certificate(Phase::Lock, &batch, "1"));
    assert_eq!((persisted(&step), voted(&step, Phase::Commit).as_str()), (vec![1, 3], "1"));
}

#[test]
fn r7_certificates_are_of_a_quorum_of_distinct_members() {
    let (_, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let of = |members: &[u16]| {
        let votes: Vec<_> = members.iter().map(|m| vote(*m, Phase::Commit, &batch, "1")).collect();
        let votes: Vec<_> = votes.iter().collect();
        CheckedCertificate::check(Certificate::from_votes(&votes), &network(), &mut rng())
    };
    assert!(of(&[0, 1, 2, 3, 4]).is_ok());
    assert!(of(&[0, 1, 2, 3]).is_err());
    assert!(of(&[0, 1, 2, 3, 3]).is_err());
    let mut forged = of(&[0, 1, 2, 3, 4]).expect("a good one").certificate().clone();
    forged.groups[0].votes[4].member = 5;
    assert!(CheckedCertificate::check(forged, &network(), &mut rng()).is_err());
    let empty = Certificate {
        groups: vec![],
        ..certificate(Phase::Commit, &batch, "1").certificate().clone()
    };
    assert!(CheckedCertificate::check(empty, &network(), &mut rng()).is_err());
}

#[test]
fn r7_a_commit_certificate_is_applied_always_and_alone() {
    for mode in [Mode::Voting, Mode::CatchingUp, Mode::Silent] {
        let mut validator = validator(1);
        validator.set_mode(mode);
        let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
        propose(&mut validator, 0, &proposal);
        let step = certify(&mut validator, 1, certificate(Phase::Commit, &batch, "1."));
        assert_eq!(persisted(&step).last(), Some(&4));
        assert_eq!(step.applied.len(), 1);
        assert_eq!(step.applied[0].change.id, batch.ids()[0]);
        assert_eq!(validator.tips().applied(), 1);
        assert!(validator.locks().get(&coin(0).state.token).is_none(), "a spent state has no row");
    }
}

#[test]
fn r7_a_missing_parent_is_fetched_and_then_all_goes_on() {
    let mut validator = validator(1);
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (first, first_batch) = batch(PROPOSER, &[parent.clone()]);
    let (second, second_batch) = batch(PROPOSER, &[child]);
    let step = propose(&mut validator, 0, &second);
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        ("", RefusedKind::Unknown)
    );
    let wanted = Fetch::Parents { transfers: vec![id(&parent)], from: PROPOSER };
    assert_eq!(step.fetch, [wanted.clone()]);
    // Both certificates wait for the parent.
    let step = certify(&mut validator, 1, certificate(Phase::Lock, &second_batch, "1"));
    assert!(step.persist.is_empty() && step.after.is_empty());
    let step = certify(&mut validator, 1, certificate(Phase::Commit, &second_batch, "1"));
    assert_eq!((step.applied.len(), step.fetch), (0, vec![wanted]));
    propose(&mut validator, 2, &first);
    let step = certify(&mut validator, 2, certificate(Phase::Commit, &first_batch, "1"));
    assert_eq!(step.applied.len(), 2, "the parent, and the child that waited");
    assert_eq!(validator.tips().applied(), 2);
    assert_eq!(validator.load().2, 0, "nothing is parked any more");
}

#[test]
fn r7_a_certificate_of_a_batch_that_is_missing_is_parked_and_the_batch_fetched() {
    let mut validator = validator(6);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let step = certify(&mut validator, 0, certificate(Phase::Lock, &batch, "1"));
    let wanted = Fetch::Batch { batch: batch.id(), from: QUORUM.to_vec() };
    assert_eq!(step.fetch, [wanted.clone()]);
    assert_eq!(validator.load().2, 1);
    let step = validator.tick(RETRY_US);
    assert_eq!(step.fetch, [wanted], "asked for again");
    let step = validator.fetched(RETRY_US, proposal, batch);
    assert_eq!((persisted(&step), voted(&step, Phase::Commit).as_str()), (vec![1, 3], "1"));
    assert_eq!(validator.load().2, 0);
}

#[test]
fn a_fetched_batch_nobody_waits_for_or_of_no_member_changes_nothing() {
    let mut validator = validator(6);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    validator.fetched(0, proposal.clone(), batch.clone());
    assert_eq!(validator.load(), (0, 0, 0));
    validator.certified(0, certificate(Phase::Lock, &batch, "1"));
    let mut strange = (*proposal).clone();
    strange.proposer = 7;
    validator.fetched(0, Arc::new(strange), batch);
    assert_eq!(validator.load(), (0, 0, 1));
}

#[test]
fn parked_is_bounded_and_the_oldest_goes() {
    let mut validator = validator(6);
    for number in 0..=PARKED_MAX {
        let (_, batch) = batch(PROPOSER, &[pay_coin(0, &number.to_string())]);
        // Signatures are not looked at here: clone one good certificate under other ids.
        let mut certificate = certificate(Phase::Lock, &batch, "1").certificate().clone();
        certificate.batch = batch.id();
        let checked = CheckedCertificate::check(certificate, &network(), &mut rng());
        let now_us = u64::try_from(number).expect("small");
        validator.certified(now_us, checked.expect("a good one"));
    }
    assert_eq!(validator.load().2, PARKED_MAX);
}

#[test]
fn a_lock_certificate_of_what_is_spent_already_is_not_parked() {
    let mut validator = validator(1);
    let transfer = pay_coin(0, "");
    let (first, first_batch) = batch(PROPOSER, &[transfer.clone()]);
    propose(&mut validator, 0, &first);
    certify(&mut validator, 0, certificate(Phase::Commit, &first_batch, "1"));
    let (second, second_batch) = batch(2, &[transfer, pay_coin(1, "")]);
    propose(&mut validator, 1, &second);
    let step = certify(&mut validator, 1, certificate(Phase::Lock, &second_batch, "11"));
    assert_eq!(voted(&step, Phase::Commit), ".1");
    assert_eq!(validator.load().2, 0);
    let step = validator.tick(RETRY_US * 2);
    assert!(step.after.is_empty() && step.fetch.is_empty());
}

// ---------------------------------------------------------------------------------------- R8

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

// ---------------------------------------------------------------------------------------- R9

#[test]
fn r9_evidence_of_an_owner_that_signs_twice_is_kept_once() {
    let mut validator = validator(1);
    let (first, _) = batch(PROPOSER, &[pay_coin(0, "one")]);
    let (second, _) = batch(2, &[pay_coin(0, "two")]);
    propose(&mut validator, 0, &first);
    let step = propose(&mut validator, 0, &second);
    assert_eq!(persisted(&step), [5]);
    assert_eq!(step.evidence.len(), 1);
    assert_eq!(step.evidence[0].verify(&network()), Ok(()));
    let Evidence::Owner(evidence) = &step.evidence[0] else { panic!("of an owner") };
    assert_eq!(evidence.state(), Some(coin(0).state));
    let (third, _) = batch(3, &[pay_coin(0, "three")]);
    assert!(propose(&mut validator, 0, &third).evidence.is_empty());
}

// ---------------------------------------------------------------------------------------- R10

#[test]
fn r10_not_known_is_not_no_and_votes_only_gain_bits() {
    let mut validator = validator(1);
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (first, first_batch) = batch(2, &[parent]);
    let (second, _) = batch(PROPOSER, &[child, pay_coin(1, "")]);
    let step = propose(&mut validator, 0, &second);
    assert_eq!(voted(&step, Phase::Lock), ".1");
    assert_eq!(only_refusal(&step), RefusedKind::Unknown);
    propose(&mut validator, 0, &first);
    let step = certify(&mut validator, 0, certificate(Phase::Commit, &first_batch, "1"));
    let answers = answers(&step);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, PROPOSER);
    assert_eq!(voted(&step, Phase::Lock), "11", "the parent came, the vote gains a bit");
}

#[test]
fn r10_one_that_catches_up_answers_unknown_and_votes_later() {
    let mut validator = validator(1);
    validator.set_mode(Mode::CatchingUp);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let step = propose(&mut validator, 0, &proposal);
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        ("", RefusedKind::Unknown)
    );
    assert!(step.persist.is_empty() && validator.locks().count() == 0);
    let step = certify(&mut validator, 0, certificate(Phase::Lock, &batch, "1"));
    assert!(step.persist.is_empty() && step.after.is_empty());
    validator.set_mode(Mode::Voting);
    assert_eq!(voted(&propose(&mut validator, 1, &proposal), Phase::Lock), "1");
}

#[test]
fn r10_own_batches_of_one_that_catches_up_lock_nothing() {
    let mut validator = validator(0);
    validator.set_mode(Mode::CatchingUp);
    let (proposal, batch) = batch(0, &[pay_coin(0, "")]);
    let step = validator.own(0, proposal.clone(), batch.clone());
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        ("", RefusedKind::Unknown)
    );
    assert!(step.persist.is_empty());
    validator.set_mode(Mode::Voting);
    let step = validator.own(1, proposal, batch);
    let step = settle(&mut validator, 1, step);
    assert_eq!(voted(&step, Phase::Lock), "1");
}

#[test]
fn a_silent_validator_never_votes_again() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    propose(&mut validator, 0, &proposal);
    certify(&mut validator, 0, certificate(Phase::Lock, &batch, "1"));
    validator.set_mode(Mode::Silent);
    validator.set_mode(Mode::Voting);
    assert_eq!(validator.mode(), Mode::Silent);
    let step = propose(&mut validator, 1, &proposal);
    assert!(answers(&step).iter().all(|(_, answer)| answer.vote.is_none()));
    assert_eq!(answers(&step).len(), 2);
}

#[test]
fn two_certified_transfers_of_one_state_are_a_fork_and_end_the_voting() {
    let mut validator = validator(1);
    let (first, first_batch) = batch(PROPOSER, &[pay_coin(0, "one")]);
    let (second, second_batch) = batch(2, &[pay_coin(0, "two")]);
    propose(&mut validator, 0, &first);
    propose(&mut validator, 0, &second);
    certify(&mut validator, 0, certificate(Phase::Commit, &first_batch, "1"));
    let step = certify(&mut validator, 0, certificate(Phase::Commit, &second_batch, "1"));
    assert_eq!(step.fork, Some(coin(0).state));
    assert_eq!(validator.mode(), Mode::Silent);
    assert_eq!(validator.tips().applied(), 1);
}

// ---------------------------------------------------------------------------------------- limits

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
    assert!(validator.has_room_for(0, PROPOSER));
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
    for number in 0..EVIDENCE_MAX {
        let mut state = coin(0).state;
        state.height = u64::try_from(number).expect("small") + 1;
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
fn a_judged_batch_of_bad_form_is_blamed_even_when_it_is_open() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    propose(&mut validator, 0, &proposal);
    let judged = Judged { proposal, batch: Ok(batch), is_signed: false, verdicts: Vec::new() };
    let step = validator.judged(0, judged);
    assert!(step.after.is_empty() && step.blame.len() == 1);
}

#[test]
fn answers_go_to_one_member_only() {
    let mut validator = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let step = propose(&mut validator, 0, &proposal);
    let is_for = |outgoing: &Outgoing| outgoing.to == To::Member(PROPOSER);
    assert!(step.after.iter().all(is_for));
}
