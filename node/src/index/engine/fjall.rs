//! fjall's tree of sorted tables under the index, without what else fjall is: its journal would be
//! a second one beside ours, its threads die alone and leave a writer waiting for them for ever
//! (fjall#257), and a panic of its recovery ends the process by a second one (its `Drop` asks for
//! the poisoned lock). A tree alone has none of these; it does all in the thread that calls.
//!
//! A checkpoint goes in as one new table, sorted as it comes, and is there as a whole or not at
//! all: the tables are synced, then the list of tables, then the pointer to the list. What a crash
//! leaves of an earlier step is removed at the next opening. So there is no begin marker.
//!
//! Reading goes through every table that may hold a key, so before a checkpoint tables are merged.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use lsm_tree::SequenceNumberCounter;
use lsm_tree::compaction::Leveled;
use lsm_tree::{AbstractTree, AnyIngestion, AnyTree, Cache, Config, DescriptorTable, Guard, SeqNo};

use super::super::error::IndexError;
use super::{Backend, Bytes, Scan, Writer};

/// Blocks of tables, indexes and filters in memory, in bytes; as much as sled gets.
const CACHE_BYTES: u64 = 32 << 20;
/// Most files kept open.
const FILES_MAX: usize = 64;
/// So many tables of one checkpoint each are merged into the next level: fewer make reading
/// cheaper, more make writing cheaper (`cargo bench -p benches --bench index`).
const NEW_TABLES_MAX: u8 = 8;
/// Bytes of a merged table: 10 million rows are about 75 of them.
const TABLE_BYTES: u64 = 16 << 20;
/// Most merges before one checkpoint; each moves what is above its level's size one level on, so
/// one a checkpoint and a level is enough to keep up.
const MERGES_MAX: usize = 4;
/// The last complete checkpoint; behind all rows, since its value is known after them.
const ENDED: &[u8] = b"z/ended";
/// Ours: a tree of fjall's locks nothing.
pub const LOCK_FILE: &str = "lock";
/// What is read is always the newest.
const NEWEST: SeqNo = SeqNo::MAX;

/// An open tree.
pub struct Fjall {
    tree: AnyTree,
    seqno: SequenceNumberCounter,
    /// Held as long as the tree.
    _lock: File,
}

impl Fjall {
    /// Opens what is in `place`, or makes it.
    pub fn open(place: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(place).map_err(lsm_tree::Error::from)?;
        let path = place.join(LOCK_FILE);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(lsm_tree::Error::from)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => IndexError::InUse { path: path.clone() },
            TryLockError::Error(error) => lsm_tree::Error::from(error).into(),
        })?;
        let (seqno, visible) = (SequenceNumberCounter::default(), SequenceNumberCounter::default());
        let tree = Config::new(place.join("tree"), seqno.clone(), visible.clone())
            .use_cache(Arc::new(Cache::with_capacity_bytes(CACHE_BYTES)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(FILES_MAX))))
            .open()?;
        let next = tree.get_highest_seqno().map_or(0, |seqno| seqno.saturating_add(1));
        seqno.fetch_max(next);
        visible.fetch_max(next);
        Ok(Self { tree, seqno, _lock: lock })
    }

    /// Merges tables until nothing is due, or for long enough.
    fn merge(&self) -> Result<(), IndexError> {
        let levels = || (self.tree.disk_space(), self.tree.table_count(), self.tree.l0_run_count());
        let strategy = Leveled::default()
            .with_l0_threshold(NEW_TABLES_MAX)
            .with_table_target_size(TABLE_BYTES);
        let strategy = Arc::new(strategy);
        for _ in 0..MERGES_MAX {
            let before = levels();
            // No reader wants what was overwritten: who reads on holds its own list of tables.
            self.tree.compact(strategy.clone(), self.seqno.get())?;
            if levels() == before {
                break;
            }
        }
        Ok(())
    }
}

impl Backend for Fjall {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.tree.get(key, NEWEST)?.map(Bytes::Fjall))
    }

    fn scan(&self, prefix: &[u8]) -> Scan {
        Box::new(self.tree.prefix(prefix, NEWEST, None).map(|row| {
            let (key, value) = row.into_inner()?;
            Ok((Bytes::Fjall(key), Bytes::Fjall(value)))
        }))
    }

    fn is_interrupted(&self) -> Result<bool, IndexError> {
        Ok(false)
    }

    fn end_key(&self) -> &'static [u8] {
        ENDED
    }

    fn begin(&self) -> Result<Box<dyn Writer + '_>, IndexError> {
        self.merge()?;
        Ok(Box::new(Table(self.tree.ingestion()?)))
    }
}

/// A table that is being written; nobody sees it before its end.
struct Table<'a>(AnyIngestion<'a>);

impl Writer for Table<'_> {
    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), IndexError> {
        match value {
            Some(value) => self.0.write(key, value)?,
            None => self.0.write_tombstone(key)?,
        }
        Ok(())
    }

    fn end(mut self: Box<Self>, marker: Vec<u8>) -> Result<(), IndexError> {
        self.0.write(ENDED, marker)?;
        Ok(self.0.finish()?)
    }
}
