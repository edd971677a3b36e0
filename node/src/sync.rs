//! Catching up (protocol §5), simple form: a validator compares how far it is with each peer, walks
//! the peers' applied logs from where it last knew them to agree, and fetches the batches that it
//! lacks with their Commit certificates, many at once, each from a peer that has it. All is
//! verified before use: the driver checks each certificate like any other.
//!
//! It also fetches what certificates name and what transfers build on. Tasks ask; the driver
//! decides.

mod fetch;

use crate::pipeline::Admission;
use crate::store::Store;
use crate::transport::Transport;
use consensus::proposer::VoteSplit;
use consensus::{AppliedBatch, AppliedLine, Progress, Proposal, Reply, Request};
use ledger::{BatchId, Bitmap, TransferId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use fetch::{ask, send};

/// Tasks that walk logs and fetch batches at one time.
const CATCHING_MAX: usize = 64;
/// Tasks that fetch what the validator asks for; when full, it asks again later.
const FETCHES_MAX: usize = 64;
/// Tasks that clients' transfers cause; strangers can't use up the others' room.
const ASKS_MAX: usize = 32;
/// How often a batch of a peer's log is asked for before that peer is left alone for a while.
const TRIES_MAX: u8 = 8;
/// How long a peer that did not answer about its log is left alone.
const LOG_WAIT: Duration = Duration::from_millis(200);
/// How long a peer is left alone that does not show what its log names.
const GAP_WAIT: Duration = Duration::from_secs(5);
/// What came back and waits for the driver; then the tasks wait.
pub const FETCHED_MAX: usize = 256;
/// Batches asked for in one question.
const BATCHES_PER_REQUEST: usize = 64;
/// How long a peer may take to answer.
const REPLY_WAIT: Duration = Duration::from_secs(3);
/// How long peers may take to say who holds a lock.
const SPLIT_WAIT: Duration = Duration::from_millis(300);
/// A peer that is ahead for this long is asked for what is missing: until then it is on its way
/// anyhow.
const BEHIND_WAIT: Duration = Duration::from_millis(700);

/// What came back.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few hundred at most, each moved once")]
pub enum Fetched {
    /// Lines of a peer's applied log.
    Log {
        /// The peer.
        from: u16,
        /// The position asked for, and the peer's generation then.
        at: (u64, u64),
        /// Lines it has in all.
        lines: u64,
        /// From the position asked for.
        log: Vec<AppliedLine>,
    },
    /// Batches with Commit certificates.
    Applied {
        /// Who sent them.
        from: u16,
        /// As sent, in the sender's order.
        batches: Vec<AppliedBatch>,
    },
    /// A batch that a certificate names.
    Batch(Proposal),
    /// Who holds the locks that are in a transfer's way.
    Split {
        /// The transfer.
        admission: Admission,
        /// What the others said.
        split: VoteSplit,
        /// Who holds this node's lock.
        held_by: TransferId,
    },
    /// A task has ended, whatever came of it.
    Ended(Task),
}

/// What a task was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Walking a peer's log, in this generation of it.
    Log(u16, u64),
    /// Fetching these batches from a peer.
    Batches(u16, u64, Vec<BatchId>),
    /// Fetching these transfers' batches.
    Parents(Vec<TransferId>),
    /// Anything else.
    Other,
}

/// What is known of one peer's log.
#[derive(Clone, Debug, Default)]
struct PeerLog {
    progress: Option<Progress>,
    /// Everything before this position of its log is applied here.
    cursor: u64,
    /// Lines from `cursor` on that are looked at now.
    chunk: Vec<AppliedLine>,
    is_asked: bool,
    /// Counts up whenever what is under way with this peer has become stale.
    generation: u64,
    /// How often batches of the chunk were asked for.
    tries: BTreeMap<BatchId, u8>,
    /// The peer is left alone until then: it does not show what its log names.
    retry_at: Option<Instant>,
    is_caught_up: bool,
    /// Since when it is ahead, and how far it was then.
    ahead: Option<(Instant, u64)>,
    /// Whether its log is walked until its end.
    is_walking: bool,
}

/// The state of catching up.
pub struct Sync {
    own: u16,
    peers: Vec<PeerLog>,
    /// Batches asked for and not yet come.
    asked: HashSet<BatchId>,
    /// Transfers of batches that came, were verified and are applied here, in whatever batch.
    came: BTreeMap<BatchId, Bitmap>,
    /// Transfers whose batches are asked for.
    parents: HashSet<TransferId>,
    catching: JoinSet<()>,
    fetches: JoinSet<()>,
    asks: JoinSet<()>,
    fetched: mpsc::Sender<Fetched>,
    told: Option<Progress>,
}

impl Sync {
    /// Nothing known yet of the `count` members.
    pub fn new(own: u16, count: usize, fetched: mpsc::Sender<Fetched>) -> Self {
        Self {
            own,
            peers: vec![PeerLog::default(); count],
            asked: HashSet::new(),
            came: BTreeMap::new(),
            parents: HashSet::new(),
            catching: JoinSet::new(),
            fetches: JoinSet::new(),
            asks: JoinSet::new(),
            fetched,
            told: None,
        }
    }

    /// A peer says how far it is.
    pub fn progress(&mut self, from: u16, progress: Progress, own: &Progress) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        peer.progress = Some(progress);
        if progress.digest == own.digest && progress.applied == own.applied {
            peer.restart();
            peer.cursor = progress.lines;
            peer.is_caught_up = true;
            peer.ahead = None;
        } else if progress.applied > own.applied && peer.ahead.is_none() {
            peer.ahead = Some((Instant::now(), progress.applied));
        }
    }

    /// The link to a peer is down.
    pub fn down(&mut self, member: u16) {
        if let Some(peer) = self.peers.get_mut(usize::from(member)) {
            peer.restart();
        }
    }

    /// Whether there is something new to tell the peers; then it counts as told.
    pub fn has_news(&mut self, own: &Progress) -> bool {
        let has_news = self.told.as_ref() != Some(own);
        self.told = Some(*own);
        has_news
    }

    /// Members of which everything they had applied is applied here.
    pub fn caught_up(&self) -> impl Iterator<Item = u16> + '_ {
        let members = (0u16..).zip(&self.peers);
        members.filter(|(_, peer)| peer.is_caught_up).map(|(member, _)| member)
    }

    /// How many transfers a member said it had applied.
    pub fn applied_by(&self, member: u16) -> u64 {
        let peer = self.peers.get(usize::from(member));
        peer.and_then(|peer| peer.progress).map_or(0, |progress| progress.applied)
    }

    /// Some peer that is not `own`, to ask first: the one that is furthest.
    pub fn any_peer(&self, own: u16) -> u16 {
        let members = (0u16..).zip(&self.peers).filter(|(member, _)| *member != own);
        let best = members.max_by_key(|(_, peer)| peer.progress.map_or(0, |p| p.applied));
        best.map_or(own, |(member, _)| member)
    }

    /// Looks at every peer: whether to walk its log, what of it is missing, whether its end is
    /// reached.
    pub fn tick(&mut self, transport: &Arc<Transport>, store: &Store, own: &Progress) {
        while self.catching.try_join_next().is_some() {}
        for member in 0..u16::try_from(self.peers.len()).expect("at most 256 members") {
            if member != self.own {
                self.look_at(member, transport, store, own);
            }
        }
        if self.peers.iter().all(|peer| !peer.is_walking) {
            self.came.clear();
        }
    }

    fn look_at(&mut self, member: u16, transport: &Arc<Transport>, store: &Store, own: &Progress) {
        let peer = &mut self.peers[usize::from(member)];
        let Some(progress) = peer.progress else { return };
        if let Some((since, applied)) = peer.ahead {
            if own.applied >= applied {
                peer.ahead = None;
            } else if since.elapsed() >= BEHIND_WAIT {
                peer.is_walking = true;
                peer.ahead = None;
            }
        }
        if !peer.is_caught_up {
            peer.is_walking = true;
        }
        let is_left_alone = peer.retry_at.is_some_and(|at| at > Instant::now());
        if !peer.is_walking || peer.is_asked || is_left_alone {
            return;
        }
        if peer.chunk.is_empty() {
            if peer.cursor >= progress.lines {
                peer.is_walking = false;
                peer.is_caught_up = true;
                return;
            }
            if self.catching.len() < CATCHING_MAX {
                self.ask_log(transport, member);
            }
            return;
        }
        self.ask_missing(member, transport, store);
    }

    /// Fetches what of a peer's chunk is missing here, and moves on when nothing is.
    fn ask_missing(&mut self, member: u16, transport: &Arc<Transport>, store: &Store) {
        let peer = &mut self.peers[usize::from(member)];
        let is_missing = |line: &&AppliedLine| {
            let came = self.came.get(&line.batch);
            !store.has_applied(line) && !came.is_some_and(|bits| bits.covers(&line.bitmap))
        };
        let missing: Vec<BatchId> =
            peer.chunk.iter().filter(is_missing).map(|line| line.batch).collect();
        if missing.is_empty() {
            let lines = u64::try_from(peer.chunk.len()).expect("a count");
            peer.cursor = peer.cursor.saturating_add(lines);
            peer.chunk.clear();
            peer.tries.clear();
            return;
        }
        let ids: Vec<BatchId> = missing
            .into_iter()
            .filter(|id| !self.asked.contains(id))
            .take(BATCHES_PER_REQUEST)
            .collect();
        if ids.is_empty() || self.catching.len() >= CATCHING_MAX {
            return;
        }
        if ids.iter().any(|id| peer.tries.get(id).is_some_and(|tries| *tries >= TRIES_MAX)) {
            tracing::warn!(member, "a peer does not show what its log names");
            peer.restart();
            peer.retry_at = Some(Instant::now() + GAP_WAIT);
            return;
        }
        for id in &ids {
            *peer.tries.entry(*id).or_default() += 1;
        }
        peer.is_asked = true;
        let generation = peer.generation;
        self.asked.extend(&ids);
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        self.catching.spawn(async move {
            let request = Request::Applied(ids.clone());
            if let Some(Reply::Applied(batches)) = ask(&transport, member, &request).await {
                send(&fetched, Fetched::Applied { from: member, batches }).await;
            }
            send(&fetched, Fetched::Ended(Task::Batches(member, generation, ids))).await;
        });
    }

    fn ask_log(&mut self, transport: &Arc<Transport>, member: u16) {
        let peer = &mut self.peers[usize::from(member)];
        peer.is_asked = true;
        let at = (peer.cursor, peer.generation);
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        self.catching.spawn(async move {
            let reply = ask(&transport, member, &Request::Log { from: at.0 }).await;
            if let Some(Reply::Log { lines, from: log }) = reply {
                send(&fetched, Fetched::Log { from: member, at, lines, log }).await;
            }
            send(&fetched, Fetched::Ended(Task::Log(member, at.1))).await;
        });
    }

    /// Lines of a peer's log have come; they count only if nothing has changed since they were
    /// asked for.
    pub fn log_came(&mut self, from: u16, at: (u64, u64), lines: u64, log: Vec<AppliedLine>) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        if (peer.cursor, peer.generation) != at || !peer.chunk.is_empty() {
            return;
        }
        if let Some(progress) = &mut peer.progress {
            progress.lines = lines;
        }
        if log.is_empty() {
            peer.is_walking = false;
            peer.is_caught_up = true;
        }
        peer.chunk = log;
    }

    /// A batch that was asked for has come and is verified; `applied` are its transfers that are
    /// applied here now, in whatever batch.
    pub fn batch_came(&mut self, id: &BatchId, applied: Bitmap) {
        if self.asked.contains(id) {
            self.came.insert(*id, applied);
        }
    }

    /// A task has ended; what it did not bring is asked for again, of whoever is looked at next.
    pub fn ended(&mut self, task: Task) {
        let (member, generation) = match task {
            Task::Log(member, generation) => {
                if let Some(peer) = self.peers.get_mut(usize::from(member))
                    && peer.generation == generation
                    && peer.is_walking
                    && peer.chunk.is_empty()
                {
                    // It did not answer: no hot loop over a link that is down.
                    peer.retry_at = Some(Instant::now() + LOG_WAIT);
                }
                (member, generation)
            }
            Task::Batches(member, generation, ids) => {
                for id in ids {
                    self.asked.remove(&id);
                }
                (member, generation)
            }
            Task::Parents(ids) => {
                for id in ids {
                    self.parents.remove(&id);
                }
                return;
            }
            Task::Other => return,
        };
        if let Some(peer) = self.peers.get_mut(usize::from(member))
            && peer.generation == generation
        {
            peer.is_asked = false;
        }
    }
}

impl PeerLog {
    /// Forgets what is under way; what still comes of it is stale.
    fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.is_walking = false;
        self.is_asked = false;
        self.chunk.clear();
        self.tries.clear();
    }
}

#[cfg(test)]
mod tests;
