//! Proposes what it gets hold of out of reports that an owner asked for, in other rounds and with
//! reports left out. The reports have real signatures and, where they have them, real proofs.

use crate::sim::node::Answered;
use consensus::{Batch, Proposal};
use ledger::{Canonical, Entry, Justification, Keypair, LockProof, Network, SignedTransfer};
use std::collections::BTreeSet;

/// What a forger proposes that got the reports an owner asked for: all that its owner ever signed
/// of these states, in this round and the next, with reports of this round, with some of them,
/// without proofs.
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
