//! Random reads of written records, each checked by its own hash, over a few open files.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Location;
use super::disk::{self, Disk, DiskFile, FileHandle};
use super::error::JournalError;
use super::record::{HASH_BYTES, PREFIX_BYTES, chain, framed_bytes, length, prefix};
use super::segment::{self, FIRST_RECORD};

/// Files kept open; when full the one not used for longest is closed.
const FILES_MAX: usize = 8;
/// Bytes read at first: most records are whole in it, so one call is enough.
const FIRST_READ_BYTES: u64 = 1024;

/// Open segments, the most recently used last.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: Mutex<VecDeque<(u32, FileHandle)>>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self { disk, dir, files: Mutex::new(VecDeque::new()) }
    }

    /// The kind and payload of the record at `location`, which must end by `end`.
    pub fn read(&self, location: Location, end: Location) -> Result<(u8, Vec<u8>), JournalError> {
        let bad = JournalError::BadRecord { location };
        if location >= end || location.offset < FIRST_RECORD {
            return Err(bad);
        }
        let path = segment::path(&self.dir, location.segment);
        let file = self.file(location.segment).map_err(JournalError::io("opening", &path))?;
        let fail = || JournalError::io("reading", &path);
        // The 32 bytes before a record are the hash that its own continues.
        let start = location.offset - HASH_BYTES;
        let mut bytes = read_up_to(&*file, start, FIRST_READ_BYTES).map_err(fail())?;
        let at = |from: u64| usize::try_from(from).expect("records fit in memory");
        let Some(head) = bytes.get(at(HASH_BYTES)..).and_then(|rest| rest.first_chunk()) else {
            return Err(bad);
        };
        let Some((payload_bytes, kind)) = prefix(*head) else { return Err(bad) };
        let whole = HASH_BYTES + framed_bytes(payload_bytes);
        if length(bytes.len()) < whole {
            bytes = read_up_to(&*file, start, whole).map_err(fail())?;
        }
        if length(bytes.len()) < whole {
            return Err(bad);
        }
        let payload = at(HASH_BYTES + PREFIX_BYTES)..at(whole - HASH_BYTES);
        let previous = bytes.first_chunk().expect("whole has more than 32 bytes");
        if chain(previous, kind, &bytes[payload.clone()]) != bytes[payload.end..at(whole)] {
            return Err(bad);
        }
        bytes.truncate(payload.end);
        bytes.drain(..payload.start);
        Ok((kind, bytes))
    }

    fn file(&self, segment: u32) -> io::Result<FileHandle> {
        let mut files = self.files.lock();
        if let Some(index) = files.iter().position(|(number, _)| *number == segment)
            && let Some(found) = files.remove(index)
        {
            let file = found.1.clone();
            files.push_back(found);
            return Ok(file);
        }
        let file = self.disk.open(&segment::path(&self.dir, segment))?;
        if files.len() >= FILES_MAX {
            files.pop_front();
        }
        files.push_back((segment, file.clone()));
        Ok(file)
    }
}

/// Reads `bytes` bytes, or fewer where the file ends.
fn read_up_to(file: &dyn DiskFile, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut out = vec![0; usize::try_from(bytes).expect("at most 16 MiB and a little")];
    let filled = disk::read_up_to(file, &mut out, offset)?;
    out.truncate(filled);
    Ok(out)
}
