//! Applying: tips move only on a Commit certificate (R7), all of a transfer or nothing, never twice
//! (R8). A missing parent is fetched first, never guessed.

use super::{Mode, Validator};
use crate::limits::WAITING_MAX;
use crate::message::CheckedCertificate;
use crate::record::{Certified, Record};
use crate::step::{Applied, Fetch, Step};
use crate::tips::NotApplied;
use ledger::{BatchId, Bitmap, TransferId};
use std::collections::{BTreeMap, BTreeSet};

impl Validator {
    /// Applies what a Commit certificate certifies and is not applied yet. An entry that spends
    /// what a later one of its batch makes has its turn behind that, in a record of its own: within
    /// a record, entries are applied in their order.
    pub(super) fn apply(
        &mut self,
        now_us: u64,
        id: BatchId,
        checked: CheckedCertificate,
        step: &mut Step,
    ) {
        let open = &self.open[&id];
        let proposer = open.proposal.proposer;
        let fresh = checked.certified().without(&open.applied);
        let mut turn: BTreeSet<usize> = fresh.indexes().collect();
        let mut lacking: BTreeMap<TransferId, BTreeSet<usize>> = BTreeMap::new();
        while !turn.is_empty() {
            let done = self.apply_in_order(&checked, &turn, &mut lacking, step);
            turn = done.iter().filter_map(|id| lacking.remove(id)).flatten().collect();
            self.wake(&done);
        }
        if !lacking.is_empty() {
            let missing: BTreeSet<TransferId> = lacking.into_keys().collect();
            self.wait_for(&missing, id);
            self.park_for_parents(now_us, checked);
            let transfers = missing.into_iter().collect();
            step.fetch.push(Fetch::Parents { transfers, from: proposer });
        }
    }

    /// Applies those of the entries `turn` that can be, and returns them; who lacks which transfer
    /// goes to `lacking`.
    fn apply_in_order(
        &mut self,
        checked: &CheckedCertificate,
        turn: &BTreeSet<usize>,
        lacking: &mut BTreeMap<TransferId, BTreeSet<usize>>,
        step: &mut Step,
    ) -> Vec<TransferId> {
        let id = checked.certificate().batch;
        let batch = self.open[&id].batch.clone();
        let mut newly = Bitmap::empty(batch.count());
        let mut resolved = Bitmap::empty(batch.count());
        let mut done: Vec<TransferId> = Vec::new();
        for index in turn.iter().copied() {
            let transfer = &batch.entries()[index].signed.transfer;
            match self.tips.apply(batch.ids()[index], transfer) {
                Ok(change) => {
                    self.locks.release(change.owner, &change.spent);
                    newly.set(index);
                    resolved.set(index);
                    done.push(change.id);
                    let index = u32::try_from(index).expect("at most 4,096");
                    step.applied.push(Applied { batch: id, index, change });
                }
                Err(NotApplied::Already) => resolved.set(index),
                Err(NotApplied::Missing(states)) => {
                    for state in states {
                        lacking.entry(state.made_by).or_default().insert(index);
                    }
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
        self.open.applied(&id, &resolved);
        done
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

    /// Notes which batches waited for these transfers.
    fn wake(&mut self, applied: &[TransferId]) {
        if self.waiting.is_empty() {
            return;
        }
        for id in applied {
            self.woken.extend(self.waiting.remove(id).into_iter().flatten());
        }
    }

    /// Goes on with the batches that waited for what was applied: certificates first, then
    /// verdicts. To be called at the end of whatever may have applied something. A loop: batches
    /// that wait for each other's entries can wake one another thousands of times, and each call
    /// within a call would take a piece of the stack.
    pub(super) fn go_on(&mut self, now_us: u64, step: &mut Step) {
        let mut again = BTreeSet::new();
        while let Some(id) = self.woken.pop_first() {
            self.unpark(now_us, id, step);
            again.insert(id);
        }
        for id in again {
            if self.open.contains_key(&id) {
                self.judge_again(id, step);
            }
        }
    }
}
