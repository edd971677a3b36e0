//! A simulated disk under the real journal: what is written and not synced may be lost at a crash,
//! sector by sector and name by name, and every call can be made to fail.
//!
//! ```text
//!  calls ─▶ seen (page cache) ─sync─▶ durable (platter)        Image: names, and Inodes of bytes
//!              │ crash: each unsynced sector survives in some version, or not at all
//! ```
//! Not here: when what fails (the plan and the world say), and what a journal is.

mod image;
mod inode;

pub use image::{Image, Lie, Weakness};
pub use inode::SECTOR_BYTES;

use node::journal::{Disk, DiskFile, FileHandle};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A handle on one node's disk.
#[derive(Clone)]
pub struct SimDisk {
    image: Arc<Mutex<Image>>,
}

/// One open file.
struct SimFile {
    disk: SimDisk,
    inode: u64,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self { image: Arc::new(Mutex::new(Image::default())) }
    }
}

impl SimDisk {
    /// The image behind it: for faults, and for those who look.
    pub fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().expect("one thread uses it, and a panic ends the run")
    }

    fn file(&self, inode: u64) -> FileHandle {
        Arc::new(SimFile { disk: self.clone(), inode })
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a simulated disk")
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "file {} of a simulated disk", self.inode)
    }
}

impl Disk for SimDisk {
    fn exists(&self, path: &Path) -> bool {
        self.image().exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.image().list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.image().create_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<FileHandle> {
        let inode = self.image().create(path)?;
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<FileHandle> {
        let inode = self.image().find(path)?;
        Ok(self.file(inode))
    }

    fn edit(&self, path: &Path) -> io::Result<FileHandle> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.image().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.image().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.image().sync_dir(dir)
    }
}

impl DiskFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        self.disk.image().bytes(self.inode)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.image().read_at(self.inode, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.image().write_at(self.inode, bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.disk.image().allocate(self.inode, bytes)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.disk.image().cut(self.inode, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.image().sync(self.inode)
    }
}

#[cfg(test)]
mod tests;
