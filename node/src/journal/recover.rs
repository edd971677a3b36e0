//! From what a survey found to a segment that can be appended to: cuts what a crash left torn,
//! makes durable what was written, or, when the operator says so, leaves damage behind.
//!
//! Each step may be interrupted: damage stays damage until the last step of accepting it is done.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, FileHandle, read_exact, read_up_to};
use super::error::JournalError;
use super::head::Head;
use super::record::{Hash, length};
use super::scan::{Scanned, Survey};
use super::segment::{self, FIRST_RECORD, Header};

/// Bytes copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// The segment that the writer goes on in.
pub(super) struct Active {
    /// Its file, open for writing.
    pub file: FileHandle,
    /// Its header.
    pub header: Header,
    /// Its head, exact and durable.
    pub head: Head,
}

/// Prepares a journal without damage.
pub(super) fn resume(
    disk: &dyn Disk,
    dir: &Path,
    survey: &Survey,
    network: [u8; 32],
    segment_bytes: u64,
) -> Result<Active, JournalError> {
    let fail = || JournalError::io("recovering", dir);
    for path in &survey.listing.unborn {
        disk.remove(path).map_err(JournalError::io("removing", path))?;
    }
    let Some(last) = &survey.last else {
        return create(disk, dir, network, 0, (0, network), segment_bytes).map_err(fail());
    };
    // The last segment may have its name from a process that died before it had synced that: it has
    // to be durable before the segment before it promises that there is a next one.
    disk.sync_dir(dir).map_err(fail())?;
    for (header, head) in &survey.unsealed {
        let file = writable(disk, dir, header.segment).map_err(fail())?;
        write_head(&*file, header, head).map_err(fail())?;
    }
    reopen(disk, dir, last, segment_bytes).map_err(fail())
}

/// Cuts the torn tail, makes sure of what lies beyond the head, and writes the head.
fn reopen(disk: &dyn Disk, dir: &Path, last: &Scanned, segment_bytes: u64) -> io::Result<Active> {
    let header = last.header;
    let file = writable(disk, dir, header.segment)?;
    if last.torn_bytes > 0 {
        // Old bytes must not stay: behind a new record they could make an old one valid again.
        file.cut(last.end)?;
        file.sync()?;
    }
    file.allocate(segment_bytes.max(last.end))?;
    let old = last.head.expect("a segment without damage has a head");
    if (old.records, old.end, old.hash) == (last.records, last.end, last.hash) {
        return Ok(Active { file, header, head: old });
    }
    // If the process before this one died of a failed sync, these pages may be marked clean and yet
    // not be on the disk: written again, they are dirty again, and this sync tells the truth.
    rewrite(&*file, old.end, last.end)?;
    file.sync()?;
    let generation = old.generation + 1;
    let (records, end, hash) = (last.records, last.end, last.hash);
    let head = Head { generation, records, end, hash, is_sealed: false };
    write_head(&*file, &header, &head)?;
    Ok(Active { file, header, head })
}

fn rewrite(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let mut offset = from;
    while offset < to {
        let bytes = (to - offset).min(COPY_BYTES);
        let mut buffer = vec![0; usize::try_from(bytes).expect("at most COPY_BYTES")];
        read_exact(file, &mut buffer, offset)?;
        file.write_at(&buffer, offset)?;
        offset += bytes;
    }
    Ok(())
}

/// Sets aside what is damaged and goes on after the last valid record, in a new segment.
pub(super) fn accept(
    disk: &dyn Disk,
    dir: &Path,
    survey: &Survey,
    network: [u8; 32],
    segment_bytes: u64,
) -> Result<Active, JournalError> {
    let fail = || JournalError::io("accepting the damage of", dir);
    let last = survey.last.as_ref();
    let next = last.map_or(0, |last| last.header.segment + 1);
    for segment in survey.listing.segments.iter().rev().filter(|segment| **segment >= next) {
        let from = segment::path(dir, *segment);
        disk.rename(&from, &aside(disk, dir, *segment)).map_err(fail())?;
    }
    disk.sync_dir(dir).map_err(fail())?;
    let from = (survey.records, survey.hash);
    let Some(last) = last else {
        return create(disk, dir, network, 0, from, segment_bytes).map_err(fail());
    };
    if last.damage.is_some() || last.torn_bytes > 0 {
        let copy = aside(disk, dir, last.header.segment);
        keep_copy(disk, &segment::path(dir, last.header.segment), &copy).map_err(fail())?;
    }
    let active = create(disk, dir, network, next, from, segment_bytes).map_err(fail())?;
    end_segment(disk, dir, last).map_err(fail())?;
    Ok(active)
}

/// Copies a file; its bytes are durable then, its name with the next sync of the folder.
fn keep_copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (disk.open(from)?, disk.create(to)?);
    let mut buffer = vec![0; usize::try_from(COPY_BYTES).expect("a MiB")];
    let mut offset = 0;
    loop {
        let read = read_up_to(&*from, &mut buffer, offset)?;
        if read == 0 {
            return to.sync();
        }
        to.write_at(&buffer[..read], offset)?;
        offset += length(read);
    }
}

/// Cuts a segment after its last valid record and makes both slots of its head say so.
fn end_segment(disk: &dyn Disk, dir: &Path, last: &Scanned) -> io::Result<()> {
    let file = writable(disk, dir, last.header.segment)?;
    file.cut(last.end.max(FIRST_RECORD))?;
    file.sync()?;
    let generation = last.head.map_or(2, |head| head.generation + 1);
    let (records, end, hash) = (last.records, last.end, last.hash);
    for generation in [generation, generation + 1] {
        let head = Head { generation, records, end, hash, is_sealed: true };
        write_head(&*file, &last.header, &head)?;
    }
    Ok(())
}

fn create(
    disk: &dyn Disk,
    dir: &Path,
    network: [u8; 32],
    segment: u32,
    (first_record, previous): (u64, Hash),
    bytes: u64,
) -> io::Result<Active> {
    let header = Header { network, segment, first_record, previous };
    let file = segment::create(disk, dir, &header, bytes)?;
    Ok(Active { file, header, head: Head { generation: 1, ..Head::fresh(&header) } })
}

/// Writes a head into its slot and syncs it.
pub(super) fn write_head(file: &dyn DiskFile, header: &Header, head: &Head) -> io::Result<()> {
    file.write_at(&head.to_bytes(header), head.slot_offset())?;
    file.sync()
}

/// Opens a segment for reading and writing.
fn writable(disk: &dyn Disk, dir: &Path, segment: u32) -> io::Result<FileHandle> {
    disk.edit(&segment::path(dir, segment))
}

/// A name that is still free for a segment set aside.
fn aside(disk: &dyn Disk, dir: &Path, segment: u32) -> PathBuf {
    (0_u64..)
        .map(|attempt| dir.join(format!("journal-{segment:08}.damaged-{attempt}")))
        .find(|path| !disk.exists(path))
        .expect("there are more numbers than files")
}
