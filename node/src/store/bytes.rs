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
    /// Where a batch that was applied here lies, once with each Commit certificate that applied
    /// something of it, oldest first: one as a rule, and as many as it has entries at most.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn applied_places(&self, id: &BatchId) -> Result<Vec<(Location, Location)>, StoreError> {
        let lines = self.lines_of(id)?.into_iter();
        let here = lines.filter(|line| line.batch_at != restore::NOWHERE);
        Ok(here.map(|line| (line.batch_at, line.applied_at)).collect())
    }

    /// The canonical bytes of the [`AppliedBatch`] at a place that [`Store::place_of`] or
    /// [`Store::applied_places`] named, for those who only hand it on: the journal's hashes vouch
    /// for the batch, which is not decoded.
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
