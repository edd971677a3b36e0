//! The mark that a validator must not vote: a file `silent` in its home, written durably before
//! anything else is done about its cause, and found again by every later start (protocol §5,
//! "amnesia is Byzantine"). A node with the mark serves and applies.
//!
//! `store.vote_after_damage` overrides it: the mark is set aside as `silent.overridden`, and from
//! then on own votes that are not remembered are expected and silence nobody.

use crate::durable;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// First line of the file.
const SCHEMA: &str = "quorate.silent/1";
/// Longest file that is read; ours have at most a few hundred bytes.
const BYTES_MAX: u64 = 4_096;

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
    pub(super) fn read(home: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path(home)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
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
        if path(home).symlink_metadata().is_ok() {
            return Ok(());
        }
        let text = format!("{SCHEMA}\n{}\n{}\n", self.cause.word(), self.seen);
        durable::replace(&path(home), text.as_bytes())
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
pub(super) fn override_mark(home: &Path) -> io::Result<()> {
    match path(home).symlink_metadata() {
        Ok(_) => durable::rename(&path(home), &overridden(home)),
        Err(_) => Ok(()),
    }
}

/// Whether a silence was overridden here at any time.
pub(super) fn is_overridden(home: &Path) -> bool {
    overridden(home).symlink_metadata().is_ok()
}

/// Where the mark is.
pub fn path(home: &Path) -> PathBuf {
    home.join("silent")
}

fn overridden(home: &Path) -> PathBuf {
    home.join("silent.overridden")
}
