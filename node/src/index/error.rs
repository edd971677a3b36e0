//! What can go wrong with the index: nearly always the answer is to build it again.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::engine::Engine;

/// Why a call on the index was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The index is not to be trusted: `Index::create`, then replay the journal.
    #[error("the index must be built again from the journal: {why}")]
    Rebuild {
        /// What was found.
        why: Why,
    },
    /// A checkpoint was begun and not finished.
    #[error("a checkpoint is under way")]
    CheckpointRunning,
    /// Another handle on the index is open; it must not be wiped.
    #[error("{} is in use", .path.display())]
    InUse {
        /// The locked file.
        path: PathBuf,
    },
    /// The directory could not be read, created or synced.
    #[error("{}: {kind}, os code {code:?}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// How it failed.
        kind: io::ErrorKind,
        /// The operating system's number for it.
        code: Option<i32>,
    },
}

/// Why the index must be built again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The engine panicked; the message is on standard error.
    #[error("{engine} panicked")]
    Panicked {
        /// Which.
        engine: Engine,
    },
    /// The files are another engine's than the one that the configuration names.
    #[error("its files are {found}'s and the configuration says {wanted}; they are removed")]
    OtherEngine {
        /// Whose they are.
        found: Engine,
        /// Which is wanted.
        wanted: Engine,
    },
    /// The engine returned an error, of this kind if it came from the operating system.
    #[error("{engine} failed ({kind:?})")]
    Failed {
        /// Which.
        engine: Engine,
        /// The operating system's part, if there was one.
        kind: Option<io::ErrorKind>,
    },
    /// A row is not what was stored.
    #[error("the row of key {} fails its check", hex::encode(.key))]
    BadRow {
        /// The key as the engine has it.
        key: Vec<u8>,
    },
    /// A checkpoint was begun and not ended.
    #[error("a checkpoint was interrupted")]
    Interrupted,
    /// The rows are not those of the checkpoint that the journal holds.
    #[error("the journal expects {expected:?}, the index holds {found:?}")]
    Mismatch {
        /// From the journal.
        expected: Option<Box<Checkpoint>>,
        /// Position as stored, count and sum as computed from the rows.
        found: Option<Box<Checkpoint>>,
    },
}

impl Why {
    /// The checkpoints are boxed: errors stay small.
    pub(super) fn mismatch(expected: Option<Checkpoint>, found: Option<Checkpoint>) -> Self {
        Self::Mismatch { expected: expected.map(Box::new), found: found.map(Box::new) }
    }
}

impl From<Why> for IndexError {
    fn from(why: Why) -> Self {
        Self::Rebuild { why }
    }
}

fn failed(
    engine: Engine,
    error: &dyn std::fmt::Display,
    kind: Option<std::io::ErrorKind>,
) -> IndexError {
    tracing::error!(%error, "{engine} failed");
    Why::Failed { engine, kind }.into()
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        let kind = match &error {
            sled::Error::Io(error) => Some(error.kind()),
            _ => None,
        };
        failed(Engine::Sled, &error, kind)
    }
}

impl From<lsm_tree::Error> for IndexError {
    fn from(error: lsm_tree::Error) -> Self {
        let kind = match &error {
            lsm_tree::Error::Io(error) => Some(error.kind()),
            _ => None,
        };
        failed(Engine::Fjall, &error, kind)
    }
}

impl IndexError {
    /// Turns an `io::Error` into one that can be compared.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error: io::Error| {
            let (path, kind, code) = (path.to_path_buf(), error.kind(), error.raw_os_error());
            Self::Io { path, kind, code }
        }
    }
}

/// Runs what calls the engine: a panic of it becomes an error.
pub(super) fn guarded<T>(
    engine: Engine,
    call: impl FnOnce() -> Result<T, IndexError>,
) -> Result<T, IndexError> {
    // Nothing of ours is left half changed: after this error the index is thrown away.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .unwrap_or(Err(IndexError::Rebuild { why: Why::Panicked { engine } }))
}
