//! The index: rows derived from the journal, in memory until a checkpoint moves them to an engine's
//! files: sled's or fjall's, as the configuration says.
//!
//! ```text
//! put, delete ─▶ dirty rows ─ begin_checkpoint ─▶ frozen rows ─ job.run (a thread) ─▶ engine
//! get, scan   ─▶ dirty, then frozen, then the engine (each row checked)
//! ```
//! No engine is trusted with a promise: sled's flush is no fsync, and a flipped bit loses rows of
//! it without a word (shared/TESTING.md). So each row carries a check, the count and the sum of all
//! rows stand in the journal, and opening reads and adds up every row. Whatever is wrong, a panic
//! of the engine's too, and files of another engine, is `Rebuild`: the caller creates it anew and
//! replays the journal.
//! Between checkpoints nothing is written, so a crash costs the replay since the last one.
//!
//! Not here: what rows mean, when to checkpoint, the journal.

mod checkpoint;
mod engine;
mod error;
mod place;
mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

pub use checkpoint::{CHECKPOINT_BYTES, Checkpoint, CheckpointJob, Position};
pub use engine::{Engine, UnknownEngine};
pub use error::{IndexError, Why};

use checkpoint::Rows;
use engine::Backend;
#[cfg(test)]
pub(crate) use engine::over_both_engines;
use error::guarded;
use row::Sum;

/// From this many dirty rows on a checkpoint is due: about a second of sled's work.
pub const DIRTY_ROWS_DUE: usize = 50_000;
/// From this many bytes of dirty rows on a checkpoint is due.
pub const DIRTY_BYTES_DUE: u64 = 32 << 20;

/// So many times the rows or bytes at which a checkpoint is due, and the index is behind.
pub const BEHIND: u64 = 6;

/// An open index. One owner changes it; readers need `&self` only.
pub struct Index {
    engine: Engine,
    backend: Arc<dyn Backend>,
    dirty: Rows,
    /// Bytes of keys and values put or deleted since the last checkpoint began.
    dirty_bytes: u64,
    /// Rows that a job is writing; set by `begin_checkpoint`, cleared by `finish_checkpoint`.
    frozen: Option<Arc<Rows>>,
    /// What the engine holds; written by `open` and `finish_checkpoint`.
    stored: Checkpoint,
}

/// Rows in memory that the engine has.
#[must_use = "to be dropped when the index is not locked any more"]
pub struct Written {
    _rows: Arc<Rows>,
}

impl Index {
    /// Opens the engine's index in `dir` and checks that it holds exactly the rows of `expect`, the
    /// newest checkpoint in the journal; `None` if the journal has none, which fits an empty index
    /// only.
    ///
    /// Cost: reads and hashes every row, about 1-2 µs each.
    ///
    /// # Errors
    /// `Rebuild` for whatever is wrong; then call `create` and replay the journal from its start.
    /// `InUse` if another handle is open, here or elsewhere; `Io`.
    pub fn open(
        dir: &Path,
        engine: Engine,
        expect: Option<Checkpoint>,
    ) -> Result<Self, IndexError> {
        let (place, found) = match (place::newest(dir)?, expect) {
            (Some(newest), _) => newest,
            (None, None) => return Self::create(dir, engine),
            (None, Some(_)) => return Err(Why::mismatch(expect, None).into()),
        };
        if found != engine {
            return Err(Why::OtherEngine { found, wanted: engine }.into());
        }
        guarded(engine, || {
            let backend = engine.open(&place)?;
            if backend.is_interrupted()? {
                return Err(Why::Interrupted.into());
            }
            let found = survey(&*backend)?;
            if found != expect {
                return Err(Why::mismatch(expect, found).into());
            }
            Ok(Self::new(engine, backend, found.unwrap_or_default()))
        })
    }

    /// Starts an empty index in `dir` and removes what was there before, of whatever engine. The
    /// caller holds the store's lock and has no other handle open.
    ///
    /// # Errors
    /// `Io`; `Rebuild` if the engine fails even so.
    pub fn create(dir: &Path, engine: Engine) -> Result<Self, IndexError> {
        let place = place::next(dir, engine)?;
        let backend = guarded(engine, || engine.open(&place))?;
        Ok(Self::new(engine, backend, Checkpoint::default()))
    }

    fn new(engine: Engine, backend: Arc<dyn Backend>, stored: Checkpoint) -> Self {
        let dirty = Rows::new();
        Self { engine, backend, dirty, dirty_bytes: 0, frozen: None, stored }
    }

    /// The engine whose files are in `dir`; `None` if there are none.
    pub fn engine_in(dir: &Path) -> Option<Engine> {
        place::engine(dir)
    }

    /// Sets the row of `key`, in memory. Cannot fail; see `fullness_percent` for the bound.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, Some(value));
    }

    /// Removes the row of `key`, in memory, whether it is there or not.
    pub fn delete(&mut self, key: &[u8]) {
        self.change(key, None);
    }

    fn change(&mut self, key: &[u8], value: Option<&[u8]>) {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        self.dirty_bytes += u64::try_from(bytes).expect("a length has at most 64 bits");
        self.dirty.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// Moves the dirty rows out to be written; `position` is where the journal stands. O(1).
    ///
    /// # Errors
    /// `CheckpointRunning` until the one before is finished.
    pub fn begin_checkpoint(&mut self, position: Position) -> Result<CheckpointJob, IndexError> {
        if self.frozen.is_some() {
            return Err(IndexError::CheckpointRunning);
        }
        let rows = Arc::new(std::mem::take(&mut self.dirty));
        self.dirty_bytes = 0;
        self.frozen = Some(rows.clone());
        let state = Checkpoint { position, ..self.stored };
        Ok(CheckpointJob { engine: self.engine, backend: self.backend.clone(), rows, state })
    }

    /// Lets go of the rows that the job has written: they go with what is returned, which takes
    /// some ms and is better done when others may use the index again.
    ///
    /// # Panics
    /// If no checkpoint was begun.
    pub fn finish_checkpoint(&mut self, checkpoint: Checkpoint) -> Written {
        let rows = self.frozen.take().expect("a checkpoint is finished once, after it began");
        self.stored = checkpoint;
        Written { _rows: rows }
    }

    /// The value of `key`, or `None` if there is no such row.
    ///
    /// # Errors
    /// `Rebuild` if the engine fails or the row is not what was stored.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let in_memory =
            self.dirty.get(key).or_else(|| self.frozen.as_ref().and_then(|rows| rows.get(key)));
        if let Some(value) = in_memory {
            return Ok(value.clone());
        }
        guarded(self.engine, || {
            let stored_key = row::stored_key(key);
            let Some(stored) = self.backend.get(&stored_key)? else { return Ok(None) };
            match row::checked(key, &stored) {
                Some((value, _)) => Ok(Some(value.to_vec())),
                None => Err(Why::BadRow { key: stored_key }.into()),
            }
        })
    }

    /// Shows `visit` each row (key, value) whose key starts with `prefix`, in order of keys;
    /// returns how many.
    ///
    /// # Errors
    /// `Rebuild`, as `get`; rows before the bad one have been shown.
    pub fn scan_prefix(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<u64, IndexError> {
        let mut count = 0;
        let mut show = |key: &[u8], value: Option<&[u8]>| {
            if let Some(value) = value {
                visit(key, value);
                count += 1;
            }
        };
        let mut memory = self.in_memory(prefix).into_iter().peekable();
        let mut stored = guarded(self.engine, || Ok(self.backend.scan(&row::stored_key(prefix))))?;
        // Only the engine's own step is guarded: a panic of `visit` is not its.
        while let Some(row) = guarded(self.engine, || stored.next().transpose())? {
            let (stored_key, stored) = row;
            let bad = || IndexError::from(Why::BadRow { key: stored_key.to_vec() });
            let key = row::key_of(&stored_key).ok_or_else(bad)?;
            while let Some((key, value)) = memory.next_if(|row| row.0 < key) {
                show(key, value);
            }
            match memory.next_if(|row| row.0 == key) {
                Some((key, value)) => show(key, value),
                None => show(key, Some(row::checked(key, &stored).ok_or_else(bad)?.0)),
            }
        }
        memory.for_each(|(key, value)| show(key, value));
        Ok(count)
    }

    /// The newest changes under `prefix` that the engine does not have.
    fn in_memory(&self, prefix: &[u8]) -> BTreeMap<&[u8], Option<&[u8]>> {
        let mut merged = BTreeMap::new();
        for rows in self.frozen.as_deref().into_iter().chain([&self.dirty]) {
            let from = (Bound::Included(prefix), Bound::Unbounded);
            let under = rows.range::<[u8], _>(from).take_while(|row| row.0.starts_with(prefix));
            merged.extend(under.map(|(key, value)| (key.as_slice(), value.as_deref())));
        }
        merged
    }

    /// Rows changed since the last checkpoint began, each counted once.
    pub fn dirty_rows(&self) -> usize {
        self.dirty.len()
    }

    /// How far the dirty rows are from their bound: at 100 a checkpoint is due.
    pub fn fullness_percent(&self) -> u64 {
        let rows = u64::try_from(100 * self.dirty.len() / DIRTY_ROWS_DUE).unwrap_or(u64::MAX);
        rows.max(100 * self.dirty_bytes / DIRTY_BYTES_DUE)
    }

    /// Whether the engine takes rows so much slower than they come that memory would fill with
    /// them: take no more work until the checkpoint that runs has ended.
    pub fn is_behind(&self) -> bool {
        self.fullness_percent() >= 100 * BEHIND
    }
}

/// The stored checkpoint with count and sum as the rows really are; `None` for an empty index.
fn survey(backend: &dyn Backend) -> Result<Option<Checkpoint>, IndexError> {
    let bad = |key: &[u8]| IndexError::from(Why::BadRow { key: key.to_vec() });
    let (mut ended, mut rows, mut sum) = (None, 0, Sum::default());
    let end_key = backend.end_key();
    for row in backend.scan(&[]) {
        let (stored_key, stored) = row?;
        if *stored_key == *end_key {
            let (value, _) = row::checked(end_key, &stored).ok_or_else(|| bad(end_key))?;
            let bytes = value.try_into().map_err(|_| bad(end_key))?;
            ended = Some(Checkpoint::from_bytes(bytes));
            continue;
        }
        let key = row::key_of(&stored_key).ok_or_else(|| bad(&stored_key))?;
        let (_, element) = row::checked(key, &stored).ok_or_else(|| bad(&stored_key))?;
        sum.add(&element);
        rows += 1;
    }
    let sum = sum.to_bytes();
    let position = ended.map(|ended| ended.position).unwrap_or_default();
    let found = Checkpoint { position, rows, sum };
    Ok((ended.is_some() || rows > 0).then_some(found))
}
