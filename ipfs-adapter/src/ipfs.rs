//! A node of IPFS, wherever it runs: inside this process (`Embedded`) or as a
//! daemon beside it (`Kubo`). One test suite holds both to this contract
//! (`tests/ipfs_suite.rs`).
//!
//! * "Nobody has it" and "could not find out" are different answers everywhere: `Ok(None)` or an
//!   incomplete [`KeyAnswer`](crate::KeyAnswer) against an [`IpfsError`].
//! * Every call has a deadline of its own and returns at the latest then.
//! * What is returned was hashed here: neither a peer nor a daemon is believed.
//!
//! What this trait does *not* know: why something is pinned. Labels are local ([`Pins`]).
//!
//! [`Pins`]: crate::Pins

use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::{Multiaddr, PeerId};

use crate::{Content, ContentId, FindOptions, IpfsError, Query};

/// Who a node is and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its peer id.
    pub peer: PeerId,
    /// Where it can be dialled, `/p2p/…` not included.
    pub addresses: Vec<Multiaddr>,
    /// Its own words about its software and version.
    pub agent: String,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provided {
    /// Keys for which enough peers (the write quorum) have acknowledged the record.
    pub stored: usize,
    /// Keys for which they have not, yet: announce them again later.
    pub failed: usize,
}

/// What a node knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockStat {
    /// Its size in bytes.
    pub bytes: u64,
}

/// A node of IPFS; the contract stands on the module. All futures may be dropped at any time.
pub trait Ipfs: Send + Sync + 'static {
    /// Who it is; also the test whether it is there.
    fn info(&self) -> BoxFuture<'_, Result<NodeInfo, IpfsError>>;

    /// The peers that it is connected to.
    fn peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>>;

    /// Stores a block. It stays at least until it is unpinned, if it is pinned.
    ///
    /// # Errors
    /// [`IpfsError::Full`] over the quota; nothing was stored.
    fn put(&self, content: Content) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// A block of this node's own store; nobody else is asked.
    fn get_local(&self, id: ContentId) -> BoxFuture<'_, Result<Option<Content>, IpfsError>>;

    /// A block, from wherever it is to be had within `deadline`; `None` when nobody had it.
    fn get(
        &self,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Option<Content>, IpfsError>>;

    /// What this node's own store knows of a block; nobody else is asked.
    fn stat(&self, id: ContentId) -> BoxFuture<'_, Result<Option<BlockStat>, IpfsError>>;

    /// Pins blocks that are held here (for a root: with all that it links to).
    ///
    /// # Errors
    /// [`IpfsError::NotHeld`] names the first that is not; then none is pinned.
    fn pin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Takes pins away; what is not pinned is none of its business.
    fn unpin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Whether they are pinned: `pinned[i]` is for `ids[i]`.
    fn are_pinned(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<Vec<bool>, IpfsError>>;

    /// Who provides these keys? At most [`KEYS_PER_QUERY_MAX`](crate::KEYS_PER_QUERY_MAX) a query.
    /// Returns at once; the handle streams what is found and ends with an outcome. Dropping the
    /// handle ends the query.
    ///
    /// # Errors
    /// Too many keys or queries; see [`IpfsError::Busy`].
    fn find(&self, keys: Vec<ContentId>, options: FindOptions) -> Result<Query, IpfsError>;

    /// Tells the world that this node provides these keys.
    fn provide(&self, keys: Vec<ContentId>) -> BoxFuture<'_, Result<Provided, IpfsError>>;
}
