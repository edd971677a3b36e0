//! Walking peers' applied logs: from where a peer's log and this node's last were known to agree,
//! line by line, to its end. What is missing is fetched from that peer, in the order of its log,
//! unless another peer is asked for it already; what has come and is checked waits until all that
//! the peer applied before it is applied here. So parents come before children, and no batch is
//! applied that no log has in its place.
//!
//! ```text
//!  a peer's log:  applied ──▶ cursor ▸ chunk: [ready|asked|asked|missing|missing|…] ──▶ its end
//!                                        │ head: applied as soon as it is ready
//! ```

use super::check::Proven;
use super::fetch::{ask, ask_applied, send};
use super::{Fetched, Sync, Task};
use crate::store::Store;
use crate::transport::Transport;
use consensus::{AppliedLine, Progress, Reply, Request};
use ledger::BatchId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tasks that walk logs and fetch batches at one time.
pub(super) const CATCHING_MAX: usize = 64;
/// Questions for batches that are under way with one peer: while one is checked, the next is on
/// the wire.
const QUESTIONS_PER_PEER_MAX: u8 = 2;
/// How often the next batch of a peer's log is fetched in vain before that peer is left alone for
/// a while.
pub(super) const TRIES_MAX: u8 = 8;
/// How long a peer that did not answer about its log is left alone.
const LOG_WAIT: Duration = Duration::from_millis(200);
/// How long a peer is left alone that does not show what its log names.
const GAP_WAIT: Duration = Duration::from_secs(5);
/// A peer that is ahead for this long is asked for what is missing: until then it is on its way
/// anyhow.
const BEHIND_WAIT: Duration = Duration::from_millis(700);
/// How long a peer is waited for with the batch that is next in a log; then another whose log has
/// it next is asked, too.
const HEAD_WAIT: Duration = Duration::from_millis(300);
/// Peers that are asked for one batch at a time.
const ASKED_MAX: usize = 2;
/// Batches asked for in one question.
const BATCHES_PER_QUESTION_MAX: usize = 64;
/// Bytes of batches asked for in one question, as guessed: a peer answers with about as many.
const QUESTION_BYTES: usize = 1024 * 1024;
/// Bytes of an entry, a guess: one input, one output, its signature.
const ENTRY_BYTES_GUESS: usize = 400;
/// Bytes of a certificate, a guess.
const CERTIFICATE_BYTES_GUESS: usize = 1024;
/// Checked bytes of one peer that wait for their turn; above, no more than what is next in its log
/// is asked of it. With 2 questions of up to a message each (8.5 MiB) this bounds memory.
pub(super) const READY_BYTES_PER_PEER: usize = 8 * 1024 * 1024;
/// Lines looked at for what is missing: as many as questions can be under way with all peers.
const WINDOW_LINES: usize = 512;
/// Lines that are left in a chunk when the next are asked for.
const CHUNK_LINES_LOW: usize = WINDOW_LINES;
/// Lines of a peer's log that are kept; a peer sends at most 4,096 at once.
const CHUNK_LINES_MAX: usize = 2 * consensus::message::REQUEST_IDS_MAX;

/// What is known of one peer's log.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerLog {
    pub progress: Option<Progress>,
    /// Whether the link is up and it said how far it is.
    pub is_linked: bool,
    /// Lines of its log by its last word on this link. A log only grows.
    pub told_lines: u64,
    /// Everything before this position of its log is applied here.
    pub cursor: u64,
    /// Lines from `cursor` on.
    pub chunk: VecDeque<AppliedLine>,
    pub is_log_asked: bool,
    /// Questions for batches under way.
    pub questions: u8,
    /// Counts up whenever what is under way with this peer has become stale.
    pub generation: u64,
    /// How often the head of the chunk was fetched in vain.
    pub tries: u8,
    /// The peer is left alone until then: it does not show what its log names.
    pub retry_at: Option<Instant>,
    pub is_caught_up: bool,
    /// Since when it is ahead, and how far it was then.
    pub ahead: Option<(Instant, u64)>,
    /// Whether its log is walked until its end.
    pub is_walking: bool,
    /// Bytes of what came from it and waits in `Sync::ready`.
    pub ready_bytes: usize,
}

/// A batch that is asked for and not yet come.
pub(super) struct Asked {
    pub since: Instant,
    /// Who is asked.
    pub of: Vec<u16>,
}

impl Asked {
    /// Whether one more peer may be asked, for whom it is next in the log.
    fn may_ask(&self, member: u16) -> bool {
        let is_late = self.since.elapsed() >= HEAD_WAIT;
        is_late && self.of.len() < ASKED_MAX && !self.of.contains(&member)
    }
}

/// A batch that came, is checked, and waits for its turn.
pub(super) struct Ready {
    pub from: u16,
    pub bytes: usize,
    /// Once with each of its certificates.
    pub proven: Vec<Proven>,
}

impl PeerLog {
    /// Forgets what is under way; what still comes of it is stale.
    pub fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.is_walking = false;
        self.is_log_asked = false;
        self.is_caught_up = false;
        self.questions = 0;
        self.chunk.clear();
        self.tries = 0;
    }

    fn end(&self) -> u64 {
        self.cursor.saturating_add(u64::try_from(self.chunk.len()).expect("a count"))
    }
}

impl Sync {
    pub(super) fn look_at(
        &mut self,
        member: u16,
        transport: &Arc<Transport>,
        store: &Store,
        own: &Progress,
    ) {
        let peer = &mut self.peers[usize::from(member)];
        let Some(progress) = peer.progress.filter(|_| peer.is_linked) else { return };
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
        if !peer.is_walking || is_left_alone {
            return;
        }
        self.pass_applied(member, store);
        let peer = &mut self.peers[usize::from(member)];
        if peer.tries >= TRIES_MAX {
            tracing::warn!(member, "a peer does not show what its log names");
            self.restart(member);
            self.peers[usize::from(member)].retry_at = Some(Instant::now() + GAP_WAIT);
            return;
        }
        let is_at_its_end = peer.end() >= progress.lines;
        if peer.chunk.is_empty() && is_at_its_end && !peer.is_log_asked {
            peer.is_walking = false;
            peer.is_caught_up = true;
            return;
        }
        let is_low = peer.chunk.len() < CHUNK_LINES_LOW;
        if is_low && !is_at_its_end && !peer.is_log_asked && self.catching.len() < CATCHING_MAX {
            self.ask_log(transport, member);
        }
        self.ask_missing(member, transport, store);
    }

    /// Forgets what is under way with a peer, and what came from it and is not applied.
    pub(super) fn restart(&mut self, member: u16) {
        let peer = &mut self.peers[usize::from(member)];
        peer.restart();
        peer.ready_bytes = 0;
        self.ready.retain(|_, ready| ready.from != member);
    }

    /// A peer's log may be another one now: it is walked from its beginning, which is quick where
    /// all of it is applied.
    pub(super) fn forget_log(&mut self, member: u16) {
        self.restart(member);
        let peer = &mut self.peers[usize::from(member)];
        peer.cursor = 0;
        peer.told_lines = 0;
        peer.is_linked = false;
        peer.ahead = None;
    }

    /// Moves a peer's cursor over the lines that are applied here.
    pub(super) fn pass_applied(&mut self, member: u16, store: &Store) {
        let peer = &mut self.peers[usize::from(member)];
        let mut passed = Vec::new();
        while let Some(line) = peer.chunk.front() {
            let came = self.came.get(&line.batch);
            if !store.has_applied(line) && !came.is_some_and(|bits| bits.covers(&line.bitmap)) {
                break;
            }
            passed.push(line.batch);
            peer.chunk.pop_front();
            peer.cursor = peer.cursor.saturating_add(1);
            peer.tries = 0;
        }
        // What was applied in other ways may have made way for what waits.
        let head = peer.chunk.front().map(|line| line.batch);
        self.has_ready |= head.is_some_and(|head| self.ready.contains_key(&head));
        for batch in passed {
            self.take_ready(&batch);
        }
    }

    fn take_ready(&mut self, batch: &BatchId) -> Option<Ready> {
        let ready = self.ready.remove(batch)?;
        let from = &mut self.peers[usize::from(ready.from)];
        from.ready_bytes = from.ready_bytes.saturating_sub(ready.bytes);
        Some(ready)
    }

    /// The next batch that is to be applied: one that has come, and that stands in some peer's log
    /// behind nothing but what is applied here. `None` when there is none; ask again when something
    /// came.
    pub fn next_ready(&mut self, store: &Store) -> Option<Vec<Proven>> {
        for member in 0..u16::try_from(self.peers.len()).expect("at most 256 members") {
            if self.ready.is_empty() {
                break;
            }
            self.pass_applied(member, store);
            let peer = &mut self.peers[usize::from(member)];
            let Some(head) = peer.chunk.front().map(|line| line.batch) else { continue };
            if !self.ready.contains_key(&head) {
                continue;
            }
            // If that does not apply what its log says, it was in vain.
            peer.tries = peer.tries.saturating_add(1);
            return self.take_ready(&head).map(|ready| ready.proven);
        }
        self.has_ready = false;
        None
    }

    /// What of a peer's chunk is missing here and not asked for yet, as much as one question asks
    /// for. What is next in its log is asked for even where its share of memory is used up, and
    /// where another peer is slow to bring it.
    pub(super) fn missing(&self, member: u16, store: &Store) -> Vec<BatchId> {
        let peer = &self.peers[usize::from(member)];
        let is_full = peer.ready_bytes >= READY_BYTES_PER_PEER;
        let window = if is_full { 1 } else { WINDOW_LINES };
        let may_ask = |at: usize, line: &AppliedLine| {
            let asked = self.asked.get(&line.batch);
            asked.is_none_or(|asked| at == 0 && asked.may_ask(member))
        };
        let is_missing = |(at, line): &(usize, &AppliedLine)| {
            may_ask(*at, line)
                && !self.ready.contains_key(&line.batch)
                && !store.has_applied(line)
                && !self.came.get(&line.batch).is_some_and(|bits| bits.covers(&line.bitmap))
        };
        let mut bytes = 0;
        let mut ids: Vec<BatchId> = Vec::new();
        for (_, line) in peer.chunk.iter().enumerate().take(window).filter(is_missing) {
            bytes += CERTIFICATE_BYTES_GUESS + line.bitmap.count() * ENTRY_BYTES_GUESS;
            if !ids.is_empty() && (bytes > QUESTION_BYTES || ids.len() >= BATCHES_PER_QUESTION_MAX)
            {
                break;
            }
            if !ids.contains(&line.batch) {
                ids.push(line.batch);
            }
        }
        ids
    }

    /// Fetches what of a peer's chunk is missing here.
    fn ask_missing(&mut self, member: u16, transport: &Arc<Transport>, store: &Store) {
        let peer = &self.peers[usize::from(member)];
        if peer.questions >= QUESTIONS_PER_PEER_MAX || self.catching.len() >= CATCHING_MAX {
            return;
        }
        let ids = self.missing(member, store);
        if ids.is_empty() {
            return;
        }
        let generation = peer.generation;
        self.peers[usize::from(member)].questions += 1;
        self.note_asked(member, &ids);
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        let checker = self.checker.clone();
        self.catching.spawn(async move {
            let request = Request::Applied(ids.clone());
            let checked = ask_applied(&transport, &checker, member, &request).await;
            if let Some(checked) = checked {
                let generation = Some(generation);
                send(&fetched, Fetched::Proven { from: member, generation, checked }).await;
            }
            send(&fetched, Fetched::Ended(Task::Batches(member, generation, ids))).await;
        });
    }

    fn ask_log(&mut self, transport: &Arc<Transport>, member: u16) {
        let peer = &mut self.peers[usize::from(member)];
        peer.is_log_asked = true;
        let at = (peer.end(), peer.generation);
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
        if (peer.end(), peer.generation) != at || peer.chunk.len() >= CHUNK_LINES_MAX {
            return;
        }
        if let Some(progress) = &mut peer.progress {
            // An empty answer is the log's end, whatever was said before.
            progress.lines = if log.is_empty() { at.0 } else { lines };
        }
        peer.chunk.extend(log);
    }

    /// Checked batches have come; those that were asked for wait for their turn.
    pub fn batches_came(&mut self, from: u16, generation: u64, proven: Vec<Proven>) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        if peer.generation != generation {
            return;
        }
        let mut came: BTreeMap<BatchId, Vec<Proven>> = BTreeMap::new();
        for one in proven {
            if self.asked.contains_key(&one.batch.id()) {
                came.entry(one.batch.id()).or_default().push(one);
            }
        }
        for (id, proven) in came {
            // Who brings it second was asked in vain.
            self.asked.remove(&id);
            if self.ready.contains_key(&id) {
                continue;
            }
            let bytes = proven.iter().map(|one| one.bytes).sum();
            peer.ready_bytes += bytes;
            self.ready.insert(id, Ready { from, bytes, proven });
            self.has_ready = true;
        }
    }

    /// Whether something that came may be applied now.
    pub fn has_ready(&self) -> bool {
        self.has_ready
    }

    /// A task for a peer's log or its batches has ended; what it did not bring is asked for again,
    /// of whoever is looked at next.
    pub(super) fn walk_ended(&mut self, member: u16, generation: u64, ids: Option<Vec<BatchId>>) {
        for id in ids.iter().flatten() {
            if let Some(asked) = self.asked.get_mut(id) {
                asked.of.retain(|one| *one != member);
                if asked.of.is_empty() {
                    self.asked.remove(id);
                }
            }
        }
        let Some(peer) = self.peers.get_mut(usize::from(member)) else { return };
        if peer.generation != generation {
            return;
        }
        match ids {
            None => {
                peer.is_log_asked = false;
                let is_at_its_end = peer.progress.is_some_and(|p| peer.end() >= p.lines);
                if peer.is_walking && peer.chunk.is_empty() && !is_at_its_end {
                    // It did not answer: no hot loop over a link that is down.
                    peer.retry_at = Some(Instant::now() + LOG_WAIT);
                }
            }
            Some(ids) => {
                peer.questions = peer.questions.saturating_sub(1);
                let head = peer.chunk.front().map(|line| line.batch);
                // The first of a question always fits the answer.
                if ids.first().is_some_and(|id| Some(*id) == head && !self.ready.contains_key(id)) {
                    peer.tries = peer.tries.saturating_add(1);
                }
            }
        }
    }
}
