//! What can go wrong with the journal, told so that the operator knows what to do next.
//! No variant holds an `io::Error`: each is comparable and can be sent to many waiters.

use std::io;
use std::path::{Path, PathBuf};

use super::Location;
use super::record::RECORD_BYTES_MAX;

/// Why a call on the journal was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The directory holds no journal and `Options::create` is false.
    #[error("no journal in {}; run `quorate init`, or restore the directory", .dir.display())]
    Missing {
        /// The directory looked into.
        dir: PathBuf,
    },
    /// The journal was written for another network.
    #[error(
        "the journal is of network {}, this node is of {}",
        hex::encode(.found),
        hex::encode(.wanted)
    )]
    OtherNetwork {
        /// The id in the segment's header.
        found: [u8; 32],
        /// The id in `Options`.
        wanted: [u8; 32],
    },
    /// The journal was written in a format that this build does not read.
    #[error("segment {segment} has format {}, this build reads another", hex::encode(.found))]
    OtherFormat {
        /// Number of the segment.
        segment: u32,
        /// Its first eight bytes.
        found: [u8; 8],
    },
    /// The journal is damaged, so nothing may be appended.
    #[error("appending is refused: {0}; restore the disk, or accept the damage (amnesia)")]
    Damaged(Damage),
    /// The payload is longer than a record may be.
    #[error("a record of {bytes} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge {
        /// Length of the refused payload.
        bytes: u64,
    },
    /// The queue before the disk is full; try again when `durable` has advanced.
    #[error("{records} records ({bytes} bytes) wait for the disk; nothing more is taken")]
    Full {
        /// Records waiting.
        records: u64,
        /// Their bytes as framed.
        bytes: u64,
    },
    /// The disk failed; nothing becomes durable any more.
    #[error("{0}")]
    Failed(Failure),
    /// No valid record starts at the location.
    #[error("no valid record at {location}")]
    BadRecord {
        /// Where it was looked for.
        location: Location,
    },
    /// The record was not durable before the deadline.
    #[error("only {durable} records are durable at the deadline")]
    Deadline {
        /// How many are.
        durable: u64,
    },
    /// Opening or reading failed in the operating system.
    #[error("{doing} {}: {kind}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// How it failed.
        kind: io::ErrorKind,
    },
}

impl JournalError {
    /// Turns an `io::Error` into one that can be compared and cloned.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { doing, path: path.to_path_buf(), kind: error.kind() }
    }
}

/// A failure that stopped the writer for good.
///
/// After a failed write or sync the page cache no longer tells what is on the disk, so nothing is
/// tried again (shared/TESTING.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal's disk failed while it was to {step} segment {segment} ({kind}, os code \
     {os_code:?}); {records_durable} records are durable and no more will be: stop the node, see \
     to the disk (free space, dmesg), then start it again"
)]
pub struct Failure {
    /// What the writer was doing.
    pub step: Step,
    /// The operating system's answer.
    pub kind: io::ErrorKind,
    /// Its number, if it had one (28 is a full disk, 5 a broken one).
    pub os_code: Option<i32>,
    /// Number of the segment worked on.
    pub segment: u32,
    /// Records that had become durable before.
    pub records_durable: u64,
}

/// What the writer was doing, in the order of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creating and preallocating a segment.
    Create,
    /// Writing records.
    Write,
    /// fdatasync of records.
    Sync,
    /// Writing or syncing the head.
    Head,
    /// The writer thread ended by a panic: a bug of ours.
    Panic,
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Head => "write the head of",
            Self::Panic => "work (it panicked) on",
        })
    }
}

/// Proof that records are gone or changed: more than a crash can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "journal segment {segment} is damaged at byte {offset}: {kind}; {records_found} records \
     are valid, {} were promised",
    .records_expected.map_or("an unknown number".to_owned(), |count| count.to_string())
)]
pub struct Damage {
    /// Number of the segment.
    pub segment: u32,
    /// Byte in the segment's file where validity ends.
    pub offset: u64,
    /// What is wrong there.
    pub kind: DamageKind,
    /// Records that the head or the next segment promises, counted from the journal's start.
    pub records_expected: Option<u64>,
    /// Valid records up to here, counted from the journal's start.
    pub records_found: u64,
}

/// What is wrong at the place of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The file is not there, though a later one is, or the one before was sealed.
    #[error("the segment is missing")]
    MissingSegment,
    /// The header's checksum is wrong, or it names another segment.
    #[error("its header is not valid")]
    BadHeader,
    /// Neither slot of the head has a valid checksum.
    #[error("neither copy of its head is valid")]
    BadHead,
    /// A record that the head promises is missing or does not hash to its stored hash.
    #[error("a record before the head is not valid")]
    BadRecord,
    /// The records hash to something else than the head or the next segment says.
    #[error("its records are not those that were promised")]
    OtherChain,
}
