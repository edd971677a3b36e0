//! Batches (`quorate.batches/1`, `quorate.batch/1`) and evidence (`quorate.evidence/1`).

use super::{Schema, count, names};
use crate::board::voters;
use crate::handle::Shared;
use consensus::{AppliedBatch, Evidence};
use ledger::{BatchId, Canonical, TransferId};
use serde::{Deserialize, Serialize};

/// A page of the applied log, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchesDocument {
    /// `quorate.batches/1`.
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// How many lines the log has.
    pub count: u64,
    /// In order of their positions.
    pub batches: Vec<BatchRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    pub next: Option<u64>,
}

/// One line of the applied log. A batch that was applied in parts has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// In this node's log, from 0.
    pub position: u64,
    /// The batch.
    pub id: BatchId,
    /// How many transfers were applied with this line.
    pub applied: u64,
}

/// One batch with its Commit certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchDocument {
    /// `quorate.batch/1`.
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The batch.
    pub id: BatchId,
    /// The epoch.
    pub epoch: u64,
    /// Who proposed it.
    pub proposer: String,
    /// Who voted to commit some of it.
    pub commit: Vec<String>,
    /// Vote weight that is enough.
    pub quorum: u64,
    /// In order.
    pub entries: Vec<BatchEntry>,
}

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchEntry {
    /// The transfer.
    pub id: TransferId,
    /// The round in which it was proposed.
    pub round: u32,
    /// Whether this certificate makes it final.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A page of the evidence, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceDocument {
    /// `quorate.evidence/1`.
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// How much is kept.
    pub count: u64,
    /// Oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    pub next: Option<u64>,
}

/// Proof that a key misbehaved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// Among what is kept here, from 0.
    pub position: u64,
    /// `owner` or `votes`.
    pub kind: String,
    /// The owner's address or the validator's name.
    pub by: String,
    /// Ids of the two transfers; of votes, the batch twice.
    pub about: [String; 2],
    /// Canonical bytes of the evidence, checkable with the genesis alone.
    pub hex: String,
}

impl BatchesDocument {
    /// At most `limit` lines after position `after`. No disk is read.
    pub fn of(shared: &Shared, after: Option<u64>, limit: usize) -> Self {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let lines = shared.store.log(from, limit);
        let row = |(position, line): (u64, consensus::AppliedLine)| BatchRow {
            position,
            id: line.batch,
            applied: count(line.bitmap.ones()),
        };
        let batches: Vec<BatchRow> = (from..).zip(lines).map(row).collect();
        let count = shared.store.line_count();
        let last = batches.last().map(|row| row.position);
        let next = last.filter(|last| last + 1 < count);
        Self { schema: "quorate.batches/1".into(), ok: true, count, batches, next }
    }
}

impl BatchDocument {
    /// One batch that was applied here.
    pub fn of(shared: &Shared, applied: &AppliedBatch) -> Self {
        let committee = &shared.network.committee;
        let entries = &applied.proposal.entries;
        let mut weights = vec![0u64; entries.len()];
        for vote in applied.certificate.votes() {
            let weight = committee.weight(vote.member);
            for index in vote.ballot.bitmap.indexes().take_while(|index| *index < entries.len()) {
                weights[index] = weights[index].saturating_add(weight);
            }
        }
        let entry = |(entry, weight): (&ledger::Entry, &u64)| BatchEntry {
            id: entry.signed.transfer.id(),
            round: entry.round,
            is_final: *weight >= committee.quorum(),
        };
        Self {
            schema: "quorate.batch/1".into(),
            ok: true,
            id: applied.proposal.claimed,
            epoch: applied.proposal.epoch,
            proposer: shared.name_of(applied.proposal.proposer),
            commit: names(shared, &voters(&applied.certificate)),
            quorum: committee.quorum(),
            entries: entries.iter().zip(&weights).map(entry).collect(),
        }
    }
}

impl EvidenceDocument {
    /// At most `limit` pieces after position `after`, and no more than fit `bytes_max`, but one at
    /// least.
    pub fn of(shared: &Shared, after: Option<u64>, limit: usize, bytes_max: usize) -> Self {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let all = shared.store.evidence();
        let count = count(all.len());
        let mut bytes = 0;
        let mut rows: Vec<EvidenceRow> = Vec::new();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        for (position, evidence) in (from..).zip(all.iter().skip(skip)).take(limit) {
            let row = EvidenceRow::of(shared, position, evidence);
            bytes += row.hex.len();
            if bytes > bytes_max && !rows.is_empty() {
                break;
            }
            rows.push(row);
        }
        let next = rows.last().map(|row| row.position).filter(|last| last + 1 < count);
        let schema = "quorate.evidence/1".into();
        Self { schema, ok: true, count, evidence: rows, next }
    }
}

impl EvidenceRow {
    fn of(shared: &Shared, position: u64, evidence: &Evidence) -> Self {
        let hex = hex::encode(evidence.to_bytes());
        match evidence {
            Evidence::Owner(found) => {
                let ids = [&found.first, &found.second].map(|entry| entry.signed.transfer.id());
                let by = found.first.signed.transfer.owner.to_string();
                let about = ids.map(|id| id.to_string());
                Self { position, kind: "owner".into(), by, about, hex }
            }
            Evidence::Votes(found) => {
                let about = [&found.first, &found.second].map(|vote| vote.ballot.batch.to_string());
                let by = shared.name_of(found.first.member);
                Self { position, kind: "votes".into(), by, about, hex }
            }
        }
    }
}
