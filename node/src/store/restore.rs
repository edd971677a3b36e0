//! A store that begins with a snapshot: records of its own kind hold the snapshot's bytes, and
//! replay makes tips and lines of them. The batches before it are not here: their lines point
//! nowhere, and peers are asked for them.
//!
//! Who has such a store has forgotten what it promised: the mark `silent` stands in its home before
//! the first of these records (`store/open.rs` for a lost store, [`restore`] for a backup).

use super::row::Line;
use super::{Cause, OpenError, Silence, Store, StoreError, first_start, row};
use crate::journal::{Journal, JournalError, Location, Options};
use crate::snapshot::{Checked, Snapshot, SnapshotError};
use consensus::{AppliedBatch, Tips};
use ledger::{Canonical, Network, Reader};
use std::path::Path;
use std::time::{Duration, Instant};

/// Kind of the journal's records that hold a snapshot.
pub(super) const SNAPSHOT_KIND: u8 = 11;
/// Bytes of the snapshot in one record.
const PART_BYTES: usize = 4 * 1024 * 1024;
/// How long a part may take to become durable.
const PART_WAIT: Duration = Duration::from_secs(30);
/// Where the batch of a line is that came with a snapshot: not here.
pub(super) const NOWHERE: Location = Location { segment: u32::MAX, offset: 0 };

/// The parts of a snapshot as they come by in the journal.
#[derive(Default)]
pub(super) struct Parts {
    bytes: Vec<u8>,
    next: u32,
}

impl Parts {
    /// Takes one record; returns the snapshot's bytes with the last. What was begun and not ended
    /// before a crash is begun again with part 0.
    pub fn take(&mut self, payload: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut reader = Reader::new(payload);
        let (number, count) = (u32::read(&mut reader)?, u32::read(&mut reader)?);
        if number == 0 {
            *self = Self::default();
        }
        let part = reader.take(reader.left())?;
        let max = crate::snapshot::SNAPSHOT_BYTES_MAX;
        if number != self.next || self.bytes.len() + part.len() > max {
            return Err(StoreError::WrongPlace);
        }
        self.bytes.extend_from_slice(part);
        self.next += 1;
        Ok((self.next == count).then(|| std::mem::take(self).bytes))
    }
}

/// The records' payloads.
fn parts(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let chunks = bytes.chunks(PART_BYTES);
    let count = u32::try_from(chunks.len()).expect("a snapshot is below 2^32 parts");
    (0u32..).zip(chunks).map(move |(number, chunk)| {
        let mut payload = number.to_bytes();
        count.write(&mut payload);
        payload.extend_from_slice(chunk);
        payload
    })
}

fn append(journal: &Journal, bytes: &[u8]) -> Result<(), JournalError> {
    for payload in parts(bytes) {
        let ticket = journal.append(SNAPSHOT_KIND, payload)?;
        journal.wait_durable(ticket.sequence, Instant::now() + PART_WAIT)?;
    }
    Ok(())
}

/// Why a store was not restored; nothing was written unless said.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot does not hold.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is a store, or an empty folder of one.
    #[error("there is a `journal` or an `index` already")]
    NotEmpty,
    /// The marks beside the journal can't be written.
    #[error(transparent)]
    Mark(#[from] OpenError),
    /// The journal can't be written; what there is of it is not complete.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
}

/// Makes a store out of a snapshot in a home that holds none. Everything is checked before anything
/// is written; the mark `silent` is durable before the journal is made, and a permission for a
/// first start is used up.
///
/// # Errors
/// Every [`RestoreError`].
pub fn restore(home: &Path, network: &Network, bytes: &[u8]) -> Result<Checked, RestoreError> {
    let is_there = |name: &str| home.join(name).symlink_metadata().is_ok();
    if is_there("journal") || is_there("index") {
        return Err(RestoreError::NotEmpty);
    }
    let network = std::sync::Arc::new(network.clone());
    let checked = Snapshot::from_bytes(bytes)?.check(&network)?;
    let mark = OpenError::mark(home);
    Silence::new(Cause::Restored, "").keep(home).map_err(&mark)?;
    first_start::use_up(&crate::journal::System, home).map_err(&mark)?;
    let mut options = Options::new(*network.id.bytes());
    options.create = true;
    let (journal, _) = Journal::open(&home.join("journal"), options, &mut |_, _, _| {})?;
    append(&journal, bytes)?;
    journal.close()?;
    Ok(checked)
}

impl Store {
    /// Writes a snapshot's bytes into the journal of a store that has applied nothing, durably.
    /// Blocks for the disk.
    ///
    /// # Errors
    /// The journal's.
    pub fn append_snapshot(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let at = self.journal.end();
        append(&self.journal, bytes)?;
        *self.base_at.lock() = Some(at);
        Ok(())
    }

    /// Puts what a snapshot says into the log and the index; its bytes are in the journal.
    ///
    /// # Panics
    /// When something is applied already.
    pub fn load_snapshot(&self, snapshot: &Snapshot, checked: &Checked) {
        assert!(self.log.count() == 0, "a snapshot is loaded before anything is applied");
        let mut index = self.index.lock();
        let lines = snapshot.lines.iter().map(|line| {
            let (batch, bitmap) = (line.batch, line.bitmap.clone());
            Line { batch, batch_at: NOWHERE, applied_at: NOWHERE, bitmap }
        });
        self.log.push(&mut index, lines);
        for id in &checked.issued {
            let asset = checked.tips.asset(id).expect("a checked snapshot's assets are known");
            index.put(&row::asset_key(id), &row::asset_row(asset));
        }
        for token in &checked.moved {
            let tip = checked.tips.tip(token).expect("a checked snapshot's tokens have tips");
            index.put(&row::tip_key(token), &row::tip_row(tip));
        }
        let counters = row::counters_row(checked.tips.applied(), checked.tips.digest());
        index.put(row::COUNTERS_KEY, &counters);
    }

    /// The snapshot that this store began with; `None` for one that has it all.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn base(&self) -> Result<Option<Snapshot>, StoreError> {
        let Some(at) = *self.base_at.lock() else { return Ok(None) };
        let mut parts = Parts::default();
        let mut found: Option<Result<Vec<u8>, StoreError>> = None;
        self.journal.scan_from(at, &mut |_, kind, payload| {
            if kind == SNAPSHOT_KIND && found.is_none() {
                found = parts.take(payload).transpose();
            }
        })?;
        let bytes = found.ok_or(StoreError::WrongPlace)??;
        Snapshot::from_bytes(&bytes).map(Some).map_err(|_| StoreError::WrongPlace)
    }

    /// Lines of the applied log whose batches came with no bytes: they lie before the snapshot that
    /// this store began with.
    pub fn has_base(&self) -> bool {
        self.base_at.lock().is_some()
    }

    /// Whether the log begins with lines of a snapshot.
    ///
    /// # Errors
    /// The index's.
    pub(super) fn has_foreign_lines(&self) -> Result<bool, StoreError> {
        Ok(self.line_at(0)?.is_some_and(|line| line.batch_at == NOWHERE))
    }

    /// One line of the applied log with its batch.
    ///
    /// # Errors
    /// Every [`StoreError`]; `WrongPlace` for a line that is not there or has no bytes here.
    pub fn line(&self, position: u64) -> Result<AppliedBatch, StoreError> {
        let line = self.line_at(position)?.ok_or(StoreError::WrongPlace)?;
        self.read_applied(line.batch_at, line.applied_at)
    }

    /// What replay makes of a snapshot's last part: the tips that it stands for.
    pub(super) fn replay_snapshot(
        &self,
        network: &std::sync::Arc<Network>,
        bytes: &[u8],
    ) -> Result<Tips, StoreError> {
        let wrong = |error: SnapshotError| {
            tracing::error!(%error, "the snapshot in the journal");
            StoreError::WrongPlace
        };
        let snapshot = Snapshot::from_bytes(bytes).map_err(wrong)?;
        let checked = snapshot.tips(network).map_err(wrong)?;
        self.load_snapshot(&snapshot, &checked);
        Ok(checked.tips)
    }
}
