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
use std::collections::BTreeMap;
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

/// How long a snapshot may take in all, at least: to find who has it, and to check it.
const OFFER_TIME_MIN: Duration = Duration::from_secs(60);
/// Bytes of it that have to come in a second.
const BYTES_PER_S_MIN: u64 = 1_000_000;

/// A snapshot that may stand in the journal in part, or whole and unknown: nothing is written
/// behind it. At the next start what is whole counts, and what is not is begun again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "writing a peer's snapshot failed: {why}; nothing was applied; start the node again, and if \
     that does not help, remove the folders journal and index of its home first"
)]
pub struct HalfWritten {
    /// What the disk said.
    why: String,
}

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
                let joined = inner.join_next().await.and_then(Result::ok).unwrap_or(Ok(None));
                let joined = joined.map(|joined| joined.map(Box::new));
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

async fn join(
    shared: &Arc<Shared>,
    transport: &Transport,
    checker: &Checker,
) -> Result<Option<Joined>, HalfWritten> {
    let deadline = Instant::now() + OFFER_WAIT;
    let others = (0u16..).take(shared.network.committee.members().len());
    let others: Vec<u16> = others.filter(|member| *member != shared.member).collect();
    // One offer of each member: who has many bad ones does not keep this node from the logs.
    let mut tried: BTreeMap<u16, SnapshotOffer> = BTreeMap::new();
    while Instant::now() < deadline && tried.len() < others.len() {
        for member in &others {
            if tried.contains_key(member) {
                continue;
            }
            let reply = ask(transport, *member, &Request::Snapshot).await;
            let Some(Reply::Snapshot(Some(offer))) = reply else { continue };
            let is_known = tried.values().any(|one| *one == offer);
            tried.insert(*member, offer.clone());
            if is_known {
                continue;
            }
            let time_max = time_max(&offer);
            let reading = tokio::time::timeout(time_max, from_offer(shared, checker, &offer));
            match reading.await.unwrap_or_else(|_| Err("it takes too long".into())) {
                Ok((joined, bytes)) => return write(shared, joined, bytes).await.map(Some),
                Err(why) => {
                    let member = shared.name_of(*member);
                    tracing::warn!(%member, why, "a peer's snapshot can't be used");
                }
            }
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
    tracing::warn!("no peer has a snapshot that can be used; the logs are walked");
    Ok(None)
}

/// How long a snapshot may take until it is here and checked.
fn time_max(offer: &SnapshotOffer) -> Duration {
    let most = u64::try_from(SNAPSHOT_BYTES_MAX).expect("a size");
    OFFER_TIME_MIN + Duration::from_secs(offer.bytes.min(most) / BYTES_PER_S_MIN)
}

/// A peer's snapshot, checked, and its bytes. Nothing is written.
async fn from_offer(
    shared: &Arc<Shared>,
    checker: &Checker,
    offer: &SnapshotOffer,
) -> Result<(Joined, Vec<u8>), String> {
    let root = ContentId::from_bytes(&offer.cid).map_err(|error| error.to_string())?;
    let bytes = fetch(shared, root, offer.bytes).await?;
    let network = shared.network.clone();
    let checked = checker.run(move |_| {
        let snapshot = Snapshot::from_bytes(&bytes)?;
        let checked = snapshot.check(&network)?;
        Ok::<_, crate::snapshot::SnapshotError>((Joined { snapshot, checked }, bytes))
    });
    checked.await.ok_or("the node is stopping")?.map_err(|error| error.to_string())
}

/// Writes it to the journal; however long the disk takes, it is waited for.
async fn write(
    shared: &Arc<Shared>,
    joined: Joined,
    bytes: Vec<u8>,
) -> Result<Joined, HalfWritten> {
    let writing = shared.clone();
    let written = tokio::task::spawn_blocking(move || writing.store.append_snapshot(&bytes)).await;
    let failed = match written {
        Ok(Ok(())) => return Ok(joined),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(HalfWritten { why: failed })
}

/// Bytes of a snapshot that has as many as its peer said, and no more than any has.
fn size_of_offer(offered: u64, found: u64) -> Result<usize, String> {
    if found != offered {
        return Err(format!("it has {found} bytes and not {offered}, as it was offered"));
    }
    let size = usize::try_from(found).ok().filter(|size| *size <= SNAPSHOT_BYTES_MAX);
    size.ok_or_else(|| format!("{found} bytes are more than a snapshot has"))
}

/// The file's bytes, several chunks at once, each checked by its CID.
async fn fetch(shared: &Arc<Shared>, root: ContentId, offered: u64) -> Result<Vec<u8>, String> {
    let ipfs = shared.ipfs.as_ref().ok_or("there is no IPFS node")?;
    let mut reading =
        ipfs.content.get(root, HOLDER_WAIT).await.map_err(|failure| failure.to_string())?;
    let size = size_of_offer(offered, reading.bytes)?;
    let mut bytes = Vec::new();
    loop {
        let piece = tokio::time::timeout(PIECE_WAIT, reading.next()).await;
        match piece.map_err(|_| "it comes too slowly")?.map_err(|failure| failure.to_string())? {
            Some(piece) if bytes.len() + piece.len() <= size => bytes.extend_from_slice(&piece),
            Some(_) => return Err("it is longer than it says".into()),
            None if bytes.len() < size => return Err("it is shorter than it says".into()),
            None => return Ok(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_held_to_its_size_and_gets_time_for_that() {
        assert_eq!(size_of_offer(7, 7), Ok(7));
        assert!(size_of_offer(7, 8).is_err() && size_of_offer(8, 7).is_err());
        let most = u64::try_from(SNAPSHOT_BYTES_MAX).expect("a size");
        assert_eq!(size_of_offer(most, most), Ok(SNAPSHOT_BYTES_MAX));
        assert!(size_of_offer(most + 1, most + 1).is_err());
        let of = |bytes| time_max(&SnapshotOffer { cid: Default::default(), bytes, applied: 0 });
        assert_eq!(of(0).as_secs(), 60);
        assert_eq!(of(5_000_000).as_secs(), 65);
        assert_eq!(of(u64::MAX).as_secs(), 60 + most / 1_000_000, "a lie gains nothing");
    }
}
