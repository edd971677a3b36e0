//! Joining from a snapshot (protocol §5): for a node without a store, which never votes. It asks
//! the peers for their snapshots, fetches one in chunks through the IPFS node, checks all of it,
//! writes it to the journal; then the logs are walked for the rest. While that is under way nothing
//! is applied here. If it does not work out, the whole logs are walked.
//!
//! A node that may vote never comes here: it has checked every link of its tips by itself.

use super::check::Checker;
use super::fetch::{ask, send};
use super::{Fetched, lag};
use crate::handle::Shared;
use crate::snapshot::{Checked, SNAPSHOT_BYTES_MAX, Snapshot};
use crate::transport::Transport;
use consensus::{Progress, Reply, Request, SnapshotOffer};
use ipfs_adapter::ContentId;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// How long the peers may take to say how far they are.
const TOLD_WAIT: Duration = Duration::from_secs(10);
/// How long they may take to make a snapshot.
const OFFER_WAIT: Duration = Duration::from_secs(120);
/// How often they are asked.
const ASK_PAUSE: Duration = Duration::from_millis(500);
/// How long somebody who has the file is looked for.
const HOLDER_WAIT: Duration = Duration::from_secs(20);
/// How long one piece of it may take.
const PIECE_WAIT: Duration = Duration::from_secs(30);

/// A snapshot that is checked and in the journal.
#[derive(Debug)]
pub struct Joined {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What it says.
    pub checked: Checked,
}

/// A node that has nothing yet, and how it goes about it.
pub struct Join {
    since: Instant,
    task: Option<JoinHandle<()>>,
}

impl Drop for Join {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What a look at a join says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinState {
    /// Nothing may be applied yet.
    Waiting,
    /// The logs are to be walked.
    Over,
}

impl Join {
    /// For a node that is silent, has applied and promised nothing as far as it knows, and has an
    /// IPFS node; `None` for others.
    pub fn new(shared: &Shared) -> Option<Self> {
        let is_wanted = shared.config.store.snapshot_lag > 0 && shared.ipfs.is_some();
        let is_silent = shared.silence.read().is_some() && shared.failed.read().is_none();
        let is_empty = {
            let validator = shared.validator.read();
            validator.tips().applied() == 0 && validator.locks().count() == 0
        };
        let can_join = is_wanted && is_silent && is_empty;
        can_join.then(|| Self { since: Instant::now(), task: None })
    }

    /// Looks at what the peers said, and begins when they are far ahead.
    pub fn look(
        &mut self,
        told: &[Option<Progress>],
        shared: &Arc<Shared>,
        tools: (&Arc<Transport>, &Checker, &mpsc::Sender<Fetched>),
    ) -> JoinState {
        if self.task.is_some() {
            // How it ended comes as `Fetched::Joined`.
            return JoinState::Waiting;
        }
        let target = lag::target(&shared.network.committee, told);
        if target > shared.config.store.snapshot_lag {
            tracing::info!(target, "far behind and without a store: joining from a snapshot");
            let (transport, checker, fetched) = tools;
            let (transport, checker) = (transport.clone(), checker.clone());
            let (shared, fetched) = (shared.clone(), fetched.clone());
            self.task = Some(tokio::spawn(async move {
                // Whatever becomes of it, the driver is told.
                let mut inner = JoinSet::new();
                inner.spawn(async move { join(&shared, &transport, &checker).await });
                let joined = inner.join_next().await.and_then(Result::ok).flatten().map(Box::new);
                send(&fetched, Fetched::Joined(joined)).await;
            }));
            return JoinState::Waiting;
        }
        let is_told = lag::is_told(&shared.network.committee, told);
        if is_told || self.since.elapsed() >= TOLD_WAIT {
            JoinState::Over
        } else {
            JoinState::Waiting
        }
    }
}

async fn join(shared: &Arc<Shared>, transport: &Transport, checker: &Checker) -> Option<Joined> {
    let deadline = Instant::now() + OFFER_WAIT;
    let others = (0u16..).take(shared.network.committee.members().len());
    let others: Vec<u16> = others.filter(|member| *member != shared.member).collect();
    let mut tried: Vec<SnapshotOffer> = Vec::new();
    while Instant::now() < deadline {
        for member in &others {
            let reply = ask(transport, *member, &Request::Snapshot).await;
            let Some(Reply::Snapshot(Some(offer))) = reply else { continue };
            if tried.contains(&offer) {
                continue;
            }
            match from_offer(shared, checker, &offer).await {
                Ok(joined) => return Some(joined),
                Err(why) => {
                    let member = shared.name_of(*member);
                    tracing::warn!(%member, why, "a peer's snapshot can't be used");
                }
            }
            // At most one a member and pause, until the deadline.
            tried.push(offer);
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
    tracing::warn!("no peer has a snapshot that can be used; the logs are walked");
    None
}

async fn from_offer(
    shared: &Arc<Shared>,
    checker: &Checker,
    offer: &SnapshotOffer,
) -> Result<Joined, String> {
    let root = ContentId::from_bytes(&offer.cid).map_err(|error| error.to_string())?;
    let bytes = fetch(shared, root).await?;
    let network = shared.network.clone();
    let checked = checker.run(move |_| {
        let snapshot = Snapshot::from_bytes(&bytes)?;
        let checked = snapshot.check(&network)?;
        Ok::<_, crate::snapshot::SnapshotError>((snapshot, checked, bytes))
    });
    let checked = checked.await.ok_or("the node is stopping")?;
    let (snapshot, checked, bytes) = checked.map_err(|error| error.to_string())?;
    let writing = shared.clone();
    let written = tokio::task::spawn_blocking(move || writing.store.append_snapshot(&bytes)).await;
    written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(Joined { snapshot, checked })
}

/// The file's bytes, several chunks at once, each checked by its CID.
async fn fetch(shared: &Arc<Shared>, root: ContentId) -> Result<Vec<u8>, String> {
    let ipfs = shared.ipfs.as_ref().ok_or("there is no IPFS node")?;
    let mut reading =
        ipfs.content.get(root, HOLDER_WAIT).await.map_err(|failure| failure.to_string())?;
    let size = usize::try_from(reading.bytes).unwrap_or(usize::MAX);
    if size > SNAPSHOT_BYTES_MAX {
        return Err(format!("{size} bytes are more than a snapshot has"));
    }
    let mut bytes = Vec::new();
    loop {
        let piece = tokio::time::timeout(PIECE_WAIT, reading.next()).await;
        match piece.map_err(|_| "it comes too slowly")?.map_err(|failure| failure.to_string())? {
            Some(piece) if bytes.len() + piece.len() <= size => bytes.extend_from_slice(&piece),
            Some(_) => return Err("it is longer than it says".into()),
            None => return Ok(bytes),
        }
    }
}
