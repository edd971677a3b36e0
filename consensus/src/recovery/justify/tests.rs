//! Tests of justifications: which may stand, and what each lie comes to.

use super::*;
use crate::recovery::refresh;
use crate::testkit::*;
use ledger::{Claim, Justification, LockProof, Phase, Receipt, Report, SignedTransfer};

fn report(member: u16, round: u32, claims: &[(usize, Option<Accepted>)]) -> SignedReport {
    let mut claims: Vec<Claim> = claims
        .iter()
        .map(|(position, accepted)| Claim { state: coin(*position).state, accepted: *accepted })
        .collect();
    claims.sort_by_key(|claim| claim.state);
    let network = network();
    let report = Report { epoch: network.epoch, round, claims };
    report.sign(&network.id, member, &member_key(member))
}

fn reports(claims: &[(usize, Option<Accepted>)]) -> Vec<SignedReport> {
    QUORUM.iter().map(|member| report(*member, 2, claims)).collect()
}

/// A Lock certificate of a transfer in a round.
fn lock(signed: &SignedTransfer, round: u32) -> (Accepted, LockProof) {
    let mut entry = Entry::ordinary(signed.clone());
    entry.round = round;
    if round > 0 {
        entry.justification = vec![0];
    }
    let (_, batch) = of_entries(0, vec![entry]);
    let checked = certificate(Phase::Lock, &batch, "1");
    let proof = batch.lock_proof(0, checked.certificate());
    (Accepted { round, transfer: id(signed) }, proof)
}

fn receipt(signed: &SignedTransfer) -> Receipt {
    let (_, batch) = batch(0, std::slice::from_ref(signed));
    batch.receipt(0, certificate(Phase::Commit, &batch, "1").certificate())
}

fn refreshed(position: usize) -> SignedTransfer {
    let owner = u8::try_from(position / TOKENS).expect("a few owners");
    refresh(&network(), address(owner), coin(position)).sign(&owner_key(owner))
}

/// The finding on `signed` in round 2.
fn found(signed: &SignedTransfer, justification: &Justification) -> Result<(), Unjustified> {
    let entry = Entry { signed: signed.clone(), round: 2, justification: justification.to_bytes() };
    check(&entry, id(signed), &network(), &mut rng())
}

fn with(reports: Vec<SignedReport>, locks: &[&LockProof]) -> Justification {
    let locks = locks.iter().map(|lock| (*lock).clone()).collect();
    Justification { reports, locks, receipts: Vec::new() }
}

#[test]
fn with_nothing_accepted_a_refresh_may_stand_and_nothing_else() {
    let good = with(reports(&[(0, None)]), &[]);
    assert_eq!(found(&refreshed(0), &good), Ok(()));
    assert_eq!(found(&pay_coin(0, ""), &good), Err(Unjustified::NoRefresh));
    let two = with(reports(&[(0, None), (1, None)]), &[]);
    let pair = pay(0, &[coin(0), coin(1)], 0, "to herself");
    assert_eq!(found(&pair, &two), Err(Unjustified::NoRefresh));
}

#[test]
fn every_state_needs_a_quorum_of_distinct_members() {
    let state = coin(0).state;
    let mut four = reports(&[(0, None)]);
    four.pop();
    let short = Err(Unjustified::NoQuorum(state));
    assert_eq!(found(&refreshed(0), &with(four.clone(), &[])), short);
    four.push(four[0].clone());
    let twice = Err(Unjustified::TwoReports(0));
    assert_eq!(found(&refreshed(0), &with(four, &[])), twice);
    let (accepted, proof) = lock(&pay(0, &[coin(0), coin(1)], 1, ""), 0);
    let one_state = with(reports(&[(0, Some(accepted))]), &[&proof]);
    let again = Err(Unjustified::NoQuorum(coin(1).state));
    assert_eq!(found(&proof.signed, &one_state), again, "the other state is left out");
}

#[test]
fn the_highest_accepted_is_proposed_again_and_nothing_else() {
    let (low, low_proof) = lock(&pay_coin(0, "low"), 0);
    let (high, high_proof) = lock(&pay_coin(0, "high"), 1);
    let mut mixed = reports(&[(0, None)]);
    mixed[1] = report(1, 2, &[(0, Some(low))]);
    let only_low = with(mixed.clone(), &[&low_proof]);
    assert_eq!(found(&low_proof.signed, &only_low), Ok(()));
    assert_eq!(found(&refreshed(0), &only_low), Err(Unjustified::Higher(low)));
    mixed[3] = report(3, 2, &[(0, Some(high))]);
    let both = with(mixed, &[&low_proof, &high_proof]);
    assert_eq!(found(&high_proof.signed, &both), Ok(()));
    assert_eq!(found(&low_proof.signed, &both), Err(Unjustified::Higher(high)));
    assert_eq!(found(&refreshed(0), &both), Err(Unjustified::Higher(high)));
}

#[test]
fn highest_is_taken_over_all_states_together() {
    let (pair, pair_proof) = lock(&pay(0, &[coin(0), coin(1)], 1, "pair"), 0);
    let (other, other_proof) = lock(&pay_coin(1, "other"), 1);
    let claims = [(0, Some(pair)), (1, Some(other))];
    let proofs = with(reports(&claims), &[&pair_proof, &other_proof]);
    assert_eq!(found(&pair_proof.signed, &proofs), Err(Unjustified::Higher(other)));
    // The other one's higher certificate ends the pair: state 0 may be refreshed.
    assert_eq!(found(&refreshed(0), &proofs), Ok(()));
    assert_eq!(found(&other_proof.signed, &proofs), Ok(()));
}

#[test]
fn a_receipt_ends_what_was_accepted_of_another_state() {
    let (pair, pair_proof) = lock(&pay(0, &[coin(0), coin(1)], 1, "pair"), 0);
    let mut found_so = with(reports(&[(0, Some(pair))]), &[&pair_proof]);
    assert_eq!(found(&refreshed(0), &found_so), Err(Unjustified::Higher(pair)));
    found_so.receipts.push(receipt(&pay_coin(1, "spent it")));
    assert_eq!(found(&refreshed(0), &found_so), Ok(()));
    found_so.receipts[0] = receipt(&pay_coin(2, "spent another"));
    assert_eq!(found(&refreshed(0), &found_so), Err(Unjustified::Higher(pair)));
    found_so.receipts[0].inclusion.count += 1;
    assert_eq!(found(&refreshed(0), &found_so), Err(Unjustified::BadProof));
}

#[test]
fn lies_are_refused() {
    let (accepted, proof) = lock(&pay_coin(0, "one"), 0);
    let claim = [(0, Some(accepted))];
    let check = |reports: Vec<SignedReport>, locks: &[&LockProof]| {
        found(&proof.signed, &with(reports, locks))
    };
    assert_eq!(check(reports(&claim), &[&proof]), Ok(()));
    assert_eq!(check(reports(&claim), &[]), Err(Unjustified::NoProof(0)));
    let (_, elsewhere) = lock(&pay_coin(1, "one"), 0);
    let nowhere = check(reports(&claim), &[&elsewhere]);
    assert_eq!(nowhere, Err(Unjustified::BadProof), "a proof of nothing that is claimed");
    let repeated = check(reports(&claim), &[&proof, &proof]);
    assert_eq!(repeated, Err(Unjustified::BadProof));
    let changed = |change: fn(&mut SignedReport)| {
        let mut list = reports(&claim);
        change(&mut list[2]);
        check(list, &[&proof])
    };
    assert_eq!(changed(|r| r.signature.0[0] ^= 1), Err(Unjustified::BadReport(2)));
    assert_eq!(changed(|r| r.member = 3), Err(Unjustified::TwoReports(3)));
    assert_eq!(changed(|r| r.member = 5), Err(Unjustified::BadReport(5)), "another one's");
    let stranger = Err(Unjustified::NoQuorum(coin(0).state));
    assert_eq!(changed(|r| r.member = 7), stranger);
    assert_eq!(changed(|r| r.report.epoch += 1), Err(Unjustified::BadReport(2)));
    let mut other_round = reports(&claim);
    other_round[4] = report(4, 3, &claim);
    assert_eq!(check(other_round, &[&proof]), Err(Unjustified::BadReport(4)));
    let mut two = reports(&claim);
    two.push(report(4, 2, &[(0, None)]));
    assert_eq!(check(two, &[&proof]), Err(Unjustified::TwoReports(4)));
    let (late, late_proof) = lock(&pay_coin(0, "one"), 2);
    let future = check(reports(&[(0, Some(late))]), &[&late_proof]);
    assert_eq!(future, Err(Unjustified::NoProof(0)), "accepted in the round it reports for");
    let mut broken = proof.clone();
    broken.round = 1;
    assert_eq!(check(reports(&claim), &[&broken]), Err(Unjustified::BadProof));
    let entry = Entry { signed: pay_coin(0, ""), round: 1, justification: vec![1] };
    let bytes = super::check(&entry, id(&entry.signed), &network(), &mut rng());
    assert!(matches!(bytes, Err(Unjustified::Decode(_))));
}

#[test]
fn reports_of_another_epoch_or_of_other_states_are_refused_although_they_are_signed() {
    let network = network();
    let mut list = reports(&[(0, None)]);
    assert_eq!(found(&refreshed(0), &with(list.clone(), &[])), Ok(()));
    let mut other = list[3].report.clone();
    other.epoch += 1;
    list[3] = other.sign(&network.id, 3, &member_key(3));
    let bad = Err(Unjustified::BadReport(3));
    assert_eq!(found(&refreshed(0), &with(list, &[])), bad);
    // A sixth one that speaks of another state only: nobody is made to check it.
    let mut more = reports(&[(0, None)]);
    more.push(report(5, 2, &[(1, None)]));
    assert_eq!(found(&refreshed(0), &with(more, &[])), Err(Unjustified::BadReport(5)));
    let both = QUORUM.iter().map(|member| report(*member, 2, &[(0, None), (1, None)])).collect();
    assert_eq!(found(&refreshed(0), &with(both, &[])), Ok(()), "of this state and another");
}

#[test]
fn receipts_are_few_and_each_is_there_once() {
    let (pair, proof) = lock(&pay(0, &[coin(0), coin(1)], 1, "pair"), 0);
    let with_receipts = |receipts: Vec<Receipt>| {
        let base = with(reports(&[(0, Some(pair))]), &[&proof]);
        found(&refreshed(0), &Justification { receipts, ..base })
    };
    let final_of = |number: usize| receipt(&pay_coin(1, &number.to_string()));
    let most: Vec<Receipt> = (0..JUSTIFICATION_RECEIPTS_MAX).map(final_of).collect();
    assert_eq!(with_receipts(most.clone()), Ok(()));
    let mut over = most;
    over.push(final_of(JUSTIFICATION_RECEIPTS_MAX));
    assert_eq!(with_receipts(over), Err(Unjustified::BadProof));
    let twice = vec![final_of(0), final_of(0)];
    assert_eq!(with_receipts(twice), Err(Unjustified::BadProof));
}
