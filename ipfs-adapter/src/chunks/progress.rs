//! How far a put or a get is, for whoever draws a bar. A watch channel: the newest value only, so
//! a slow watcher costs nothing.

use tokio::sync::watch;

/// A moment of a put or a get. Chunks here are all blocks, those with links included, each counted
/// once however often it is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Held here and verified.
    pub chunks_done: u64,
    /// Met so far; grows until the last node with links is here.
    pub chunks_known: u64,
    /// Bytes of the file that are done; a chunk that is linked twice counts twice.
    pub bytes_done: u64,
    /// The file's size; `None` until the root is here, and until the end of a put.
    pub bytes_total: Option<u64>,
}

impl Progress {
    /// Both ends: hand the first to [`put`](super::put) or [`get`](super::get), watch the second.
    pub fn channel() -> (watch::Sender<Progress>, watch::Receiver<Progress>) {
        watch::channel(Progress::default())
    }
}
