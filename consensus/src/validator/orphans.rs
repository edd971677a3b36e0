//! Orphans (protocol §3): a lock keeps the signed bytes, so a validator that holds one whose
//! transfer does not become final proposes it again by itself. A payment that was sent once
//! completes although client and proposer are gone.
//!
//! The validators take turns, with pauses that double; the batch is proposed as it was, with its
//! justifications, so that it is the same batch everywhere and repeats write nothing. Entries for
//! which a higher round is promised are given up.

use super::{Mode, Open, Validator};
use crate::batch::Batch;
use crate::limits::{ORPHAN_EVERY_US, ORPHAN_PAUSE_US_MAX, ORPHAN_TURN_US};
use crate::step::Step;
use ledger::BatchId;
use std::sync::Arc;

/// When an open batch is looked at next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    at_us: u64,
    pause_us: u64,
}

impl Validator {
    /// Hands the batches out whose turn it is.
    pub(super) fn look_for_orphans(&mut self, now_us: u64, step: &mut Step) {
        if self.mode != Mode::Voting {
            return;
        }
        let members = u64::try_from(self.network.committee.members().len()).expect("few");
        let mut due: Vec<(u64, BatchId)> = Vec::new();
        for (id, open) in self.open.iter_mut() {
            let turn = (u64::from(id.bytes()[0]) + u64::from(self.member)) % members;
            let first = now_us + self.orphan_age_us + ORPHAN_TURN_US * turn;
            let turn = open
                .orphan
                .get_or_insert(Turn { at_us: first, pause_us: self.orphan_age_us.max(1) });
            if turn.at_us <= now_us {
                due.push((turn.at_us, *id));
            }
        }
        due.sort_unstable();
        for (_, id) in due {
            let orphan = self.orphan_of(&self.open[&id]);
            if orphan.is_some() {
                if now_us < self.orphan_ready_us {
                    continue;
                }
                self.orphan_ready_us = now_us + ORPHAN_EVERY_US;
            }
            let open = self.open.get_mut(&id).expect("it was just found");
            let turn = open.orphan.as_mut().expect("set above");
            turn.pause_us = turn.pause_us.saturating_mul(2).min(ORPHAN_PAUSE_US_MAX);
            turn.at_us = now_us + turn.pause_us;
            step.orphans.extend(orphan);
        }
    }

    /// What of a batch is to be proposed again: all of it, if all of it stands here, else its
    /// locked entries alone.
    fn orphan_of(&self, open: &Open) -> Option<Arc<Batch>> {
        if open.applied.covers(&open.locked) {
            return None;
        }
        let is_waiting = |index: &usize| !open.applied.has(*index) && self.is_held(open, *index);
        let waiting: Vec<usize> = open.locked.indexes().filter(is_waiting).collect();
        if waiting.is_empty() {
            return None;
        }
        let mut stands = open.applied.clone();
        waiting.iter().for_each(|index| stands.set(*index));
        if stands.ones() == open.batch.count() {
            return Some(open.batch.clone());
        }
        let entries = waiting.iter().map(|index| open.batch.entries()[*index].clone()).collect();
        let ids = waiting.iter().map(|index| open.batch.ids()[*index]).collect();
        Some(Arc::new(Batch::with_ids(Arc::new(entries), ids)))
    }

    /// Whether entry `index` holds the lock of each of its states, out of this very batch (only the
    /// first one of a transfer is proposed again, or each proposal would breed others), and no
    /// higher round is promised.
    fn is_held(&self, open: &Open, index: usize) -> bool {
        let entry = &open.batch.entries()[index];
        let id = open.batch.ids()[index];
        entry.signed.transfer.inputs.iter().all(|input| {
            self.locks.get(&input.state.token).is_some_and(|row| {
                row.state == input.state
                    && row.promised <= entry.round
                    && row.locked.is_some_and(|held| {
                        (held.round, held.transfer) == (entry.round, id)
                            && held.batch == open.batch.id()
                    })
            })
        })
    }
}
