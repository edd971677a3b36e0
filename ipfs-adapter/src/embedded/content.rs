//! The embedded node as a node of IPFS: its own blocks and pins first, then the network.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use libp2p::PeerId;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{Embedded, answered};
use crate::{
    BlockError, BlockStat, Blocks, Completion, Content, ContentId, FindOptions, Ipfs, IpfsError,
    Label, NodeInfo, Pin, PinError, Pins, Provided, Provider, Query, QueryId, Sled,
    dag::{FileNode, LINK_COUNT_MAX},
    swarm::{COMMANDS_MAX, Command},
};

/// Why content is pinned; spent states carry the transfer's id instead.
const CONTENT_LABEL: &[u8] = b"content";
/// Connected peers that are asked for a block before, and while, providers are looked for.
const NEIGHBOURS_MAX: usize = 16;
/// Holders of one block that are asked, the first of them at once.
const HOLDERS_MAX: usize = 32;
/// Holders that are asked for one block at the same time: the first block wins.
const AT_ONCE_MAX: usize = 3;
/// How long connected peers may take to say whether they have a block.
const HAVE_MAX: Duration = Duration::from_millis(500);

impl Ipfs for Embedded {
    fn info(&self) -> BoxFuture<'_, Result<NodeInfo, IpfsError>> {
        async { Ok(self.status().await?.info) }.boxed()
    }

    fn peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>> {
        async { Ok(self.status().await?.connected) }.boxed()
    }

    fn put(&self, content: Content) -> BoxFuture<'_, Result<(), IpfsError>> {
        let id = content.id();
        async move {
            self.on_disk(move |store| store.put(&content).map_err(block_error)).await?;
            self.bitswap.notify(id);
            Ok(())
        }
        .boxed()
    }

    fn get_local(&self, id: ContentId) -> BoxFuture<'_, Result<Option<Content>, IpfsError>> {
        self.on_disk(move |store| store.get(id).map_err(block_error)).boxed()
    }

    fn get(
        &self,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Option<Content>, IpfsError>> {
        async move {
            if let Some(content) = self.get_local(id).await? {
                return Ok(Some(content));
            }
            let until = Instant::now() + deadline;
            // Over time is "nobody had it within the deadline".
            let fetched = tokio::time::timeout(deadline, self.fetch_anywhere(id, until)).await;
            let Ok(Some(content)) = fetched else { return Ok(None) };
            let kept = content.clone();
            self.on_disk(move |store| store.put(&kept).map_err(block_error)).await?;
            Ok(Some(content))
        }
        .boxed()
    }

    fn stat(&self, id: ContentId) -> BoxFuture<'_, Result<Option<BlockStat>, IpfsError>> {
        let stat = move |store: &Sled| {
            let bytes = store.size(id).map_err(block_error)?;
            Ok(bytes.map(|bytes| BlockStat { bytes }))
        };
        self.on_disk(stat).boxed()
    }

    fn pin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>> {
        async move {
            let pinned = self.on_disk(move |store| pin_all(store, ids)).await?;
            self.records.add_own(&pinned);
            Ok(())
        }
        .boxed()
    }

    fn unpin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>> {
        async move {
            let gone = ids.clone();
            self.on_disk(move |store| store.unpin(&ids).map_err(pin_error)).await?;
            let records = self.records.clone();
            let removed = tokio::task::spawn_blocking(move || records.remove_own(&gone)).await;
            removed.map_err(|_| IpfsError::Stopped)
        }
        .boxed()
    }

    fn are_pinned(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<Vec<bool>, IpfsError>> {
        self.on_disk(move |store| store.are_pinned(&ids).map_err(pin_error)).boxed()
    }

    fn find(&self, keys: Vec<ContentId>, options: FindOptions) -> Result<Query, IpfsError> {
        Query::check_keys(&keys)?;
        let id = QueryId(self.next_query.fetch_add(1, Ordering::Relaxed));
        let (query, reporter) = Query::new(id);
        match self.commands.try_send(Command::Find { keys, options, reporter }) {
            Ok(()) => Ok(query),
            Err(TrySendError::Full(_)) => Err(IpfsError::Busy { count: COMMANDS_MAX }),
            Err(TrySendError::Closed(_)) => Err(IpfsError::Stopped),
        }
    }

    fn provide(&self, keys: Vec<ContentId>) -> BoxFuture<'_, Result<Provided, IpfsError>> {
        async move {
            Query::check_keys(&keys)?;
            let (reply, answer) = oneshot::channel();
            let command = Command::Announce { keys, reply };
            self.commands.send(command).await.map_err(|_| IpfsError::Stopped)?;
            answered(answer).await
        }
        .boxed()
    }
}

impl Embedded {
    /// Who may have some content: connected peers that say so, then providers by the DHT, best
    /// first.
    pub(crate) async fn holders_of(&self, id: ContentId, until: Instant) -> Vec<Provider> {
        let left = until.saturating_duration_since(Instant::now());
        let options = within(left);
        let (near, found) =
            futures::join!(self.neighbours_with(id, left), self.providers(id, options));
        let mut seen = BTreeSet::new();
        let own = self.records.own().peer;
        let mut holders: Vec<Provider> = near.into_iter().chain(found).collect();
        holders.retain(|holder| holder.peer != own && seen.insert(holder.peer));
        holders.truncate(HOLDERS_MAX);
        holders
    }

    async fn providers(&self, id: ContentId, options: FindOptions) -> Vec<Provider> {
        let Ok(query) = self.find(vec![id], options) else { return Vec::new() };
        let outcome = query.outcome().await;
        outcome
            .ok()
            .and_then(|outcome| outcome.answers.into_iter().next())
            .map_or_else(Vec::new, |answer| answer.providers)
    }

    /// Connected peers that say that they have it.
    async fn neighbours_with(&self, id: ContentId, left: Duration) -> Vec<Provider> {
        let Ok(status) = self.status().await else { return Vec::new() };
        let deadline = HAVE_MAX.min(left);
        let asks = status.connected.into_iter().take(NEIGHBOURS_MAX).map(|peer| async move {
            let held = self.bitswap.have(peer, vec![id], deadline).await;
            matches!(held.as_deref(), Ok([true])).then_some(peer)
        });
        let asked: FuturesUnordered<_> = asks.collect();
        let named = asked.filter_map(|peer| async move { peer });
        named.map(|peer| Provider { peer, addresses: Vec::new() }).collect().await
    }

    /// A block from whoever gives it first: connected peers and providers are asked at the same
    /// time, so that neither a slow look-up nor a silent neighbour holds up the other.
    async fn fetch_anywhere(&self, id: ContentId, until: Instant) -> Option<Content> {
        let left = until.saturating_duration_since(Instant::now());
        let options = within(left);
        let near = async { self.fetch_from(id, self.neighbours_with(id, left).await, until).await };
        let far = async { self.fetch_from(id, self.providers(id, options).await, until).await };
        let mut both = FuturesUnordered::from_iter([near.boxed(), far.boxed()]);
        while let Some(content) = both.next().await {
            if content.is_some() {
                return content;
            }
        }
        None
    }

    /// A block from one of these, a few at a time.
    async fn fetch_from(
        &self,
        id: ContentId,
        holders: Vec<Provider>,
        until: Instant,
    ) -> Option<Content> {
        let own = self.records.own().peer;
        let others = holders.into_iter().filter(|holder| holder.peer != own).take(HOLDERS_MAX);
        let fetches = others.map(|holder| async move {
            let peer = holder.peer;
            let left = until.saturating_duration_since(Instant::now());
            if !self.connect(holder).await {
                return None;
            }
            match self.bitswap.fetch(peer, id, left).await {
                Ok(content) => Some(content),
                Err(error) => {
                    tracing::debug!(%peer, %id, %error, "a block did not come");
                    None
                }
            }
        });
        let mut fetched = futures::stream::iter(fetches).buffer_unordered(AT_ONCE_MAX);
        while let Some(content) = fetched.next().await {
            if content.is_some() {
                return content;
            }
        }
        None
    }
}

/// How holders are looked for: whatever came in time will do.
fn within(deadline: Duration) -> FindOptions {
    FindOptions { deadline, completion: Completion::Quorum, providers_max: 20, use_cache: true }
}

/// Pins each id with all that it links to; returns what was pinned. All of it is held, or nothing
/// is pinned.
fn pin_all(store: &Sled, ids: Vec<ContentId>) -> Result<Vec<ContentId>, IpfsError> {
    let mut all: BTreeSet<ContentId> = BTreeSet::new();
    // Taken from the end, so that the first that is missing is named.
    let mut open: Vec<ContentId> = ids.into_iter().rev().collect();
    while let Some(id) = open.pop() {
        if !all.insert(id) {
            continue;
        }
        let content = store.get(id).map_err(block_error)?.ok_or(IpfsError::NotHeld { id })?;
        // What is no file of ours has no links that matter here.
        let branches = FileNode::of(&content).map_or_else(|_| Vec::new(), |node| node.branches);
        if all.len() + branches.len() > LINK_COUNT_MAX {
            return Err(IpfsError::TooManyKeys { count: all.len() + branches.len() });
        }
        open.extend(branches.iter().map(|branch| branch.id));
    }
    let label = Label::new(CONTENT_LABEL).expect("a short label");
    let ids: Vec<ContentId> = all.into_iter().collect();
    for id in &ids {
        match store.pin(&[Pin { id: *id, label: label.clone() }]) {
            // Kept already, for another reason.
            Ok(()) | Err(PinError::Held { .. }) => {}
            Err(error) => return Err(pin_error(error)),
        }
    }
    Ok(ids)
}

fn block_error(error: BlockError) -> IpfsError {
    match error {
        BlockError::Full { bytes_used, bytes_wanted, bytes_max } => {
            IpfsError::Full { bytes_used, bytes_wanted, bytes_max }
        }
        BlockError::Corrupt { id, .. } => IpfsError::Corrupt { id },
        // Only a removal says this, and none is asked for here.
        BlockError::Pinned { id } => IpfsError::Corrupt { id },
        BlockError::Daemon(error) => error,
        BlockError::Store(error) => IpfsError::Store(error),
    }
}

fn pin_error(error: PinError) -> IpfsError {
    match error {
        PinError::Held { id, .. } | PinError::Corrupt { id } => IpfsError::Corrupt { id },
        PinError::Store(error) => IpfsError::Store(error),
    }
}
