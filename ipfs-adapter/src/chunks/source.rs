//! Where blocks of other nodes come from: the one trait between a get and the network.

use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::PeerId;

use crate::{Content, ContentId, FetchError};

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
