//! Many receipts at once, for those who fetch their deliveries: each batch is read and hashed once
//! for all of its transfers that are asked for. [`Store::receipt`] is the slow twin.

use super::row::TransferRow;
use super::{Store, StoreError};
use consensus::Batch;
use ledger::{Canonical, Receipt, TransferId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes of batches that are read for one question: four of the largest. Who asks for one transfer
/// of each of many batches gets some, and asks again for the rest.
const READ_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Time that is spent on one question; a batch that was begun is ended.
const READ_TIME_MAX: Duration = Duration::from_secs(1);

/// How much is answered and read for one question. One batch is always read.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of receipts, but the first comes whatever its size.
    pub(super) answered: usize,
    /// Bytes of batches.
    pub(super) read: usize,
    /// Time from the beginning on.
    pub(super) time: Duration,
}

impl Store {
    /// The receipts of these transfers, in their order, as far as they are final here; no more than
    /// fit `bytes_max` together, but the first whatever its size, and no more than 32 MiB of
    /// batches and a second bring. Which were left out shows in the ids of those that came.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn receipts(
        &self,
        ids: &[TransferId],
        bytes_max: usize,
    ) -> Result<Vec<Receipt>, StoreError> {
        let (read, time) = (READ_BYTES_MAX, READ_TIME_MAX);
        self.receipts_within(ids, Bounds { answered: bytes_max, read, time })
    }

    /// The same within these bounds.
    pub(super) fn receipts_within(
        &self,
        ids: &[TransferId],
        bounds: Bounds,
    ) -> Result<Vec<Receipt>, StoreError> {
        let start = Instant::now();
        let mut by_batch: BTreeMap<_, Vec<(usize, TransferRow)>> = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            if let Some(row) = self.transfer_row(id)? {
                by_batch.entry((row.batch_at, row.applied_at)).or_default().push((at, row));
            }
        }
        let mut found: BTreeMap<usize, Receipt> = BTreeMap::new();
        let (mut bytes, mut bytes_read) = (0, 0);
        for ((batch_at, applied_at), rows) in by_batch {
            let is_over = bytes_read >= bounds.read || start.elapsed() >= bounds.time;
            if bytes > bounds.answered || (is_over && bytes_read > 0) {
                break;
            }
            let applied = self.read_applied(batch_at, applied_at)?;
            bytes_read += applied.to_bytes().len();
            let batch = Batch::of(&applied.proposal).map_err(|_| StoreError::WrongPlace)?;
            let receipts = batch.receipts();
            for (at, row) in rows {
                let index = usize::try_from(row.index).expect("32 bits fit a usize here");
                if batch.ids().get(index) != Some(&ids[at]) {
                    return Err(StoreError::WrongPlace);
                }
                let receipt = receipts.of(index, &applied.certificate);
                bytes += receipt.to_bytes().len();
                if bytes > bounds.answered && !found.is_empty() {
                    break;
                }
                found.insert(at, receipt);
            }
        }
        Ok(found.into_values().collect())
    }
}
