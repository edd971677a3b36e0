//! The mark that a validator must not vote: a file `silent` in its home, written durably before
//! anything else is done about its cause, and found again by every later start (protocol §5,
//! "amnesia is Byzantine"). A node with the mark serves and applies.
//!
//! `store.vote_after_damage` overrides it: the mark is set aside as `silent.overridden`, and from
//! then on own votes that are not remembered are expected and silence nobody.

use super::mark;
use crate::journal::{Disk, System};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// First line of the file.
const SCHEMA: &str = "quorate.silent/1";
/// Longest file that is read; ours have at most a few hundred bytes.
const BYTES_MAX: usize = 4_096;

/// Why a validator is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was no journal, and no permission for a first start.
    StoreLost,
    /// The store was made out of a snapshot.
    Restored,
    /// The journal was damaged.
    StoreDamaged,
    /// A peer holds a vote of this member that its store knows nothing of.
    VoteForgotten,
    /// Two certified transfers spend one state.
    Fork,
    /// The mark is there and can't be read.
    Unreadable,
}

impl Cause {
    const ALL: [Cause; 6] = [
        Cause::StoreLost,
        Cause::Restored,
        Cause::StoreDamaged,
        Cause::VoteForgotten,
        Cause::Fork,
        Cause::Unreadable,
    ];

    /// The cause's word in the file.
    fn word(self) -> &'static str {
        match self {
            Cause::StoreLost => "store_lost",
            Cause::Restored => "restored",
            Cause::StoreDamaged => "store_damaged",
            Cause::VoteForgotten => "vote_forgotten",
            Cause::Fork => "fork",
            Cause::Unreadable => "unreadable",
        }
    }
}

/// That a validator is silent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The cause.
    pub cause: Cause,
    /// What was seen, in one line; may be empty.
    pub seen: String,
}

impl Silence {
    /// For this cause, with what was seen, of which the first line is kept.
    pub fn new(cause: Cause, seen: &str) -> Self {
        Self { cause, seen: seen.lines().next().unwrap_or_default().to_string() }
    }

    /// The mark in `home`; `None` when there is none. One that makes no sense is a mark all the
    /// same.
    pub(super) fn read(disk: &dyn Disk, home: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = mark::read(disk, &path(home), BYTES_MAX)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let is_ours = lines.next() == Some(SCHEMA);
        let word = lines.next().filter(|_| is_ours).unwrap_or_default();
        let cause = Cause::ALL.into_iter().find(|cause| cause.word() == word);
        let seen = lines.next().unwrap_or_default();
        Ok(Some(Self::new(cause.unwrap_or(Cause::Unreadable), seen)))
    }

    /// Leaves the mark in `home`, durably; the first one stays.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self, home: &Path) -> io::Result<()> {
        self.keep_on(&System, home)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_on(&self, disk: &dyn Disk, home: &Path) -> io::Result<()> {
        let text = format!("{SCHEMA}\n{}\n{}\n", self.cause.word(), self.seen);
        mark::keep(disk, &path(home), text.as_bytes())
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.cause {
            Cause::StoreLost => {
                "its store was lost: it started without a journal and without the permission for a \
                 first start, so what it has promised is forgotten"
            }
            Cause::Restored => {
                "its store was made out of a snapshot, which holds no promises, so what it has \
                 promised is forgotten"
            }
            Cause::StoreDamaged => "its store was damaged, so it may have forgotten promises",
            Cause::VoteForgotten => {
                "a peer holds a vote of it that its store knows nothing of: the store was rolled \
                 back or lost, or another process votes with its key"
            }
            Cause::Fork => "it found two final transfers of one token state",
            Cause::Unreadable => "the mark of its silence can't be read",
        })?;
        if !self.seen.is_empty() {
            write!(formatter, " ({})", self.seen)?;
        }
        formatter.write_str(
            "; it serves and applies, and does not vote, also after a restart. To let it vote and \
             risk a double vote, stop it and start it once with store.vote_after_damage = true",
        )
    }
}

/// Overrides the silence in `home`, if there is one: the operator accepts the amnesia.
pub(super) fn override_mark(disk: &dyn Disk, home: &Path) -> io::Result<()> {
    mark::rename(disk, &path(home), &overridden(home))
}

/// Whether a silence was overridden here at any time.
pub(super) fn is_overridden(disk: &dyn Disk, home: &Path) -> bool {
    disk.exists(&overridden(home))
}

/// Where the mark is.
pub fn path(home: &Path) -> PathBuf {
    home.join("silent")
}

fn overridden(home: &Path) -> PathBuf {
    home.join("silent.overridden")
}
