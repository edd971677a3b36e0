//! Tests of the collector: quorums, liars, repeats, limits.

use super::*;
use crate::recovery::justify;
use crate::recovery::refresh;
use crate::testkit::*;
use crate::validator::Validator;
use ledger::{Canonical, Entry, Phase, Recover};

fn recover(round: u32, positions: &[usize]) -> SignedRecover {
    let mut states: Vec<TokenState> = positions.iter().map(|p| coin(*p).state).collect();
    states.sort();
    let network = network();
    let recover = Recover { epoch: network.epoch, owner: address(0), round, states };
    recover.sign(&network.id, &owner_key(0))
}

fn reply_of(validator: &mut Validator, signed: &SignedRecover) -> RecoverReply {
    let step = validator.recover(0, signed);
    let message = step.after.into_iter().next().expect("an answer").message;
    let Message::Report(reply) = message else { panic!("a report") };
    reply
}

/// A collector that has asked everybody.
fn begun(signed: &SignedRecover) -> Collector {
    let mut collector = Collector::new(network(), 0);
    collector.begin(0, std::slice::from_ref(signed)).expect("there is room");
    collector
}

/// A member that has accepted a transfer in round 0.
fn accepted_by(member: u16, signed: &SignedTransfer) -> Validator {
    let (proposal, batch) = batch(0, std::slice::from_ref(signed));
    let mut validator = validator(member);
    propose(&mut validator, 0, &proposal);
    certify(&mut validator, 1, certificate(Phase::Lock, &batch, "1"));
    validator
}

#[test]
fn a_quorum_of_reports_justifies_a_refresh() {
    let mut collector = Collector::new(network(), 0);
    let signed = recover(1, &[0]);
    let step = collector.begin(0, std::slice::from_ref(&signed)).expect("there is room");
    assert_eq!(step.now.len(), usize::from(MEMBERS));
    for member in 0..4 {
        let reply = reply_of(&mut validator(member), &signed);
        assert_eq!(collector.replied(member, reply, &mut rng()).1, None);
    }
    let reply = reply_of(&mut validator(4), &signed);
    let (_, collected) = collector.replied(4, reply, &mut rng());
    let collected = collected.expect("five of seven");
    assert!(collected.is_justified && collector.count() == 0);
    assert_eq!(collected.advice(&coin(0).state, &[]), Advice::Refresh);
    let fresh = refresh(&network(), address(0), coin(0)).sign(&owner_key(0));
    let justification = collected.justification(&[]).about(&fresh.transfer).to_bytes();
    let entry = Entry { signed: fresh.clone(), round: 1, justification };
    assert_eq!(justify::check(&entry, id(&fresh), &network(), &mut rng()), Ok(()));
}

#[test]
fn what_one_has_accepted_is_to_be_proposed_again() {
    let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
    let mut accepted = accepted_by(2, &pair);
    let signed = recover(1, &[0, 1]);
    let mut collector = begun(&signed);
    let mut collected = None;
    for member in [0, 1, 2, 3, 4] {
        let mut fresh = validator(member);
        let asked = if member == 2 { &mut accepted } else { &mut fresh };
        let reply = reply_of(asked, &signed);
        collected = collector.replied(member, reply, &mut rng()).1;
    }
    let collected = collected.expect("five of seven");
    let advice = collected.advice(&coin(0).state, &[]);
    assert_eq!(advice, Advice::Again(Box::new(pair.clone())));
    let justification = collected.justification(&[]).about(&pair.transfer).to_bytes();
    let entry = Entry { signed: pair, round: 1, justification };
    let found = justify::check(&entry, id(&entry.signed), &network(), &mut rng());
    assert_eq!(found, Ok(()));
}

#[test]
fn a_member_that_reports_of_one_of_two_states_spoils_no_entry_of_the_other() {
    let other = pay(0, &[coin(1)], 1, "other");
    let mut accepted = accepted_by(6, &other);
    let asked = recover(1, &[0, 1]);
    let mut collector = begun(&asked);
    let mut partial = reply_of(&mut accepted, &asked);
    let mut report = partial.report.take().expect("it reports").report;
    report.claims.retain(|claim| claim.state == coin(1).state);
    partial.report = Some(report.sign(&network().id, 6, &member_key(6)));
    assert_eq!(collector.replied(6, partial, &mut rng()).0.blame, [], "it may lack the other one");
    let mut collected = None;
    for member in 0..5 {
        let reply = reply_of(&mut validator(member), &asked);
        collected = collector.replied(member, reply, &mut rng()).1;
    }
    let collected = collected.expect("five of seven for each state");
    assert!(collected.is_justified);
    let fresh = refresh(&network(), address(0), coin(0)).sign(&owner_key(0));
    let check = |signed: &SignedTransfer, justification: Justification| {
        let justification = justification.to_bytes();
        let entry = Entry { signed: signed.clone(), round: 1, justification };
        justify::check(&entry, id(signed), &network(), &mut rng())
    };
    let all = collected.justification(&[]);
    let refused = Err(justify::Unjustified::BadReport(6));
    assert_eq!(check(&fresh, all.clone()), refused, "a report that is not about it");
    assert_eq!(check(&fresh, all.clone().about(&fresh.transfer)), Ok(()));
    assert_eq!(check(&other, all.about(&other.transfer)), Ok(()), "with its proof");
}

#[test]
fn liars_are_blamed_and_do_not_count() {
    let signed = recover(1, &[0]);
    let mut collector = begun(&signed);
    let good = reply_of(&mut validator(1), &signed);
    let mut lie = |from: u16, change: &dyn Fn(&mut RecoverReply)| {
        let mut reply = good.clone();
        change(&mut reply);
        let (step, collected) = collector.replied(from, reply, &mut rng());
        assert!(collected.is_none());
        step.blame.len()
    };
    fn report(reply: &mut RecoverReply) -> &mut SignedReport {
        reply.report.as_mut().expect("it has one")
    }
    assert_eq!(lie(2, &|_| {}), 1, "another one's report");
    assert_eq!(lie(1, &|r| report(r).signature.0[0] ^= 1), 1);
    assert_eq!(lie(1, &|r| report(r).report.round = 2), 1);
    let claim = Accepted { round: 0, transfer: TransferId::default() };
    let unproven = |r: &mut RecoverReply| {
        let network = network();
        let mut changed = report(r).report.clone();
        changed.claims[0].accepted = Some(claim);
        r.report = Some(changed.sign(&network.id, 1, &member_key(1)));
    };
    assert_eq!(lie(1, &unproven), 1);
    assert_eq!(lie(1, &|r| r.recover = Digest::default()), 0, "about nothing");
    assert_eq!(lie(1, &|_| {}), 0, "the truth");
}

#[test]
fn refusals_name_the_round_and_the_spender() {
    // No member of the quorum whose votes are made up below.
    let mut later = validator(6);
    reply_of(&mut later, &recover(3, &[0]));
    let spent = pay_coin(1, "");
    let (proposal, batch) = batch(0, std::slice::from_ref(&spent));
    propose(&mut later, 0, &proposal);
    certify(&mut later, 1, certificate(Phase::Commit, &batch, "1"));
    let signed = recover(1, &[0, 1, 2]);
    let mut collector = begun(&signed);
    let reply = reply_of(&mut later, &signed);
    assert_eq!(reply.withheld.len(), 2);
    assert_eq!(collector.replied(6, reply, &mut rng()).1, None);
    let (_, late) = collector.tick(COLLECT_US);
    assert_eq!(late[0].promised, 3);
    assert_eq!(late[0].spent.get(&coin(1).state), Some(&id(&spent)));
    assert!(!late[0].is_justified);
}

/// An answer of a liar that reports nothing.
fn lie(signed: &SignedRecover, kind: WithheldKind, round: u32) -> RecoverReply {
    let transfer = TransferId::default();
    let of = |state: &TokenState| Withheld { state: *state, kind, round, transfer };
    let withheld = signed.recover.states.iter().map(of).collect();
    RecoverReply { recover: signed.recover.id(), report: None, locks: Vec::new(), withheld }
}

#[test]
fn two_liars_that_say_spent_end_nothing_and_three_members_do() {
    let signed = recover(1, &[0]);
    let mut collector = begun(&signed);
    for liar in [5, 6] {
        let reply = lie(&signed, WithheldKind::Spent, 0);
        assert_eq!(collector.replied(liar, reply, &mut rng()).1, None);
    }
    let mut collected = None;
    for member in 0..5 {
        let reply = reply_of(&mut validator(member), &signed);
        collected = collector.replied(member, reply, &mut rng()).1;
    }
    assert!(collected.expect("a quorum").is_justified);
    collector.begin(0, std::slice::from_ref(&signed)).expect("there is room");
    for member in [0, 1] {
        let reply = lie(&signed, WithheldKind::Spent, 0);
        assert_eq!(collector.replied(member, reply, &mut rng()).1, None);
    }
    let reply = lie(&signed, WithheldKind::Spent, 0);
    assert!(collector.replied(2, reply, &mut rng()).1.is_some());
}

#[test]
fn two_liars_that_name_the_last_round_do_not_use_up_the_rounds() {
    let promised = |liars: &[u16]| {
        let signed = recover(1, &[0]);
        let mut collector = begun(&signed);
        let mut ended = None;
        for liar in liars {
            let reply = lie(&signed, WithheldKind::Promised, u32::MAX);
            ended = ended.or(collector.replied(*liar, reply, &mut rng()).1);
        }
        // Three that refuse leave no quorum: that is told at once.
        assert_eq!(ended.is_some(), liars.len() > 2);
        ended.unwrap_or_else(|| collector.tick(COLLECT_US).1.remove(0)).promised
    };
    assert_eq!(promised(&[5, 6]), 1 + ROUND_LEAP_MAX);
    assert_eq!(promised(&[4, 5, 6]), u32::MAX, "one of three is honest");
}

#[test]
fn who_is_silent_is_asked_again_and_the_room_is_bounded() {
    let signed = recover(1, &[0]);
    let mut collector = begun(&signed);
    let reply = reply_of(&mut validator(1), &signed);
    collector.replied(1, reply, &mut rng());
    let (step, late) = collector.tick(COLLECT_REPEAT_US);
    assert_eq!((step.now.len(), late.len()), (usize::from(MEMBERS) - 1, 0));
    assert_eq!(collector.tick(COLLECT_REPEAT_US + 1).0.now.len(), 0);
    let many: Vec<SignedRecover> = vec![signed; COLLECTING_MAX];
    assert!(collector.begin(0, &many).is_none());
    let large =
        Recover { epoch: 3, owner: address(0), round: 1, states: vec![coin(0).state; 4_096] };
    let large = large.sign(&network().id, &owner_key(0));
    assert!(collector.begin(0, &vec![large; 9]).is_none(), "states are counted, too");
}

#[test]
fn what_is_asked_again_is_cut_to_what_members_take() {
    let mut collector = Collector::new(network(), 0);
    let many: Vec<SignedRecover> = (1..=600).map(|round| recover(round, &[0])).collect();
    for part in many.chunks(RECOVERS_MAX) {
        collector.begin(0, part).expect("there is room");
    }
    let (step, _) = collector.tick(COLLECT_REPEAT_US);
    let counts = step.now.iter().map(|outgoing| match &outgoing.message {
        Message::Recover(recovers) => recovers.len(),
        _ => 0,
    });
    let counts: Vec<usize> = counts.collect();
    assert_eq!(counts.iter().sum::<usize>(), 600 * usize::from(MEMBERS));
    assert!(counts.iter().all(|count| *count <= RECOVERS_MAX));
}

#[test]
fn proofs_that_nobody_asked_for_are_refused_unchecked() {
    let signed = recover(1, &[0]);
    let mut collector = begun(&signed);
    let (_, batch) = batch(0, &[pay_coin(1, "elsewhere")]);
    let lock = batch.lock_proof(0, certificate(Phase::Lock, &batch, "1").certificate());
    let mut reply = reply_of(&mut validator(1), &signed);
    reply.locks = vec![lock];
    let (step, collected) = collector.replied(1, reply, &mut rng());
    assert_eq!((step.blame.len(), collected), (1, None));
}

/// A Lock certificate of a transfer in a round.
fn lock(signed: &SignedTransfer, round: u32) -> (Accepted, LockProof) {
    let justification = if round > 0 { vec![0] } else { Vec::new() };
    let entry = Entry { signed: signed.clone(), round, justification };
    let (_, batch) = of_entries(0, vec![entry]);
    let checked = certificate(Phase::Lock, &batch, "1");
    let proof = batch.lock_proof(0, checked.certificate());
    (Accepted { round, transfer: id(signed) }, proof)
}

#[test]
fn lies_that_their_member_has_signed_are_blamed_too() {
    let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
    let mut accepted = accepted_by(6, &pair);
    let asked = recover(1, &[0, 1]);
    let good = reply_of(&mut accepted, &asked);
    let claim = |position: usize, accepted| ledger::Claim { state: coin(position).state, accepted };
    let lie = |change: &dyn Fn(&mut Report, &mut Vec<LockProof>)| {
        let mut collector = begun(&asked);
        let mut reply = good.clone();
        let mut report = reply.report.take().expect("it reports").report;
        change(&mut report, &mut reply.locks);
        reply.report = Some(report.sign(&network().id, 6, &member_key(6)));
        let blamed = collector.replied(6, reply.clone(), &mut rng()).0.blame.len();
        // Who has answered is not listened to again, who was blamed is.
        reply.report.as_mut().expect("as before").signature.0[0] ^= 1;
        let again = collector.replied(6, reply, &mut rng()).0.blame.len();
        assert_eq!(again, blamed);
        blamed
    };
    assert_eq!(lie(&|_, _| {}), 0);
    assert_eq!(lie(&|report, _| report.round = 2), 1, "of another round");
    assert_eq!(lie(&|report, _| report.epoch += 1), 1, "of another epoch");
    let unasked = |report: &mut Report, locks: &mut Vec<LockProof>| {
        report.claims = vec![claim(2, None)];
        locks.clear();
    };
    assert_eq!(lie(&unasked), 1, "of a state that nobody asked for");
    let forged = |_: &mut Report, locks: &mut Vec<LockProof>| {
        locks[0].certificate.groups[0].votes.pop();
    };
    assert_eq!(lie(&forged), 1, "four votes are no certificate");
    let claims = |signed: &SignedTransfer, round: u32| {
        let (accepted, proof) = lock(signed, round);
        lie(&|report, locks| {
            report.claims = vec![claim(0, Some(accepted))];
            *locks = vec![proof.clone()];
        })
    };
    assert_eq!(claims(&pair, 0), 0);
    assert_eq!(claims(&pair, 1), 1, "accepted in the round that it promises");
    assert_eq!(claims(&pay_coin(2, "far"), 0), 1, "of a transfer of other states");
    let mut collector = begun(&asked);
    let mut framed = good.clone();
    framed.report.as_mut().expect("it reports").member = 5;
    let (step, _) = collector.replied(6, framed, &mut rng());
    assert_eq!(step.blame.len(), 1, "its own word as another's");
}

#[test]
fn who_knows_the_spender_names_it() {
    let signed = recover(1, &[0]);
    let spender = id(&pay_coin(0, "spent it"));
    for naming in [0, 1, 2] {
        let mut collector = begun(&signed);
        let mut collected = None;
        for member in [0, 1, 2] {
            let mut reply = lie(&signed, WithheldKind::Spent, 0);
            if member == naming {
                reply.withheld[0].transfer = spender;
            }
            collected = collector.replied(member, reply, &mut rng()).1;
        }
        let collected = collected.expect("three can't all lie");
        assert_eq!(collected.spent.get(&coin(0).state), Some(&spender), "named by {naming}");
    }
}

#[test]
fn advice_is_for_one_state_and_leaves_out_what_is_dead() {
    let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
    let other = pay_coin(1, "other");
    let ((low, low_proof), (high, high_proof)) = (lock(&pair, 0), lock(&other, 1));
    let claim = |position: usize, accepted| ledger::Claim {
        state: coin(position).state,
        accepted: Some(accepted),
    };
    let collected = |claims: Vec<ledger::Claim>, locks: &[(Accepted, &LockProof)]| {
        let report = Report { epoch: network().epoch, round: 2, claims };
        let locks = locks.iter().map(|(accepted, proof)| (*accepted, (*proof).clone())).collect();
        let reports = vec![report.sign(&network().id, 1, &member_key(1))];
        Collected { reports, locks, ..Collected::nothing(recover(2, &[0, 1])) }
    };
    let again = |signed: &SignedTransfer| Advice::Again(Box::new(signed.clone()));
    let alone = collected(vec![claim(0, low), claim(1, low)], &[(low, &low_proof)]);
    assert_eq!(alone.advice(&coin(0).state, &[]), again(&pair));
    assert_eq!(alone.advice(&coin(2).state, &[]), Advice::Refresh, "nothing is said of it");
    let (_, batch) = batch(0, std::slice::from_ref(&other));
    let receipt = batch.receipt(0, certificate(Phase::Commit, &batch, "1").certificate());
    assert_eq!(alone.advice(&coin(0).state, &[receipt]), Advice::Refresh, "its end is final");
    let proofs = [(low, &low_proof), (high, &high_proof)];
    let both = collected(vec![claim(0, low), claim(1, high)], &proofs);
    assert_eq!(both.advice(&coin(0).state, &[]), Advice::Refresh, "a higher certificate ends it");
    assert_eq!(both.advice(&coin(1).state, &[]), again(&other));
}
