//! Tests of the proposing side: batching, counting, retries, endings.

use super::*;
use crate::limits::*;
use crate::message::Answer;
use crate::testkit::*;
use crate::verdict::{Refused, RefusedKind};
use crate::{Applied, Fetch, Tips};
use ledger::{Bitmap, Phase, SignedTransfer, TransferId, Vote};

const OWN: u16 = 0;

fn proposer() -> Proposer {
    Proposer::new(network(), OWN, member_key(OWN))
}

fn submit(proposer: &mut Proposer, now_us: u64, signed: &SignedTransfer) -> Submitted {
    proposer.submit(now_us, now_us, &verified(signed))
}

/// Submits and seals what is there into one batch.
fn launched(proposer: &mut Proposer, transfers: &[SignedTransfer]) -> Arc<Batch> {
    for signed in transfers {
        assert_eq!(submit(proposer, 0, signed), Submitted::Queued);
    }
    let step = proposer.tick(BATCH_AGE_US_MAX);
    assert_eq!(step.own.len(), 1);
    step.own[0].1.clone()
}

fn answer(batch: &Batch, phase: Phase, vote: Option<Vote>, refused: Vec<Refused>) -> Answer {
    Answer { batch: batch.id(), phase, vote, refused }
}

fn votes(
    proposer: &mut Proposer,
    batch: &Batch,
    phase: Phase,
    members: &[u16],
    text: &str,
) -> Step {
    let mut all = Step::default();
    for member in members {
        let vote = vote(*member, phase, batch, text);
        let answer = answer(batch, phase, Some(vote), vec![]);
        all.merge(proposer.answered(100, *member, answer, &mut rng()));
    }
    all
}

fn refuses(index: u32, kind: RefusedKind, transfer: TransferId) -> Refused {
    Refused { index, kind, token: coin(0).state.token, transfer }
}

fn refusals(proposer: &mut Proposer, batch: &Batch, members: &[u16], refused: Refused) -> Step {
    let mut all = Step::default();
    for member in members {
        let answer = answer(batch, Phase::Lock, None, vec![refused]);
        all.merge(proposer.answered(100, *member, answer, &mut rng()));
    }
    all
}

/// Applies transfers to genesis and tells the proposer.
fn apply(proposer: &mut Proposer, signed: &SignedTransfer) -> Step {
    let change = Tips::genesis(network()).apply(id(signed), &signed.transfer).expect("it fits");
    proposer.applied(200, &[Applied { batch: BatchId::default(), index: 0, change }])
}

#[test]
fn a_lone_transfer_leaves_at_once_and_the_next_waits_for_company() {
    let mut proposer = proposer();
    submit(&mut proposer, 5, &pay_coin(0, ""));
    let step = proposer.poll(5);
    assert_eq!((step.now.len(), step.own.len(), step.persist.len()), (1, 1, 0));
    assert_eq!(step.now[0].to, To::All);
    submit(&mut proposer, 6, &pay_coin(1, ""));
    assert!(proposer.poll(6).now.is_empty());
    let due = proposer.next_poll_us(6).expect("its age");
    assert_eq!(due, 6 + BATCH_AGE_US_MAX);
    assert!(proposer.poll(due - 1).now.is_empty());
    assert_eq!(proposer.poll(due).now.len(), 1);
    assert_eq!(proposer.next_poll_us(due), None);
}

#[test]
fn the_same_transfer_is_known_and_the_full_queue_says_so() {
    let mut proposer = proposer();
    assert_eq!(submit(&mut proposer, 0, &pay_coin(0, "")), Submitted::Queued);
    assert_eq!(submit(&mut proposer, 0, &pay_coin(0, "")), Submitted::Known);
    proposer.queue_bytes = QUEUE_BYTES_MAX;
    assert_eq!(submit(&mut proposer, 0, &pay_coin(1, "")), Submitted::Full);
    proposer.queue_bytes = 0;
    proposer.queue.resize(QUEUE_MAX, TransferId::default());
    assert_eq!(submit(&mut proposer, 0, &pay_coin(1, "")), Submitted::Full);
}

#[test]
fn a_batch_holds_as_many_bytes_as_its_decoder_takes_and_no_more() {
    let mut proposer = proposer();
    for position in 0..3 {
        submit(&mut proposer, 0, &pay_coin(position, ""));
    }
    let ids: Vec<TransferId> = proposer.queue.iter().copied().collect();
    let half = BATCH_BYTES_MAX / 2;
    for (id, bytes) in ids.iter().zip([half, half - 4, 1]) {
        proposer.pending.get_mut(id).expect("queued").bytes = bytes;
    }
    proposer.queue_bytes = BATCH_BYTES_MAX;
    let step = proposer.poll(0);
    let counts: Vec<usize> = step.own.iter().map(|(_, batch)| batch.count()).collect();
    assert_eq!(counts[0], 2);
}

#[test]
fn five_votes_of_each_phase_make_it_final() {
    let mut proposer = proposer();
    let transfer = pay_coin(0, "");
    let batch = launched(&mut proposer, std::slice::from_ref(&transfer));
    let step = votes(&mut proposer, &batch, Phase::Lock, &QUORUM[..4], "1");
    assert!(step.certificates.is_empty() && step.now.is_empty());
    let step = votes(&mut proposer, &batch, Phase::Lock, &QUORUM[4..], "1");
    assert_eq!((step.certificates.len(), step.now.len()), (1, 1));
    assert_eq!(step.certificates[0].certificate().phase, Phase::Lock);
    let step = votes(&mut proposer, &batch, Phase::Commit, &QUORUM, "1");
    assert_eq!(step.certificates[0].certificate().phase, Phase::Commit);
    assert!(step.reports.is_empty(), "the answer waits until this node has applied it");
    let step = apply(&mut proposer, &transfer);
    assert_eq!(step.reports.len(), 1);
    assert_eq!((&step.reports[0].outcome, step.reports[0].id), (&Outcome::Final, id(&transfer)));
    assert_eq!((step.reports[0].lock.len(), step.reports[0].commit.len()), (5, 5));
    assert!(apply(&mut proposer, &transfer).reports.is_empty(), "told once");
    assert_eq!(proposer.load(), (0, 0));
}

#[test]
fn votes_that_are_not_the_senders_or_of_another_length_are_blamed_and_do_not_count() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, "")]);
    let mut blamed = |from: u16, vote: Vote| {
        let answer = answer(&batch, Phase::Lock, Some(vote), vec![]);
        let step = proposer.answered(100, from, answer, &mut rng());
        assert_eq!(step.blame.len(), 1);
        assert_eq!(step.blame[0].member, from);
    };
    let good = vote(1, Phase::Lock, &batch, "1");
    blamed(2, good.clone());
    let mut stranger = good.clone();
    stranger.member = 7;
    blamed(1, stranger);
    blamed(1, vote(1, Phase::Lock, &batch, "11"));
    blamed(1, vote(1, Phase::Lock, &batch, ""));
    blamed(1, vote(1, Phase::Commit, &batch, "1"));
    let mut other = good.clone();
    other.ballot.epoch = 4;
    blamed(1, other);
    let mut other = good;
    other.ballot.batch = BatchId::default();
    blamed(1, other);
}

#[test]
fn r9_contradicting_votes_are_kept_as_evidence_once_a_member() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, ""), pay_coin(1, ""), pay_coin(2, "")]);
    votes(&mut proposer, &batch, Phase::Lock, &[3], "1..");
    let step = votes(&mut proposer, &batch, Phase::Lock, &[3], ".1.");
    assert_eq!((step.evidence.len(), step.persist.len(), step.blame.len()), (1, 1, 1));
    assert_eq!(step.evidence[0].verify(&network()), Ok(()));
    let step = votes(&mut proposer, &batch, Phase::Lock, &[3], "..1");
    assert_eq!((step.evidence.len(), step.persist.len(), step.blame.len()), (0, 0, 1));
}

#[test]
fn a_batch_is_certified_in_parts() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, ""), pay_coin(1, "")]);
    let step = votes(&mut proposer, &batch, Phase::Lock, &QUORUM, "1.");
    assert_eq!(step.certificates.len(), 1);
    let step = votes(&mut proposer, &batch, Phase::Lock, &QUORUM, "11");
    assert_eq!(step.certificates.len(), 1);
    assert_eq!(step.certificates[0].certified(), &Bitmap::from_bools(&[true, true]));
}

#[test]
fn split_locks_are_told_after_they_had_time_to_settle() {
    let mut proposer = proposer();
    let transfer = pay_coin(0, "ours");
    let theirs = id(&pay_coin(0, "theirs"));
    let batch = launched(&mut proposer, std::slice::from_ref(&transfer));
    votes(&mut proposer, &batch, Phase::Lock, &[0, 1, 2], "1");
    refusals(&mut proposer, &batch, &[3, 4], refuses(0, RefusedKind::Locked, theirs));
    assert!(proposer.tick(100 + LOCKED_SETTLE_US).reports.is_empty(), "two may lie");
    refusals(&mut proposer, &batch, &[5], refuses(0, RefusedKind::Locked, theirs));
    assert!(proposer.tick(99 + LOCKED_SETTLE_US).reports.is_empty());
    let step = proposer.tick(100 + LOCKED_SETTLE_US);
    let Outcome::Locked(split) = &step.reports[0].outcome else { panic!("{:?}", step.reports) };
    assert_eq!(split.ours, [0, 1, 2]);
    assert_eq!(split.others.get(&theirs), Some(&vec![3, 4, 5]));
}

#[test]
fn the_loser_of_a_conflict_is_rejected_when_the_winner_is_applied() {
    let mut proposer = proposer();
    let (winner, loser) = (pay_coin(0, "wins"), pay_coin(0, "loses"));
    launched(&mut proposer, &[winner.clone(), loser.clone()]);
    let step = apply(&mut proposer, &winner);
    let outcomes: Vec<_> = step.reports.iter().map(|report| (report.id, &report.outcome)).collect();
    assert_eq!(outcomes[0], (id(&winner), &Outcome::Final));
    let state = coin(0).state;
    let spent = Outcome::Rejected(Refusal::Spent { state, by: Some(id(&winner)) });
    assert_eq!(outcomes[1], (id(&loser), &spent));
}

#[test]
fn r8_spent_elsewhere_is_no_split_and_the_proof_is_asked_for() {
    let mut proposer = proposer();
    let transfer = pay_coin(0, "");
    let batch = launched(&mut proposer, std::slice::from_ref(&transfer));
    let spent = refuses(0, RefusedKind::Spent, id(&transfer));
    let step = refusals(&mut proposer, &batch, &[3], spent);
    assert_eq!(step.fetch, [Fetch::Parents { transfers: vec![id(&transfer)], from: 3 }]);
    refusals(&mut proposer, &batch, &[1, 2, 4, 5, 6], spent);
    assert!(proposer.tick(LOCKED_SETTLE_US * 2).reports.is_empty(), "it is no split");
    // Its own validator has applied it already: it is final.
    let step = refusals(&mut proposer, &batch, &[OWN], spent);
    assert_eq!(step.reports[0].outcome, Outcome::Final);
}

#[test]
fn a_retry_sends_the_same_batch_to_those_who_lack_it_and_then_a_new_one() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, "")]);
    votes(&mut proposer, &batch, Phase::Lock, &[0, 1, 2], "1");
    let step = proposer.tick(RETRY_US);
    let to: Vec<To> = step.now.iter().map(|outgoing| outgoing.to).collect();
    assert_eq!(to, [3, 4, 5, 6].map(To::Member), "only those who have not voted");
    assert_eq!(step.own.len(), 1);
    submit(&mut proposer, RETRY_US, &pay_coin(1, "company"));
    let step = proposer.tick(RETRY_US * 3);
    let step_batch = &step.own.last().expect("sealed again").1;
    assert_eq!(step_batch.count(), 2);
    assert_ne!(step_batch.id(), batch.id());
}

#[test]
fn a_member_that_comes_back_gets_what_it_missed() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, "")]);
    votes(&mut proposer, &batch, Phase::Lock, &QUORUM, "1");
    votes(&mut proposer, &batch, Phase::Commit, &QUORUM, "1");
    let missed = |member| proposer.clone().peer_up(FLIGHT_BUSY_US_MAX * 2, member).now.len();
    assert_eq!(missed(6), 3, "the batch and both certificates");
    assert_eq!(missed(1), 1, "the Commit certificate, which nobody confirms");
}

#[test]
fn the_deadline_answers_unknown() {
    let mut proposer = proposer();
    launched(&mut proposer, &[pay_coin(0, "")]);
    assert!(proposer.tick(DEADLINE_US - 1).reports.is_empty());
    assert_eq!(proposer.tick(DEADLINE_US).reports[0].outcome, Outcome::Unknown);
    assert_eq!(proposer.load(), (0, 0));
}

#[test]
fn flights_are_bounded_busy_and_stuck() {
    let mut proposer = proposer();
    let mut sealed = 0;
    for number in 0..=FLIGHTS_MAX {
        submit(&mut proposer, 0, &pay_coin(0, &number.to_string()));
        sealed += proposer.poll(BATCH_AGE_US_MAX).own.len();
    }
    assert_eq!(sealed, FLIGHTS_MAX);
    let due = proposer.next_poll_us(BATCH_AGE_US_MAX).expect("a flight stops being busy");
    assert_eq!(due, BATCH_AGE_US_MAX + FLIGHT_BUSY_US_MAX);
    assert_eq!(proposer.poll(due).own.len(), 1);
    let mut now_us = due;
    for number in FLIGHTS_MAX + 1..FLIGHTS_KEPT_MAX * 2 {
        now_us += 1;
        submit(&mut proposer, now_us, &pay_coin(0, &number.to_string()));
        proposer.poll(now_us + FLIGHT_BUSY_US_MAX);
        now_us += BATCH_AGE_US_MAX;
    }
    assert!(proposer.open_flights() <= FLIGHTS_KEPT_MAX);
    proposer.poll(now_us + 2 * FLIGHT_BUSY_US_MAX);
    assert_eq!(proposer.open_flights(), FLIGHTS_KEPT_MAX);
}

#[test]
fn answers_about_a_batch_that_is_not_in_flight_change_nothing() {
    let mut proposer = proposer();
    let other = batch(OWN, &[pay_coin(0, "")]).1;
    let step = votes(&mut proposer, &other, Phase::Lock, &QUORUM, "1");
    assert!(step.now.is_empty() && step.certificates.is_empty() && step.blame.is_empty());
}

#[test]
fn a_vote_with_a_bad_signature_makes_the_others_be_checked_again_once_only() {
    let mut proposer = proposer();
    let batch = launched(&mut proposer, &[pay_coin(0, "")]);
    let mut forged = vote(5, Phase::Lock, &batch, "1");
    forged.signature.0[0] ^= 1;
    votes(&mut proposer, &batch, Phase::Lock, &[0, 1, 2, 3], "1");
    let blamed = |proposer: &mut Proposer| {
        let answer = answer(&batch, Phase::Lock, Some(forged.clone()), vec![]);
        let step = proposer.answered(100, 5, answer, &mut rng());
        assert!(step.certificates.is_empty());
        step.blame.len()
    };
    assert_eq!(blamed(&mut proposer), 1);
    for _ in 0..10 {
        assert_eq!(blamed(&mut proposer), 0, "it is not looked at again");
    }
    assert!(votes(&mut proposer, &batch, Phase::Lock, &[5], "1").certificates.is_empty());
    let step = votes(&mut proposer, &batch, Phase::Lock, &[6], "1");
    assert_eq!(step.certificates.len(), 1, "an honest fifth makes the certificate");
}
