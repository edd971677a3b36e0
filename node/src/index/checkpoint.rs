//! Moving a generation of rows into sled, marked so that an interrupted one is recognized.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{IndexError, Why, guarded};
use super::row::{self, Sum};

/// Most rows handed to sled at once; larger batches take gigabytes (shared/LIMITS.md).
const BATCH_ROWS_MAX: usize = 1_000;
/// Stored under the key while a checkpoint is being written.
pub(super) const BEGUN: &[u8] = b"m/begun";
/// The last complete checkpoint, as a row of its own check.
pub(super) const ENDED: &[u8] = b"m/ended";
/// Bytes of an encoded checkpoint.
pub const CHECKPOINT_BYTES: usize = 56;

/// Changed rows: a value, or `None` for a deletion.
pub(super) type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A place in the journal, as the journal counts: everything before it is in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Byte in the segment.
    pub offset: u64,
}

/// What the index held at a position of the journal; the caller appends it to the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where replaying starts.
    pub position: Position,
    /// Number of rows.
    pub rows: u64,
    /// Sum over all rows, independent of their order.
    pub sum: [u8; 32],
}

impl Checkpoint {
    /// segment, offset, rows as u64 LE, then the sum.
    pub fn to_bytes(&self) -> [u8; CHECKPOINT_BYTES] {
        let mut out = [0; CHECKPOINT_BYTES];
        out[..8].copy_from_slice(&self.position.segment.to_le_bytes());
        out[8..16].copy_from_slice(&self.position.offset.to_le_bytes());
        out[16..24].copy_from_slice(&self.rows.to_le_bytes());
        out[24..].copy_from_slice(&self.sum);
        out
    }

    /// Reads what `to_bytes` wrote; every 56 bytes are some checkpoint.
    pub fn from_bytes(bytes: &[u8; CHECKPOINT_BYTES]) -> Self {
        let number = |from: usize| {
            u64::from_le_bytes(bytes[from..from + 8].try_into().expect("eight bytes"))
        };
        Self {
            position: Position { segment: number(0), offset: number(8) },
            rows: number(16),
            sum: bytes[24..].try_into().expect("thirty-two bytes"),
        }
    }
}

/// A generation of rows on its way into sled. Send it to a thread that may block.
///
/// Dropped without `run`, the index stays as it is but takes no further checkpoint.
#[must_use = "the rows stay in memory until the job has run"]
pub struct CheckpointJob {
    pub(super) db: sled::Db,
    pub(super) place: PathBuf,
    pub(super) rows: Arc<Rows>,
    /// What sled holds before; `run` makes it what sled holds after.
    pub(super) state: Checkpoint,
}

impl CheckpointJob {
    /// Writes the rows: begin marker, batches of at most 1,000, flush, end marker, fsync.
    ///
    /// Append the checkpoint it returns to the journal, then call `Index::finish_checkpoint`. If it
    /// is lost in a crash between, the index is built again: the journal's word counts.
    /// Cost, for rows of 112 B (`index::checkpoint`, 2 vCPU): 10,000 new random keys 255 ms, 10,000
    /// updates of cached keys 28 ms.
    ///
    /// # Errors
    /// `Rebuild`: sled failed, or an old row was bad; `Io`: its files could not be synced. In
    /// either case the index must not be used on.
    pub fn run(self) -> Result<Checkpoint, IndexError> {
        guarded(|| self.write())
    }

    fn write(&self) -> Result<Checkpoint, IndexError> {
        self.begin()?;
        let mut state = self.state;
        let mut sum = Sum::from_bytes(&state.sum);
        let mut rows = self.rows.iter().peekable();
        while rows.peek().is_some() {
            let mut batch = sled::Batch::default();
            for (key, value) in rows.by_ref().take(BATCH_ROWS_MAX) {
                self.change(key, value.as_deref(), &mut batch, (&mut state.rows, &mut sum))?;
            }
            self.db.apply_batch(batch)?;
        }
        self.db.flush()?;
        state.sum = sum.to_bytes();
        let ended = state.to_bytes();
        let mut batch = sled::Batch::default();
        batch.remove(BEGUN);
        batch.insert(ENDED, row::stored_value(&row::element(ENDED, &ended), &ended));
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        sync_files(&self.place).map_err(IndexError::io(&self.place))?;
        Ok(state)
    }

    /// Makes the begin marker durable before the first row changes.
    pub(super) fn begin(&self) -> Result<(), IndexError> {
        self.db.insert(BEGUN, &[1])?;
        self.db.flush()?;
        sync_files(&self.place).map_err(IndexError::io(&self.place))
    }

    /// Puts one row's change into the batch and into count and sum.
    fn change(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        batch: &mut sled::Batch,
        (rows, sum): (&mut u64, &mut Sum),
    ) -> Result<(), IndexError> {
        let stored_key = row::stored_key(key);
        if let Some(old) = self.db.get(&stored_key)? {
            let (_, element) =
                row::checked(key, &old).ok_or_else(|| Why::BadRow { key: stored_key.clone() })?;
            sum.subtract(&element);
            // Rows that we never counted: sled has brought something back.
            *rows = rows.checked_sub(1).ok_or_else(|| Why::BadRow { key: stored_key.clone() })?;
        }
        match value {
            Some(value) => {
                let element = row::element(key, value);
                sum.add(&element);
                *rows += 1;
                batch.insert(stored_key, row::stored_value(&element, value));
            }
            None => batch.remove(stored_key),
        }
        Ok(())
    }
}

/// fsync of everything in sled's directory: its own flush is not power-safe.
fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_files(&entry.path())?;
        } else {
            match File::open(entry.path()) {
                Ok(file) => file.sync_data()?,
                // sled removes its old snapshots meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    File::open(dir)?.sync_all()
}
