//! The proposer: puts clients' transfers into batches, sends them to all, collects both phases'
//! votes and
//! tells how each transfer ended. It has no power: it can't forge, and if it stops half-way the
//! client
//! sends the same signed bytes to another validator.
//!
//! | file | what |
//! |---|---|
//! | `proposer.rs` | submitting, sealing a batch, time |
//! | `proposer/submit.rs` | what comes in: transfers, and batches of others |
//! | `proposer/flight.rs` | one batch in flight: its votes, what it still needs |
//! | `proposer/outcome.rs` | how a transfer ended, its timings |

mod flight;
mod outcome;
mod submit;

use crate::batch::{Batch, Proposal};
use crate::limits::{
    BATCH_AGE_US_MAX, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, DEADLINE_US, FLIGHTS_KEPT_MAX,
    FLIGHTS_MAX, RETRY_US,
};
use crate::message::Message;
use crate::step::{Outgoing, Step, To};
use crate::verdict::Refusal;
use flight::Flight;
use ledger::{BatchId, Entry, Keypair, Network, TokenId, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

pub use outcome::{Outcome, Stages, TransferReport, VoteSplit};

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It will be proposed.
    Queued,
    /// It is queued or in flight already; its end will be told once.
    Known,
    /// The queue is full; the client comes again later.
    Full,
}

/// A transfer between its submission and its end.
#[derive(Clone, Debug)]
struct Pending {
    entry: Entry,
    bytes: usize,
    /// When the client's bytes came, µs.
    admitted_us: u64,
    /// When it was found Valid and queued, µs.
    queued_us: u64,
    /// When it is proposed again, µs.
    retry_us: u64,
    /// How long it waited the last time, µs; 0 before the first.
    pause_us: u64,
    /// Since when it is known that its round can't reach a quorum, µs, and because of whom.
    doomed: Option<Doom>,
    stages: Stages,
    /// The batches it is in, oldest first, and its position in each.
    flights: Vec<(BatchId, usize)>,
    /// Whether it waits in the queue.
    is_queued: bool,
}

#[derive(Clone, Debug)]
struct Doom {
    since_us: u64,
    split: VoteSplit,
}

/// One member's proposing side.
#[derive(Clone, Debug)]
pub struct Proposer {
    network: Arc<Network>,
    member: u16,
    keypair: Keypair,
    queue: VecDeque<TransferId>,
    queue_bytes: usize,
    pending: HashMap<TransferId, Pending>,
    /// Pending transfers by a token that they spend.
    by_token: HashMap<TokenId, Vec<TransferId>>,
    flights: BTreeMap<BatchId, Flight>,
    /// Members whose contradicting votes are kept as evidence: one piece each is enough.
    convicted: BTreeSet<u16>,
}

impl Proposer {
    /// The proposing side of member `member`.
    pub fn new(network: Arc<Network>, member: u16, keypair: Keypair) -> Self {
        Self {
            network,
            member,
            keypair,
            queue: VecDeque::new(),
            queue_bytes: 0,
            pending: HashMap::new(),
            by_token: HashMap::new(),
            flights: BTreeMap::new(),
            convicted: BTreeSet::new(),
        }
    }

    /// Seals batches as long as there is reason to: nothing is in flight, or the queue fills a
    /// batch, or
    /// its oldest transfer is too old. Call it after every input.
    pub fn poll(&mut self, now_us: u64) -> Step {
        let mut step = Step::default();
        while self.has_reason(now_us) {
            self.seal(now_us, &mut step);
        }
        step
    }

    /// When [`Proposer::poll`] has something to do although nothing comes in, µs.
    pub fn next_poll_us(&self, now_us: u64) -> Option<u64> {
        let first = self.queue.front()?;
        let aged_us = self.pending.get(first)?.queued_us + BATCH_AGE_US_MAX;
        let is_full = self.open_flights() >= FLIGHTS_KEPT_MAX;
        if !is_full && self.busy_flights(now_us) < FLIGHTS_MAX {
            return Some(aged_us);
        }
        // Room comes when a flight ends, which is an input, or when one is not busy any more.
        let busy = self.flights.values().filter(|flight| flight.is_busy(now_us));
        busy.map(Flight::busy_until_us).min().map(|until_us| until_us.max(aged_us))
    }

    fn has_reason(&self, now_us: u64) -> bool {
        let Some(first) = self.queue.front() else { return false };
        let busy = self.busy_flights(now_us);
        if busy >= FLIGHTS_MAX || self.open_flights() >= FLIGHTS_KEPT_MAX {
            return false;
        }
        let is_full =
            self.queue.len() >= BATCH_ENTRIES_MAX || self.queue_bytes >= BATCH_BYTES_MAX / 2;
        let queued_us = self.pending.get(first).map_or(0, |pending| pending.queued_us);
        busy == 0 || is_full || queued_us + BATCH_AGE_US_MAX <= now_us
    }

    fn busy_flights(&self, now_us: u64) -> usize {
        self.flights.values().filter(|flight| flight.is_busy(now_us)).count()
    }

    fn open_flights(&self) -> usize {
        self.flights.values().filter(|flight| flight.is_open()).count()
    }

    fn seal(&mut self, now_us: u64, step: &mut Step) {
        let mut entries = Vec::new();
        let mut ids = Vec::new();
        // The list's own count.
        let mut bytes = 4;
        while let Some(id) = self.queue.front() {
            let Some(pending) = self.pending.get_mut(id) else {
                self.queue.pop_front();
                continue;
            };
            if entries.len() >= BATCH_ENTRIES_MAX || bytes + pending.bytes > BATCH_BYTES_MAX {
                break;
            }
            bytes += pending.bytes;
            pending.is_queued = false;
            pending.stages.batch_wait = now_us.saturating_sub(pending.queued_us);
            entries.push(pending.entry.clone());
            ids.push(*id);
            self.queue.pop_front();
        }
        self.queue_bytes = self.queue_bytes.saturating_sub(bytes - 4);
        if entries.is_empty() {
            return;
        }
        let batch = Arc::new(Batch::with_ids(Arc::new(entries), ids));
        for (index, id) in batch.ids().iter().enumerate() {
            let pending = self.pending.get_mut(id).expect("it was taken from there");
            if !pending.flights.iter().any(|(flight, _)| *flight == batch.id()) {
                pending.flights.push((batch.id(), index));
            }
        }
        self.launch(now_us, batch, step);
    }

    /// Sends a new batch to all; one that is in flight already (the same transfers again) only to
    /// those
    /// who lack something of it.
    fn launch(&mut self, now_us: u64, batch: Arc<Batch>, step: &mut Step) {
        let id = batch.id();
        if self.flights.contains_key(&id) {
            self.send_again(id, step);
            return;
        }
        let epoch = self.network.epoch;
        let proposal = Proposal::sign(&batch, &self.network.id, epoch, self.member, &self.keypair);
        let proposal = Arc::new(proposal);
        let message = Message::Propose((*proposal).clone());
        step.now.push(Outgoing { to: To::All, message });
        step.own.push((proposal.clone(), batch.clone()));
        self.flights.insert(id, Flight::new(proposal, batch, now_us));
    }

    /// The driver has encoded a batch and handed it to the links in `propose_us` µs.
    pub fn sent(&mut self, batch: &BatchId, propose_us: u64) {
        let Some(flight) = self.flights.get(batch) else { return };
        for id in flight.batch.ids() {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.stages.propose = propose_us;
            }
        }
    }

    fn send_again(&self, id: BatchId, step: &mut Step) {
        let Some(flight) = self.flights.get(&id) else { return };
        for (member, _) in (0u16..).zip(self.network.committee.members()) {
            if member == self.member {
                step.own.push((flight.proposal.clone(), flight.batch.clone()));
            } else {
                step.now.extend(flight.missed_by(member));
            }
        }
    }

    /// A link to a member is up: it gets what it may have missed, of all that has not ended.
    pub fn peer_up(&mut self, _now_us: u64, member: u16) -> Step {
        let mut step = Step::default();
        for flight in self.flights.values().filter(|flight| flight.is_open()) {
            step.now.extend(flight.missed_by(member));
        }
        step
    }

    /// Time passes: transfers are proposed again, given up at their deadline, and told to be
    /// locked.
    pub fn tick(&mut self, now_us: u64) -> Step {
        let mut step = Step::default();
        let late = self.pending.iter().filter(|(_, pending)| pending.is_late(now_us));
        // In the order in which they came, so that one run is like another.
        let late: BTreeSet<(u64, TransferId)> =
            late.map(|(id, pending)| (pending.admitted_us, *id)).collect();
        let mut again: BTreeSet<BatchId> = BTreeSet::new();
        for (_, id) in late {
            let pending = self.pending.get_mut(&id).expect("it was just found");
            if let Some(outcome) = pending.ending(now_us) {
                self.end(id, outcome, now_us, &mut step);
            } else if pending.retry_us <= now_us {
                // First the same batch to those who lack something of it: it may have been lost,
                // and a
                // repeat writes nothing. Then in a new batch, in case the old one can't go on.
                let is_first = pending.pause_us == 0;
                let newest = pending.flights.last().map(|(batch, _)| *batch);
                pending.pause_us = (2 * pending.pause_us).max(RETRY_US);
                pending.retry_us = now_us + pending.pause_us;
                match newest.filter(|batch| is_first && self.flights.contains_key(batch)) {
                    Some(batch) => {
                        again.insert(batch);
                    }
                    None if !pending.is_queued => {
                        pending.is_queued = true;
                        self.queue_bytes += pending.bytes;
                        self.queue.push_back(id);
                    }
                    None => {}
                }
            }
        }
        for batch in again {
            self.send_again(batch, &mut step);
        }
        self.flights.retain(|_, flight| flight.is_needed(now_us));
        step.merge(self.poll(now_us));
        step
    }

    /// Transfers queued and in flight.
    pub fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.pending.len())
    }

    /// Whether this transfer is on its way here.
    pub fn is_pending(&self, id: &TransferId) -> bool {
        self.pending.contains_key(id)
    }

    /// Bytes of the transfer as it was submitted, while it is on its way here.
    pub fn entry(&self, id: &TransferId) -> Option<&Entry> {
        self.pending.get(id).map(|pending| &pending.entry)
    }
}

impl Pending {
    fn is_late(&self, now_us: u64) -> bool {
        self.retry_us <= now_us || self.ending(now_us).is_some()
    }

    fn state_of(&self, token: &TokenId) -> Option<TokenState> {
        let inputs = &self.entry.signed.transfer.inputs;
        inputs.iter().map(|input| input.state).find(|state| state.token == *token)
    }

    fn ending(&self, now_us: u64) -> Option<Outcome> {
        let settled = crate::limits::LOCKED_SETTLE_US;
        match &self.doomed {
            Some(doom) if doom.since_us + settled <= now_us => {
                Some(Outcome::Locked(doom.split.clone()))
            }
            _ if self.admitted_us + DEADLINE_US <= now_us => Some(Outcome::Unknown),
            _ => None,
        }
    }
}

/// A refusal by this node's own pipeline ends a transfer before it is proposed.
impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Outcome::Rejected(refusal)
    }
}

#[cfg(test)]
mod tests;
