//! The sled tree under [`Sled`]: its rows, its one writer, and the fence around sled's panics.
//!
//! | key | row |
//! |---|---|
//! | `b` + digest (32) | the block's bytes; their check is the key |
//! | `p` + digest (32) + codec (1) | label, then its check (8) |
//! | `u` | count and bytes of all blocks, two u64, big-endian |
//! | `v` | the format number, one byte |
//!
//! A pin's check is the first 8 bytes of sha2-256(`pin` + digest + codec + label); the codec is its
//! number in the multicodec table. Pins carry their own check because a flipped bit in sled's files
//! is silent. A pin that is *lost* to such a bit cannot be seen from here: whoever needs to know
//! compares with its journal.

mod unpinned;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::OnceLock,
};

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};

use crate::{Codec, ContentId, Label, StoreError, Usage};

/// Behind the last key of a pin.
pub(crate) const PIN_END: &[u8] = b"q";

const USAGE_KEY: &[u8] = b"u";
const FORMAT_KEY: &[u8] = b"v";
const FORMAT: u8 = 2;
/// Of a pin's hash: enough to see a flipped bit, short enough for a row per spent state.
const CHECK_BYTES: usize = 8;
/// What sled may keep in memory. Its default is 1 GiB, a whole node has 100 MB.
const CACHE_BYTES: u64 = 8 << 20;

/// Blocks and pins in one sled tree.
///
/// A write survives a kill once [`Sled::flush`] has returned (sled flushes by itself twice a
/// second). It does *not* survive a power cut: sled's flush is no fsync. So nothing may rest on
/// this store that cannot be fetched or computed again.
///
/// The first failure of the disk is final: every later call returns it, until the store is opened
/// anew. A panic inside sled, which is its answer to damaged files, counts as
/// [`StoreError::Damaged`].
pub struct Sled {
    tree: sled::Tree,
    /// Held while rows are written, so that a block is not removed while it is being pinned.
    /// Always what the row `u` says. Written by `write`.
    usage: Mutex<Usage>,
    /// The failure that ended this store's use. Written by `on_tree`.
    failed: OnceLock<StoreError>,
}

impl Sled {
    /// Opens or makes the store in this directory; it takes up to `bytes_max` bytes of blocks.
    /// A quota below what is held already only refuses more.
    ///
    /// # Errors
    /// [`StoreError::Disk`] also when another process has it open.
    pub fn open(directory: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES);
        let tree = fenced(|| config.open()?.open_tree("content"))?;
        let usage = Usage { count: 0, bytes: 0, bytes_max };
        let store = Self { tree, usage: Mutex::new(usage), failed: OnceLock::new() };
        store.check_format()?;
        if let Some(row) = store.on_tree(|tree| tree.get(USAGE_KEY))? {
            *store.writer() = read_usage(&row, bytes_max).ok_or(StoreError::Damaged)?;
        }
        Ok(store)
    }

    /// Waits until all that was written survives the death of this process.
    ///
    /// # Errors
    /// A failed flush is never tried again: after it, nobody knows what is on the disk.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.on_tree(sled::Tree::flush).map(|_bytes| ())
    }

    /// The only way to the tree: nothing passes after a failure, and no panic of sled's does.
    pub(crate) fn on_tree<T>(
        &self,
        work: impl FnOnce(&sled::Tree) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        match self.failed.get() {
            Some(failed) => Err(*failed),
            None => fenced(|| work(&self.tree)).map_err(|error| *self.failed.get_or_init(|| error)),
        }
    }

    /// The writer's lock, and with it the usage.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock()
    }

    /// Writes block rows and the usage that they lead to, all or nothing.
    pub(crate) fn write(
        &self,
        mut batch: sled::Batch,
        usage: &mut Usage,
        next: Usage,
    ) -> Result<(), StoreError> {
        batch.insert(USAGE_KEY, usage_row(next).as_slice());
        self.on_tree(|tree| tree.apply_batch(batch))?;
        *usage = next;
        Ok(())
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let Some(row) = self.on_tree(|tree| tree.get(FORMAT_KEY))? else {
            if self.on_tree(|tree| tree.first())?.is_some() {
                return Err(StoreError::Damaged);
            }
            return self.on_tree(|tree| tree.insert(FORMAT_KEY, &[FORMAT])).map(|_old| ());
        };
        match *row {
            [FORMAT] => Ok(()),
            [found] => Err(StoreError::Format { found }),
            _ => Err(StoreError::Damaged),
        }
    }
}

/// Runs sled and turns its errors, and its panics, into ours.
fn fenced<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StoreError::Disk(error.kind())),
        Ok(Err(_)) | Err(_) => Err(StoreError::Damaged),
    }
}

pub(crate) fn block_key(id: ContentId) -> [u8; 33] {
    key(b'b', id)
}

/// Ordered as the ids are.
pub(crate) fn pin_key(id: ContentId) -> [u8; 34] {
    let mut key = [id.codec().byte(); 34];
    key[..33].copy_from_slice(&pins_prefix(id));
    key
}

/// What the keys of all pins of the same bytes begin with, whatever the codec.
pub(crate) fn pins_prefix(id: ContentId) -> [u8; 33] {
    key(b'p', id)
}

fn key(kind: u8, id: ContentId) -> [u8; 33] {
    let mut key = [kind; 33];
    key[1..].copy_from_slice(id.digest());
    key
}

/// The id in a pin's key.
pub(crate) fn id_of_pin_key(key: &[u8]) -> Option<ContentId> {
    let (codec, digest) = key.get(1..)?.split_last()?;
    Some(ContentId::new(Codec::of_number(u64::from(*codec))?, digest.try_into().ok()?))
}

/// A pin's row: the label under its check.
pub(crate) fn sealed_pin(id: ContentId, label: &Label) -> Vec<u8> {
    [label.bytes(), &pin_check(id, label.bytes())].concat()
}

/// The label in a pin's row; `None` when the check fails.
pub(crate) fn open_pin(id: ContentId, row: &[u8]) -> Option<Label> {
    let (label, check) = row.split_last_chunk::<CHECK_BYTES>()?;
    (*check == pin_check(id, label)).then(|| Label::new(label).ok()).flatten()
}

fn pin_check(id: ContentId, label: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new()
        .chain_update("pin")
        .chain_update(id.digest())
        .chain_update([id.codec().byte()])
        .chain_update(label);
    *hash.finalize().first_chunk().expect("a digest has 32 bytes")
}

fn usage_row(usage: Usage) -> [u8; 16] {
    let row = (u128::from(usage.count) << 64) | u128::from(usage.bytes);
    row.to_be_bytes()
}

fn read_usage(row: &[u8], bytes_max: u64) -> Option<Usage> {
    let (count, rest) = row.split_first_chunk()?;
    let bytes = rest.try_into().ok()?;
    Some(Usage { count: u64::from_be_bytes(*count), bytes: u64::from_be_bytes(bytes), bytes_max })
}

#[cfg(test)]
mod tests;
