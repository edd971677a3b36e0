//! What a put or a get has done, for the user and the metrics. Chunks are all blocks, those with
//! links included.

use std::time::Duration;

use libp2p::PeerId;

use crate::ContentId;

/// A get that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetReport {
    /// The file's size.
    pub bytes: u64,
    /// Distinct chunks of the file.
    pub chunks: u64,
    /// Those that were held here before.
    pub chunks_local: u64,
    /// Bytes of blocks that came from peers and were kept.
    pub bytes_fetched: u64,
    /// How often a chunk was tried again after all peers had failed it.
    pub retries: u64,
    /// How often a second peer was asked because the first was slow.
    pub second_requests: u64,
    /// Every peer that might have had it, best first as the source said.
    pub peers: Vec<PeerStatistics>,
    /// From the call to the end.
    pub elapsed: Duration,
}

/// What one peer did during one get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatistics {
    /// Who.
    pub peer: PeerId,
    /// Chunks that it sent and that were kept.
    pub chunks: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Requests that it was sent.
    pub requests: u64,
    /// Requests that it did not answer with the chunk.
    pub failures: u64,
    /// How long it took for a chunk, later ones weighing more; `None` before the first.
    pub mean: Option<Duration>,
}

/// A put that ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutReport {
    /// The file's id: what to pin, to announce and to tell others.
    pub root: ContentId,
    /// The file's size.
    pub bytes: u64,
    /// Blocks that were stored, a repeated one as often as it came.
    pub blocks: u64,
    /// From the call to the end.
    pub elapsed: Duration,
}
