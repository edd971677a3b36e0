//! Where blocks of other nodes come from: the one trait between a get and the network.

use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::PeerId;

use crate::{Content, ContentId};

/// Why a peer did not give a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It says that it does not have it.
    #[error("the peer does not have it")]
    DontHave,
    /// It said nothing in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// No connection.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// What it sent is not what was asked for.
    #[error("the peer sent something else")]
    Corrupt,
    /// What it sent, or wanted to, is over a block's size.
    #[error("the peer sent more than a block has")]
    TooLarge,
    /// It, or this node, has too much to do.
    #[error("too many requests are under way")]
    Busy,
    /// This node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Other nodes that hold blocks. All futures may be dropped at any time; then the request is over.
pub trait BlockSource: Send + Sync + 'static {
    /// Who may have the file with this root, best first; nobody is not an error.
    ///
    /// # Errors
    /// When that could not be found out.
    fn holders(&self, root: ContentId) -> BoxFuture<'_, Result<Vec<PeerId>, FetchError>>;

    /// The block, from this peer, within `deadline`. It was hashed on the way in; a caller still
    /// compares the id.
    ///
    /// # Errors
    /// As [`FetchError`] says.
    fn fetch(
        &self,
        peer: PeerId,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Content, FetchError>>;
}
