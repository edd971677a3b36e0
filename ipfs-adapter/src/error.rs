//! What can go wrong, one small enum per question; every variant carries its evidence.

use std::io;

use crate::{BLOCK_BYTES_MAX, ContentId, LABEL_BYTES_MAX, Label};

/// Why a text or bytes are no [`ContentId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// Not a CID in the one form that this crate writes.
    #[error("not a CID in canonical form")]
    Malformed,
    /// A sound CID, but not CIDv1, raw or dag-pb, sha2-256; another IPFS peer may know it.
    #[error("a CID of another kind than CIDv1, raw or dag-pb, sha2-256")]
    OtherKind,
    /// A CIDv0 (`Qm…`): the same content has a CIDv1, and only that is read.
    #[error("a CIDv0; write it as {id}")]
    Version0 {
        /// What to write instead.
        id: ContentId,
    },
}

/// Why bytes are no [`Content`](crate::Content).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// More bytes than a block may have.
    #[error("{bytes} bytes, but a block has at most {BLOCK_BYTES_MAX}")]
    TooLarge {
        /// How many there were.
        bytes: usize,
    },
    /// The bytes are not what the id names: whoever sent them lied or they were damaged.
    #[error("the bytes of {claimed} hash to {found}")]
    Mismatch {
        /// The id that they came with.
        claimed: ContentId,
        /// The id that they have.
        found: ContentId,
    },
}

/// Why the block store refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The quota would be passed; nothing was written.
    #[error("store full: {bytes_used} of {bytes_max} bytes used, {bytes_wanted} more wanted")]
    Full {
        /// What the blocks take now.
        bytes_used: u64,
        /// What the refused block takes.
        bytes_wanted: u64,
        /// The quota.
        bytes_max: u64,
    },
    /// The stored bytes no longer hash to their id: fetch the block anew and put it.
    #[error("the stored bytes of {id} hash to {found}")]
    Corrupt {
        /// The block that was asked for.
        id: ContentId,
        /// What its stored bytes hash to.
        found: ContentId,
    },
    /// The block is pinned and stays.
    #[error("{id} is pinned")]
    Pinned {
        /// The block.
        id: ContentId,
    },
    /// The blocks are a daemon's, and the call to it failed.
    #[error(transparent)]
    Daemon(#[from] IpfsError),
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the pin set refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Pinned already, under another label; nothing of the call was written.
    #[error("{id} is pinned under {held}, not {wanted}")]
    Held {
        /// The content.
        id: ContentId,
        /// The label that stays.
        held: Label,
        /// The label that was refused.
        wanted: Label,
    },
    /// The stored pin fails its check: pin it anew from whatever it was derived from.
    #[error("the stored pin of {id} is damaged")]
    Corrupt {
        /// The content.
        id: ContentId,
    },
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the disk under a store can no longer be used. The first failure is final: the store answers
/// every later call with it, because after a failed write nobody knows what is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused: mend the cause and open again.
    #[error("disk: {0}")]
    Disk(io::ErrorKind),
    /// The files do not make sense: delete the store and build it anew.
    #[error("the store's files are damaged; delete them, they can be rebuilt")]
    Damaged,
    /// Written by a version with another layout.
    #[error("the store has format {found}, this version reads another")]
    Format {
        /// The format number on disk.
        found: u8,
    },
}

/// A label over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a label of {bytes} bytes, at most {LABEL_BYTES_MAX} are allowed")]
pub struct LabelTooLong {
    /// How many bytes it had.
    pub bytes: usize,
}

/// Why a node of IPFS could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpfsError {
    /// The node has stopped, or was never started.
    #[error("the node has stopped")]
    Stopped,
    /// As many queries or calls are under way as may be; try again later.
    #[error("{count} are under way already, which is the most; try again later")]
    Busy {
        /// How many.
        count: usize,
    },
    /// More keys than one query takes.
    #[error("{count} keys in one query, at most {}", crate::KEYS_PER_QUERY_MAX)]
    TooManyKeys {
        /// How many.
        count: usize,
    },
    /// Nothing came in time. This says nothing about the content.
    #[error("no answer within {after_ms} ms")]
    Timeout {
        /// The deadline that was missed.
        after_ms: u64,
    },
    /// The daemon's address is none that may be used.
    #[error("{url}: {reason}")]
    Address {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The daemon can't be reached: is it running?
    #[error("the daemon at {url} can't be reached ({kind}); is it running?")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What the operating system said.
        kind: io::ErrorKind,
    },
    /// The daemon answered with an error of its own.
    #[error("the daemon refused with status {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words, cut to 200 characters.
        message: String,
    },
    /// The daemon's answer makes no sense: another program or version listens there.
    #[error("the daemon's answer to {call} makes no sense; is it an IPFS daemon?")]
    Nonsense {
        /// What was called.
        call: &'static str,
    },
    /// The quota would be passed; nothing was stored.
    #[error("store full: {bytes_used} of {bytes_max} bytes used, {bytes_wanted} more wanted")]
    Full {
        /// What is used.
        bytes_used: u64,
        /// What was wanted.
        bytes_wanted: u64,
        /// The quota.
        bytes_max: u64,
    },
    /// What is to be pinned is not held here.
    #[error("{id} is not held here; put or get it first")]
    NotHeld {
        /// What.
        id: ContentId,
    },
    /// Bytes that do not hash to their id, from a peer, a daemon or the disk; they were dropped.
    #[error("what was read for {id} is something else")]
    Corrupt {
        /// What was asked for.
        id: ContentId,
    },
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
}
