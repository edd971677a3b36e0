//! Batches for those who only hand them on to peers: as bytes, without decoding what the journal's
//! hashes vouch for.

use super::{Store, StoreError, restore};
use crate::journal::Location;
#[cfg(doc)]
use consensus::AppliedBatch;
use consensus::Record;
use ledger::{BatchId, Canonical};

/// Kind of the consensus' batches in the journal.
const BATCH_KIND: u8 = 1;

impl Store {
    /// A batch that was applied here, once with each Commit certificate that applied something of
    /// it, oldest first, as canonical bytes of [`AppliedBatch`]es, for those who only hand them on:
    /// the journal's hashes vouch for the batch, which is not decoded.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn applied_bytes(&self, id: &BatchId) -> Result<Vec<Vec<u8>>, StoreError> {
        let lines = self.lines_of(id)?.into_iter();
        let here = lines.filter(|line| line.batch_at != restore::NOWHERE);
        here.map(|line| self.place_bytes((line.batch_at, line.applied_at))).collect()
    }

    /// The canonical bytes of the [`AppliedBatch`] at a place that [`Store::place_of`] named.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn place_bytes(&self, place: (Location, Location)) -> Result<Vec<u8>, StoreError> {
        let (kind, mut bytes) = self.journal.read(place.0)?;
        if kind != BATCH_KIND {
            return Err(StoreError::WrongPlace);
        }
        match self.read(place.1)? {
            Record::Applied(certified) => certified.certificate.write(&mut bytes),
            _ => return Err(StoreError::WrongPlace),
        }
        Ok(bytes)
    }
}
