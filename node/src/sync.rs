//! Catching up (protocol §5): a validator compares how far it is with each peer, walks the peers'
//! applied logs from where it last knew them to agree, and fetches the batches that it lacks with
//! their Commit certificates, many at once, each from a peer that has it. All is verified in the
//! CPU pool before use; the driver only applies.
//!
//! It also fetches what certificates name and what transfers build on. Tasks ask; the driver
//! decides.
//!
//! | file | what |
//! |---|---|
//! | `sync.rs` | what is known of the peers, and what came back |
//! | `sync/walk.rs` | walking a peer's log |
//! | `sync/fetch.rs` | what certificates name, what transfers build on, who holds a lock |
//! | `sync/check.rs` | checking in the CPU pool |
//! | `sync/join.rs` | starting from a peer's snapshot |
//! | `sync/lag.rs` | how far behind, for people |

pub mod check;
mod fetch;
pub mod join;
pub mod lag;
mod walk;

use crate::pipeline::Admission;
use crate::store::Store;
use crate::transport::Transport;
use check::{Checked, Checker};
use consensus::proposer::VoteSplit;
use consensus::{AppliedLine, Progress, Proposal};
use join::{HalfWritten, Joined};
use lag::{Behind, Lag, Pace};
use ledger::{BatchId, Bitmap, Committee, TransferId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use walk::{Asked, PeerLog, Ready};

/// Tasks that fetch what the validator asks for; when full, it asks again later.
const FETCHES_MAX: usize = 64;
/// Tasks that clients' transfers cause; strangers can't use up the others' room.
const ASKS_MAX: usize = 32;
/// What came back and waits for the driver; then the tasks wait.
pub const FETCHED_MAX: usize = 256;
/// How long a peer may take to answer.
const REPLY_WAIT: Duration = Duration::from_secs(3);
/// How long peers may take to say who holds a lock.
const SPLIT_WAIT: Duration = Duration::from_millis(300);

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
    /// Batches with Commit certificates, checked.
    Proven {
        /// Who sent them.
        from: u16,
        /// The peer's generation when its log was walked; `None` for parents, which are applied at
        /// once.
        generation: Option<u64>,
        /// What holds, and what is wrong with the rest.
        checked: Checked,
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
    /// Joining from a snapshot has ended: with one that is in the journal, without, or for good.
    Joined(Result<Option<Box<Joined>>, HalfWritten>),
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

/// The state of catching up.
pub struct Sync {
    own: u16,
    checker: Checker,
    peers: Vec<PeerLog>,
    /// Batches that came and are checked, until their turn. Each peer's share is bounded.
    ready: BTreeMap<BatchId, Ready>,
    /// Whether something of `ready` may be applied now.
    has_ready: bool,
    /// Batches asked for and not yet come.
    asked: HashMap<BatchId, Asked>,
    /// Transfers of batches that came and are applied here in other batches than these.
    came: BTreeMap<BatchId, Bitmap>,
    /// Transfers whose batches are asked for.
    parents: HashSet<TransferId>,
    catching: JoinSet<()>,
    fetches: JoinSet<()>,
    asks: JoinSet<()>,
    fetched: mpsc::Sender<Fetched>,
    told: Option<Progress>,
    pace: Pace,
    behind: Behind,
    /// Who is looked at first: each in its turn, so that a slow one does not take every question.
    first: u16,
}

impl Sync {
    /// Nothing known yet of the members of the network that `checker` checks for.
    pub fn new(own: u16, checker: Checker, fetched: mpsc::Sender<Fetched>) -> Self {
        let count = checker.members();
        Self {
            own,
            checker,
            peers: vec![PeerLog::default(); count],
            ready: BTreeMap::new(),
            has_ready: false,
            asked: HashMap::new(),
            came: BTreeMap::new(),
            parents: HashSet::new(),
            catching: JoinSet::new(),
            fetches: JoinSet::new(),
            asks: JoinSet::new(),
            fetched,
            told: None,
            pace: Pace::default(),
            behind: Behind::default(),
            first: 0,
        }
    }

    /// A peer says how far it is.
    pub fn progress(&mut self, from: u16, progress: Progress, own: &Progress) {
        let Some(peer) = self.peers.get(usize::from(from)) else { return };
        if progress.lines < peer.told_lines {
            self.forget_log(from);
        }
        let peer = &mut self.peers[usize::from(from)];
        peer.progress = Some(progress);
        peer.is_linked = true;
        peer.told_lines = progress.lines;
        if progress.digest == own.digest && progress.applied == own.applied {
            self.restart(from);
            let peer = &mut self.peers[usize::from(from)];
            peer.cursor = progress.lines;
            peer.is_caught_up = true;
            peer.ahead = None;
        } else if progress.applied > own.applied && peer.ahead.is_none() {
            peer.ahead = Some((Instant::now(), progress.applied));
        }
    }

    /// The link to a peer is down; who comes back may have another log.
    pub fn down(&mut self, member: u16) {
        if usize::from(member) < self.peers.len() {
            self.forget_log(member);
        }
    }

    /// Whether a node that votes has long been far behind what others had applied. Then nobody
    /// counts as caught up with any more: it has to reach the ends of a quorum's logs again.
    pub fn fell_behind(&mut self, committee: &Committee, own: &Progress) -> bool {
        let target = lag::target(committee, &self.told());
        let fell_behind = self.behind.note(Instant::now(), own.applied, target);
        if fell_behind {
            for peer in &mut self.peers {
                peer.is_caught_up = false;
            }
        }
        fell_behind
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
        let count = u16::try_from(self.peers.len()).expect("at most 256 members");
        self.first = (self.first + 1) % count.max(1);
        for member in (self.first..count).chain(0..self.first) {
            if member != self.own {
                self.look_at(member, transport, store, own);
            }
        }
        if self.peers.iter().all(|peer| !peer.is_walking) {
            self.came.clear();
        }
    }

    /// What each member said of how far it is.
    pub fn told(&self) -> Vec<Option<Progress>> {
        self.peers.iter().map(|peer| peer.progress).collect()
    }

    /// What tasks need that bring something back: the CPU pool, and the way back.
    pub fn tools(&self) -> (&Checker, &mpsc::Sender<Fetched>) {
        (&self.checker, &self.fetched)
    }

    /// How far behind this node is: `None` when it is not, as far as it knows. Nodes that are not
    /// `is_starting` are behind only while they walk a log.
    pub fn lag(&mut self, committee: &Committee, own: &Progress, is_starting: bool) -> Option<Lag> {
        let target = lag::target(committee, &self.told());
        let is_walking = self.peers.iter().any(|peer| peer.is_walking);
        if target <= own.applied || !(is_starting || is_walking) {
            self.pace.stop();
            return None;
        }
        let rate_per_s = self.pace.note(Instant::now(), own.applied);
        Some(Lag { applied: own.applied, target, rate_per_s })
    }

    /// A batch was applied, and these of its transfers are applied here in whatever batch. `store`
    /// remembers those that were applied as part of this one.
    pub fn batch_applied(&mut self, store: &Store, batch: BatchId, bitmap: Bitmap) {
        let line = AppliedLine { batch, bitmap };
        if !store.has_applied(&line) && self.peers.iter().any(|peer| peer.is_walking) {
            self.came.insert(batch, line.bitmap);
        }
    }

    /// A peer is asked for these batches.
    fn note_asked(&mut self, member: u16, ids: &[BatchId]) {
        for id in ids {
            let new = || Asked { since: Instant::now(), of: Vec::new() };
            self.asked.entry(*id).or_insert_with(new).of.push(member);
        }
    }

    /// A task has ended; what it did not bring is asked for again, of whoever is looked at next.
    pub fn ended(&mut self, task: Task) {
        match task {
            Task::Log(member, generation) => self.walk_ended(member, generation, None),
            Task::Batches(member, generation, ids) => {
                self.walk_ended(member, generation, Some(ids));
            }
            Task::Parents(ids) => {
                for id in ids {
                    self.parents.remove(&id);
                }
            }
            Task::Other => {}
        }
    }
}

#[cfg(test)]
mod tests;
