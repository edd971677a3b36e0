//! Passes owners' `Recover`s on in its own name, and proposes out of the reports what they do not
//! justify, each time for another reason. It also asks for states that are not the asker's.

use super::{Actor, Own, Packet, Sent};
use crate::sim::client::{OWNERS, owner_key};
use consensus::message::{Message, RecoverReply};
use consensus::recovery::refresh;
use ledger::{
    Accepted, Address, Canonical, Digest, Entry, Input, Justification, Keypair, Output, Receipt,
    Recover, SignedRecover, SignedReport, SignedTransfer, TransferId,
};
use std::collections::BTreeMap;

/// Recoveries followed in a run.
const CASES_MAX: usize = 8;
/// Reports enough for a justification.
const REPORTS_MIN: usize = 5;

/// Pleads without cause.
#[derive(Debug, Default)]
pub struct Pleader {
    cases: BTreeMap<Digest, Case>,
}

#[derive(Debug)]
struct Case {
    recover: Recover,
    replies: BTreeMap<u16, RecoverReply>,
}

impl Actor for Pleader {
    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Recover(recovers)) => {
                recovers.iter().flat_map(|signed| self.relay(own, signed)).collect()
            }
            Packet::Message(Message::Report(reply)) => {
                let Some(case) = self.cases.get_mut(&reply.recover) else { return Vec::new() };
                case.replies.insert(from, reply.clone());
                if case.replies.len() == REPORTS_MIN { case.plead(own) } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }
}

impl Pleader {
    fn relay(&mut self, own: &Own<'_>, signed: &SignedRecover) -> Sent {
        let id = signed.recover.id();
        if self.cases.len() >= CASES_MAX || self.cases.contains_key(&id) {
            return Vec::new();
        }
        let (recover, replies) = (signed.recover.clone(), BTreeMap::new());
        self.cases.insert(id, Case { recover, replies });
        let thief = Keypair::from_seed([0xec; 32]);
        let owner = Address(thief.public());
        let theft = Recover { owner, ..signed.recover.clone() }.sign(&own.network.id, &thief);
        own.to_all(&Packet::Message(Message::Recover(vec![signed.clone(), theft])))
    }
}

impl Case {
    fn plead(&self, own: &Own<'_>) -> Sent {
        let keys = (0..OWNERS).map(owner_key);
        let owner = self.recover.owner;
        let Some(key) = keys.into_iter().find(|key| Address(key.public()) == owner) else {
            return Vec::new();
        };
        let state = self.recover.states[0];
        let Some(tip) = own.node.validator.tips().tip(&state.token) else { return Vec::new() };
        let input = Input { state, asset: tip.asset, amount: tip.amount };
        let fresh = refresh(own.network, owner, input);
        let mut payment = fresh.clone();
        payment.outputs = vec![Output::Move { input: 0, to: Address(own.key().public()) }];
        let (fresh, payment) = (fresh.sign(&key), payment.sign(&key));
        let mut sent = Vec::new();
        for (signed, justification) in self.pleas(own, (&fresh, &payment)) {
            let (round, signed) = (self.recover.round, signed.clone());
            let proposal = own.proposal(vec![Entry { signed, round, justification }]);
            sent.extend(own.to_all(&Packet::Message(Message::Propose(proposal))));
        }
        sent
    }

    /// Justifications that do not hold, each with what it is for.
    fn pleas<'a>(
        &self,
        own: &Own<'_>,
        (fresh, payment): (&'a SignedTransfer, &'a SignedTransfer),
    ) -> Vec<(&'a SignedTransfer, Vec<u8>)> {
        let state = self.recover.states[0];
        let about = |reply: &&RecoverReply| {
            let claims = reply.report.iter().flat_map(|signed| &signed.report.claims);
            claims.into_iter().any(|claim| claim.state == state)
        };
        let replies: Vec<&RecoverReply> = self.replies.values().filter(about).collect();
        let reports: Vec<SignedReport> =
            replies.iter().filter_map(|reply| reply.report.clone()).collect();
        let mut locks: BTreeMap<Accepted, ledger::LockProof> = BTreeMap::new();
        for lock in replies.iter().flat_map(|reply| &reply.locks) {
            locks.insert(Accepted { round: lock.round, transfer: lock.id() }, lock.clone());
        }
        let whole =
            Justification { reports, locks: locks.into_values().collect(), receipts: vec![] };
        let with = |change: &dyn Fn(&mut Justification)| {
            let mut changed = whole.clone();
            change(&mut changed);
            changed.to_bytes()
        };
        let mut pleas = vec![
            (fresh, vec![0xff; 12]),
            (fresh, with(&|j| j.reports.truncate(REPORTS_MIN - 1))),
            (fresh, with(&|j| j.reports.extend(j.reports.first().cloned()))),
            (fresh, with(&|j| invent(own, j, None))),
            (fresh, with(&|j| invent(own, j, Some(TransferId::default())))),
            (fresh, with(&|j| j.locks.extend(j.locks.first().cloned()))),
            (fresh, with(&|j| j.locks.iter_mut().for_each(|lock| lock.inclusion.index ^= 1))),
            (fresh, with(&|j| j.locks.iter_mut().for_each(|l| l.certificate.groups.clear()))),
            // Only a refresh, and only of what is not accepted by anybody.
            (payment, whole.to_bytes()),
        ];
        if whole.locks.iter().any(|lock| lock.id() != fresh.transfer.id()) {
            pleas.push((fresh, whole.to_bytes()));
        }
        for receipt in damaged(own) {
            pleas.push((fresh, with(&|j| j.receipts.push(receipt.clone()))));
        }
        pleas
    }
}

/// Another report in its own name: of an accept that nothing proves, or badly signed.
fn invent(own: &Own<'_>, justification: &mut Justification, transfer: Option<TransferId>) {
    let Some(first) = justification.reports.first_mut() else { return };
    let Some(transfer) = transfer else {
        first.signature.0[0] ^= 1;
        return;
    };
    let mut report = first.report.clone();
    report.claims.iter_mut().for_each(|claim| {
        claim.accepted = Some(Accepted { round: 0, transfer });
    });
    *first = report.sign(&own.network.id, own.member, own.key());
    let (member, signature) = (own.member, first.signature);
    justification.reports.retain(|signed| signed.member != member || signed.signature == signature);
}

/// Receipts that prove nothing, out of one that does.
fn damaged(own: &Own<'_>) -> Vec<Receipt> {
    let finals = own.node.archive.finals();
    let Some(receipt) = finals.first().and_then(|id| own.node.archive.receipt(id)) else {
        return Vec::new();
    };
    let mut foreign = receipt.clone();
    foreign.entry.signed.transfer.epoch = foreign.entry.signed.transfer.epoch.wrapping_add(1);
    let mut moved = receipt.clone();
    moved.inclusion.index = moved.inclusion.index.wrapping_add(1);
    let mut thin = receipt;
    thin.certificate.groups.iter_mut().for_each(|group| group.votes.truncate(1));
    vec![foreign, moved, thin]
}
