//! Why a peer gave no block, over Bitswap or as a daemon.

/// Why nothing came from the peer that was asked. Only `DontHave` says anything about the peer's
/// store, and none of them anything about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The peer says that it does not hold it.
    #[error("the peer does not hold it")]
    DontHave,
    /// The peer did not answer in time; it was told that the block is no longer wanted.
    #[error("no answer within {after_ms} ms")]
    Timeout {
        /// The deadline that was missed.
        after_ms: u64,
    },
    /// No stream to the peer could be opened or kept: gone, or no Bitswap 1.2.0 there; or no
    /// connection to the daemon.
    #[error("the peer can't be reached")]
    Unreachable,
    /// The peer broke the protocol: a message too long or malformed, or another block than the one
    /// that was asked for. All calls to it end.
    #[error("what the peer sent makes no sense")]
    Corrupt,
    /// The block is the right one, but larger than a block may be here.
    #[error("a block of {bytes} bytes, at most {} are taken", crate::BLOCK_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// This node, or its Bitswap, has stopped.
    #[error("the node has stopped")]
    Closed,
    /// As much is wanted of this peer, or as many peers are asked, as may be; try again later.
    #[error("too many calls under way; try again later")]
    Busy,
}

/// Why Bitswap could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Bitswap runs already on this swarm")]
pub struct AlreadyRunning;
