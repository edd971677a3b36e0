//! What a Byzantine proposer makes of batches that hold a transfer twice, and of other members'
//! names.

use super::*;
use crate::{Message, Proposal};
use ledger::{Accepted, Entry, Recover, SignedTransfer};

/// The transfer with a signature that is not its owner's.
fn unsigned(signed: &SignedTransfer) -> Entry {
    let mut copy = signed.clone();
    copy.signature.0[0] ^= 1;
    Entry::ordinary(copy)
}

/// The transfer in another round, for no reason.
fn unjustified(signed: &SignedTransfer) -> Entry {
    Entry { signed: signed.clone(), round: 1, justification: vec![0; 12] }
}

#[test]
fn an_accept_is_reported_although_its_batch_holds_the_transfer_twice() {
    let paid = pay_coin(0, "");
    for copy in [unsigned(&paid), unjustified(&paid)] {
        let good = Entry::ordinary(paid.clone());
        for (entries, text) in [([&good, &copy], "1."), ([&copy, &good], ".1")] {
            let entries = entries.into_iter().cloned().collect();
            let (proposal, batch) = of_entries(6, entries);
            let mut one = validator(1);
            propose(&mut one, 0, &proposal);
            certify(&mut one, 1, certificate(Phase::Lock, &batch, text));
            let states = vec![coin(0).state];
            let recover = Recover { epoch: network().epoch, owner: address(0), round: 1, states };
            let step = one.recover(3, &recover.sign(&network().id, &owner_key(0)));
            let Message::Report(reply) = &step.after[0].message else { panic!("a report") };
            let report = &reply.report.as_ref().expect("nothing is withheld").report;
            let accepted = Accepted { round: 0, transfer: id(&paid) };
            assert_eq!(report.claims[0].accepted, Some(accepted));
            assert_eq!(reply.locks[0].verify(&network(), &mut rng()), Ok(accepted));
        }
    }
}

#[test]
fn evidence_is_of_what_was_locked_although_its_batch_holds_the_transfer_twice() {
    let (first, second) = (pay_coin(0, "one"), pay_coin(0, "two"));
    for copy in [unsigned(&first), unjustified(&first)] {
        let mut one = validator(1);
        let entries = vec![copy, Entry::ordinary(first.clone())];
        propose(&mut one, 0, &of_entries(6, entries).0);
        let step = propose(&mut one, 1, &batch(5, std::slice::from_ref(&second)).0);
        let [evidence] = &step.evidence[..] else { panic!("one piece: {:?}", step.evidence) };
        assert!(matches!(evidence, Evidence::Owner(_)));
        assert_eq!(evidence.verify(&network()), Ok(()));
    }
}

/// The same batch, as if `proposer` had sent it.
fn in_name_of(proposal: &Proposal, proposer: u16) -> Arc<Proposal> {
    Arc::new(Proposal { proposer, ..proposal.clone() })
}

#[test]
fn a_batch_in_the_name_of_a_member_that_never_proposed_it_is_not_charged_to_it() {
    let mut one = validator(1);
    // One owner's payment in one batch after the other: each is locked by a quorum.
    let paid = pay_coin(0, "");
    for count in 0..OPEN_BATCHES_PER_PROPOSER_MAX {
        let memo = format!("{count}");
        let entries = vec![Entry::ordinary(paid.clone()), Entry::ordinary(pay_coin(1, &memo))];
        let (proposal, batch) = of_entries(6, entries);
        certify(&mut one, 0, certificate(Phase::Lock, &batch, "1."));
        let step = one.fetched(0, in_name_of(&proposal, 2), batch);
        settle(&mut one, 0, step);
    }
    let (honest, _) = batch(2, &[pay_coin(3, "")]);
    let step = propose(&mut one, 1, &honest);
    assert_eq!(step.blame, []);
    assert_eq!(voted(&step, Phase::Lock), "1");
}

#[test]
fn r1_a_fetched_or_proven_batch_is_its_proposers_or_nobodys() {
    let paid = pay_coin(0, "");
    let (proposal, batch) = batch(6, std::slice::from_ref(&paid));
    for wrong in [in_name_of(&proposal, 2), in_name_of(&proposal, 99)] {
        let mut one = validator(1);
        certify(&mut one, 0, certificate(Phase::Lock, &batch, "1"));
        let step = one.fetched(0, wrong.clone(), batch.clone());
        assert!(step.persist.is_empty() && step.after.is_empty());
        let commit = certificate(Phase::Commit, &batch, "1");
        let applied = crate::AppliedBatch {
            proposal: (*wrong).clone(),
            certificate: commit.certificate().clone(),
        };
        let step = one.proven(0, applied, batch.clone(), commit);
        assert!(step.persist.is_empty() && step.applied.is_empty());
        // The real one is taken afterwards.
        let step = one.fetched(0, proposal.clone(), batch.clone());
        assert_eq!(voted(&step, Phase::Commit), "1");
    }
}
