//! The snapshot that this node offers to others: made on demand, in the background, kept and pinned
//! as content of this node; the one before it is unpinned.

use super::make::{self, MakeError};
use crate::durable;
use crate::handle::Shared;
use consensus::SnapshotOffer;
use ipfs_adapter::{ContentId, Ipfs};
use parking_lot::Mutex;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A new one is made at most this often: it reads the journal's batches once.
const MAKE_PAUSE: Duration = Duration::from_secs(600);
/// Longest file that is read; ours have some 100 bytes.
const FILE_BYTES_MAX: u64 = 1_024;

/// What is offered now.
#[derive(Default)]
pub struct Offers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    newest: Option<SnapshotOffer>,
    /// When the making of the newest began, that of one that failed included.
    begun: Option<Instant>,
    is_making: bool,
}

impl Offers {
    /// The newest; makes another if that is long ago, and then this one is offered meanwhile.
    pub fn newest(&self, shared: &Arc<Shared>) -> Option<SnapshotOffer> {
        let ipfs = shared.ipfs.as_ref()?;
        let mut inner = self.inner.lock();
        let is_due = inner.begun.is_none_or(|begun| begun.elapsed() >= MAKE_PAUSE);
        if is_due && !inner.is_making && shared.store.line_count() > 0 {
            inner.begun = Some(Instant::now());
            inner.is_making = true;
            ipfs.runtime.spawn(make_one(shared.clone()));
        }
        inner.newest.clone()
    }
}

async fn make_one(shared: Arc<Shared>) {
    let start = Instant::now();
    let made = make_and_put(&shared).await;
    let mut inner = shared.offers.inner.lock();
    inner.is_making = false;
    match made {
        Ok(offer) => {
            let (bytes, applied) = (offer.bytes, offer.applied);
            let time_ms = start.elapsed().as_millis();
            tracing::info!(bytes, applied, %time_ms, "a snapshot is made and offered");
            inner.newest = Some(offer);
        }
        Err(why) => tracing::warn!(%why, "no snapshot was made"),
    }
}

async fn make_and_put(shared: &Arc<Shared>) -> Result<SnapshotOffer, String> {
    let ipfs = shared.ipfs.as_ref().ok_or("there is no IPFS node")?;
    let making = shared.clone();
    let made = tokio::task::spawn_blocking(move || {
        let is_stopping = || making.is_stopping.load(Ordering::SeqCst);
        let snapshot = make::make(&making.store, &making.network, &is_stopping)?;
        Ok::<_, MakeError>((snapshot.applied, make::bytes_of(&snapshot)?))
    });
    let made = made.await.map_err(|error| error.to_string())?;
    let (applied, bytes) = made.map_err(|error| error.to_string())?;
    let size = u64::try_from(bytes.len()).expect("a size");
    let stored = ipfs.content.put(Cursor::new(bytes), size).await;
    let root = stored.map_err(|failure| failure.to_string())?.report.root;
    let offer = SnapshotOffer { cid: root.to_bytes(), bytes: size, applied };
    if let Err(error) = replace(shared, root).await {
        tracing::warn!(error, "the snapshot before stays pinned");
    }
    Ok(offer)
}

/// Remembers the root, over restarts, and unpins the one before it; its blocks go when room is
/// needed.
async fn replace(shared: &Shared, root: ContentId) -> Result<(), String> {
    let path: PathBuf = shared.config.home.join("snapshot");
    let ipfs = shared.ipfs.as_ref().ok_or("there is no IPFS node")?;
    let is_small = path.symlink_metadata().is_ok_and(|meta| meta.len() <= FILE_BYTES_MAX);
    let text =
        if is_small { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
    let old: Option<ContentId> = text.trim().parse().ok().filter(|old| *old != root);
    durable::replace(&path, format!("{root}\n").as_bytes()).map_err(|error| error.to_string())?;
    match old {
        Some(old) => ipfs.embedded.unpin(vec![old]).await.map_err(|error| error.to_string()),
        None => Ok(()),
    }
}
