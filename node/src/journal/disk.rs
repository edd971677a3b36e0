//! The three calls through which the journal changes the disk; in tests each can be made to fail,
//! to wait or to be counted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// What is about to be done, as the hook of a test sees it.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Space is reserved.
    Allocate,
    /// Bytes are written.
    Write,
    /// A file is synced.
    Sync,
}

/// Called before each action; an error is taken for the disk's.
#[cfg(test)]
pub(super) type Hook = std::sync::Arc<dyn Fn(Action) -> io::Result<()> + Send + Sync>;

/// The disk, or in tests a disk that fails when told to.
#[derive(Clone, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub hook: Option<Hook>,
}

impl Disk {
    #[cfg(test)]
    fn ask(&self, action: Action) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(action))
    }

    /// Reserves `bytes` from the start of the file, reading as zeros, so that a full disk is met
    /// here and not in the middle of a record. File systems without reservations grow the file.
    pub fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        #[cfg(test)]
        self.ask(Action::Allocate)?;
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes.max(file.metadata()?.len())),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        self.ask(Action::Write)?;
        file.write_all_at(bytes, offset)
    }

    /// fdatasync: the data, and the size if it changed.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.ask(Action::Sync)?;
        file.sync_data()
    }
}
