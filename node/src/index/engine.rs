//! What the index asks of an engine that keeps its rows on disk, and which engines there are.
//!
//! Not here: rows and their checks (`row`), count and sum (`checkpoint`), folders (`place`). An
//! engine knows bytes; whatever it returns is checked by the index, so it may lose or spoil rows,
//! and panic: its callers are `guarded`.

mod fjall;
mod sled;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::IndexError;

/// Which engine keeps the index's rows on disk. The index is only derived: another engine than the
/// last time means that it is built anew from the journal.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// sled 0.34, a tree of pages.
    #[default]
    Sled,
    /// fjall's tree of sorted tables (the crate `lsm-tree`).
    Fjall,
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 2] = [Engine::Sled, Engine::Fjall];

    /// Its word in the configuration, and how its folders' names begin.
    pub fn word(self) -> &'static str {
        match self {
            Engine::Sled => "sled",
            Engine::Fjall => "fjall",
        }
    }

    /// The file that an open index of this engine has locked.
    pub(super) fn lock_file(self) -> &'static str {
        match self {
            Engine::Sled => sled::LOCK_FILE,
            Engine::Fjall => fjall::LOCK_FILE,
        }
    }

    /// Opens what is in `place`, or makes it.
    pub(super) fn open(self, place: &Path) -> Result<Arc<dyn Backend>, IndexError> {
        Ok(match self {
            Engine::Sled => Arc::new(sled::Sled::open(place)?),
            Engine::Fjall => Arc::new(fjall::Fjall::open(place)?),
        })
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

impl std::str::FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(word: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.into_iter().find(|engine| engine.word() == word).ok_or(UnknownEngine)
    }
}

/// A word that names no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index's engine is \"sled\" or \"fjall\"")]
pub struct UnknownEngine;

/// An open engine: a map from bytes to bytes, changed by one writer at a time.
pub(super) trait Backend: Send + Sync {
    /// What is stored under a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError>;

    /// All with a key that begins so, in order of keys, as they are now.
    fn scan(&self, prefix: &[u8]) -> Scan;

    /// Whether a writer was begun and not ended, and something of it may be stored.
    fn is_interrupted(&self) -> Result<bool, IndexError>;

    /// Under which key the end marker stands.
    fn end_key(&self) -> &'static [u8];

    /// Begins to write; it is durable that somebody does, before anything of it is stored.
    fn begin(&self) -> Result<Box<dyn Writer + '_>, IndexError>;
}

/// Rows on their way into an engine. After an error, or when it is dropped before its end, the
/// engine must not be used on.
pub(super) trait Writer {
    /// Stores a value, or removes it. Keys ascend.
    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), IndexError>;

    /// Stores the end marker after all of them. When it returns, all is durable.
    fn end(self: Box<Self>, marker: Vec<u8>) -> Result<(), IndexError>;
}

/// Keys and values.
pub(super) type Scan = Box<dyn Iterator<Item = Result<(Bytes, Bytes), IndexError>>>;

/// Bytes as an engine gives them, not copied.
pub(super) enum Bytes {
    Sled(::sled::IVec),
    Fjall(lsm_tree::Slice),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Sled(bytes) => bytes,
            Bytes::Fjall(bytes) => bytes,
        }
    }
}

/// Makes two tests, `NAME::sled` and `NAME::fjall`, of each function that takes an engine.
#[cfg(test)]
macro_rules! over_both_engines {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::index::Engine;

            #[test]
            fn sled() {
                super::$name(Engine::Sled);
            }

            #[test]
            fn fjall() {
                super::$name(Engine::Fjall);
            }
        }
    )+};
}
#[cfg(test)]
pub(crate) use over_both_engines;
