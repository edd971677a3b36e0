//! Byzantine members in recovery: what they report, and what they propose out of the reports that
//! they get hold of. The reports have real signatures and, where they have them, real proofs.

use super::byzantine::Behaviour;
use super::node::Answered;
use consensus::message::{RecoverReply, Withheld, WithheldKind};
use consensus::{Batch, Proposal};
use ledger::hash::{Tag, hash};
use ledger::{
    Accepted, Canonical, Claim, Entry, Justification, Keypair, LockProof, Network, Report,
    SignedRecover, SignedTransfer, TokenState, TransferId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Old answers that one keeps.
const REPLIES_MAX: usize = 32;

/// What one Byzantine member remembers.
#[derive(Clone, Debug, Default)]
pub struct Traitor {
    /// The first accept that it saw proven for each state, whoever accepted it.
    old: BTreeMap<TokenState, LockProof>,
    /// Answers that it gave or got, of itself and of others.
    replies: Vec<RecoverReply>,
}

impl Traitor {
    /// It gives or gets an answer.
    pub fn overhears(&mut self, reply: &RecoverReply) {
        for lock in &reply.locks {
            for input in &lock.signed.transfer.inputs {
                self.old.entry(input.state).or_insert_with(|| lock.clone());
            }
        }
        if self.replies.len() < REPLIES_MAX {
            self.replies.push(reply.clone());
        }
    }

    /// What it answers an owner, beside what its honest half does.
    pub fn reports(
        &self,
        behaviour: Behaviour,
        network: &Network,
        (member, key): (u16, &Keypair),
        signed: &SignedRecover,
    ) -> Vec<RecoverReply> {
        let recover = &signed.recover;
        let reply = |claims: Vec<Claim>, round, locks: Vec<LockProof>| {
            let report = Report { epoch: network.epoch, round, claims };
            let report = Some(report.sign(&network.id, member, key));
            RecoverReply { recover: recover.id(), report, locks, withheld: Vec::new() }
        };
        let all = |accepted: Option<Accepted>| -> Vec<Claim> {
            recover.states.iter().map(|state| Claim { state: *state, accepted }).collect()
        };
        match behaviour {
            Behaviour::Denier | Behaviour::Forger => {
                vec![reply(all(None), recover.round, Vec::new())]
            }
            Behaviour::Stale => {
                let mut locks: BTreeMap<Accepted, LockProof> = BTreeMap::new();
                let mut claims = all(None);
                for claim in &mut claims {
                    let Some(lock) = self.old.get(&claim.state) else { continue };
                    let accepted = Accepted { round: lock.round, transfer: lock.id() };
                    if accepted.round < recover.round {
                        claim.accepted = Some(accepted);
                        locks.insert(accepted, lock.clone());
                    }
                }
                vec![reply(claims, recover.round, locks.into_values().collect())]
            }
            Behaviour::Replayer => {
                let of_now =
                    |old: &RecoverReply| RecoverReply { recover: recover.id(), ..old.clone() };
                self.replies.iter().map(of_now).collect()
            }
            Behaviour::Garbler => {
                let transfer = TransferId(hash(Tag::Transfer, &[&recover.id().0]));
                let invented = |round| Some(Accepted { round, transfer });
                let withheld = |kind| -> RecoverReply {
                    let of = |state: &TokenState| Withheld {
                        state: *state,
                        kind,
                        round: u32::MAX,
                        transfer,
                    };
                    let withheld = recover.states.iter().map(of).collect();
                    let (report, locks) = (None, Vec::new());
                    RecoverReply { recover: recover.id(), report, locks, withheld }
                };
                vec![
                    reply(all(invented(0)), recover.round, Vec::new()),
                    reply(all(invented(u32::MAX)), u32::MAX, self.old.values().cloned().collect()),
                    withheld(WithheldKind::Spent),
                    withheld(WithheldKind::Promised),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// What one proposes that got the reports an owner asked for: all that its owner ever signed of
/// these states, in this round and the next, with reports of this round, with some of them, without
/// proofs.
pub fn forged(
    network: &Network,
    (member, key): (u16, &Keypair),
    answered: &Answered,
    signed: &[SignedTransfer],
) -> Vec<(Batch, Proposal)> {
    let collected = &answered.collected;
    let round = collected.recover.recover.round;
    let bytes = |reports: Vec<_>, locks: Vec<_>| {
        Justification { reports, locks, receipts: answered.receipts.clone() }.to_bytes()
    };
    let says = |report: &&ledger::SignedReport| {
        report.report.claims.iter().any(|claim| claim.accepted.is_some())
    };
    let all = collected.reports.clone();
    let silent: Vec<_> = all.iter().filter(|report| !says(report)).cloned().collect();
    let mut doubled = silent.clone();
    doubled.extend(silent.clone());
    let locks: Vec<LockProof> = collected.locks.values().cloned().collect();
    let justifications = [
        bytes(all.clone(), locks.clone()),
        bytes(silent, Vec::new()),
        bytes(doubled, Vec::new()),
        bytes(all, Vec::new()),
    ];
    let mut entries: Vec<Entry> = Vec::new();
    for signed in signed.iter().take(4) {
        for (at, justification) in justifications.iter().enumerate() {
            let round = if at == 3 { round.saturating_add(1) } else { round };
            let (signed, justification) = (signed.clone(), justification.clone());
            entries.push(Entry { signed, round, justification });
        }
    }
    let mut seen = BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.to_bytes()));
    let proposed = |entry: Entry| {
        let batch = Batch::new(vec![entry]);
        let proposal = Proposal::sign(&batch, &network.id, network.epoch, member, key);
        (batch, proposal)
    };
    entries.into_iter().map(proposed).collect()
}
