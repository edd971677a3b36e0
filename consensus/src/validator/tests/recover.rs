//! Tests of recovery at a validator: promises, reports, rounds, orphans.

use super::*;
use crate::limits::{ORPHAN_AGE_US, ORPHAN_TURN_US};
use crate::message::{RecoverReply, WithheldKind};
use crate::recovery::refresh;
use crate::{Batch, Message, Proposal};
use ledger::{
    Accepted, Canonical, Claim, Justification, Recover, Report, SignedRecover, TokenState,
};

fn recover(owner: u8, round: u32, positions: &[usize]) -> SignedRecover {
    let mut states: Vec<TokenState> = positions.iter().map(|p| coin(*p).state).collect();
    states.sort();
    let network = network();
    let recover = Recover { epoch: network.epoch, owner: address(owner), round, states };
    recover.sign(&network.id, &owner_key(owner))
}

fn reply(step: &Step) -> &RecoverReply {
    let Message::Report(reply) = &step.after[0].message else { panic!("a report") };
    reply
}

fn claims(step: &Step) -> Vec<Claim> {
    reply(step).report.as_ref().map(|signed| signed.report.claims.clone()).unwrap_or_default()
}

/// The refresh of a coin in a round, on the word of five who have accepted nothing.
fn refreshed(position: usize, round: u32) -> ledger::Entry {
    let network = network();
    let report = |member: u16| {
        let claims = vec![Claim { state: coin(position).state, accepted: None }];
        let report = Report { epoch: network.epoch, round, claims };
        report.sign(&network.id, member, &member_key(member))
    };
    let reports = QUORUM.iter().map(|member| report(*member)).collect();
    let justification = Justification { reports, ..Justification::default() }.to_bytes();
    let signed = refresh(&network, address(0), coin(position)).sign(&owner_key(0));
    ledger::Entry { signed, round, justification }
}

#[test]
fn a_promise_is_durable_before_its_report_and_the_same_again_writes_nothing() {
    let mut one = validator(1);
    let first = one.recover(3, &recover(0, 2, &[0, 1]));
    assert_eq!(persisted(&first), [7]);
    assert_eq!(first.after[0].to, To::Member(3));
    assert!(first.now.is_empty(), "a report waits for its promise");
    assert_eq!(claims(&first).len(), 2);
    let again = one.recover(5, &recover(0, 2, &[0, 1]));
    assert!(again.persist.is_empty());
    assert_eq!(reply(&again), reply(&first));
    let lower = one.recover(3, &recover(0, 1, &[0]));
    let withheld = reply(&lower).withheld[0];
    assert_eq!((withheld.kind, withheld.round), (WithheldKind::Promised, 2));
    assert!(claims(&lower).is_empty() && lower.persist.is_empty());
}

#[test]
fn only_the_owner_may_ask_and_only_a_voting_member_reports() {
    let mut one = validator(1);
    let foreign = one.recover(3, &recover(1, 1, &[0]));
    assert_eq!(reply(&foreign).withheld[0].kind, WithheldKind::Refused);
    let mut forged = recover(0, 1, &[0]);
    forged.signature.0[0] ^= 1;
    let step = one.recover(3, &forged);
    assert_eq!((step.blame.len(), step.after.len(), step.persist.len()), (1, 0, 0));
    one.set_mode(Mode::CatchingUp);
    let step = one.recover(3, &recover(0, 1, &[0]));
    assert_eq!(reply(&step).withheld[0].kind, WithheldKind::Unknown);
    assert!(step.persist.is_empty());
}

#[test]
fn a_report_shows_what_was_accepted_when_it_was_promised_and_keeps_to_it() {
    let mut one = validator(1);
    let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
    let (proposal, batch) = batch(0, std::slice::from_ref(&pair));
    propose(&mut one, 0, &proposal);
    certify(&mut one, 1, certificate(Phase::Lock, &batch, "1"));
    let step = one.recover(3, &recover(0, 1, &[0, 1]));
    let accepted = Some(Accepted { round: 0, transfer: id(&pair) });
    assert!(claims(&step).iter().all(|claim| claim.accepted == accepted));
    assert_eq!(reply(&step).locks.len(), 1);
    assert!(reply(&step).locks[0].verify(&network(), &mut rng()).is_ok());
    // Accepted again in round 1: the report of round 1 stays as it was.
    let again = ledger::Entry { signed: pair, round: 1, justification: vec![0] };
    let (_, later) = of_entries(2, vec![again]);
    let lock = certificate(Phase::Lock, &later, "1");
    one.fetched(2, of_entries(2, later.entries().to_vec()).0, later.clone());
    certify(&mut one, 2, lock);
    let same = one.recover(4, &recover(0, 1, &[0, 1]));
    assert_eq!(reply(&same), reply(&step));
}

#[test]
fn r4_below_a_promise_nothing_is_locked_and_r6_nothing_accepted() {
    let mut one = validator(1);
    one.recover(3, &recover(0, 1, &[0]));
    let (proposal, batch) = batch(0, &[pay_coin(0, "")]);
    let step = propose(&mut one, 0, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "");
    let step = certify(&mut one, 1, certificate(Phase::Lock, &batch, "1"));
    assert!(step.persist.is_empty());
    assert_eq!(one.locks().get(&coin(0).state.token).and_then(|row| row.accepted), None);
}

#[test]
fn r4_a_justified_refresh_takes_the_place_of_a_split_lock() {
    let mut one = validator(1);
    propose(&mut one, 0, &batch(0, &[pay_coin(0, "one")]).0);
    let (proposal, _) = of_entries(2, vec![refreshed(0, 1)]);
    let step = propose(&mut one, 1, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "1");
    let row = one.locks().get(&coin(0).state.token).copied().expect("a row");
    assert_eq!((row.promised, row.locked.map(|held| held.round)), (1, Some(1)));
    let mut bare = refreshed(1, 1);
    bare.justification = Justification::default().to_bytes();
    let (proposal, _) = of_entries(2, vec![bare]);
    let step = propose(&mut one, 2, &proposal);
    assert_eq!(voted(&step, Phase::Lock), "", "without reports");
}

#[test]
fn r5_promises_and_higher_locks_survive_a_restart_and_a_compacted_journal() {
    let mut live = validator(1);
    let mut records =
        propose(&mut live, 0, &batch(0, &[pay_coin(0, "one"), pay_coin(2, "")]).0).persist;
    let (accepted, accepted_batch) = batch(2, &[pay(0, &[coin(3), coin(4)], 1, "pair")]);
    records.extend(propose(&mut live, 0, &accepted).persist);
    let lock = certificate(Phase::Lock, &accepted_batch, "1");
    records.extend(certify(&mut live, 0, lock).persist);
    records.extend(live.recover(3, &recover(0, 1, &[1, 3, 5, 6, 7])).persist);
    records.extend(propose(&mut live, 1, &of_entries(2, vec![refreshed(0, 1)]).0).persist);
    let rebuilt = replayed(1, &records);
    assert_same_state(&live, &rebuilt);
    let compacted = replayed(1, &live.live_records());
    assert_same_state(&live, &compacted);
    assert_eq!(compacted.live_records(), live.live_records());
    // Behind the records that they stand for, as in a journal that is read from its start.
    let both: Vec<_> = records.into_iter().chain(live.live_records()).collect();
    assert_same_state(&live, &replayed(1, &both));
}

#[test]
fn an_orphan_is_proposed_again_as_the_same_batch_with_growing_pauses() {
    let mut one = validator(1);
    let (proposal, batch) = batch(0, &[pay_coin(0, ""), pay_coin(1, "")]);
    propose(&mut one, 0, &proposal);
    assert!(one.tick(1).orphans.is_empty());
    let late = 1 + ORPHAN_AGE_US + 7 * ORPHAN_TURN_US;
    let orphans = one.tick(late).orphans;
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].id(), batch.id());
    assert!(one.tick(late + ORPHAN_AGE_US).orphans.is_empty(), "the pause has doubled");
    assert_eq!(one.tick(late + 2 * ORPHAN_AGE_US).orphans.len(), 1);
    let again = one.proposed(late, 2, Arc::new(ledger_again(&batch)));
    assert!(again.persist.is_empty(), "a repeat writes nothing");
    assert_eq!(voted(&again, Phase::Lock), "11");
}

/// The same batch by another proposer.
fn ledger_again(batch: &Batch) -> Proposal {
    (*of_entries(2, batch.entries().to_vec()).0).clone()
}

#[test]
fn an_orphan_is_given_up_when_a_higher_round_is_promised_or_it_is_final() {
    let mut one = validator(1);
    let (proposal, batch) = batch(0, &[pay_coin(0, ""), pay_coin(1, ""), pay_coin(2, "")]);
    propose(&mut one, 0, &proposal);
    one.tick(1);
    one.recover(3, &recover(0, 1, &[0]));
    certify(&mut one, 2, certificate(Phase::Commit, &batch, ".1."));
    let late = 1 + ORPHAN_AGE_US + 7 * ORPHAN_TURN_US;
    let orphans = one.tick(late).orphans;
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].ids(), &batch.ids()[2..]);
    one.set_mode(Mode::CatchingUp);
    assert!(one.tick(10 * late).orphans.is_empty(), "only who votes");
}

#[test]
fn a_recover_of_another_epoch_is_blamed_although_its_owner_signed_it() {
    let network = network();
    let mut other = recover(0, 1, &[0]).recover;
    other.epoch += 1;
    let signed = other.sign(&network.id, &owner_key(0));
    assert!(signed.is_signed(&network.id));
    let mut one = validator(1);
    let step = one.recover(3, &signed);
    assert_eq!((step.blame.len(), step.after.len(), step.persist.len()), (1, 0, 0));
    assert_eq!(one.locks().count(), 0);
}

#[test]
fn what_is_withheld_is_told_in_the_order_of_states() {
    let mut one = validator(1);
    one.recover(3, &recover(0, 5, &[0, 2, 4, 6]));
    let (proposal, batch) = batch(0, &[pay_coin(1, ""), pay_coin(5, "")]);
    propose(&mut one, 0, &proposal);
    certify(&mut one, 1, certificate(Phase::Commit, &batch, "11"));
    let step = one.recover(3, &recover(0, 2, &[0, 1, 2, 3, 4, 5, 6, 7]));
    let withheld = &reply(&step).withheld;
    assert!(withheld.windows(2).all(|pair| pair[0].state < pair[1].state));
    let count = |kind| withheld.iter().filter(|withheld| withheld.kind == kind).count();
    assert_eq!((count(WithheldKind::Promised), count(WithheldKind::Spent)), (4, 2));
    assert_eq!(claims(&step).len(), 2);
}

#[test]
fn proofs_of_one_answer_are_bounded_and_what_does_not_fit_is_not_promised() {
    let mut one = validator(1);
    // Eight accepts, each proven by a transfer of 573 kB; seven fit into 4 MiB.
    for position in 0..TOKENS {
        let mut transfer = pay_coin(position, "").transfer;
        transfer.outputs = vec![transfer.outputs[0].clone(); 16_384];
        let (proposal, batch) = batch(0, &[transfer.sign(&owner_key(0))]);
        one.certified(0, certificate(Phase::Lock, &batch, "1"));
        one.fetched(0, proposal, batch);
    }
    let all: Vec<usize> = (0..TOKENS).collect();
    let step = one.recover(3, &recover(0, 1, &all));
    assert_eq!((claims(&step).len(), reply(&step).locks.len()), (TOKENS - 1, TOKENS - 1));
    let bytes: usize = reply(&step).locks.iter().map(|lock| lock.to_bytes().len()).sum();
    assert!(bytes <= REPORT_PROOFS_BYTES_MAX);
    let [left] = &reply(&step).withheld[..] else { panic!("one is left") };
    assert_eq!(left.kind, WithheldKind::Unknown);
    assert_eq!(one.locks().get(&left.state.token).map(|row| row.promised), Some(0));
    let position = all.into_iter().find(|position| coin(*position).state == left.state);
    let step = one.recover(3, &recover(0, 1, &[position.expect("a coin")]));
    assert_eq!(claims(&step).len(), 1, "alone it fits");
}

#[test]
fn a_batch_is_kept_as_long_as_a_report_has_to_prove_it() {
    let mut one = validator(1);
    propose(&mut one, 0, &batch(2, &[pay_coin(0, "held here")]).0);
    let signed = pay_coin(0, "a quorum's");
    let (proposal, batch) = batch(0, &[signed.clone()]);
    propose(&mut one, 0, &proposal);
    certify(&mut one, 0, certificate(Phase::Lock, &batch, "1"));
    one.tick(RESOLVED_KEEP_US * 2);
    assert!(one.proposal(&batch.id()).is_some(), "it is accepted, and not locked");
    let first = one.recover(3, &recover(0, 1, &[0]));
    let accepted = Some(Accepted { round: 0, transfer: id(&signed) });
    assert_eq!((claims(&first)[0].accepted, reply(&first).locks.len()), (accepted, 1));
    // Another one is locked and accepted in round 1: what was reported of round 1 still stands.
    let (later, later_batch) = of_entries(2, vec![refreshed(0, 1)]);
    propose(&mut one, RESOLVED_KEEP_US * 2, &later);
    certify(&mut one, RESOLVED_KEEP_US * 2, certificate(Phase::Lock, &later_batch, "1"));
    let row = one.locks().get(&coin(0).state.token).copied().expect("a row");
    assert_eq!(row.locked.map(|held| held.round), Some(1));
    assert_eq!(row.accepted.map(|held| held.round), Some(1));
    one.tick(RESOLVED_KEEP_US * 8);
    assert!(one.proposal(&batch.id()).is_some(), "it is reported");
    let again = one.recover(4, &recover(0, 1, &[0]));
    assert_eq!(reply(&again), reply(&first));
    // A higher promise lets it go.
    one.recover(3, &recover(0, 2, &[0]));
    one.tick(RESOLVED_KEEP_US * 16);
    assert!(one.proposal(&batch.id()).is_none());
    assert!(one.proposal(&later_batch.id()).is_some());
}
