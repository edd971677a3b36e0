//! What the journal asks of a disk, call by call. There are two: the operating system's
//! ([`System`]) and the simulator's (`testnet/src/sim/disk.rs`), which tears, loses and fails by a
//! seed.
//!
//! A call that writes is durable only after the sync that covers it: [`DiskFile::sync`] for bytes
//! and sizes, [`Disk::sync_dir`] for names. Until then a crash may take all of it, or parts.

mod system;

pub use system::System;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file. Closed when the last handle is dropped.
pub type FileHandle = Arc<dyn DiskFile>;

/// Folders of files.
pub trait Disk: Debug + Send + Sync {
    /// Whether something has this name. What can't be asked is taken for no.
    fn exists(&self, path: &Path) -> bool;

    /// What is in a folder, in no order.
    ///
    /// # Errors
    /// What the disk says; so for every call here.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes a folder and those above it, durable with its name.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes an empty file, or empties the one that is there, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<FileHandle>;

    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<FileHandle>;

    /// Opens a file for reading and writing.
    fn edit(&self, path: &Path) -> io::Result<FileHandle>;

    /// Gives a file another name in the same folder; a file of that name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// One open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Its size.
    ///
    /// # Errors
    /// What the disk says; so for every call here.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads from `offset` on; how many bytes, 0 only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reserves `bytes` from the start of the file, reading as zeros, so that a full disk is met
    /// here and not in the middle of a record. Never makes the file shorter.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Cuts what lies behind the first `bytes`.
    fn cut(&self, bytes: u64) -> io::Result<()>;

    /// Makes what was written durable, and the size if it changed. After a failure nobody knows
    /// what of it is; never try again.
    fn sync(&self) -> io::Result<()>;
}

/// Reads until `buffer` is full or the file ends; how many bytes.
pub(super) fn read_up_to(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + super::record::length(filled))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Fills `buffer`.
///
/// # Errors
/// `UnexpectedEof` where the file is shorter; the disk's.
pub(super) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_up_to(file, buffer, offset)? {
        filled if filled == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
