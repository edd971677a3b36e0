//! Tests of the validator: each rule R1 to R10 by name, R6 to R8, bounds and restarts in `tests/`.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "one transfer or many read alike")]

mod bounds;
mod certificates;
mod charges;
mod closed;
mod doubled;
mod orphans;
mod parked;
mod recall;
mod recover;
mod repeats;
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
/// Members enough for a quorum, without member 1, which is looked at: a certificate must not hold
/// votes that it has not given.
const QUORUM: [u16; 5] = [0, 2, 3, 4, 5];

/// A certificate of [`QUORUM`] for these entries.
fn certificate(phase: Phase, batch: &crate::Batch, text: &str) -> CheckedCertificate {
    certificate_of(QUORUM, phase, batch, text)
}

fn certificate_of(
    members: [u16; 5],
    phase: Phase,
    batch: &crate::Batch,
    text: &str,
) -> CheckedCertificate {
    let votes: Vec<_> = members.iter().map(|member| vote(*member, phase, batch, text)).collect();
    let votes: Vec<_> = votes.iter().collect();
    CheckedCertificate::check(Certificate::from_votes(&votes), &network(), &mut rng())
        .expect("a quorum of good votes")
}

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
    let entries = ledger::encoding::canonical_bytes_of_list(&other.entries);
    let body = [&PROPOSER.to_le_bytes()[..], proposal.claimed.bytes(), &entries];
    let digest = ledger::hash::hash(ledger::hash::Tag::Proposal, &body);
    let network = network();
    let bytes = ledger::Statement::Proposal.bytes(&network.id, network.epoch, &[&digest.0]);
    let signature = key.sign(&bytes);
    let signed = crate::Proposal { claimed: proposal.claimed, signature, ..(*other).clone() };
    assert!(signed.is_signed(&network));
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
fn r1_a_batch_of_another_epoch_is_refused_although_its_proposer_signed_it() {
    let (_, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let (network, key) = (network(), member_key(PROPOSER));
    let epoch = network.epoch + 1;
    let other = crate::Proposal::sign(&batch, &network.id, epoch, PROPOSER, &key);
    let step = validator(1).proposed(0, PROPOSER, Arc::new(other));
    assert_eq!((step.blame.len(), step.judge.len()), (1, 0));
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
fn r2_the_tips_are_asked_again_before_anything_is_locked() {
    let mut one = validator(1);
    let (late, _) = batch(PROPOSER, &[pay_coin(0, "late"), pay_coin(1, "")]);
    let (wins, wins_batch) = batch(2, &[pay_coin(0, "wins")]);
    one.proposed(0, PROPOSER, late.clone());
    let judged = crate::judge::judge(one.tips(), late, None, &mut rng());
    assert!(judged.verdicts.iter().all(|found| *found == Some(crate::Verdict::Valid)));
    // While its verdicts are on their way, one of its states is spent.
    propose(&mut one, 0, &wins);
    certify(&mut one, 0, certificate(Phase::Commit, &wins_batch, "1"));
    let step = one.judged(1, judged);
    assert_eq!(
        (voted(&step, Phase::Lock).as_str(), only_refusal(&step)),
        (".1", RefusedKind::Spent)
    );
    assert!(one.locks().get(&coin(0).state.token).is_none());
    // Its own proposer's word is no more than a pipeline's.
    let mut own = validator(PROPOSER);
    let (proposal, batch) = batch(PROPOSER, &[pay(1, &[coin(0)], 2, "not the owner")]);
    let step = own.own(0, proposal, batch);
    assert_eq!((voted(&step, Phase::Lock).as_str(), own.locks().count()), ("", 0));
    let parentless = pay(1, &[made(&pay_coin(0, ""))], 2, "");
    let (proposal, batch) = self::batch(PROPOSER, &[parentless]);
    assert!(own.own(0, proposal, batch).fetch.is_empty(), "it does not ask itself");
}

#[test]
fn r3_conserve_amounts_balance_per_asset() {
    let mut validator = validator(1);
    let mut transfer = pay_coin(0, "").transfer;
    let (asset, to) = (coin(0).asset, address(1));
    transfer.outputs = vec![ledger::Output::Create { asset, amount: 11, to }];
    let unbalanced = transfer.sign(&owner_key(0));
    let judged = crate::judge::judge_entry(
        validator.tips(),
        &Entry::ordinary(unbalanced.clone()),
        &mut rng(),
    );
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
