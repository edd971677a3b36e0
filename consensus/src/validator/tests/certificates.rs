//! R6 accept before commit vote, R7 certificates: accepted, applied, parked.

use super::*;
use crate::{Batch, Proposal};
use ledger::{Input, Output, Transfer};

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

#[test]
fn r7_a_certificate_of_another_length_proves_nothing_here() {
    // Its voters' bitmaps have two bits, and the batch that they name has one entry.
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    for phase in [Phase::Lock, Phase::Commit] {
        let mut one = validator(1);
        propose(&mut one, 0, &proposal);
        let step = certify(&mut one, 1, certificate(phase, &batch, "11"));
        assert!(step.persist.is_empty() && step.after.is_empty() && step.applied.is_empty());
        let mut late = validator(6);
        certify(&mut late, 0, certificate(phase, &batch, "11"));
        let step = late.fetched(1, proposal.clone(), batch.clone());
        assert!(step.persist.is_empty() && step.after.is_empty() && step.applied.is_empty());
        assert_eq!(late.load(), (1, 0, 0), "it waits no longer");
    }
}

#[test]
fn r7_a_proof_is_a_members_batch_with_its_own_commit_certificate() {
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (_, other) = self::batch(PROPOSER, &[pay_coin(1, "")]);
    // Records written, transfers applied, batches open.
    let prove = |proposal: &Proposal, batch: &Arc<Batch>, checked: CheckedCertificate| {
        let mut one = validator(6);
        let certificate = checked.certificate().clone();
        let applied = AppliedBatch { proposal: proposal.clone(), certificate };
        let step = one.proven(0, applied, batch.clone(), checked);
        (step.persist.len(), one.tips().applied(), one.load().0)
    };
    let commit = |batch: &Batch, text| certificate(Phase::Commit, batch, text);
    assert_eq!(prove(&proposal, &batch, commit(&batch, "1")), (2, 1, 1));
    let nothing = (0, 0, 0);
    let locked = certificate(Phase::Lock, &batch, "1");
    assert_eq!(prove(&proposal, &batch, locked), nothing, "a Lock certificate");
    assert_eq!(prove(&proposal, &batch, commit(&other, "1")), nothing, "another batch's");
    assert_eq!(prove(&proposal, &batch, commit(&batch, "11")), nothing, "another length");
    let claimed = Proposal { claimed: other.id(), ..(*proposal).clone() };
    assert_eq!(prove(&claimed, &batch, commit(&batch, "1")), nothing, "another id claimed");
    let strange = Proposal { proposer: 7, ..(*proposal).clone() };
    assert_eq!(prove(&strange, &batch, commit(&batch, "1")), nothing, "of no member");
}

#[test]
fn r7_a_proof_goes_on_as_soon_as_its_parent_is_applied() {
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let mut one = validator(6);
    let mut prove = |signed: ledger::SignedTransfer| {
        let (proposal, batch) = batch(PROPOSER, &[signed]);
        let checked = certificate(Phase::Commit, &batch, "1");
        let certificate = checked.certificate().clone();
        let applied = AppliedBatch { proposal: (*proposal).clone(), certificate };
        one.proven(0, applied, batch, checked)
    };
    let step = prove(child);
    let wanted = Fetch::Parents { transfers: vec![id(&parent)], from: PROPOSER };
    assert_eq!((step.applied.len(), step.fetch), (0, vec![wanted]));
    assert_eq!(prove(parent).applied.len(), 2);
    assert_eq!(one.load().2, 0, "nothing waits any more");
}

#[test]
fn r8_a_certificate_is_wanted_as_long_as_it_tells_anything_new() {
    let mut one = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, ""), pay_coin(1, "")]);
    let of = |phase, text| certificate(phase, &batch, text).certificate().clone();
    let (lock, commit) = (of(Phase::Lock, "1."), of(Phase::Commit, "1."));
    assert!(one.wants(&lock).is_ok(), "its batch is not known");
    propose(&mut one, 0, &proposal);
    assert!(one.wants(&lock).is_ok());
    certify(&mut one, 1, certificate(Phase::Lock, &batch, "1."));
    let answer = one.wants(&lock).expect_err("it is known");
    assert_eq!(voted(&answer, Phase::Commit), "1.", "the same answer");
    assert!(answer.persist.is_empty());
    assert!(one.wants(&of(Phase::Lock, ".1")).is_ok() && one.wants(&commit).is_ok());
    // Some of the votes in it tell something new, and some do not.
    let votes = [vote(0, Phase::Lock, &batch, "1."), vote(2, Phase::Lock, &batch, "11")];
    let mixed = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
    assert!(one.wants(&mixed).is_ok());
    certify(&mut one, 1, certificate(Phase::Commit, &batch, "1."));
    let known = one.wants(&commit).expect_err("it is applied");
    assert!(known.after.is_empty(), "nobody asks for an answer to it");
    assert!(one.wants(&of(Phase::Commit, "11")).is_ok());
}

#[test]
fn r6_a_lock_certificate_waits_for_a_parent_and_the_commit_vote_gains_its_bits() {
    let mut one = validator(1);
    let parent = pay_coin(0, "");
    let child = pay(1, &[made(&parent)], 2, "");
    let (first, first_batch) = batch(PROPOSER, &[parent]);
    let (second, second_batch) = batch(PROPOSER, &[child, pay_coin(1, "")]);
    propose(&mut one, 0, &second);
    let step = certify(&mut one, 1, certificate(Phase::Lock, &second_batch, "11"));
    assert_eq!((persisted(&step), voted(&step, Phase::Commit).as_str()), (vec![3], ".1"));
    propose(&mut one, 2, &first);
    let step = certify(&mut one, 2, certificate(Phase::Commit, &first_batch, "1"));
    assert_eq!(voted(&step, Phase::Commit), "11", "its parent came");
    assert!(persisted(&step).contains(&3));
    assert_eq!(one.load().2, 0, "nothing waits any more");
}

#[test]
fn r7_what_a_dishonest_quorum_certified_against_the_rules_was_a_panic() {
    let stranger = pay(1, &[coin(0)], 2, "");
    let richer = pay(0, &[Input { amount: 100, ..coin(0) }], 1, "");
    let mut beyond = coin_moved();
    beyond.outputs = vec![Output::Move { input: 7, to: address(1) }];
    let nothing = Transfer { inputs: Vec::new(), outputs: Vec::new(), ..coin_moved() };
    let minted = Output::Create { asset: coin(0).asset, amount: 11, to: address(0) };
    let minted = Transfer { outputs: vec![minted], ..coin_moved() };
    let signed = [beyond, nothing, minted].map(|transfer| transfer.sign(&owner_key(0)));
    for signed in signed.into_iter().chain([stranger, richer]) {
        let (proposal, batch) = batch(PROPOSER, &[signed]);
        let mut validator = validator(1);
        propose(&mut validator, 1, &proposal);
        let step = certify(&mut validator, 2, certificate(Phase::Commit, &batch, "1"));
        assert!(step.applied.is_empty() && step.fork.is_some(), "{:?}", batch.entries());
        assert_eq!(validator.mode(), Mode::Silent);
        assert_eq!(validator.tips().applied(), 0);
    }
}

/// Genesis token 0 moves to owner 1.
fn coin_moved() -> Transfer {
    pay_coin(0, "").transfer
}
