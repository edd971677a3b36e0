//! Batches (`quorate.batches/1`, `quorate.batch/1`).

use super::text::IdText;
use super::{Schema, count, names};
use crate::board::voters;
use crate::handle::Shared;
use crate::store::StoreError;
use consensus::AppliedBatch;
use ledger::{BatchId, TransferId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of the applied log, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchesDocument {
    /// `quorate.batches/1`.
    #[schema(value_type = String)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchRow {
    /// In this node's log, from 0.
    pub position: u64,
    /// The batch.
    #[schema(value_type = IdText)]
    pub id: BatchId,
    /// How many transfers were applied with this line.
    pub applied: u64,
}

/// One batch with its Commit certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchDocument {
    /// `quorate.batch/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The batch.
    #[schema(value_type = IdText)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchEntry {
    /// The transfer.
    #[schema(value_type = IdText)]
    pub id: TransferId,
    /// The round in which it was proposed.
    pub round: u32,
    /// Whether this certificate makes it final.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl BatchesDocument {
    /// At most `limit` lines after position `after`.
    ///
    /// # Errors
    /// An unreadable index.
    pub fn of(shared: &Shared, after: Option<u64>, limit: usize) -> Result<Self, StoreError> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let lines = shared.store.log(from, limit)?;
        let row = |(line, position): (consensus::AppliedLine, u64)| BatchRow {
            position,
            id: line.batch,
            applied: count(line.bitmap.ones()),
        };
        let batches: Vec<BatchRow> = lines.into_iter().zip(from..).map(row).collect();
        let count = shared.store.line_count();
        let last = batches.last().map(|row| row.position);
        let next = last.filter(|last| last + 1 < count);
        Ok(Self { schema: "quorate.batches/1".into(), ok: true, count, batches, next })
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
