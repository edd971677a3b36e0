//! What comes in to a proposer: clients' transfers, and batches whose own proposer is gone.

use super::{Pending, Proposer, Stages, Submitted};
use crate::batch::Batch;
use crate::limits::{ADOPTED_US, FLIGHTS_KEPT_MAX, QUEUE_BYTES_MAX, QUEUE_MAX, RETRY_US};
use crate::recovery::VerifiedEntry;
use crate::step::Step;
use ledger::{Canonical, VerifiedTransfer};
use std::sync::Arc;

impl Proposer {
    /// Takes a transfer that this node's own pipeline found Valid. `admitted_us` is when the
    /// client's
    /// bytes came. Its end comes as a [`crate::TransferReport`] out of some later step, exactly
    /// once.
    pub fn submit(
        &mut self,
        now_us: u64,
        admitted_us: u64,
        transfer: &VerifiedTransfer,
    ) -> Submitted {
        self.submit_entry(now_us, admitted_us, &VerifiedEntry::ordinary(transfer))
    }

    /// The same for an entry of any round. One of a higher round takes the place of the same
    /// transfer's in a lower one: nobody locks that any more.
    pub fn submit_entry(
        &mut self,
        now_us: u64,
        admitted_us: u64,
        verified: &VerifiedEntry,
    ) -> Submitted {
        let id = verified.id();
        let entry = verified.entry().clone();
        let bytes = entry.to_bytes().len();
        if self.queue.len() >= QUEUE_MAX || self.queue_bytes + bytes > QUEUE_BYTES_MAX {
            let is_known = self.pending.contains_key(&id);
            return if is_known { Submitted::Known } else { Submitted::Full };
        }
        if let Some(pending) = self.pending.get_mut(&id) {
            if pending.entry.round >= entry.round {
                return Submitted::Known;
            }
            if pending.is_queued {
                self.queue_bytes -= pending.bytes;
            } else {
                self.queue.push_back(id);
            }
            self.queue_bytes += bytes;
            (pending.entry, pending.bytes, pending.is_queued) = (entry, bytes, true);
            // Its time begins anew.
            (pending.admitted_us, pending.queued_us, pending.doomed) = (admitted_us, now_us, None);
            (pending.retry_us, pending.pause_us) = (now_us + RETRY_US, 0);
            for (flight, index) in std::mem::take(&mut pending.flights) {
                if let Some(flight) = self.flights.get_mut(&flight) {
                    flight.leave(index);
                }
            }
            return Submitted::Known;
        }
        for input in &verified.transfer().inputs {
            self.by_token.entry(input.state.token).or_default().push(id);
        }
        let pending = Pending {
            entry,
            bytes,
            admitted_us,
            queued_us: now_us,
            retry_us: now_us + RETRY_US,
            pause_us: 0,
            doomed: None,
            stages: Stages { admit: now_us.saturating_sub(admitted_us), ..Stages::default() },
            flights: Vec::new(),
            is_queued: true,
        };
        self.pending.insert(id, pending);
        self.queue.push_back(id);
        self.queue_bytes += bytes;
        Submitted::Queued
    }

    /// Takes a batch over whose proposer does not bring it to an end (an orphan, protocol §3). No
    /// report comes of it.
    pub fn adopt(&mut self, now_us: u64, batch: Arc<Batch>) -> Step {
        let mut step = Step::default();
        if self.flights.contains_key(&batch.id()) || self.open_flights() < FLIGHTS_KEPT_MAX {
            let id = batch.id();
            let is_new = !self.flights.contains_key(&id);
            self.launch(now_us, batch, &mut step);
            let flight = self.flights.get_mut(&id).expect("launched above");
            if is_new || flight.adopted_until_us > 0 {
                flight.adopted_until_us = now_us + ADOPTED_US;
            }
        }
        step
    }
}
