//! Many receipts at once, for those who fetch their deliveries: each batch is read and hashed once
//! for all of its transfers that are asked for. [`Store::receipt`] is the slow twin.

use super::row::TransferRow;
use super::{Store, StoreError};
use consensus::Batch;
use ledger::{Canonical, Receipt, TransferId};
use std::collections::BTreeMap;

impl Store {
    /// The receipts of these transfers, in their order, as far as they are final here; no more than
    /// fit `bytes_max` together, but the first whatever its size. Which were left out shows in the
    /// ids of those that came.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn receipts(
        &self,
        ids: &[TransferId],
        bytes_max: usize,
    ) -> Result<Vec<Receipt>, StoreError> {
        let mut by_batch: BTreeMap<_, Vec<(usize, TransferRow)>> = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            if let Some(row) = self.transfer_row(id)? {
                by_batch.entry((row.batch_at, row.applied_at)).or_default().push((at, row));
            }
        }
        let mut found: BTreeMap<usize, Receipt> = BTreeMap::new();
        // The bytes bound the reading, too: a batch has at most 8 MiB, and once there is enough no
        // other is read.
        let mut bytes = 0;
        for ((batch_at, applied_at), rows) in by_batch {
            if bytes > bytes_max {
                break;
            }
            let applied = self.read_applied(batch_at, applied_at)?;
            let batch = Batch::of(&applied.proposal).map_err(|_| StoreError::WrongPlace)?;
            let receipts = batch.receipts();
            for (at, row) in rows {
                let index = usize::try_from(row.index).expect("32 bits fit a usize here");
                if batch.ids().get(index) != Some(&ids[at]) {
                    return Err(StoreError::WrongPlace);
                }
                let receipt = receipts.of(index, &applied.certificate);
                bytes += receipt.to_bytes().len();
                if bytes > bytes_max && !found.is_empty() {
                    break;
                }
                found.insert(at, receipt);
            }
        }
        Ok(found.into_values().collect())
    }
}
