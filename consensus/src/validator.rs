//! The validator: what it does with a batch, a Lock certificate, a Commit certificate. Rules R1 to
//! R10.
//!
//! | file | rules |
//! |---|---|
//! | `validator.rs` | R1 on arrival, R8 repeats, R10 modes |
//! | `validator/open.rs` | the batches that are open |
//! | `validator/vote.rs` | R2, R4, R5, R9: locking and the Lock vote |
//! | `validator/accept.rs` | R6, R7: accepting and the Commit vote; certificates that must wait |
//! | `validator/apply.rs` | R7, R8: applying |
//! | `validator/recover.rs` | §4: promising a round, reporting |
//! | `validator/orphans.rs` | §3: transfers whose client and proposer are gone |
//! | `validator/closed.rs` | R10: votes that are forgotten are never contradicted |
//! | `validator/recall.rs` | §5: own votes that are not remembered |
//! | `validator/charge.rs` | what members are charged for, and who is not listened to |
//! | `validator/replay.rs` | being rebuilt from records |
//!
//! It owns the tips and the locks of one member. Time comes in as microseconds of any clock that
//! only
//! goes forward.

mod accept;
mod apply;
mod charge;
mod closed;
mod open;
mod orphans;
mod recall;
mod recover;
mod replay;
mod vote;

use crate::batch::Proposal;
use crate::limits::{ORPHAN_AGE_US, RESOLVED_KEEP_US};
use crate::lock::Locks;
use crate::message::{Answer, CheckedCertificate, Message};
use crate::step::{Blame, Judge, Outgoing, Step, To};
use crate::tips::Tips;
use crate::verdict::{Cause, Refused, Verdict};
use ledger::{Ballot, BatchId, Bitmap, Keypair, Network, Phase, TransferId};
use open::{Open, OpenBatches};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use charge::cost_of;
pub use replay::ReplayError;

/// Whether a validator votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It votes.
    Voting,
    /// It answers `Unknown` until it has what a quorum has applied.
    CatchingUp,
    /// It serves and applies and never votes: its store was lost, rolled back or found damaged
    /// (protocol §5), or it found a fork.
    Silent,
}

/// One member's state machine.
#[derive(Clone, Debug)]
pub struct Validator {
    network: Arc<Network>,
    member: u16,
    keypair: Keypair,
    mode: Mode,
    /// Whether the operator lets it vote although promises may be forgotten.
    is_amnesia_accepted: bool,
    tips: Tips,
    locks: Locks,
    open: OpenBatches,
    /// Batches that the pipeline has, by who proposed them, with their bytes: two members may
    /// propose one batch, and one of them may only claim to.
    judging: BTreeMap<(BatchId, u16), usize>,
    /// Certificates whose batch is missing, oldest first by arrival number.
    parked: BTreeMap<BatchId, Parked>,
    /// Batches that wait for a transfer to be applied.
    waiting: HashMap<TransferId, BTreeSet<BatchId>>,
    /// Batches that one has been applied for; empty between two calls.
    woken: BTreeSet<BatchId>,
    /// Batches whose votes are forgotten.
    closed: closed::Closed,
    /// Tokens for which evidence is kept.
    convicted: HashSet<ledger::TokenState>,
    /// How long a lock is held before its transfer counts as an orphan, µs.
    orphan_age_us: u64,
    /// When the next orphan may go, µs.
    orphan_ready_us: u64,
    /// What members have cost this one for nothing.
    accounts: charge::Accounts,
}

/// Certificates that wait for their batch or for a parent.
#[derive(Clone, Debug, Default)]
struct Parked {
    lock: Option<CheckedCertificate>,
    commit: Option<CheckedCertificate>,
    since_us: u64,
}

impl Validator {
    /// Member `member` of `network`, standing at `tips`, without locks.
    ///
    /// # Panics
    /// When `keypair` is not the member's.
    pub fn new(network: Arc<Network>, member: u16, keypair: Keypair, tips: Tips) -> Self {
        let key = network.committee.member(member).map(|member| member.key);
        assert_eq!(key, Some(keypair.public()), "the key is the member's");
        Self {
            network,
            member,
            keypair,
            mode: Mode::CatchingUp,
            is_amnesia_accepted: false,
            tips,
            locks: Locks::default(),
            open: OpenBatches::default(),
            judging: BTreeMap::new(),
            parked: BTreeMap::new(),
            waiting: HashMap::new(),
            woken: BTreeSet::new(),
            closed: closed::Closed::default(),
            convicted: HashSet::new(),
            orphan_age_us: ORPHAN_AGE_US,
            orphan_ready_us: 0,
            accounts: charge::Accounts::default(),
        }
    }

    /// Sets how long a lock is held before its transfer counts as an orphan, µs.
    pub fn set_orphan_age(&mut self, age_us: u64) {
        self.orphan_age_us = age_us;
    }

    /// Sets whether it votes. A silent one stays silent.
    pub fn set_mode(&mut self, mode: Mode) {
        if self.mode != Mode::Silent {
            self.mode = mode;
        }
    }

    /// A batch arrives from `from`. What needs no hashing is checked here (R1); the rest is work
    /// for the
    /// pipeline, which ends in [`Validator::judged`].
    pub fn proposed(&mut self, now_us: u64, from: u16, proposal: Arc<Proposal>) -> Step {
        let mut step = Step::default();
        if proposal.epoch != self.network.epoch {
            blame(&mut step, from, format!("a batch of epoch {}", proposal.epoch));
            return step;
        }
        if proposal.proposer != from {
            blame(&mut step, from, "a batch of another proposer".into());
            return step;
        }
        if self.is_refused(now_us, from) {
            blame(&mut step, from, charge::UNHEARD.into());
            return step;
        }
        let id = proposal.claimed;
        if self.open.contains_key(&id) {
            return self.repeated(now_us, id, from);
        }
        if self.judging.contains_key(&(id, from)) {
            return step;
        }
        let bytes = Open::bytes_of(&proposal);
        if !self.has_room_for(now_us, from, bytes) {
            blame(&mut step, from, "more open batches than allowed".into());
            return step;
        }
        self.judging.insert((id, from), bytes);
        step.judge.push(Judge { proposal, only: None });
        step
    }

    fn is_judging(&self, id: BatchId) -> bool {
        self.judging.range((id, 0)..=(id, u16::MAX)).next().is_some()
    }

    /// Sends the entries that are neither voted for nor refused for good through the pipeline
    /// again.
    fn judge_again(&mut self, id: BatchId, step: &mut Step) -> bool {
        let open = &self.open[&id];
        let only = open.undecided();
        if only.ones() == 0 || self.is_judging(id) {
            return false;
        }
        step.judge.push(Judge { proposal: open.proposal.clone(), only: Some(only) });
        self.judging.insert((id, open.proposal.proposer), open.bytes);
        true
    }

    /// The same batch again: the same answer (R8), and what was unknown is judged again (R10).
    fn repeated(&mut self, now_us: u64, id: BatchId, from: u16) -> Step {
        let mut step = Step::default();
        let open = self.open.get_mut(&id).expect("the caller looked");
        open.touched_us = now_us;
        open.proposers.insert(from);
        if self.judge_again(id, &mut step) {
            return step;
        }
        step.after.push(self.lock_answer(id, from));
        if self.open[&id].accepted.ones() > 0 {
            step.after.push(self.commit_answer(id, from));
        }
        step
    }

    /// Forgets what is resolved and old. Call it now and then.
    pub fn tick(&mut self, now_us: u64) -> Step {
        let keep_from = now_us.saturating_sub(RESOLVED_KEEP_US);
        let resolved: Vec<BatchId> = self
            .open
            .iter()
            .filter(|(_, open)| open.touched_us < keep_from && self.is_resolved(open))
            .map(|(id, _)| *id)
            .collect();
        self.forget(&resolved);
        let open = &self.open;
        self.waiting.retain(|_, batches| {
            batches.retain(|id| open.contains_key(id));
            !batches.is_empty()
        });
        let mut step = self.retry_parked(now_us);
        self.look_for_orphans(now_us, &mut step);
        step
    }

    /// Whether nothing of a batch is locked or accepted here and unspent.
    fn is_resolved(&self, open: &Open) -> bool {
        // Almost always all that was locked is applied, and nothing has to be looked up.
        if open.applied.covers(&open.locked) && open.applied.covers(&open.accepted) {
            return true;
        }
        let is_held = |index: usize| {
            let inputs = &open.batch.entries()[index].signed.transfer.inputs;
            let id = open.batch.ids()[index];
            inputs.iter().any(|input| {
                self.locks.get(&input.state.token).is_some_and(|row| {
                    let holds = |held: Option<crate::lock::Held>| {
                        held.is_some_and(|held| held.transfer == id)
                    };
                    let reported = row.reported.and_then(|reported| reported.accepted);
                    row.state == input.state
                        && (holds(row.locked) || holds(row.accepted) || holds(reported))
                })
            })
        };
        let held = open.locked.indexes().chain(open.accepted.indexes());
        !held.filter(|index| !open.applied.has(*index)).any(is_held)
    }

    /// The Lock answers for an open batch as it stands, to everybody who proposed it.
    fn lock_answers(&self, id: BatchId, step: &mut Step) {
        let proposers = &self.open[&id].proposers;
        step.after.extend(proposers.iter().map(|to| self.lock_answer(id, *to)));
    }

    /// The Commit answers for an open batch as it stands, to everybody who proposed it.
    fn commit_answers(&self, id: BatchId, step: &mut Step) {
        let proposers = &self.open[&id].proposers;
        step.after.extend(proposers.iter().map(|to| self.commit_answer(id, *to)));
    }

    fn lock_answer(&self, id: BatchId, to: u16) -> Outgoing {
        let open = &self.open[&id];
        let refused: Vec<Refused> = (0..open.batch.count())
            .filter(|index| !open.locked.has(*index))
            .filter_map(|index| match &open.verdicts[index] {
                Some(verdict) => verdict.refused(index),
                None => Verdict::Unknown(Cause::CatchingUp).refused(index),
            })
            .collect();
        self.answer((open, to), Phase::Lock, open.locked.clone(), refused)
    }

    fn commit_answer(&self, id: BatchId, to: u16) -> Outgoing {
        let open = &self.open[&id];
        self.answer((open, to), Phase::Commit, open.accepted.clone(), Vec::new())
    }

    fn answer(
        &self,
        (open, to): (&Open, u16),
        phase: Phase,
        bits: Bitmap,
        refused: Vec<Refused>,
    ) -> Outgoing {
        let batch = open.batch.id();
        let may_vote = self.mode == Mode::Voting && bits.ones() > 0 && !self.is_closed(open);
        let epoch = self.network.epoch;
        let ballot = Ballot { epoch, phase, batch, bitmap: bits };
        let vote = may_vote.then(|| ballot.sign(&self.network.id, self.member, &self.keypair));
        let answer = Answer { batch, phase, vote, refused };
        Outgoing { to: To::Member(to), message: Message::Answer(answer) }
    }

    /// Where every token stands.
    pub fn tips(&self) -> &Tips {
        &self.tips
    }

    /// What it has promised.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// Whether it votes.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// A batch that is open here, as proposed.
    pub fn proposal(&self, id: &BatchId) -> Option<&Arc<Proposal>> {
        self.open.get(id).map(|open| &open.proposal)
    }

    /// The transfers of an open batch that are applied here, in whatever batch; `None` for a batch
    /// that is not open.
    pub fn applied_of(&self, id: &BatchId) -> Option<Bitmap> {
        self.open.get(id).map(|open| open.applied.clone())
    }

    /// How many batches are open, in the pipeline, and waiting for something.
    pub fn load(&self) -> (usize, usize, usize) {
        (self.open.len(), self.judging.len(), self.parked.len() + self.waiting.len())
    }
}

fn blame(step: &mut Step, member: u16, what: String) {
    step.blame.push(Blame { member, what });
}

#[cfg(test)]
mod tests;
