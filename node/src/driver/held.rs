//! Clients' transfers that this node can't propose yet: a state is locked for another transfer
//! here, or a parent is missing. They are looked at again until that clears or their time is over.

use super::Driver;
use crate::pipeline::{Admission, Admitted};
use consensus::proposer::VoteSplit;
use consensus::{
    Cause, Fetch, Outcome, Refusal, Stages, Submitted, TransferReport, Verdict, VerifiedEntry,
};
use ledger::{TokenId, TransferId};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Transfers held back at most; the outcome of more is said to be unknown at once.
const HELD_MAX: usize = 1_024;
/// Inputs of all that is held back: looking at them again takes some 0.2 µs each.
const HELD_INPUTS_MAX: usize = 64 * 1_024;
/// How long a transfer waits for another's lock to clear.
const LOCKED_WAIT: Duration = Duration::from_millis(500);
/// How long a transfer waits for a missing parent.
const PARENT_WAIT: Duration = Duration::from_secs(2);

/// What is held back. All of it is signed by its owners: nobody else can fill it.
#[derive(Default)]
pub(super) struct Held {
    transfers: Vec<Waiting>,
    inputs: usize,
}

struct Waiting {
    entry: VerifiedEntry,
    admitted: Instant,
    until: Instant,
    hold: Hold,
}

/// Why a transfer is held back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It was found Valid, and another transfer has the lock here.
    ForLock,
    /// Its parent is missing: the stages behind the tips have not seen it yet.
    ForParent,
}

impl Hold {
    fn time(self) -> Duration {
        match self {
            Hold::ForLock => LOCKED_WAIT,
            Hold::ForParent => PARENT_WAIT,
        }
    }
}

#[derive(Clone, Copy)]
enum Why {
    Locked { token: TokenId, held_by: TransferId },
    Parent,
}

impl Driver {
    /// The pipeline has judged clients' transfers.
    pub(super) fn admitted(&mut self, admitted: Vec<Admitted>) {
        for admitted in admitted {
            self.admit(admitted);
        }
    }

    fn admit(&mut self, admitted: Admitted) {
        let Admitted { admission, verdict } = admitted;
        let Admission { entry, admitted: came, bytes } = admission;
        self.shared.queued_bytes.fetch_sub(bytes, Ordering::SeqCst);
        match verdict {
            Verdict::Valid => self.submit(entry, came),
            // What is recovered is unspent at a quorum: its owner asks again, elsewhere or later.
            Verdict::Unknown(_) if entry.entry().round > 0 => {
                self.end_unproposed(entry.id(), came, Outcome::Unknown);
            }
            Verdict::Unknown(Cause::ParentMissing { state }) => {
                let transfers = vec![state.made_by];
                let from = self.sync.any_peer(self.shared.member);
                let fetch = Fetch::Parents { transfers, from };
                self.sync.fetch_for_client(&self.transport, fetch);
                self.hold(entry, came, Hold::ForParent);
            }
            Verdict::Invalid(refusal) => self.refuse(entry.id(), came, refusal),
            Verdict::Unknown(_) => self.end_unproposed(entry.id(), came, Outcome::Unknown),
        }
    }

    fn submit(&mut self, entry: VerifiedEntry, came: Instant) {
        if self.lock_conflict(&entry).is_some() {
            self.hold(entry, came, Hold::ForLock);
            return;
        }
        let (now_us, admitted_us) = (self.now_us(), self.us_of(came));
        if self.proposer.submit_entry(now_us, admitted_us, &entry) == Submitted::Full {
            self.end_unproposed(entry.id(), came, Outcome::Unknown);
        }
    }

    /// A transfer that is final here already is success (R8); any other refusal is one.
    fn refuse(&mut self, id: TransferId, came: Instant, refusal: Refusal) {
        let is_spent = matches!(refusal, Refusal::Spent { .. });
        let is_final = is_spent && self.shared.store.is_final(&id);
        let outcome = if is_final { Outcome::Final } else { Outcome::Rejected(refusal) };
        self.end_unproposed(id, came, outcome);
    }

    /// A proposer proposes only what it finds Valid itself, its own locks included.
    fn lock_conflict(&self, entry: &VerifiedEntry) -> Option<Why> {
        let validator = self.shared.validator.read();
        let round = entry.entry().round;
        entry.transfer().inputs.iter().find_map(|input| {
            let token = input.state.token;
            let row = validator.locks().get(&token)?;
            let held = row.locked.filter(|held| held.round >= round);
            let held_by = held.map(|held| held.transfer).unwrap_or_default();
            let is_other = held.is_some_and(|held| held.transfer != entry.id());
            (is_other || row.promised > round).then_some(Why::Locked { token, held_by })
        })
    }

    fn hold(&mut self, entry: VerifiedEntry, came: Instant, hold: Hold) {
        let inputs = self.held.inputs + entry.transfer().inputs.len();
        if self.held.transfers.len() >= HELD_MAX || inputs > HELD_INPUTS_MAX {
            self.end_unproposed(entry.id(), came, Outcome::Unknown);
            return;
        }
        self.held.inputs = inputs;
        let until = Instant::now() + hold.time();
        self.held.transfers.push(Waiting { entry, admitted: came, until, hold });
    }

    /// Looks again at what is held back, with every tick and whenever something was applied.
    pub(super) fn look_at_held(&mut self) {
        if self.held.transfers.is_empty() {
            return;
        }
        let now = Instant::now();
        self.held.inputs = 0;
        let mut again = Vec::new();
        for waiting in std::mem::take(&mut self.held.transfers) {
            let verdict = {
                let validator = self.shared.validator.read();
                validator.tips().judge(waiting.entry.transfer())
            };
            let still = match &verdict {
                Verdict::Valid => self.lock_conflict(&waiting.entry),
                Verdict::Unknown(_) => Some(Why::Parent),
                Verdict::Invalid(_) => None,
            };
            let (id, came) = (waiting.entry.id(), waiting.admitted);
            match (verdict, still) {
                (_, Some(_)) if waiting.until > now => {
                    self.held.inputs += waiting.entry.transfer().inputs.len();
                    self.held.transfers.push(waiting);
                }
                // Not known is not no (R10): it may be final elsewhere.
                (_, Some(Why::Parent)) => self.end_unproposed(id, came, Outcome::Unknown),
                (_, Some(Why::Locked { token, held_by })) => {
                    let admission = Admission { entry: waiting.entry, admitted: came, bytes: 0 };
                    let asked = self.sync.ask_split(&self.transport, admission, token, held_by);
                    if let Err(admission) = asked {
                        self.split_known(*admission, VoteSplit::default(), held_by);
                    }
                }
                (Verdict::Invalid(refusal), None) => self.refuse(id, came, refusal),
                // What nobody has asked the DHT about goes through the whole pipeline.
                (_, None) if waiting.hold == Hold::ForParent => {
                    again.push(Admission { entry: waiting.entry, admitted: came, bytes: 0 });
                }
                (_, None) => self.submit(waiting.entry, came),
            }
        }
        if !again.is_empty()
            && let Some(admitted) = self.pipeline.admit(&self.shared, again)
        {
            self.admitted(admitted);
        }
    }

    /// Who holds the locks is known: the transfer ends as locked.
    pub(super) fn split_known(
        &mut self,
        admission: Admission,
        mut split: VoteSplit,
        own: TransferId,
    ) {
        split.others.entry(own).or_default().push(self.shared.member);
        for members in split.others.values_mut() {
            members.sort_unstable();
        }
        let (id, came) = (admission.entry.id(), admission.admitted);
        self.end_unproposed(id, came, Outcome::Locked(split));
    }

    /// Ends a transfer that was never proposed by this node. What the answer rests on may not be
    /// durable yet, so it waits like all reports.
    fn end_unproposed(&mut self, id: TransferId, came: Instant, outcome: Outcome) {
        let admitted_us = self.us_of(came);
        let total = self.now_us().saturating_sub(admitted_us);
        let report = TransferReport {
            id,
            outcome,
            round: 0,
            lock: Vec::new(),
            commit: Vec::new(),
            stages: Stages { admit: total, total, ..Stages::default() },
            admitted_us,
        };
        let step = consensus::Step { reports: vec![report], ..Default::default() };
        self.take(step);
    }
}
