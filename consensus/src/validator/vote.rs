//! Locking and the Lock vote: R2 again in sequence, R4 one lock, R5 lock before vote, R9 evidence.

use super::{Mode, Open, Validator, blame};
use crate::batch::{Batch, Proposal};
use crate::evidence::{self, Evidence};
use crate::judge::Judged;
use crate::limits::{EVIDENCE_MAX, PARENTS_PER_BATCH_MAX};
use crate::lock::Held;
use crate::record::{Locked, Record};
use crate::step::{Fetch, Step};
use crate::verdict::{Cause, Refusal, Verdict};
use ledger::{BatchId, Bitmap, TokenState, TransferId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Validator {
    /// The pipeline has judged a batch. Validating is parallel, locking is in sequence: the tips
    /// are asked
    /// again here, entry by entry, so that the earlier entry wins and nothing stale is locked.
    pub fn judged(&mut self, now_us: u64, judged: Judged) -> Step {
        let mut step = Step::default();
        let id = judged.proposal.claimed;
        let proposer = judged.proposal.proposer;
        self.judging.remove(&(id, proposer));
        let batch = match &judged.batch {
            Ok(batch) if judged.is_signed => batch.clone(),
            Ok(_) => {
                blame(&mut step, proposer, "a batch without its proposer's signature (R1)".into());
                self.charge_batch(now_us, &judged);
                return step;
            }
            Err(wrong) => {
                blame(&mut step, proposer, wrong.to_string());
                self.charge_batch(now_us, &judged);
                return step;
            }
        };
        self.charge_entries(now_us, &judged, &mut step);
        let make = || Open::new(judged.proposal.clone(), batch.clone(), now_us);
        let open = self.open.open(id, make);
        open.proposers.insert(proposer);
        let newly = self.lock_valid(&mut step, id, &batch, judged.verdicts);
        if newly.ones() > 0 {
            self.record_batch(&mut step, id);
            step.persist.push(Record::Locked(Locked { batch: id, bitmap: newly }));
        }
        self.lock_answers(id, &mut step);
        self.ask_for_parents(&mut step, id, proposer);
        self.unpark(now_us, id, &mut step);
        self.go_on(now_us, &mut step);
        step
    }

    /// A batch that this node's own proposer made: every entry was found Valid here before it was
    /// queued.
    pub fn own(&mut self, now_us: u64, proposal: Arc<Proposal>, batch: Arc<Batch>) -> Step {
        if self.open.contains_key(&batch.id()) {
            return self.repeated(now_us, batch.id(), self.member);
        }
        let verdicts = vec![Some(Verdict::Valid); batch.count()];
        self.judged(now_us, Judged { proposal, batch: Ok(batch), is_signed: true, verdicts })
    }

    /// Locks what is valid (above round 0 the pipeline has checked the justification) and returns
    /// the entries that the vote has gained. They are recorded even where the lock itself was there
    /// before, from another batch: a vote, once sent, is never taken back (R10), also not after a
    /// restart.
    fn lock_valid(
        &mut self,
        step: &mut Step,
        id: BatchId,
        batch: &Batch,
        verdicts: Vec<Option<Verdict>>,
    ) -> Bitmap {
        let mut newly = Bitmap::empty(batch.count());
        for (index, verdict) in verdicts.into_iter().enumerate() {
            let Some(verdict) = verdict else { continue };
            let verdict = match verdict {
                Verdict::Valid => self.lock_entry(step, batch, index),
                other => other,
            };
            let open = self.open.get_mut(&id).expect("opened by the caller");
            if verdict == Verdict::Valid {
                if !open.locked.has(index) {
                    newly.set(index);
                }
                open.locked.set(index);
                open.verdicts[index] = None;
            } else if !open.locked.has(index) {
                open.verdicts[index] = Some(verdict);
            }
        }
        newly
    }

    fn lock_entry(&mut self, step: &mut Step, batch: &Batch, index: usize) -> Verdict {
        if self.mode != Mode::Voting || self.is_closed(&self.open[&batch.id()]) {
            return Verdict::Unknown(Cause::CatchingUp);
        }
        let entry = &batch.entries()[index];
        let (owner, inputs) = (entry.signed.transfer.owner, &entry.signed.transfer.inputs);
        let found = self.tips.judge(&entry.signed.transfer);
        if found != Verdict::Valid {
            return found;
        }
        let transfer = batch.ids()[index];
        let held = Held { round: entry.round, transfer, batch: batch.id() };
        match self.locks.lock(owner, inputs, held) {
            Ok(_) => Verdict::Valid,
            Err(refusal) => {
                if let Refusal::LockConflict { state, .. } = &refusal {
                    self.convict(step, *state, batch, index);
                }
                Verdict::Invalid(refusal)
            }
        }
    }

    /// R9: the lock's transfer and this one are signed by one owner for one state in one round.
    fn convict(&mut self, step: &mut Step, state: TokenState, batch: &Batch, index: usize) {
        if self.convicted.len() >= EVIDENCE_MAX || self.convicted.contains(&state) {
            return;
        }
        let held = self.locks.get(&state.token).and_then(|row| row.locked);
        let Some(held) = held else { return };
        let Some(open) = self.open.get(&held.batch) else { return };
        let earlier = &open.batch;
        // The entry that has the lock: the transfer may be there twice, and badly signed.
        let has_lock = |at: &usize| {
            earlier.ids()[*at] == held.transfer && earlier.entries()[*at].round == held.round
        };
        let Some(at) = open.locked.indexes().find(has_lock) else { return };
        if let Some(found) = evidence::of_owner((earlier, at), (batch, index)) {
            self.convicted.insert(state);
            let found = Evidence::Owner(found);
            step.persist.push(Record::Evidence(found.clone()));
            step.evidence.push(found);
        }
    }

    /// Hands out the batch's bytes for the journal, once.
    pub(super) fn record_batch(&mut self, step: &mut Step, id: BatchId) {
        let open = self.open.get_mut(&id).expect("the caller has it open");
        if !open.is_recorded {
            open.is_recorded = true;
            step.persist.push(Record::Batch(open.proposal.clone()));
        }
    }

    /// Asks the proposer for the makers of inputs that are missing here, and remembers to judge
    /// again.
    fn ask_for_parents(&mut self, step: &mut Step, id: BatchId, proposer: u16) {
        let open = &self.open[&id];
        let missing: BTreeSet<TransferId> = open
            .verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Some(Verdict::Unknown(Cause::ParentMissing { state })) => Some(state.made_by),
                _ => None,
            })
            .take(PARENTS_PER_BATCH_MAX)
            .collect();
        if missing.is_empty() {
            return;
        }
        self.wait_for(&missing, id);
        if proposer != self.member {
            let transfers = missing.into_iter().collect();
            step.fetch.push(Fetch::Parents { transfers, from: proposer });
        }
    }
}
