//! The applied log: what was applied, in order, and where each batch stands in it. All of it is in
//! the index. Memory holds the newest lines, and of every batch its id and whether all of it was
//! applied: peers' logs are walked line by line on the driver's thread, which reads no disk for it.
//!
//! | row | key | value |
//! |---|---|---|
//! | line | `l` position | batch id, the two locations, the transfers applied |
//! | place | `b` batch id, position | nothing: the key says it |

use super::{Store, StoreError, restore, row};
use crate::index::Index;
use consensus::{AppliedBatch, AppliedLine};
use ledger::BatchId;
use parking_lot::RwLock;
use row::Line;
use std::collections::{HashMap, VecDeque};

/// Lines kept in memory, about 150 bytes each: what peers are told at once, several times over.
const LINES_KEPT: usize = 4_096;

/// The newest lines, and how many there are in all.
#[derive(Default)]
pub(super) struct AppliedLog {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    count: u64,
    /// The last `kept.len()` lines, ascending.
    kept: VecDeque<Line>,
    /// Every batch with a line: how many transfers it has if one line applied all of them, else 0.
    batches: HashMap<BatchId, u16>,
}

impl Inner {
    fn push(&mut self, line: Line) {
        let whole = self.batches.entry(line.batch).or_default();
        if line.bitmap.ones() == line.bitmap.count() {
            *whole = u16::try_from(line.bitmap.count()).expect("at most 4,096");
        }
        self.kept.push_back(line);
        self.count += 1;
        if self.kept.len() > LINES_KEPT {
            self.kept.pop_front();
        }
    }

    /// Position of the first line that is kept.
    fn first(&self) -> u64 {
        self.count - u64::try_from(self.kept.len()).expect("a count")
    }

    fn line(&self, position: u64) -> Option<&Line> {
        let at = position.checked_sub(self.first())?;
        self.kept.get(usize::try_from(at).ok()?)
    }
}

impl AppliedLog {
    /// The log that the rows of an index tell. A store of a version that had no rows for places
    /// gets them.
    ///
    /// # Errors
    /// The index's; `WrongPlace` for rows that are no log.
    pub fn load(index: &mut Index) -> Result<Self, StoreError> {
        let mut inner = Inner::default();
        let mut is_bad = false;
        index.scan_prefix(b"l", &mut |key, value| match Line::from_row(value) {
            Some(line) if *key == row::line_key(inner.count) => inner.push(line),
            _ => is_bad = true,
        })?;
        let mut places = 0;
        index.scan_prefix(b"b", &mut |_, _| places += 1)?;
        if is_bad || places > inner.count {
            return Err(StoreError::WrongPlace);
        }
        if places < inner.count {
            let mut keys = Vec::new();
            let mut position = 0;
            index.scan_prefix(b"l", &mut |_, value| {
                keys.extend(Line::from_row(value).map(|it| row::place_key(&it.batch, position)));
                position += 1;
            })?;
            keys.iter().for_each(|key| index.put(key, &[]));
        }
        Ok(Self { inner: RwLock::new(inner) })
    }

    /// Appends lines and their rows; readers see all of them or none.
    pub fn push(&self, index: &mut Index, lines: impl IntoIterator<Item = Line>) {
        let mut inner = self.inner.write();
        for line in lines {
            // First the rows: who finds a line no longer kept finds it there.
            index.put(&row::line_key(inner.count), &line.to_row());
            index.put(&row::place_key(&line.batch, inner.count), &[]);
            inner.push(line);
        }
    }

    /// How many lines there are.
    pub fn count(&self) -> u64 {
        self.inner.read().count
    }
}

impl Store {
    /// How many lines the applied log has.
    pub fn line_count(&self) -> u64 {
        self.log.count()
    }

    /// The line at a position; `None` behind the end of the log.
    ///
    /// # Errors
    /// The index's; `WrongPlace` for a row that is no line.
    pub(super) fn line_at(&self, position: u64) -> Result<Option<Line>, StoreError> {
        {
            let inner = self.log.inner.read();
            if let Some(line) = inner.line(position) {
                return Ok(Some(line.clone()));
            }
            if position >= inner.count {
                return Ok(None);
            }
        }
        let row = self.index.lock().get(&row::line_key(position))?;
        let line = row.as_deref().and_then(Line::from_row);
        line.map(Some).ok_or(StoreError::WrongPlace)
    }

    /// The lines of a batch, oldest first; almost always one.
    ///
    /// # Errors
    /// As [`Store::line_at`].
    pub(super) fn lines_of(&self, batch: &BatchId) -> Result<Vec<Line>, StoreError> {
        let mut positions = Vec::new();
        let prefix = row::places_prefix(batch);
        self.index.lock().scan_prefix(&prefix, &mut |key, _| {
            positions.push(row::place_of(key));
        })?;
        let line = |position: Option<u64>| match position.map(|at| self.line_at(at)) {
            Some(Ok(Some(line))) => Ok(line),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Err(StoreError::WrongPlace),
        };
        positions.into_iter().map(line).collect()
    }

    /// Lines of the applied log from `from` on, at most `count`.
    ///
    /// # Errors
    /// The index's; `WrongPlace` for a row that is no line.
    pub fn log(&self, from: u64, count: usize) -> Result<Vec<AppliedLine>, StoreError> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let until = self.line_count().min(from.saturating_add(count));
        let line = |position| {
            let line = self.line_at(position)?.ok_or(StoreError::WrongPlace)?;
            Ok(AppliedLine { batch: line.batch, bitmap: line.bitmap })
        };
        (from..until).map(line).collect()
    }

    /// Whether these transfers of a batch were applied here as part of it. The index is read only
    /// for a batch of which no line applied all; an unreadable one answers no: what is applied once
    /// more changes nothing.
    pub fn has_applied(&self, line: &AppliedLine) -> bool {
        match self.log.inner.read().batches.get(&line.batch) {
            None => return false,
            Some(0) => {}
            Some(count) => return usize::from(*count) == line.bitmap.count(),
        }
        let lines = self.lines_of(&line.batch).unwrap_or_default();
        let Some(first) = lines.first() else { return false };
        let mut applied = first.bitmap.clone();
        for other in lines[1..].iter().filter(|it| it.bitmap.count() == first.bitmap.count()) {
            applied.add(&other.bitmap);
        }
        applied.covers(&line.bitmap)
    }

    /// A batch that was applied here, with the newest Commit certificate.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn applied_batch(&self, id: &BatchId) -> Result<Option<AppliedBatch>, StoreError> {
        let lines = self.lines_of(id)?;
        let newest = lines.iter().rev().find(|line| line.batch_at != restore::NOWHERE);
        newest.map(|line| self.read_applied(line.batch_at, line.applied_at)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alone, open_alone, tests_on as on};
    use super::*;
    use crate::index::{Engine, over_both_engines};
    use crate::journal::Location;
    use ledger::Bitmap;

    over_both_engines!(
        old_lines_are_read_from_the_index_and_memory_holds_the_newest,
        a_batch_that_was_applied_whole_is_known_without_the_index,
        a_line_that_cannot_be_read_is_not_the_end_of_the_log,
        a_store_of_a_version_without_places_gets_them,
    );

    /// A batch of ten; its number says which.
    fn batch(number: u64) -> BatchId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        BatchId(ledger::Digest(id))
    }

    fn bits(set: &[usize]) -> Bitmap {
        let mut bitmap = Bitmap::empty(10);
        set.iter().for_each(|bit| bitmap.set(*bit));
        bitmap
    }

    fn push(alone: &Alone, number: u64, set: &[usize]) {
        let at = Location { segment: 0, offset: number };
        let line = Line { batch: batch(number), batch_at: at, applied_at: at, bitmap: bits(set) };
        alone.store.log.push(&mut alone.store.index.lock(), [line]);
    }

    /// Batches 0, 1, ... of which half is applied, and then the rest of batch 0.
    fn fill(alone: &Alone, count: u64) {
        (0..count).for_each(|number| push(alone, number, &[0, 1, 2]));
        push(alone, 0, &[8, 9]);
    }

    fn check(alone: &Alone, count: u64) {
        let store = &alone.store;
        assert_eq!(store.line_count(), count + 1);
        let log = store.log(0, usize::MAX).expect("readable");
        let batches: Vec<BatchId> = log.iter().map(|line| line.batch).collect();
        assert!(batches == (0..count).chain([0]).map(batch).collect::<Vec<_>>());
        assert_eq!(store.log(count - 1, 1), Ok(vec![log[log.len() - 2].clone()]));
        assert_eq!(store.log(count + 1, 5), Ok(Vec::new()));
        let has = |number, set: &[usize]| {
            store.has_applied(&AppliedLine { batch: batch(number), bitmap: bits(set) })
        };
        assert!(has(0, &[8]) && has(0, &[0]) && has(0, &[2, 9]) && !has(0, &[0, 5]));
        assert!(has(1, &[0, 1, 2]) && !has(1, &[8]) && !has(count, &[0]));
        assert!(has(count - 1, &[1]) && !has(count - 1, &[3]));
        let other = AppliedLine { batch: batch(1), bitmap: Bitmap::empty(11) };
        assert!(!store.has_applied(&other), "the same batch with another length");
        let lines = store.lines_of(&batch(0)).expect("readable");
        assert_eq!(lines.iter().map(|line| line.bitmap.ones()).collect::<Vec<_>>(), [3, 2]);
    }

    fn old_lines_are_read_from_the_index_and_memory_holds_the_newest(engine: Engine) {
        on(engine);
        let home = tempfile::tempdir().expect("a folder");
        let mut alone = open_alone(home.path());
        let count = u64::try_from(LINES_KEPT).expect("a count") + 100;
        fill(&alone, count);
        check(&alone, count);
        assert_eq!(alone.store.log.inner.read().kept.len(), LINES_KEPT);
        alone.checkpoint();
        check(&alone, count);
        drop(alone);
        check(&open_alone(home.path()), count);
    }

    fn a_batch_that_was_applied_whole_is_known_without_the_index(engine: Engine) {
        on(engine);
        let home = tempfile::tempdir().expect("a folder");
        let alone = open_alone(home.path());
        push(&alone, 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let count = u64::try_from(LINES_KEPT).expect("a count");
        (1..=count).for_each(|number| push(&alone, number, &[1]));
        alone.store.index.lock().delete(&row::place_key(&batch(0), 0));
        let has = |number, set: &[usize]| {
            alone.store.has_applied(&AppliedLine { batch: batch(number), bitmap: bits(set) })
        };
        let other = AppliedLine { batch: batch(0), bitmap: Bitmap::empty(11) };
        assert!(!alone.store.has_applied(&other), "the same batch with another length");
        assert!(has(0, &[3, 9]) && has(1, &[1]) && !has(1, &[2]) && !has(u64::MAX, &[]));
    }

    fn a_line_that_cannot_be_read_is_not_the_end_of_the_log(engine: Engine) {
        on(engine);
        let home = tempfile::tempdir().expect("a folder");
        let alone = open_alone(home.path());
        let count = u64::try_from(LINES_KEPT).expect("a count") + 3;
        (0..count).for_each(|number| push(&alone, number, &[0]));
        for wrong in [None, Some(b"no line")] {
            let mut index = alone.store.index.lock();
            match wrong {
                Some(row) => index.put(&row::line_key(1), row),
                None => index.delete(&row::line_key(1)),
            }
            drop(index);
            assert_eq!(alone.store.log(0, 3), Err(StoreError::WrongPlace));
            assert_eq!(alone.store.log(2, 3).map(|lines| lines.len()), Ok(3));
            assert_eq!(
                alone.store.applied_places(&batch(1)).map(|_| ()),
                Err(StoreError::WrongPlace)
            );
            let line = AppliedLine { batch: batch(1), bitmap: bits(&[0]) };
            assert!(!alone.store.has_applied(&line), "what is unreadable is not vouched for");
        }
    }

    fn a_store_of_a_version_without_places_gets_them(engine: Engine) {
        on(engine);
        let home = tempfile::tempdir().expect("a folder");
        let mut alone = open_alone(home.path());
        fill(&alone, 5);
        for (number, position) in (0..5).chain([0]).zip(0..) {
            alone.store.index.lock().delete(&row::place_key(&batch(number), position));
        }
        assert_eq!(alone.store.lines_of(&batch(3)), Ok(Vec::new()));
        alone.checkpoint();
        drop(alone);
        check(&open_alone(home.path()), 5);
    }
}
