//! Catching up (protocol §5), simple form: a validator compares how far it is with each peer, walks
//! the peers' applied logs from where it last knew them to agree, and fetches the batches that it
//! lacks with their Commit certificates, many at once, each from a peer that has it. All is
//! verified before use: the driver checks each certificate like any other.
//!
//! It also fetches what certificates name and what transfers build on. Tasks ask; the driver
//! decides.

use crate::pipeline::Admission;
use crate::store::Store;
use crate::transport::Transport;
use bytes::Bytes;
use consensus::proposer::VoteSplit;
use consensus::{AppliedBatch, AppliedLine, Fetch, Progress, Proposal, Reply, Request, codec};
use ledger::{BatchId, TokenId, TransferId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Tasks that ask at one time. When full, a fetch is dropped and asked for again by whoever needs
/// it.
const TASKS_MAX: usize = 64;
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
    /// Walking a peer's log.
    Log(u16),
    /// Fetching these batches from a peer.
    Batches(u16, Vec<BatchId>),
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
    /// Batches that came while logs are walked; they may have added nothing.
    came: HashSet<BatchId>,
    tasks: JoinSet<()>,
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
            came: HashSet::new(),
            tasks: JoinSet::new(),
            fetched,
            told: None,
        }
    }

    /// A peer says how far it is.
    pub fn progress(&mut self, from: u16, progress: Progress, own: &Progress) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        peer.progress = Some(progress);
        if progress.digest == own.digest && progress.applied == own.applied {
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
            peer.is_walking = false;
            peer.is_asked = false;
            peer.chunk.clear();
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
        while self.tasks.try_join_next().is_some() {}
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
        if !peer.is_walking || peer.is_asked {
            return;
        }
        if peer.chunk.is_empty() {
            if peer.cursor >= progress.lines {
                peer.is_walking = false;
                peer.is_caught_up = true;
                return;
            }
            peer.is_asked = true;
            let from = peer.cursor;
            self.ask_log(transport, member, from);
            return;
        }
        self.ask_missing(member, transport, store);
    }

    /// Fetches what of a peer's chunk is missing here, and moves on when nothing is.
    fn ask_missing(&mut self, member: u16, transport: &Arc<Transport>, store: &Store) {
        let peer = &mut self.peers[usize::from(member)];
        let is_missing =
            |line: &&AppliedLine| !store.has_applied(line) && !self.came.contains(&line.batch);
        let missing: Vec<BatchId> =
            peer.chunk.iter().filter(is_missing).map(|line| line.batch).collect();
        if missing.is_empty() {
            peer.cursor += u64::try_from(peer.chunk.len()).expect("a count");
            peer.chunk.clear();
            return;
        }
        let ids: Vec<BatchId> = missing
            .into_iter()
            .filter(|id| !self.asked.contains(id))
            .take(BATCHES_PER_REQUEST)
            .collect();
        if ids.is_empty() || self.tasks.len() >= TASKS_MAX {
            return;
        }
        self.asked.extend(&ids);
        self.peers[usize::from(member)].is_asked = true;
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        self.tasks.spawn(async move {
            let request = Request::Applied(ids.clone());
            if let Some(Reply::Applied(batches)) = ask(&transport, member, &request).await {
                send(&fetched, Fetched::Applied { from: member, batches }).await;
            }
            send(&fetched, Fetched::Ended(Task::Batches(member, ids))).await;
        });
    }

    fn ask_log(&mut self, transport: &Arc<Transport>, member: u16, from: u64) {
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        self.tasks.spawn(async move {
            let reply = ask(&transport, member, &Request::Log { from }).await;
            if let Some(Reply::Log { lines, from: log }) = reply {
                send(&fetched, Fetched::Log { from: member, lines, log }).await;
            }
            send(&fetched, Fetched::Ended(Task::Log(member))).await;
        });
    }

    /// Lines of a peer's log have come.
    pub fn log_came(&mut self, from: u16, lines: u64, log: Vec<AppliedLine>) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        if let Some(progress) = &mut peer.progress {
            progress.lines = progress.lines.max(lines);
        }
        if log.is_empty() {
            // It has fewer lines than it said, or than we knew: a store that was rolled back.
            peer.cursor = lines;
            peer.is_walking = false;
            peer.is_caught_up = true;
        }
        peer.chunk = log;
    }

    /// A batch has come with its certificate.
    pub fn batch_came(&mut self, id: &BatchId) {
        self.came.insert(*id);
    }

    /// A task has ended; what it did not bring is asked for again, of whoever is looked at next.
    pub fn ended(&mut self, task: Task) {
        match task {
            Task::Log(member) => self.peers[usize::from(member)].is_asked = false,
            Task::Batches(member, ids) => {
                self.peers[usize::from(member)].is_asked = false;
                for id in ids {
                    self.asked.remove(&id);
                }
            }
            Task::Other => {}
        }
    }

    /// Fetches what a step asks for.
    pub fn fetch(&mut self, transport: &Arc<Transport>, fetch: Fetch) {
        if self.tasks.len() >= TASKS_MAX {
            return;
        }
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        let own = self.own;
        let others: Vec<u16> = (0u16..).take(self.peers.len()).filter(|m| *m != own).collect();
        self.tasks.spawn(async move {
            match fetch {
                Fetch::Batch { batch, from } => {
                    for member in from {
                        let request = Request::Batches(vec![batch]);
                        let reply = ask(&transport, member, &request).await;
                        if let Some(Reply::Batches(batches)) = reply
                            && let Some(proposal) = batches.into_iter().next()
                        {
                            send(&fetched, Fetched::Batch(proposal)).await;
                            break;
                        }
                    }
                }
                Fetch::Parents { transfers, from } => {
                    let rest = others.into_iter().filter(|member| *member != from);
                    for member in std::iter::once(from).chain(rest).filter(|m| *m != own) {
                        let request = Request::Transfers(transfers.clone());
                        let reply = ask(&transport, member, &request).await;
                        if let Some(Reply::Applied(batches)) = reply
                            && !batches.is_empty()
                        {
                            send(&fetched, Fetched::Applied { from: member, batches }).await;
                            break;
                        }
                    }
                }
            }
            send(&fetched, Fetched::Ended(Task::Other)).await;
        });
    }

    /// Asks all peers who holds the lock of a token.
    pub fn ask_split(
        &mut self,
        transport: &Arc<Transport>,
        admission: Admission,
        token: TokenId,
        held_by: TransferId,
    ) {
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        let own = self.own;
        let others: Vec<u16> = (0u16..).take(self.peers.len()).filter(|m| *m != own).collect();
        self.tasks.spawn(async move {
            let mut asks = JoinSet::new();
            for member in others {
                let transport = transport.clone();
                asks.spawn(async move {
                    let request = Request::Locks(vec![token]);
                    let bytes = Bytes::from(codec::encode(&request));
                    let reply = transport.request(member, bytes, SPLIT_WAIT).await.ok()?;
                    match codec::decode(&reply) {
                        Ok(Reply::Locks(holders)) => Some((member, *holders.first()?)),
                        _ => None,
                    }
                });
            }
            let mut split = VoteSplit { ours: Vec::new(), others: BTreeMap::new() };
            for (member, holder) in asks.join_all().await.into_iter().flatten() {
                if holder == admission.id {
                    split.ours.push(member);
                } else if holder != TransferId::default() {
                    split.others.entry(holder).or_default().push(member);
                }
            }
            split.ours.sort_unstable();
            send(&fetched, Fetched::Split { admission, split, held_by }).await;
        });
    }
}

async fn ask(transport: &Transport, member: u16, request: &Request) -> Option<Reply> {
    let bytes = Bytes::from(codec::encode(request));
    match transport.request(member, bytes, REPLY_WAIT).await {
        Ok(reply) => codec::decode(&reply).ok(),
        Err(error) => {
            tracing::debug!(member, %error, "a peer did not answer");
            None
        }
    }
}

async fn send(to: &mpsc::Sender<Fetched>, fetched: Fetched) {
    // The driver is gone only when the node ends.
    drop(to.send(fetched).await);
}
