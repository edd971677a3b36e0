//! One file of the journal: its name, its first three pages, its birth.
//!
//! ```text
//! page 0   magic 8 | network 32 | segment u32 | first record u64 | previous hash 32 | sha2-256 32
//! page 1   head, even generations
//! page 2   head, odd generations; its last 32 bytes repeat the previous hash
//! page 3…  records, then zeros to the end
//! ```
//! A file gets its name only when its header is durable: a bad header in a named one is damage.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::disk::{Disk, FileHandle, read_exact};
use super::error::JournalError;
use super::head::{Head, NUMBER_MAX, SLOT_BYTES};
use super::record::{HASH_BYTES, Hash};

/// Unit in which disks write at once.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Byte at which the first record of a segment starts.
pub(super) const FIRST_RECORD: u64 = 3 * PAGE_BYTES;
/// First bytes of a segment; the last digit is the version of the format.
const MAGIC: [u8; 8] = *b"QRTJRNL1";
/// Bytes of the header that are used.
const HEADER_BYTES: usize = 116;

/// What never changes in a segment once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The network whose journal this is.
    pub network: [u8; 32],
    /// Number of the segment, from 0 without gaps.
    pub segment: u32,
    /// Records in all segments before.
    pub first_record: u64,
    /// Hash of the last of them; the network's id in segment 0.
    pub previous: Hash,
}

/// What the first pages of a segment turned out to be.
pub(super) enum Pages {
    /// A valid header and the newer valid slot, if one is valid.
    Valid(Header, Option<Head>),
    /// Too short, a wrong checksum, or another segment's.
    Invalid,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..40].copy_from_slice(&self.network);
        out[40..44].copy_from_slice(&self.segment.to_le_bytes());
        out[44..52].copy_from_slice(&self.first_record.to_le_bytes());
        out[52..84].copy_from_slice(&self.previous);
        let checksum: Hash = Sha256::digest(&out[..84]).into();
        out[84..].copy_from_slice(&checksum);
        out
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let (mut network, mut segment, mut first, mut previous) =
            ([0; 32], [0; 4], [0; 8], [0; 32]);
        network.copy_from_slice(&bytes[8..40]);
        segment.copy_from_slice(&bytes[40..44]);
        first.copy_from_slice(&bytes[44..52]);
        previous.copy_from_slice(&bytes[52..84]);
        Self {
            network,
            segment: u32::from_le_bytes(segment),
            first_record: u64::from_le_bytes(first),
            previous,
        }
    }
}

/// `journal-00000007.seg`.
pub(super) fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("journal-{segment:08}.seg"))
}

/// The files of a directory that belong to the journal.
#[derive(Default)]
pub(super) struct Listing {
    /// Numbers of the segments, ascending.
    pub segments: Vec<u32>,
    /// Segments that a crash left unborn.
    pub unborn: Vec<PathBuf>,
    /// Segments set aside when damage was accepted.
    pub set_aside: Vec<PathBuf>,
}

/// Lists the journal's files in `dir`; other files are ignored.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Listing, JournalError> {
    let mut listing = Listing::default();
    for entry in disk.list(dir).map_err(JournalError::io("listing", dir))? {
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((number, ending)) =
            name.strip_prefix("journal-").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        match (number.parse(), ending) {
            (Ok(number), "seg") if path(dir, number) == entry => listing.segments.push(number),
            (_, "new") => listing.unborn.push(entry),
            (_, ending) if ending.starts_with("damaged") => listing.set_aside.push(entry),
            _ => {}
        }
    }
    listing.segments.sort_unstable();
    listing.set_aside.sort_unstable();
    Ok(listing)
}

/// Creates a segment of `bytes` bytes, durable with its name, and opens it for writing.
pub(super) fn create(
    disk: &dyn Disk,
    dir: &Path,
    header: &Header,
    bytes: u64,
) -> io::Result<FileHandle> {
    let unborn = dir.join(format!("journal-{:08}.new", header.segment));
    let file = disk.create(&unborn)?;
    file.allocate(bytes.max(FIRST_RECORD))?;
    let head = Head::fresh(header);
    let next = Head { generation: 1, ..head };
    file.write_at(&header.to_bytes(), 0)?;
    file.write_at(&head.to_bytes(header), head.slot_offset())?;
    file.write_at(&next.to_bytes(header), next.slot_offset())?;
    file.write_at(&header.previous, FIRST_RECORD - HASH_BYTES)?;
    file.sync()?;
    disk.rename(&unborn, &path(dir, header.segment))?;
    disk.sync_dir(dir)?;
    Ok(file)
}

/// Opens segment `segment` for reading and checks its first three pages.
///
/// # Errors
/// `OtherNetwork` and `OtherFormat` if the header is intact but not for us; `Io`.
pub(super) fn open(
    disk: &dyn Disk,
    dir: &Path,
    segment: u32,
    network: &[u8; 32],
) -> Result<(FileHandle, Pages), JournalError> {
    let path = path(dir, segment);
    let file = disk.open(&path).map_err(JournalError::io("opening", &path))?;
    let mut bytes = vec![0; usize::try_from(FIRST_RECORD).expect("three pages")];
    match read_exact(&*file, &mut bytes, 0) {
        Ok(()) => Ok((file, pages(&bytes, segment, network)?)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok((file, Pages::Invalid)),
        Err(error) => Err(JournalError::io("reading", &path)(error)),
    }
}

fn pages(bytes: &[u8], segment: u32, network: &[u8; 32]) -> Result<Pages, JournalError> {
    let fixed: &[u8; HEADER_BYTES] = bytes.first_chunk().expect("three pages hold a header");
    let header = Header::from_bytes(fixed);
    let checksum: Hash = Sha256::digest(&fixed[..84]).into();
    if checksum != fixed[84..] {
        return Ok(Pages::Invalid);
    }
    if fixed[..8] != MAGIC {
        let found = *fixed.first_chunk().expect("longer than eight");
        return Err(JournalError::OtherFormat { segment, found });
    }
    if header.network != *network {
        return Err(JournalError::OtherNetwork { found: header.network, wanted: *network });
    }
    let is_count = header.first_record <= NUMBER_MAX;
    if header.segment != segment || !is_count || !bytes.ends_with(&header.previous) {
        return Ok(Pages::Invalid);
    }
    let slot = |page: u64| {
        let from = usize::try_from(page * PAGE_BYTES).expect("page 1 or 2");
        let slot: &[u8; SLOT_BYTES] = bytes[from..].first_chunk().expect("a page holds a slot");
        Head::from_bytes(&header, slot)
    };
    let newer = [slot(1), slot(2)].into_iter().flatten().max_by_key(|head| head.generation);
    Ok(Pages::Valid(header, newer))
}
