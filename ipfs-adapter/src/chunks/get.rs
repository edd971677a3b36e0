//! A file from other nodes into the local store: the walk over its DAG.
//!
//! The order of each block: asked of the local store, else fetched; its id, size and depth checked;
//! stored; its links queued. So what is stored is sound, and what is not sound is not stored.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{OnceCell, watch},
    time::Instant,
};

use super::{
    BlockSource, ChunkConfig, GetReport, Progress, blocking,
    fetch::{Counts, Failure, Fetcher},
    schedule::Schedule,
};
use crate::{
    BlockError, Blocks, Content, ContentId, FetchError,
    blockstore::size_of,
    dag::{
        DagError, FileNode,
        read::{LinkCount, Place},
    },
};

/// Why a file is not here. What was fetched before stays, and the same call goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetError {
    /// Nobody is known to have it.
    #[error("no peer is known to have {root}")]
    NoHolders {
        /// The file.
        root: ContentId,
    },
    /// Who has it could not be found out.
    #[error("who has {root} could not be found out: {error}")]
    Holders {
        /// The file.
        root: ContentId,
        /// Why.
        error: FetchError,
    },
    /// No peer gave one of its blocks.
    #[error("no peer gave {id} in {tries} tries; the last: {last}")]
    Unavailable {
        /// Which block.
        id: ContentId,
        /// How often all were asked.
        tries: u32,
        /// What went wrong last.
        last: FetchError,
    },
    /// What the root names is no file of ours.
    #[error(transparent)]
    Dag(#[from] DagError),
    /// The local store, above all [`BlockError::Full`].
    #[error(transparent)]
    Store(#[from] BlockError),
    /// This node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Fetches all blocks of the file that `local` does not hold. Dropping the future ends it.
///
/// At once under way are `max_concurrent_retrievals` blocks, and for each at most two requests
/// (one, when the limit is 1). `progress` may have no watcher.
///
/// # Errors
/// [`GetError`]; also in the middle, when a block turns out to be none of a file.
pub async fn get(
    local: Arc<dyn Blocks>,
    source: Arc<dyn BlockSource>,
    root: ContentId,
    config: &ChunkConfig,
    progress: &watch::Sender<Progress>,
) -> Result<GetReport, GetError> {
    let begin = Instant::now();
    let schedule = Mutex::new(Schedule::new(config));
    let counts = Mutex::new(Counts::default());
    let getter = Getter {
        local,
        source: &*source,
        root,
        fetcher: Fetcher::new(&*source, *config, &schedule, &counts),
        schedule: &schedule,
        holders: OnceCell::new(),
    };
    let mut walk = Walk::new(root);
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < config.retrievals() {
            let Some(place) = walk.queue.pop_front() else { break };
            under_way.push(getter.one(place));
        }
        let Some(arrival) = under_way.next().await else { break };
        walk.arrive(&arrival?)?;
        progress.send_replace(walk.progress);
    }
    drop(under_way);
    let counts = *counts.lock();
    let peers = schedule.lock().statistics();
    Ok(GetReport {
        bytes: walk.progress.bytes_total.unwrap_or_default(),
        chunks: walk.progress.chunks_done,
        chunks_local: walk.chunks_local,
        bytes_fetched: walk.bytes_fetched,
        retries: counts.retries,
        second_requests: counts.second_requests,
        peers,
        elapsed: begin.elapsed(),
    })
}

/// A block that is held now.
struct Arrival {
    place: Place,
    node: FileNode,
    /// Bytes of the block that a peer sent; `None` when it was held before.
    fetched: Option<u64>,
}

struct Getter<'a> {
    local: Arc<dyn Blocks>,
    source: &'a dyn BlockSource,
    root: ContentId,
    fetcher: Fetcher<'a>,
    schedule: &'a Mutex<Schedule>,
    /// Set once the source has told who has the file: only asked when something is missing.
    holders: OnceCell<()>,
}

impl Getter<'_> {
    async fn one(&self, place: Place) -> Result<Arrival, GetError> {
        if let Some(content) = self.held(place.id).await? {
            return Ok(Arrival { place, node: place.open(&content)?, fetched: None });
        }
        self.holders.get_or_try_init(|| self.find_holders()).await?;
        let content = self.fetcher.fetch(place.id).await.map_err(|failure| match failure {
            Failure { last: FetchError::Closed, .. } => GetError::Stopped,
            Failure { tries, last } => GetError::Unavailable { id: place.id, tries, last },
        })?;
        let node = place.open(&content)?;
        let fetched = Some(size_of(content.bytes()));
        let local = Arc::clone(&self.local);
        let stored = blocking(move || local.put(&content)).await;
        stored.map_err(|_ended| GetError::Stopped)??;
        Ok(Arrival { place, node, fetched })
    }

    /// What the local store has, hashed; a corrupt block counts as missing, putting heals it.
    async fn held(&self, id: ContentId) -> Result<Option<Content>, GetError> {
        let local = Arc::clone(&self.local);
        match blocking(move || local.get(id)).await {
            Ok(Ok(content)) => Ok(content),
            Ok(Err(BlockError::Corrupt { .. })) => {
                tracing::warn!(%id, "a stored block is corrupt; it is fetched anew");
                Ok(None)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_ended) => Err(GetError::Stopped),
        }
    }

    async fn find_holders(&self) -> Result<(), GetError> {
        let root = self.root;
        let holders = self.source.holders(root).await.map_err(|error| match error {
            FetchError::Closed => GetError::Stopped,
            error => GetError::Holders { root, error },
        })?;
        let mut schedule = self.schedule.lock();
        schedule.add_peers(holders);
        if schedule.is_empty() { Err(GetError::NoHolders { root }) } else { Ok(()) }
    }
}

/// What is known of the file so far.
struct Walk {
    /// Still to be got, in the breadth of the DAG. Bounded with `links`.
    queue: VecDeque<Place>,
    /// Every block that was ever queued, with what was said of its size.
    known: BTreeMap<ContentId, u64>,
    links: LinkCount,
    progress: Progress,
    chunks_local: u64,
    bytes_fetched: u64,
}

impl Walk {
    fn new(root: ContentId) -> Self {
        Self {
            queue: VecDeque::from([Place::root(root)]),
            known: BTreeMap::new(),
            links: LinkCount::default(),
            progress: Progress { chunks_known: 1, ..Progress::default() },
            chunks_local: 0,
            bytes_fetched: 0,
        }
    }

    fn arrive(&mut self, arrival: &Arrival) -> Result<(), DagError> {
        let (place, node) = (&arrival.place, &arrival.node);
        self.links.add(node.branches.len())?;
        self.progress.bytes_total.get_or_insert(node.bytes);
        self.progress.chunks_done += 1;
        let own: u64 = node.bytes - node.branches.iter().map(|branch| branch.bytes).sum::<u64>();
        self.progress.bytes_done += own;
        match arrival.fetched {
            Some(bytes) => self.bytes_fetched += bytes,
            None => self.chunks_local += 1,
        }
        for branch in &node.branches {
            match self.known.insert(branch.id, branch.bytes) {
                None => {
                    self.progress.chunks_known += 1;
                    self.queue.push_back(place.below(branch));
                }
                // The same bytes once more: with the first of them, these are done as well.
                Some(said) if said == branch.bytes => self.progress.bytes_done += said,
                // One of the two is wrong, whichever.
                Some(found) => {
                    let (id, said) = (branch.id, branch.bytes);
                    return Err(DagError::WrongSize { id, said, found });
                }
            }
        }
        Ok(())
    }
}
