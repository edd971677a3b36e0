//! The store: the journal, which is the truth, and the index that follows it, as one.
//!
//! ```text
//!  Step.persist ─▶ Journal (one fdatasync for all that wait) ─▶ durable ─▶ votes leave
//!       │
//!       └─▶ Index rows in memory ──checkpoint, off the vote's path──▶ sled or fjall
//!  start: last checkpoint in the journal ─▶ index rows ─▶ tips; then the tail is replayed
//! ```
//!
//! | row | key | value |
//! |---|---|---|
//! | tip | `k` token id | where the token stands |
//! | transfer | `t` transfer id | where its batch and its certificate are, and its position |
//! | line, place | `l`, `b` | see `applied_log` |
//! | asset | `a` asset id | definition, issued supply |
//! | counters | `c` | applied, digest |
//!
//! That a state is spent, and by whom, follows from the tip and the transfers (a pin needs no row
//! of its own here). Locks are rebuilt from the journal's live records.

mod applied_log;
mod bytes;
pub mod first_start;
mod mark;
mod open;
mod receipts;
mod recent;
mod restore;
mod row;
mod silence;
mod start;
mod verify;

use crate::index::{Checkpoint, CheckpointJob, Index, IndexError};
use crate::journal::{Journal, JournalError, Location};
use ::bytes::Bytes;
use applied_log::AppliedLog;
use consensus::{Applied, AppliedBatch, Batch, Evidence, Proposal, Record, Tips};
use ledger::{BatchId, DecodeError, Receipt, TransferId};
use parking_lot::{Mutex, RwLock};
use recent::Recent;
use row::{Line, TransferRow};
use std::collections::HashMap;
use std::time::Instant;

pub use open::{OpenError, Opened, open};
pub use restore::{RestoreError, restore};
pub use silence::{Cause, Silence};
pub use start::{Home, Started, start};
pub use verify::{StoreReport, verify};

/// Kind of the journal's checkpoint records; the consensus' kinds are 1 to 7.
const CHECKPOINT_KIND: u8 = 10;

/// What reading the store can lead to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The journal.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
    /// The index; it is rebuilt at the next start.
    #[error("the index: {0}; stop and start the node, it will be rebuilt from the journal")]
    Index(#[from] IndexError),
    /// A record that does not decode.
    #[error("a record of the journal does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// A record of another kind than expected, or an index row of a wrong length.
    #[error("the index points to a wrong place; stop and start the node, it will be rebuilt")]
    WrongPlace,
}

/// Journal and index of one node.
pub struct Store {
    journal: Journal,
    index: Mutex<Index>,
    log: AppliedLog,
    /// Where batches are that are not applied yet.
    open_batches: Mutex<HashMap<BatchId, Location>>,
    evidence: RwLock<Vec<Evidence>>,
    /// Where the snapshot is that this store began with.
    base_at: Mutex<Option<Location>>,
    recent: Recent,
}

/// Where a step's records went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persisted {
    /// Durable as soon as the journal counts more records than this; `None` when there was nothing.
    pub sequence: Option<u64>,
    /// Records and bytes appended.
    pub appended: (u64, u64),
}

impl Store {
    /// Appends records to the journal, and the rows of what was applied to the index in memory.
    /// `applied` are the step's, and its `Record::Applied` are among `records`; `tips` stand after
    /// them. `is_urgent`: somebody waits for them.
    ///
    /// # Errors
    /// The journal's; then the node must stop voting.
    pub fn persist(
        &self,
        records: &[Record],
        applied: &[Applied],
        tips: &Tips,
        is_urgent: bool,
    ) -> Result<Persisted, StoreError> {
        let mut persisted = Persisted { sequence: None, appended: (0, 0) };
        let first = self.line_count();
        let mut at: HashMap<BatchId, Location> = HashMap::new();
        let payloads = records.iter().map(|record| (record.kind(), record.payload().into()));
        let payloads: Vec<(u8, Bytes)> = payloads.collect();
        let bytes: usize = payloads.iter().map(|(_, payload)| payload.len()).sum();
        let tickets = self.journal.append_all(payloads, is_urgent)?;
        for (record, ticket) in records.iter().zip(tickets) {
            persisted.appended.0 += 1;
            persisted.sequence = Some(ticket.sequence);
            self.note(record, ticket.location, &mut at)?;
        }
        persisted.appended.1 = u64::try_from(bytes).expect("memory has below 2^64 bytes");
        self.index_applied(applied, tips, &at)?;
        if self.line_count() > first {
            self.recent.note(first, records, applied);
        }
        Ok(persisted)
    }

    /// Remembers where a record went; `at` collects the locations of applied certificates.
    fn note(
        &self,
        record: &Record,
        location: Location,
        at: &mut HashMap<BatchId, Location>,
    ) -> Result<(), StoreError> {
        match record {
            Record::Batch(proposal) => {
                self.open_batches.lock().insert(proposal.claimed, location);
            }
            Record::Applied(certified) => {
                let batch = certified.certificate.batch;
                at.insert(batch, location);
                let batch_at = self.open_batches.lock().get(&batch).copied();
                let batch_at = batch_at.ok_or(StoreError::WrongPlace)?;
                let bitmap = certified.bitmap.clone();
                let line = Line { batch, batch_at, applied_at: location, bitmap };
                self.log.push(&mut self.index.lock(), [line]);
            }
            Record::Evidence(evidence) => self.evidence.write().push(evidence.clone()),
            Record::Locked(_) | Record::Accepted(_) | Record::Closed(_) | Record::Promised(_) => {}
        }
        Ok(())
    }

    fn index_applied(
        &self,
        applied: &[Applied],
        tips: &Tips,
        at: &HashMap<BatchId, Location>,
    ) -> Result<(), StoreError> {
        if applied.is_empty() {
            return Ok(());
        }
        let batches = self.open_batches.lock();
        let mut index = self.index.lock();
        for applied in applied {
            let batch_at = *batches.get(&applied.batch).ok_or(StoreError::WrongPlace)?;
            let applied_at = *at.get(&applied.batch).ok_or(StoreError::WrongPlace)?;
            let transfer = TransferRow { batch_at, applied_at, index: applied.index };
            index.put(&row::transfer_key(&applied.change.id), &transfer.to_row());
            let spent = applied.change.spent.iter().map(|input| input.state.token);
            let made = applied.change.made.iter().map(|made| made.state.token);
            for token in spent.chain(made) {
                let tip = tips.tip(&token).expect("an applied transfer's tokens have tips");
                index.put(&row::tip_key(&token), &row::tip_row(tip));
            }
            for made in applied.change.made.iter().filter(|made| made.state.height == 0) {
                let asset = tips.asset(&made.asset).expect("a made token's asset is known");
                index.put(&row::asset_key(&made.asset), &row::asset_row(asset));
            }
        }
        index.put(row::COUNTERS_KEY, &row::counters_row(tips.applied(), tips.digest()));
        Ok(())
    }

    /// A batch is resolved and forgotten by the validator; its location is in the index if it was
    /// applied.
    pub fn forget_batches(&self, keep: impl Fn(&BatchId) -> bool) {
        self.open_batches.lock().retain(|id, _| keep(id));
    }

    /// The receipt of a final transfer; `None` when this node has not applied it.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn receipt(&self, id: &TransferId) -> Result<Option<Receipt>, StoreError> {
        let Some(row) = self.transfer_row(id)? else { return Ok(None) };
        let applied = self.read_applied(row.batch_at, row.applied_at)?;
        let batch = Batch::of(&applied.proposal).map_err(|_| StoreError::WrongPlace)?;
        let index = usize::try_from(row.index).expect("32 bits fit a usize here");
        if batch.ids().get(index) != Some(id) {
            return Err(StoreError::WrongPlace);
        }
        Ok(Some(batch.receipt(index, &applied.certificate)))
    }

    /// The batch in which a transfer became final here, with its certificate.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn batch_of(&self, id: &TransferId) -> Result<Option<AppliedBatch>, StoreError> {
        let Some(row) = self.transfer_row(id)? else { return Ok(None) };
        self.read_applied(row.batch_at, row.applied_at).map(Some)
    }

    /// Where a final transfer's batch and certificate are in the journal.
    pub fn place_of(&self, id: &TransferId) -> Option<(Location, Location)> {
        let row = self.transfer_row(id).ok().flatten()?;
        Some((row.batch_at, row.applied_at))
    }

    /// Whether this node has applied a transfer. An unreadable index answers no; the receipt is
    /// asked for before anything rests on it.
    pub fn is_final(&self, id: &TransferId) -> bool {
        matches!(self.transfer_row(id), Ok(Some(_)))
    }

    fn transfer_row(&self, id: &TransferId) -> Result<Option<TransferRow>, StoreError> {
        let row = self.index.lock().get(&row::transfer_key(id))?;
        let Some(row) = row else { return Ok(None) };
        TransferRow::from_row(&row).map(Some).ok_or(StoreError::WrongPlace)
    }

    fn read_applied(&self, batch: Location, applied: Location) -> Result<AppliedBatch, StoreError> {
        let proposal = self.read_batch(batch)?;
        match self.read(applied)? {
            Record::Applied(certified) => {
                Ok(AppliedBatch { proposal, certificate: certified.certificate })
            }
            _ => Err(StoreError::WrongPlace),
        }
    }

    fn read_batch(&self, at: Location) -> Result<Proposal, StoreError> {
        match self.read(at)? {
            Record::Batch(proposal) => Ok((*proposal).clone()),
            _ => Err(StoreError::WrongPlace),
        }
    }

    fn read(&self, at: Location) -> Result<Record, StoreError> {
        let (kind, payload) = self.journal.read(at)?;
        Record::read(kind, &payload)?.ok_or(StoreError::WrongPlace)
    }

    /// The evidence kept, oldest first.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.evidence.read().clone()
    }

    /// How many pieces of evidence are kept.
    pub fn evidence_count(&self) -> usize {
        self.evidence.read().len()
    }

    /// The journal, for durability and figures.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// At 100 the index has so many rows in memory that they should go to its engine.
    pub fn fullness_percent(&self) -> u64 {
        self.index.lock().fullness_percent()
    }

    /// Whether the index takes rows so much slower than they come that no more work is to be taken.
    pub fn is_index_behind(&self) -> bool {
        self.index.lock().is_behind()
    }

    /// Rows that only memory holds.
    pub fn dirty_rows(&self) -> usize {
        self.index.lock().dirty_rows()
    }

    /// Begins a checkpoint: `live` are the validator's live records, appended first, so that a
    /// journal read from the checkpoint's position on needs nothing older but the index. Run the
    /// job on a thread, then [`Store::end_checkpoint`]. What was appended by a call that failed is
    /// harmless: replaying a record twice changes nothing.
    ///
    /// # Errors
    /// The journal's, `Full` when it has no room now, or that one is running.
    pub fn begin_checkpoint(&self, live: &[Record]) -> Result<CheckpointJob, StoreError> {
        let position = row::position(self.journal.end());
        for record in live {
            let ticket = self.journal.append(record.kind(), record.payload())?;
            if let Record::Batch(proposal) = record {
                self.open_batches.lock().insert(proposal.claimed, ticket.location);
            }
        }
        Ok(self.index.lock().begin_checkpoint(position)?)
    }

    /// Ends a checkpoint: its record becomes durable, then the index lets go of the rows. Blocks
    /// for a sync; not for the driver's thread.
    ///
    /// # Errors
    /// The journal's.
    pub fn end_checkpoint(
        &self,
        checkpoint: Checkpoint,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let ticket = self.journal.append(CHECKPOINT_KIND, checkpoint.to_bytes().to_vec())?;
        self.journal.wait_durable(ticket.sequence, deadline)?;
        let written = self.index.lock().finish_checkpoint(checkpoint);
        drop(written);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) use tests::{
    Alone, config as tests_config, network as tests_network, on as tests_on, open_alone,
};
#[cfg(test)]
mod tests;
