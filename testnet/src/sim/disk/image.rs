//! All files of one disk with their names, and the ways in which its calls fail.

use super::inode::{Inode, Left};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// `ENOSPC`.
const FULL: i32 = 28;
/// `EIO`.
const BROKEN: i32 = 5;

/// One change of names that is not durable yet.
#[derive(Clone, Debug)]
enum Naming {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// A planted bug of the one who writes, here because the product has none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Files are not synced.
    NoSync,
    /// A failed sync is tried again.
    SyncRetried,
    /// Folders are not synced.
    NoNameSync,
    /// The head is written once.
    NoHead,
}

/// What is to fail, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weakness {
    /// Power goes in the changing call after so many more; every later call fails.
    pub fuse: Option<u32>,
    /// The sync after so many more fails, once, and what it should have synced may be lost.
    pub bad_sync: Option<u32>,
    /// There is no room for anything new.
    pub is_full: bool,
    /// A planted bug.
    pub lie: Option<Lie>,
}

/// A disk.
#[derive(Clone, Debug, Default)]
pub struct Image {
    folders: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    pending: Vec<Naming>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// What is to fail.
    pub weakness: Weakness,
    is_dark: bool,
    /// Calls that changed something, for those who count.
    pub changes: u64,
    seed: u64,
    draws: u64,
}

fn error<T>(code: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(code))
}

/// Whether this writes a later head of a journal's segment.
fn is_head(bytes: &[u8], offset: u64) -> bool {
    bytes.len() == 89 && (offset == 4096 || offset == 8192) && bytes[0] > 1
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files are small")
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("simulated files are small")
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, naming: &Naming) {
    match naming {
        Naming::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
        Naming::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Naming::Remove(path) => drop(names.remove(path)),
    }
}

impl Image {
    /// What chance decides here follows from this seed.
    pub fn seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    fn rng(&mut self) -> StdRng {
        self.draws += 1;
        StdRng::seed_from_u64(self.seed ^ (self.draws << 40))
    }

    /// Power is lost; what is left of what was not synced is drawn.
    pub fn crash(&mut self) {
        let mut rng = self.rng();
        let left = Left::draw(&mut rng);
        let names = match left {
            Left::Nothing => 0,
            Left::All => self.pending.len(),
            // Names change in order: file systems keep a journal of them.
            Left::Some => rng.random_range(0..=self.pending.len()),
        };
        for naming in self.pending.drain(..).take(names) {
            apply(&mut self.durable, &naming);
        }
        self.seen.clone_from(&self.durable);
        let named: BTreeSet<u64> = self.durable.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
        for inode in self.inodes.values_mut() {
            inode.crash(left, &mut rng);
        }
        self.kill();
    }

    /// The process is killed; what it has written is there, synced or not.
    pub fn kill(&mut self) {
        self.is_dark = false;
        self.weakness.fuse = None;
    }

    /// Nothing is left.
    pub fn wipe(&mut self) {
        self.folders.clear();
        self.seen.clear();
        self.durable.clear();
        self.pending.clear();
        self.inodes.clear();
    }

    /// Whether everything is durable.
    pub fn is_synced(&self) -> bool {
        self.pending.is_empty() && self.inodes.values().all(Inode::is_synced)
    }

    /// Whether the fuse has blown.
    pub fn is_dark(&self) -> bool {
        self.is_dark
    }

    /// Files whose names begin so, in order.
    pub fn files(&mut self, prefix: &str) -> Vec<&mut Inode> {
        let is_wanted = |path: &Path| path.to_string_lossy().starts_with(prefix);
        let wanted = self.seen.iter().filter(|(path, _)| is_wanted(path));
        let wanted: BTreeSet<u64> = wanted.map(|(_, inode)| *inode).collect();
        let inodes = self.inodes.iter_mut();
        inodes.filter(|(inode, _)| wanted.contains(inode)).map(|(_, file)| file).collect()
    }

    fn power(&self) -> io::Result<()> {
        if self.is_dark { error(BROKEN) } else { Ok(()) }
    }

    /// Before a call changes anything. Whether power goes in it: then it is begun and not ended.
    fn begin(&mut self) -> io::Result<bool> {
        self.power()?;
        self.changes += 1;
        match &mut self.weakness.fuse {
            Some(0) => self.is_dark = true,
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(self.is_dark)
    }

    fn name(&mut self, naming: Naming) -> io::Result<()> {
        self.begin()?;
        apply(&mut self.seen, &naming);
        self.pending.push(naming);
        self.power()
    }

    /// Whether this is the sync that fails.
    fn is_bad_sync(&mut self) -> bool {
        match &mut self.weakness.bad_sync {
            Some(0) => {
                self.weakness.bad_sync = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.seen.contains_key(path) || self.folders.contains(path)
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.power()?;
        if !self.folders.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = self.seen.keys().filter(|path| path.parent() == Some(dir));
        Ok(files.cloned().collect())
    }

    /// Folders are durable at once: the call promises it.
    pub(super) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        if self.begin()? {
            return error(BROKEN);
        }
        self.folders.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        self.power()?;
        if self.weakness.is_full {
            return error(FULL);
        }
        if let Some(inode) = self.seen.get(path).copied() {
            self.change(inode, |file| file.resize(0))?;
            return Ok(inode);
        }
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.name(Naming::Link(path.to_path_buf(), inode))?;
        Ok(inode)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        self.power()?;
        self.seen.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.find(from)?;
        self.name(Naming::Rename(from.to_path_buf(), to.to_path_buf()))
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.name(Naming::Remove(path.to_path_buf()))
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if self.begin()? || self.is_bad_sync() {
            return error(BROKEN);
        }
        if self.weakness.lie == Some(Lie::NoNameSync) {
            return Ok(());
        }
        let is_in = |naming: &Naming| match naming {
            Naming::Link(path, _) | Naming::Rename(_, path) | Naming::Remove(path) => {
                path.parent() == Some(dir)
            }
        };
        let (done, left): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(is_in);
        self.pending = left;
        done.iter().for_each(|naming| apply(&mut self.durable, naming));
        Ok(())
    }

    fn file(&self, inode: u64) -> io::Result<&Inode> {
        self.power()?;
        self.inodes.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, inode: u64, change: impl FnOnce(&mut Inode)) -> io::Result<()> {
        self.begin()?;
        change(self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?);
        self.power()
    }

    pub(super) fn bytes(&self, inode: u64) -> io::Result<u64> {
        Ok(size(self.file(inode)?.seen().len()))
    }

    pub(super) fn read_at(&self, inode: u64, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.file(inode)?.seen().get(place(offset)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    pub(super) fn write_at(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.weakness.lie == Some(Lie::NoHead) && is_head(bytes, offset) {
            return Ok(());
        }
        self.change(inode, |file| file.write(place(offset), bytes))
    }

    pub(super) fn allocate(&mut self, inode: u64, bytes: u64) -> io::Result<()> {
        let bytes = place(bytes);
        if self.file(inode)?.seen().len() >= bytes {
            return Ok(());
        }
        if self.weakness.is_full {
            return error(FULL);
        }
        self.change(inode, |file| file.resize(bytes))
    }

    pub(super) fn cut(&mut self, inode: u64, bytes: u64) -> io::Result<()> {
        self.change(inode, |file| file.resize(place(bytes)))
    }

    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        if self.begin()? {
            return error(BROKEN);
        }
        let is_bad = self.is_bad_sync();
        let mut rng = self.rng();
        let file = self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        match (is_bad, self.weakness.lie) {
            (_, Some(Lie::NoSync)) => {}
            (true, lie) => {
                file.sync_badly(&mut rng);
                if lie != Some(Lie::SyncRetried) {
                    return error(BROKEN);
                }
            }
            (false, _) => file.sync(),
        }
        Ok(())
    }
}
