//! The operating system's disk, asking before each call that changes it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::journal::{Disk, DiskFile, FileHandle, System};

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Space is reserved.
    Allocate,
    /// Bytes are written, or cut.
    Write,
    /// A file is synced.
    Sync,
}

type Hook = Arc<dyn Fn(Action) -> io::Result<()> + Send + Sync>;

/// The disk, or one open file of it. An error of the hook is taken for the disk's.
#[derive(Clone)]
pub(super) struct Hooked<T> {
    inner: T,
    hook: Hook,
}

impl Hooked<System> {
    /// A disk that calls `hook` before each action.
    pub fn disk(hook: impl Fn(Action) -> io::Result<()> + Send + Sync + 'static) -> Arc<dyn Disk> {
        Arc::new(Self { inner: System, hook: Arc::new(hook) })
    }

    fn file(&self, inner: FileHandle) -> FileHandle {
        Arc::new(Hooked { inner, hook: self.hook.clone() })
    }
}

impl<T: fmt::Debug> fmt::Debug for Hooked<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl Disk for Hooked<System> {
    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<FileHandle> {
        Ok(self.file(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<FileHandle> {
        Ok(self.file(self.inner.open(path)?))
    }

    fn edit(&self, path: &Path) -> io::Result<FileHandle> {
        Ok(self.file(self.inner.edit(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
}

impl DiskFile for Hooked<FileHandle> {
    fn bytes(&self) -> io::Result<u64> {
        self.inner.bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Action::Write)?;
        self.inner.write_at(bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        (self.hook)(Action::Allocate)?;
        self.inner.allocate(bytes)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        (self.hook)(Action::Write)?;
        self.inner.cut(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)(Action::Sync)?;
        self.inner.sync()
    }
}
