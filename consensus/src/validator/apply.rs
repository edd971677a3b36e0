//! Applying: tips move only on a Commit certificate (R7), all of a transfer or nothing, never twice
//! (R8).
//! A missing parent is fetched first, never guessed.

use super::{Mode, Validator};
use crate::limits::WAITING_MAX;
use crate::message::CheckedCertificate;
use crate::record::{Certified, Record};
use crate::step::{Applied, Fetch, Step};
use crate::tips::NotApplied;
use ledger::{BatchId, Bitmap, TransferId};
use std::collections::BTreeSet;

impl Validator {
    pub(super) fn apply(
        &mut self,
        now_us: u64,
        id: BatchId,
        checked: CheckedCertificate,
        step: &mut Step,
    ) {
        let open = &self.open[&id];
        let batch = open.batch.clone();
        let proposer = open.proposal.proposer;
        let fresh = checked.certified().without(&open.applied);
        let mut newly = Bitmap::empty(batch.count());
        let mut resolved = Bitmap::empty(batch.count());
        let mut missing: BTreeSet<TransferId> = BTreeSet::new();
        let mut done: Vec<TransferId> = Vec::new();
        for index in fresh.indexes() {
            let transfer = &batch.entries()[index].signed.transfer;
            match self.tips.apply(batch.ids()[index], transfer) {
                Ok(change) => {
                    self.locks.release(&change.spent);
                    newly.set(index);
                    resolved.set(index);
                    done.push(change.id);
                    let index = u32::try_from(index).expect("at most 4,096");
                    step.applied.push(Applied { batch: id, index, change });
                }
                Err(NotApplied::Already) => resolved.set(index),
                Err(NotApplied::Missing(states)) => {
                    missing.extend(states.iter().map(|state| state.made_by));
                }
                Err(NotApplied::Fork(state)) => {
                    self.mode = Mode::Silent;
                    step.fork = Some(state);
                }
            }
        }
        if newly.ones() > 0 {
            self.record_batch(step, id);
            let certificate = checked.certificate().clone();
            step.persist.push(Record::Applied(Certified { certificate, bitmap: newly }));
        }
        self.open.get_mut(&id).expect("looked at above").applied.add(&resolved);
        if !missing.is_empty() {
            self.wait_for(&missing, id);
            self.park_for_parents(now_us, checked);
            let transfers = missing.into_iter().collect();
            step.fetch.push(Fetch::Parents { transfers, from: proposer });
        }
        self.wake(now_us, &done, step);
    }

    /// Remembers that a batch waits for transfers; above the limit it does not, and the proposer's
    /// repeats
    /// or the next tick bring it back.
    pub(super) fn wait_for(&mut self, missing: &BTreeSet<TransferId>, batch: BatchId) {
        for transfer in missing {
            if self.waiting.len() < WAITING_MAX || self.waiting.contains_key(transfer) {
                self.waiting.entry(*transfer).or_default().insert(batch);
            }
        }
    }

    /// Goes on with the batches that waited for these transfers: certificates first, then verdicts.
    fn wake(&mut self, now_us: u64, applied: &[TransferId], step: &mut Step) {
        if self.waiting.is_empty() {
            return;
        }
        let woken: BTreeSet<BatchId> =
            applied.iter().filter_map(|id| self.waiting.remove(id)).flatten().collect();
        for id in woken {
            self.unpark(now_us, id, step);
            if self.open.contains_key(&id) {
                self.judge_again(id, step);
            }
        }
    }
}
