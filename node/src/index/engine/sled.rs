//! sled under the index. It can be trusted with no promise: its flush is no fsync, and a flipped
//! bit loses rows without a word (shared/TESTING.md).
//!
//! A checkpoint goes in as batches, so it can be there by half: a begin marker says so.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::IndexError;
use super::{Backend, Bytes, Scan, Writer};

/// sled's cache in bytes; hot rows are the owner's to keep.
const CACHE_BYTES: u64 = 32 << 20;
/// Most rows handed to sled at once: 1 ms of work, during which nobody else gets the core.
/// Batches of 10,000 take gigabytes (shared/LIMITS.md).
const BATCH_ROWS_MAX: usize = 64;
/// Stored under the key while a checkpoint is being written.
const BEGUN: &[u8] = b"m/begun";
/// The last complete checkpoint.
const ENDED: &[u8] = b"m/ended";
/// What sled locks.
pub const LOCK_FILE: &str = "db";

/// An open sled.
pub struct Sled {
    db: sled::Db,
    /// Its folder.
    place: PathBuf,
}

impl Sled {
    /// Opens what is in `place`, or makes it.
    pub fn open(place: &Path) -> Result<Self, IndexError> {
        let config = sled::Config::default().path(place).cache_capacity(CACHE_BYTES);
        Ok(Self { db: config.flush_every_ms(None).open()?, place: place.to_path_buf() })
    }

    /// sled's own flush is not power-safe.
    fn sync(&self) -> Result<(), IndexError> {
        self.db.flush()?;
        sync_files(&self.place).map_err(IndexError::io(&self.place))
    }
}

impl Backend for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.db.get(key)?.map(Bytes::Sled))
    }

    fn scan(&self, prefix: &[u8]) -> Scan {
        Box::new(self.db.scan_prefix(prefix).map(|row| {
            let (key, value) = row?;
            Ok((Bytes::Sled(key), Bytes::Sled(value)))
        }))
    }

    fn is_interrupted(&self) -> Result<bool, IndexError> {
        Ok(self.db.get(BEGUN)?.is_some())
    }

    fn end_key(&self) -> &'static [u8] {
        ENDED
    }

    fn begin(&self) -> Result<Box<dyn Writer + '_>, IndexError> {
        self.db.insert(BEGUN, &[1])?;
        self.sync()?;
        Ok(Box::new(Batches { sled: self, batch: sled::Batch::default(), rows: 0 }))
    }
}

/// Batches of at most [`BATCH_ROWS_MAX`] rows.
struct Batches<'a> {
    sled: &'a Sled,
    batch: sled::Batch,
    /// In the batch.
    rows: usize,
}

impl Writer for Batches<'_> {
    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), IndexError> {
        match value {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS_MAX {
            self.sled.db.apply_batch(std::mem::take(&mut self.batch))?;
            self.rows = 0;
        }
        Ok(())
    }

    fn end(self: Box<Self>, marker: Vec<u8>) -> Result<(), IndexError> {
        self.sled.db.apply_batch(self.batch)?;
        self.sled.db.flush()?;
        let mut batch = sled::Batch::default();
        batch.remove(BEGUN);
        batch.insert(ENDED, marker);
        self.sled.db.apply_batch(batch)?;
        self.sled.sync()
    }
}

/// fsync of everything in sled's directory.
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
