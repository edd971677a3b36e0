//! Content for users: files by CID in this node, or in the Kubo daemon of its configuration.
//!
//! ```text
//!  put:  reader ─▶ chunks::put ─▶ blocks: sled or daemon ─▶ pin, with all below ─▶ announce root
//!  get:  chunks::get, several blocks at once ─▶ blocks ─▶ reading: in order, verified ─▶ client
//! ```
//!
//! A get that was cut off goes on where it stood, because its blocks stay. What no pin keeps goes
//! when the store is nearly full and nothing is under way.
//!
//! What this does *not* do: it opens no socket for clients (`api::content` does), and it knows
//! nothing of tokens.

mod failure;
mod reading;

use crate::error::{Failure, INTERNAL, OVERLOADED};
use ipfs_adapter::chunks::{
    self, BlockSource, ChunkConfig, FileStat, GetError, GetReport, Progress, PutReport,
};
use ipfs_adapter::embedded::Embedded;
use ipfs_adapter::{Blocks, ContentId, Ipfs, Kubo, KuboBlocks, Sled};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

pub use reading::Reading;

/// Largest file that is put here, bytes; what is got may be larger, within the quota.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;
/// Puts, gets and pins at a time; each has at most some 20 blocks (5 MiB) in memory.
pub const UNDER_WAY_MAX: usize = 16;
/// How long one waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an announcement is waited for. The embedded node goes on with it after that.
const ANNOUNCE_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks for holders, while a get waits for one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Content of this node. Runs on its caller's runtime.
pub struct ContentStore {
    blocks: Arc<dyn Blocks>,
    source: Arc<dyn BlockSource>,
    ipfs: Arc<dyn Ipfs>,
    /// Where room can be made; a daemon makes its own.
    own: Option<Arc<Sled>>,
    config: ChunkConfig,
    /// [`UNDER_WAY_MAX`] permits.
    turns: Arc<Semaphore>,
}

/// A file that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its root, size and blocks.
    pub report: PutReport,
    /// Whether other peers know by now that it is here.
    pub is_announced: bool,
}

/// What is known here of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How much of it is held.
    pub file: FileStat,
    /// Whether its root is pinned.
    pub is_pinned: bool,
}

impl ContentStore {
    /// Content in the embedded node.
    pub fn embedded(embedded: Arc<Embedded>, config: ChunkConfig) -> Self {
        let own = embedded.store().clone();
        Self {
            blocks: own.clone(),
            source: embedded.clone(),
            ipfs: embedded,
            own: Some(own),
            config,
            turns: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        }
    }

    /// Content in a daemon.
    pub fn daemon(kubo: Arc<Kubo>, config: ChunkConfig) -> Self {
        Self {
            blocks: Arc::new(KuboBlocks::new(kubo.clone())),
            source: kubo.clone(),
            ipfs: kubo,
            own: None,
            config,
            turns: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        }
    }

    /// Stores what the reader gives, pins it with all that is below its root, and announces the
    /// root. `bytes_hint` is how much will come, as far as that is known. The reader is read where
    /// blocking is allowed.
    ///
    /// # Errors
    /// `store_full`, `daemon_unreachable`, `overloaded`; what was stored before is not pinned and
    /// goes when room is needed.
    pub async fn put(
        &self,
        reader: impl Read + Send + 'static,
        bytes_hint: u64,
    ) -> Result<Stored, Failure> {
        self.make_room(bytes_hint).await;
        let _turn = self.turn().await?;
        let (progress, _) = Progress::channel();
        let put = chunks::put(self.blocks.clone(), reader, &self.config, &progress).await;
        let report = put.map_err(|error| failure::of_put(&error))?;
        self.keep(report.root).await?;
        let is_announced = self.announce(report.root).await;
        Ok(Stored { report, is_announced })
    }

    /// A file as a stream of verified bytes, in order, while it is still being fetched; the root
    /// is waited for.
    ///
    /// # Errors
    /// `content_not_found` when nobody had the root within `wait`; `store_full`,
    /// `verification_failed` for what is no file, `daemon_unreachable`, `overloaded`.
    pub async fn get(&self, root: ContentId, wait: Duration) -> Result<Reading, Failure> {
        self.make_room_for_get().await;
        let turn = self.turn().await?;
        Reading::open(self.fetching(root, wait), turn, wait).await
    }

    /// Fetches all of a file that is not here, pins it with all that is below its root, and
    /// announces the root.
    ///
    /// # Errors
    /// As [`ContentStore::get`].
    pub async fn pin(&self, root: ContentId, wait: Duration) -> Result<GetReport, Failure> {
        self.make_room_for_get().await;
        let _turn = self.turn().await?;
        let (progress, mut watched) = Progress::channel();
        let fetching = self.fetching(root, wait);
        let fetched = fetching.run(&progress);
        tokio::pin!(fetched);
        let root_is_here = async {
            let found = watched.wait_for(|progress| progress.bytes_total.is_some());
            tokio::time::timeout(wait, found).await.is_ok()
        };
        let report = tokio::select! {
            report = &mut fetched => report,
            is_here = root_is_here => match is_here {
                true => fetched.await,
                false => return Err(failure::not_found(root)),
            }
        };
        let report = report.map_err(|error| failure::of_get(&error))?;
        self.keep(root).await?;
        self.announce(root).await;
        Ok(report)
    }

    /// How much of a file is here; nobody else is asked.
    ///
    /// # Errors
    /// `verification_failed` for what is no file, `daemon_unreachable`.
    pub async fn stat(&self, root: ContentId) -> Result<Known, Failure> {
        let _turn = self.turn().await?;
        let blocks = self.blocks.clone();
        let stat = tokio::task::spawn_blocking(move || chunks::stat(&*blocks, root)).await;
        let file = stat.map_err(|_| stopped())?.map_err(|error| failure::of_read(&error))?;
        let pinned = self.ipfs.are_pinned(vec![root]).await;
        let pinned = pinned.map_err(|error| failure::of_ipfs(&error))?;
        Ok(Known { file, is_pinned: pinned.first() == Some(&true) })
    }

    fn fetching(&self, root: ContentId, wait: Duration) -> Fetching {
        let (blocks, source, config) = (self.blocks.clone(), self.source.clone(), self.config);
        Fetching { blocks, source, config, root, until: Instant::now() + wait }
    }

    async fn keep(&self, root: ContentId) -> Result<(), Failure> {
        self.ipfs.pin(vec![root]).await.map_err(|error| failure::of_ipfs(&error))
    }

    /// Whether anybody has acknowledged it. A node without peers has nobody to tell: its pins are
    /// announced again later.
    async fn announce(&self, root: ContentId) -> bool {
        match tokio::time::timeout(ANNOUNCE_TIME_MAX, self.ipfs.provide(vec![root])).await {
            Ok(Ok(provided)) => provided.stored > 0,
            Ok(Err(error)) => {
                tracing::debug!(%root, %error, "content was not announced");
                false
            }
            Err(_) => false,
        }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = tokio::time::timeout(TURN_TIME_MAX, self.turns.clone().acquire_owned()).await;
        match turn {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => {
                let what = format!("{UNDER_WAY_MAX} files are under way; nothing was done");
                Err(Failure::new(OVERLOADED, what).help("send the same request again in a second"))
            }
        }
    }

    /// Before a get nobody knows how much will come: a quarter of the store is to be free.
    async fn make_room_for_get(&self) {
        if let Some(own) = &self.own {
            self.make_room(own.usage().bytes_max / 4).await;
        }
    }

    /// Removes what no pin keeps, if so many bytes would not fit and nothing is under way that
    /// could need it.
    async fn make_room(&self, bytes: u64) {
        let Some(own) = &self.own else { return };
        let usage = own.usage();
        if usage.bytes.saturating_add(bytes) <= usage.bytes_max {
            return;
        }
        let all = u32::try_from(UNDER_WAY_MAX).expect("few");
        let Ok(_turns) = self.turns.clone().try_acquire_many_owned(all) else { return };
        let own = own.clone();
        match tokio::task::spawn_blocking(move || own.remove_unpinned()).await {
            Ok(Ok(removed)) => tracing::info!(removed, "room was made in the content store"),
            Ok(Err(error)) => tracing::warn!(%error, "no room can be made in the content store"),
            Err(_) => {}
        }
    }
}

/// All of a file into the local blocks.
struct Fetching {
    blocks: Arc<dyn Blocks>,
    source: Arc<dyn BlockSource>,
    config: ChunkConfig,
    root: ContentId,
    /// Until then somebody who has the root is looked for, again and again.
    until: Instant,
}

impl Fetching {
    async fn run(&self, progress: &watch::Sender<Progress>) -> Result<GetReport, GetError> {
        loop {
            let (blocks, source) = (self.blocks.clone(), self.source.clone());
            let got = chunks::get(blocks, source, self.root, &self.config, progress).await;
            let is_nowhere = match &got {
                Err(GetError::NoHolders { .. } | GetError::Holders { .. }) => true,
                Err(GetError::Unavailable { id, .. }) => *id == self.root,
                _ => false,
            };
            if !is_nowhere || Instant::now() + LOOK_AGAIN >= self.until {
                return got;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn stopped() -> Failure {
    Failure::new(INTERNAL, "the node is stopping; the file may be incomplete")
        .help("run the same command again, at another node")
}

#[cfg(test)]
mod tests;
