//! The file behind the records: appended to, read once at the start, and written anew when it has
//! become twice as long as it was after the last time. It knows groups, not what they mean.
//!
//! Appending is not synced: what a crash takes is announced again by whoever it was about.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::chunk::{self, BODY_BYTES_MAX, FRONT_BYTES, Group, HEAD_BYTES, NoChunk, Salt};

/// A log shorter than this is not written anew.
const REWRITE_BYTES_MIN: u64 = 1 << 20;
/// What must be in memory for the next chunk to be read.
const WINDOW_BYTES_MIN: usize = BODY_BYTES_MAX + FRONT_BYTES;
/// What is read at a time.
const WINDOW_BYTES_MAX: usize = 4 * WINDOW_BYTES_MIN;

pub(super) struct Log {
    path: PathBuf,
    file: File,
    salt: Salt,
    bytes: u64,
    /// Its length when it was last written anew; 0 at the start, so that a long log of an earlier
    /// run is written anew once.
    bytes_rewritten: u64,
}

impl Log {
    /// Opens or makes the log and passes on what it holds, in the order of writing. Returns the
    /// count of damaged stretches that were skipped, too; a torn end is cut off and no damage.
    pub fn open(path: &Path, each: impl FnMut(Group)) -> io::Result<(Self, u64)> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut window = Window::new(&mut file);
        window.fill()?;
        let salt = chunk::salt_of(window.rest());
        let loaded = match salt {
            Some(salt) => window.load(salt, each)?,
            None => Loaded { end: 0, corrupt: u64::from(window.rest().len() >= HEAD_BYTES) },
        };
        file.set_len(loaded.end)?;
        file.seek(SeekFrom::End(0))?;
        let salt = salt.unwrap_or_else(rand::random);
        let mut log = Log { path: path.into(), file, salt, bytes: loaded.end, bytes_rewritten: 0 };
        if loaded.end == 0 {
            log.write(&chunk::head(salt))?;
        }
        Ok((log, loaded.corrupt))
    }

    /// Writes the groups behind the others.
    pub fn append(&mut self, groups: &[Group]) -> io::Result<()> {
        let mut bytes = Vec::new();
        chunk::put_chunks(&mut bytes, self.salt, groups);
        self.write(&bytes)
    }

    pub fn wants_rewriting(&self) -> bool {
        self.bytes >= REWRITE_BYTES_MIN && self.bytes / 2 > self.bytes_rewritten
    }

    /// Writes a new log of these groups and puts it into the place of the old one. This one is
    /// synced, because a rename that overtakes its data would lose all instead of a second.
    pub fn rewrite(&mut self, pages: impl Iterator<Item = Vec<Group>>) -> io::Result<()> {
        let path = self.path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let salt = rand::random();
        let mut new = Log { path: path.clone(), file, salt, bytes: 0, bytes_rewritten: 0 };
        new.write(&chunk::head(salt))?;
        for groups in pages {
            new.append(&groups)?;
        }
        new.file.sync_all()?;
        fs::rename(&path, &self.path)?;
        new.path.clone_from(&self.path);
        new.bytes_rewritten = new.bytes;
        *self = new;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes_of(bytes.len());
        Ok(())
    }
}

#[cfg(test)]
impl Log {
    /// One that fails as a full disk does.
    pub fn on_full_disk() -> Self {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).expect("Linux has /dev/full");
        Log { path, file, salt: [0; 8], bytes: 0, bytes_rewritten: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What reading has found.
struct Loaded {
    /// Behind the last sound chunk.
    end: u64,
    corrupt: u64,
}

/// A piece of the file, so that a long log is not read into memory as a whole.
struct Window<'a> {
    file: &'a mut File,
    bytes: Vec<u8>,
    /// Where in `bytes` the rest begins.
    at: usize,
    /// Where in the file the rest begins.
    offset: u64,
    is_at_end: bool,
}

impl<'a> Window<'a> {
    fn new(file: &'a mut File) -> Self {
        Window { file, bytes: Vec::new(), at: 0, offset: 0, is_at_end: false }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn skip(&mut self, count: usize) {
        self.at += count;
        self.offset += bytes_of(count);
    }

    /// Reads on until a whole chunk is in the rest, or the file ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.is_at_end || self.rest().len() >= WINDOW_BYTES_MIN {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let wanted = WINDOW_BYTES_MAX - self.bytes.len();
        let read = Read::take(&mut *self.file, bytes_of(wanted)).read_to_end(&mut self.bytes)?;
        self.is_at_end = read < wanted;
        Ok(())
    }

    fn load(&mut self, salt: Salt, mut each: impl FnMut(Group)) -> io::Result<Loaded> {
        self.skip(HEAD_BYTES);
        let mut loaded = Loaded { end: self.offset, corrupt: 0 };
        // What was wrong where the last sound chunk ended.
        let mut wrong = None;
        loop {
            self.fill()?;
            if self.rest().is_empty() {
                break;
            }
            match chunk::open(salt, self.rest()) {
                Ok((groups, length)) => {
                    groups.into_iter().for_each(&mut each);
                    self.skip(length);
                    loaded.end = self.offset;
                    loaded.corrupt += u64::from(wrong.take().is_some());
                }
                Err(no_chunk) => {
                    wrong = wrong.or(Some(no_chunk));
                    self.skip(self.to_next_mark(salt));
                }
            }
        }
        loaded.corrupt += u64::from(wrong == Some(NoChunk::Corrupt));
        Ok(loaded)
    }

    /// How far the next mark of a chunk is, but for one right here; without one, all but what may
    /// be the beginning of a mark.
    fn to_next_mark(&self, salt: Salt) -> usize {
        let rest = self.rest();
        let mark = rest[1..].windows(salt.len()).position(|window| window == salt);
        let none = if self.is_at_end { rest.len() } else { rest.len() - (salt.len() - 1) };
        mark.map_or(none, |mark| mark + 1)
    }
}

fn bytes_of(count: usize) -> u64 {
    u64::try_from(count).expect("usize fits into 64 bits")
}
