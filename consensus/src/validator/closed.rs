//! Batches that were voted on and are forgotten. A later vote may only add bits (R10), and two
//! votes of
//! which neither covers the other are evidence (R9): so a batch whose bits are forgotten is never
//! voted on
//! again, as long as it could gain others. Its transfers get their votes in another batch.

use super::{Open, Validator};
use crate::limits::CLOSED_MAX;
use crate::tips::Place;
use crate::verdict::{Refusal, Verdict};
use ledger::BatchId;
use std::collections::BTreeSet;

/// What is remembered of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed {
    batches: BTreeSet<BatchId>,
    /// Whether there were more than can be remembered: then whatever may have been voted on before
    /// gets
    /// no vote.
    is_over: bool,
}

impl Closed {
    /// Remembers a batch.
    pub fn insert(&mut self, id: BatchId) {
        if self.batches.len() < CLOSED_MAX {
            self.batches.insert(id);
        } else {
            self.is_over |= !self.batches.contains(&id);
        }
    }

    /// All of them, for a record.
    pub fn batches(&self) -> Vec<BatchId> {
        self.batches.iter().copied().collect()
    }
}

impl Validator {
    /// Whether no vote on this batch may leave any more.
    pub(super) fn is_closed(&self, open: &Open) -> bool {
        self.closed.batches.contains(&open.batch.id())
            || (self.closed.is_over && !open.has_votes() && self.has_spent(open))
    }

    /// Forgets batches; those with votes that could gain bits are remembered by id.
    pub(super) fn forget(&mut self, batches: &[BatchId]) {
        for id in batches {
            let Some(open) = self.open.remove(id) else { continue };
            if open.has_votes() && !(0..open.batch.count()).all(|i| self.is_settled(&open, i)) {
                self.closed.insert(*id);
            }
        }
    }

    /// Whether entry `index` can never get a vote that it does not have.
    fn is_settled(&self, open: &Open, index: usize) -> bool {
        let is_wrong = matches!(
            &open.verdicts[index],
            Some(Verdict::Invalid(
                Refusal::Transfer(_)
                    | Refusal::NotOwner { .. }
                    | Refusal::WrongValue { .. }
                    | Refusal::NoSuchToken { .. }
            ))
        );
        is_wrong || open.applied.has(index) || self.is_spent(open, index)
    }

    fn has_spent(&self, open: &Open) -> bool {
        (0..open.batch.count()).any(|index| self.is_spent(open, index))
    }

    fn is_spent(&self, open: &Open, index: usize) -> bool {
        let inputs = &open.batch.entries()[index].signed.transfer.inputs;
        let mut places = inputs.iter().map(|input| self.tips.place(&input.state));
        places.any(|place| matches!(place, Place::Spent { .. }))
    }
}

impl Open {
    fn has_votes(&self) -> bool {
        self.locked.ones() > 0 || self.accepted.ones() > 0
    }
}
