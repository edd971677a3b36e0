//! Files as DAGs of blocks: UnixFS over dag-pb, so that any IPFS node can read what is written here
//! and the other way round.
//!
//! ```text
//!                      root  dag-pb: links with sizes          file of more than one chunk
//!            ┌──────────┴──────────┐
//!          node                  node                          up to 174 links each, all leaves
//!      ┌─────┼─────┐           ┌───┴                           at one depth (balanced)
//!   chunk  chunk  chunk      chunk                             raw blocks of 256 KiB
//! ```
//!
//! [`mod@build`]: bytes to blocks, with exactly the CIDs of `ipfs add --cid-version 1 --raw-leaves
//! --chunker size-262144 --max-file-links 174`. [`node`]: one block to links and sizes, strictly.
//! [`read`]: blocks to bytes. Directories, symbolic links and shards are refused by name.
//!
//! What a foreign DAG may be is bounded here; no bound is tested by trust: a parent says how many
//! bytes are below each link, and a child that has another number is an error.

pub mod build;
pub mod node;
mod protobuf;
pub mod read;
mod unixfs;

pub use build::{Builder, Layout, build};
pub use node::{Branch, FileNode};
pub use read::{FileCursor, FileReader, ReadError, write_to};

use crate::ContentId;

/// The most levels of nodes and leaves on one path: at 174 links and 256 KiB chunks, four levels
/// are over 1 TB, so eight leave room for foreign layouts.
pub const DEPTH_MAX: usize = 8;

/// The most bytes of one file: 64 GiB, far over what a node of ours stores.
pub const FILE_BYTES_MAX: u64 = 64 << 30;

/// The most links of one file, each of them counted as often as it stands there: the largest file
/// in chunks of 128 KiB. A walk keeps about 100 bytes for each.
pub const LINK_COUNT_MAX: usize = 1 << 19;

/// The most links of one node: 8 times what Kubo's widest profile writes (1,024).
pub const NODE_LINK_COUNT_MAX: usize = 8_192;

/// Why a block, or what is below it, is no file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DagError {
    /// The bytes are no dag-pb node in canonical form, or its UnixFS part contradicts itself.
    #[error("{id} is no sound UnixFS node")]
    Malformed {
        /// Which block.
        id: ContentId,
    },
    /// A directory, a symbolic link, or something else that has no bytes to read.
    #[error("{id} is no file (UnixFS type {kind})")]
    NotAFile {
        /// Which block.
        id: ContentId,
        /// The number of its UnixFS type.
        kind: u64,
    },
    /// The parent says another number of bytes than the child has.
    #[error("{id} has {found} bytes, but a link to it says {said}")]
    WrongSize {
        /// Which block.
        id: ContentId,
        /// What the link says.
        said: u64,
        /// What there is.
        found: u64,
    },
    /// Over [`DEPTH_MAX`].
    #[error("{id} is more than {DEPTH_MAX} levels deep")]
    TooDeep {
        /// The first block below the last level.
        id: ContentId,
    },
    /// Over [`LINK_COUNT_MAX`].
    #[error("more than {LINK_COUNT_MAX} links in one file")]
    TooManyLinks,
    /// Over [`FILE_BYTES_MAX`].
    #[error("a file of {bytes} bytes, but it may have {FILE_BYTES_MAX}")]
    TooLarge {
        /// How many it has, or says that it has.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests;
