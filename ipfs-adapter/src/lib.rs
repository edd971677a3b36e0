//! Content by CID: which bytes this node holds, and which it keeps.
//!
//! ```text
//!               node                          knows transfers; says what a label means
//!                 │  ContentId, Content, Pin
//!        ┌────────┴────────┐
//!     Blocks             Pins                 the two traits: the contract
//!        │                 │
//!   put get size       pin unpin labels
//!   remove usage       are_pinned list
//!        └────────┬────────┘
//!        ┌────────┴────────┐
//!      Sled             Memory                the two implementations
//!   one tree on disk   one map
//! ```
//!
//! The contract, held by one test suite over every implementation (`suite`):
//!
//! * Bytes never enter or leave under an id that is not their hash. [`Content`] can only be made
//!   by hashing, and [`Blocks::get`] hashes again: a corrupt block is an error, never an answer.
//! * A pinned block is not removed. Both traits are implemented by one type, because this rule
//!   needs blocks and pins under one lock.
//! * A pin does not need its block here. It says "keep what has this id"; a node that pins spent
//!   states can compute their bytes at any time.
//! * The first pin's label stays. Pinning again under another label is refused with both labels,
//!   because for a token state that is the trace of a double spend.
//! * "Not held" is `Ok(None)`; "could not find out" is an error. The two are never folded.
//!
//! What this crate does *not* do: it knows no ledger, opens no socket, and promises nothing about
//! power cuts (see [`Sled`]). "Block" here is always an IPFS block. Calls may touch the disk and
//! so block; an asynchronous caller makes them from its I/O pool.

pub mod batch;
pub mod bitswap;
mod blockstore;
pub mod chunks;
mod cid;
pub mod dag;
mod disk;
pub mod embedded;
mod encoding;
mod error;
mod ipfs;
mod kubo;
mod memory;
mod pins;
pub mod query;
pub mod records;
#[cfg(test)]
mod suite;
pub mod swarm;

pub use bitswap::{
    AlreadyRunning, Bitswap, BitswapLimits, BitswapStats, FetchError, MESSAGE_BYTES_MAX,
    PROTOCOL as BITSWAP_PROTOCOL,
};
pub use blockstore::{BLOCK_BYTES_MAX, Blocks, Content, Usage};
pub use cid::{Codec, ContentId};
pub use disk::Sled;
pub use embedded::{Embedded, EmbeddedConfig};
pub use encoding::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, PEER_ID_BYTES_MAX};
pub use error::{
    BlockError, CidError, ContentError, IpfsError, LabelTooLong, PinError, StoreError,
};
pub use ipfs::{BlockStat, Ipfs, NodeInfo, Provided};
pub use kubo::{Kubo, KuboBlocks, KuboConfig, Version};
pub use libp2p::{Multiaddr, PeerId};
pub use memory::Memory;
pub use pins::{LABEL_BYTES_MAX, LIST_COUNT_MAX, Label, Pin, Pins};
pub use query::{
    Completion, FindOptions, FindOutcome, Found, KEYS_PER_QUERY_MAX, KeyAnswer, PeerScore, Preset,
    Provider, Query, QueryId, QueryMetrics, Reporter,
};
pub use records::{Answer, KadRecords, Records, RecordsConfig};
