//! Clients' transfers that this node can't propose yet: a state is locked for another transfer
//! here, or a parent is missing. They are looked at again until that clears or their time is over.

use super::Driver;
use crate::pipeline::admit::admit_one;
use crate::pipeline::{Admission, Admitted};
use consensus::proposer::VoteSplit;
use consensus::{Cause, Fetch, Outcome, Refusal, Stages, Submitted, TransferReport, Verdict};
use ledger::{TokenId, TransferId};
use std::time::{Duration, Instant};

/// Transfers held back at most; more are refused with "overloaded" semantics (outcome unknown is
/// never said of them: they end as rejected or locked, nothing was proposed).
const HELD_MAX: usize = 4_096;
/// How long a transfer waits for another's lock to clear.
const LOCKED_WAIT: Duration = Duration::from_millis(500);
/// How long a transfer waits for a missing parent.
const PARENT_WAIT: Duration = Duration::from_secs(2);

/// What is held back.
#[derive(Default)]
pub(super) struct Held {
    transfers: Vec<Waiting>,
}

struct Waiting {
    admission: Admission,
    why: Why,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Why {
    Locked { token: TokenId, held_by: TransferId },
    Parent { token: TokenId },
}

impl Driver {
    /// The pipeline has judged clients' transfers.
    pub(super) fn admitted(&mut self, admitted: Vec<Admitted>) {
        for admitted in admitted {
            self.admit(admitted);
        }
    }

    fn admit(&mut self, admitted: Admitted) {
        let Admitted { admission, verdict, verified } = admitted;
        match (verdict, verified) {
            (Verdict::Valid, Some(transfer)) => {
                if let Some(why) = self.lock_conflict(&admission) {
                    self.hold(admission, why, LOCKED_WAIT);
                    return;
                }
                let now_us = self.now_us();
                let admitted_us = self.us_of(admission.admitted);
                if self.proposer.submit(now_us, admitted_us, &transfer) == Submitted::Full {
                    self.end_unproposed(&admission, Outcome::Unknown);
                }
            }
            (Verdict::Unknown(Cause::ParentMissing { state }), _) => {
                let transfers = vec![state.made_by];
                let from = self.sync.any_peer(self.shared.member);
                self.sync.fetch(&self.transport, Fetch::Parents { transfers, from });
                self.hold(admission, Why::Parent { token: state.token }, PARENT_WAIT);
            }
            (Verdict::Invalid(refusal), _) => {
                let is_final = matches!(refusal, Refusal::Spent { .. })
                    && self.shared.store.is_final(&admission.id);
                let outcome = if is_final { Outcome::Final } else { Outcome::Rejected(refusal) };
                self.end_unproposed(&admission, outcome);
            }
            _ => self.end_unproposed(&admission, Outcome::Unknown),
        }
    }

    /// A proposer proposes only what it finds Valid itself, its own locks included.
    fn lock_conflict(&self, admission: &Admission) -> Option<Why> {
        let validator = self.shared.validator.read();
        admission.signed.transfer.inputs.iter().find_map(|input| {
            let token = input.state.token;
            let held = validator.locks().get(&token)?.locked?;
            let is_other = held.transfer != admission.id;
            is_other.then_some(Why::Locked { token, held_by: held.transfer })
        })
    }

    fn hold(&mut self, admission: Admission, why: Why, time: Duration) {
        if self.held.transfers.len() >= HELD_MAX {
            self.end_unproposed(&admission, Outcome::Locked(VoteSplit::default()));
            return;
        }
        let until = Instant::now() + time;
        self.held.transfers.push(Waiting { admission, why, until });
    }

    /// Looks again at what is held back, with every tick and whenever something was applied.
    pub(super) fn look_at_held(&mut self) {
        if self.held.transfers.is_empty() {
            return;
        }
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.held.transfers) {
            let admitted = {
                let validator = self.shared.validator.read();
                let Waiting { admission, .. } = &waiting;
                let (id, admitted) = (admission.id, admission.admitted);
                let signed = admission.signed.clone();
                admit_one(validator.tips(), Admission { signed, id, admitted })
            };
            let still = match &admitted.verdict {
                Verdict::Valid => self.lock_conflict(&admitted.admission),
                Verdict::Unknown(_) => Some(waiting.why),
                Verdict::Invalid(_) => None,
            };
            match still {
                None => self.admit(admitted),
                Some(why) if waiting.until > now => {
                    self.held.transfers.push(Waiting { why, ..waiting });
                }
                Some(Why::Parent { token }) => {
                    let refusal = Refusal::NoSuchToken { token };
                    self.end_unproposed(&waiting.admission, Outcome::Rejected(refusal));
                }
                Some(Why::Locked { token, held_by }) => {
                    let admission = waiting.admission;
                    self.sync.ask_split(&self.transport, admission, token, held_by);
                }
            }
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
        self.end_unproposed(&admission, Outcome::Locked(split));
    }

    /// Ends a transfer that was never proposed by this node. What the answer rests on may not be
    /// durable yet, so it waits like all reports.
    fn end_unproposed(&mut self, admission: &Admission, outcome: Outcome) {
        let admitted_us = self.us_of(admission.admitted);
        let total = self.now_us().saturating_sub(admitted_us);
        let report = TransferReport {
            id: admission.id,
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
