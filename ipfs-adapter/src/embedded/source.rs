//! The embedded node as a source of blocks for a chunked get: holders by the DHT and among the
//! connected peers, blocks by Bitswap.
//!
//! Where a holder listens is remembered between the two calls, so that a peer is dialled when its
//! first block is wanted and again when its connection was lost.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, FutureExt};
use libp2p::{Multiaddr, PeerId};

use super::Embedded;
use crate::{Content, ContentId, FetchError, Provider, chunks::BlockSource};

/// How long holders of one file are looked for.
const HOLDERS_TIME: Duration = Duration::from_secs(5);
/// Holders whose addresses are remembered, of all gets together; the oldest goes first. A file has
/// at most 32, so this is 16 files at once.
const HOLDERS_REMEMBERED_MAX: usize = 512;

/// Where holders were said to be.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// At most [`HOLDERS_REMEMBERED_MAX`].
    addresses: BTreeMap<PeerId, Vec<Multiaddr>>,
    /// The same peers, the oldest in front.
    order: VecDeque<PeerId>,
}

impl Holders {
    fn remember(&mut self, holder: &Provider) {
        if holder.addresses.is_empty() {
            return;
        }
        if self.addresses.insert(holder.peer, holder.addresses.clone()).is_none() {
            self.order.push_back(holder.peer);
        }
        if self.order.len() > HOLDERS_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.addresses.remove(&oldest);
        }
    }

    fn provider(&self, peer: PeerId) -> Provider {
        Provider { peer, addresses: self.addresses.get(&peer).cloned().unwrap_or_default() }
    }
}

impl BlockSource for Embedded {
    fn holders(&self, root: ContentId) -> BoxFuture<'_, Result<Vec<PeerId>, FetchError>> {
        async move {
            if self.commands.is_closed() {
                return Err(FetchError::Closed);
            }
            let holders = self.holders_of(root, Instant::now() + HOLDERS_TIME).await;
            let mut known = self.holders.lock();
            holders.iter().for_each(|holder| known.remember(holder));
            Ok(holders.into_iter().map(|holder| holder.peer).collect())
        }
        .boxed()
    }

    fn fetch(
        &self,
        peer: PeerId,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Content, FetchError>> {
        async move {
            let until = Instant::now() + deadline;
            let provider = self.holders.lock().provider(peer);
            if !self.connect(provider).await {
                return Err(FetchError::Unreachable);
            }
            let left = until.saturating_duration_since(Instant::now());
            self.bitswap.fetch(peer, id, left).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_holder_is_forgotten_first() {
        let mut holders = Holders::default();
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("an address");
        let peers: Vec<PeerId> =
            (0..HOLDERS_REMEMBERED_MAX + 1).map(|_| PeerId::random()).collect();
        for peer in &peers {
            holders.remember(&Provider { peer: *peer, addresses: vec![address.clone()] });
        }
        assert_eq!(holders.addresses.len(), HOLDERS_REMEMBERED_MAX);
        assert!(holders.provider(peers[0]).addresses.is_empty());
        assert_eq!(holders.provider(peers[1]).addresses, [address]);
        // A connected neighbour, without addresses, takes no place and keeps those that are known.
        holders.remember(&Provider { peer: peers[1], addresses: Vec::new() });
        assert!(!holders.provider(peers[1]).addresses.is_empty());
    }
}
