//! Moving a generation of rows into an engine, marked so that an interrupted one is recognized.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Backend, Engine, Writer};
use super::error::{IndexError, Why, guarded};
use super::row::{self, Sum};

/// Bytes of an encoded checkpoint.
pub const CHECKPOINT_BYTES: usize = 56;

/// Rows that are written before others may get their turn.
const ROWS_PER_TURN: usize = 16;

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

/// A generation of rows on its way into the engine. Send it to a thread that may block.
///
/// Dropped without `run`, the index stays as it is but takes no further checkpoint.
#[must_use = "the rows stay in memory until the job has run"]
pub struct CheckpointJob {
    pub(super) engine: Engine,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) rows: Arc<Rows>,
    /// What the engine holds before; `run` makes it what it holds after.
    pub(super) state: Checkpoint,
}

impl CheckpointJob {
    /// Writes the rows and then the end marker, durably; no opening takes a part of them for all.
    ///
    /// Append the checkpoint it returns to the journal, then call `Index::finish_checkpoint`. If it
    /// is lost in a crash between, the index is built again: the journal's word counts.
    /// Cost: `cargo bench -p benches --bench index`.
    ///
    /// # Errors
    /// `Rebuild`: the engine failed, or an old row was bad; `Io`: its files could not be synced. In
    /// either case the index must not be used on.
    pub fn run(self) -> Result<Checkpoint, IndexError> {
        self.run_in_turns(&mut |_| {})
    }

    /// Rows that it writes.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The same as `run`, and calls `turn` after every few rows with how many are written: there
    /// the caller may let others go first.
    ///
    /// # Errors
    /// As `run`.
    pub fn run_in_turns(self, turn: &mut dyn FnMut(usize)) -> Result<Checkpoint, IndexError> {
        guarded(self.engine, || self.write(turn))
    }

    fn write(&self, turn: &mut dyn FnMut(usize)) -> Result<Checkpoint, IndexError> {
        let mut writer = self.backend.begin()?;
        let mut state = self.state;
        let mut sum = Sum::from_bytes(&state.sum);
        for (number, (key, value)) in self.rows.iter().enumerate() {
            self.change(key, value.as_deref(), &mut *writer, (&mut state.rows, &mut sum))?;
            if number % ROWS_PER_TURN == 0 {
                turn(number);
            }
        }
        state.sum = sum.to_bytes();
        let (key, ended) = (self.backend.end_key(), state.to_bytes());
        writer.end(row::stored_value(&row::element(key, &ended), &ended))?;
        Ok(state)
    }

    /// Writes the rows without the end marker, as a crash leaves them.
    #[cfg(test)]
    pub(super) fn run_by_half(&self) -> Result<(), IndexError> {
        let mut writer = self.backend.begin()?;
        let mut counted = (0, Sum::default());
        for (key, value) in self.rows.iter() {
            let counted = (&mut counted.0, &mut counted.1);
            self.change(key, value.as_deref(), &mut *writer, counted)?;
        }
        Ok(())
    }

    /// Gives one row's change to the writer and puts it into count and sum.
    fn change(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        writer: &mut dyn Writer,
        (rows, sum): (&mut u64, &mut Sum),
    ) -> Result<(), IndexError> {
        let stored_key = row::stored_key(key);
        let old = self.backend.get(&stored_key)?;
        if let Some(old) = &old {
            let (_, element) =
                row::checked(key, old).ok_or_else(|| Why::BadRow { key: stored_key.clone() })?;
            sum.subtract(&element);
            // Rows that we never counted: the engine has brought something back.
            *rows = rows.checked_sub(1).ok_or_else(|| Why::BadRow { key: stored_key.clone() })?;
        }
        match value {
            Some(value) => {
                let element = row::element(key, value);
                sum.add(&element);
                *rows += 1;
                writer.change(stored_key, Some(row::stored_value(&element, value)))
            }
            None if old.is_some() => writer.change(stored_key, None),
            None => Ok(()),
        }
    }
}
