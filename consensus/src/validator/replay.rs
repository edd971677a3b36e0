//! Being rebuilt from records: the same changes as when they were made, without checking signatures
//! again
//! (the journal's chained hashes vouch for them) and without sending anything.

use super::{Open, Validator};
use crate::batch::{Batch, WrongRoot};
use crate::evidence::Evidence;
use crate::limits::PROMISES_MAX;
use crate::lock::Held;
use crate::record::{Certified, Closed, Locked, Promise, Promised, Record};
use crate::step::Applied;
use crate::tips::{NotApplied, Place, Tips};
use crate::verdict::Refusal;
use ledger::{BatchId, Bitmap, Input, TokenState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records that no run of this validator can have written in this order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A record names a batch that no record before it holds.
    #[error("the journal names batch {0} before it holds it")]
    NoBatch(BatchId),
    /// A batch whose root is not the one it claims.
    #[error("{0}")]
    WrongRoot(#[from] WrongRoot),
    /// A bitmap of another length than the batch.
    #[error("the journal has a bitmap of a wrong length for batch {0}")]
    BitmapLength(BatchId),
    /// A lock or accept that the rules forbid.
    #[error("the journal holds two locks that the rules forbid together, for batch {0}")]
    Forbidden(BatchId),
    /// An applied transfer whose inputs do not stand where it needs them.
    #[error("the journal applies a transfer of token {} that does not fit its tip", .0.token)]
    DoesNotFit(TokenState),
}

impl Validator {
    /// Takes one record, in the order in which they were persisted; returns what it applied, for an
    /// index
    /// that lags behind. Transfers that the loaded tips already hold are passed over.
    ///
    /// # Errors
    /// Every [`ReplayError`]: the store is damaged, or another program wrote it.
    pub fn replay(&mut self, record: Record) -> Result<Vec<Applied>, ReplayError> {
        match record {
            Record::Batch(proposal) => {
                let batch = Arc::new(Batch::of(&proposal)?);
                let mut open = Open::new(proposal, batch.clone(), 0);
                open.is_recorded = true;
                self.open.open(batch.id(), || open);
                Ok(Vec::new())
            }
            Record::Locked(locked) => self.replay_locked(&locked),
            Record::Accepted(certified) => self.replay_accepted(&certified),
            Record::Applied(certified) => self.replay_applied(&certified),
            Record::Closed(closed) => {
                closed.batches.into_iter().for_each(|id| self.closed.insert(id));
                Ok(Vec::new())
            }
            Record::Promised(promised) => {
                for Promise { state, accepted } in promised.promises {
                    if self.tips.place(&state) == Place::Current {
                        self.locks.load_promise(state, promised.round, accepted);
                    }
                }
                Ok(Vec::new())
            }
            Record::Evidence(evidence) => {
                if let Evidence::Owner(evidence) = &evidence {
                    self.convicted.extend(evidence.state());
                }
                Ok(Vec::new())
            }
        }
    }

    fn replayed(&self, id: BatchId, bits: usize) -> Result<Arc<Batch>, ReplayError> {
        let open = self.open.get(&id).ok_or(ReplayError::NoBatch(id))?;
        if open.batch.count() != bits {
            return Err(ReplayError::BitmapLength(id));
        }
        Ok(open.batch.clone())
    }

    /// Compacting writes live records behind those that they stand for, so a lock may come again
    /// when a higher round is known already: it is passed over.
    fn replay_locked(&mut self, locked: &Locked) -> Result<Vec<Applied>, ReplayError> {
        let id = locked.batch;
        let batch = self.replayed(id, locked.bitmap.count())?;
        for index in locked.bitmap.indexes() {
            let (entry, held) = held(&batch, index);
            let inputs = self.current(&entry.signed.transfer.inputs);
            match self.locks.lock(entry.signed.transfer.owner, &inputs, held) {
                Ok(_) | Err(Refusal::RoundTooLow { .. }) => {}
                Err(_) => return Err(ReplayError::Forbidden(id)),
            }
        }
        self.open.get_mut(&id).expect("looked at above").locked.add(&locked.bitmap);
        Ok(Vec::new())
    }

    fn replay_accepted(&mut self, certified: &Certified) -> Result<Vec<Applied>, ReplayError> {
        let id = certified.certificate.batch;
        let batch = self.replayed(id, certified.bitmap.count())?;
        for index in certified.bitmap.indexes() {
            let (entry, held) = held(&batch, index);
            let inputs = self.current(&entry.signed.transfer.inputs);
            match self.locks.accept(&inputs, held) {
                Ok(_) | Err(Refusal::RoundTooLow { .. }) => {}
                Err(_) => return Err(ReplayError::Forbidden(id)),
            }
        }
        let open = self.open.get_mut(&id).expect("looked at above");
        open.accepted.add(&certified.bitmap);
        open.lock_certificates.push(certified.clone());
        Ok(Vec::new())
    }

    fn replay_applied(&mut self, certified: &Certified) -> Result<Vec<Applied>, ReplayError> {
        let id = certified.certificate.batch;
        let batch = self.replayed(id, certified.bitmap.count())?;
        let mut applied = Vec::new();
        for index in certified.bitmap.indexes() {
            let transfer = &batch.entries()[index].signed.transfer;
            match self.tips.apply(batch.ids()[index], transfer) {
                Ok(change) => {
                    self.locks.release(change.owner, &change.spent);
                    let index = u32::try_from(index).expect("at most 4,096");
                    applied.push(Applied { batch: id, index, change });
                }
                Err(NotApplied::Already) => {}
                Err(NotApplied::Missing(states)) => {
                    return Err(ReplayError::DoesNotFit(states[0]));
                }
                Err(NotApplied::Fork(state)) => return Err(ReplayError::DoesNotFit(state)),
            }
        }
        self.open.applied(&id, &certified.bitmap);
        Ok(applied)
    }

    /// The inputs that are unspent. The tips may be newer than the record: then the lock of a spent
    /// state
    /// has served its time, and the locks of the same transfer's other states have not.
    fn current(&self, inputs: &[Input]) -> Vec<Input> {
        let is_current = |input: &&Input| self.tips.place(&input.state) == Place::Current;
        inputs.iter().filter(is_current).copied().collect()
    }

    /// Takes tips that a verified snapshot tells, before anything is applied or promised. Who
    /// starts from one never votes (protocol §5).
    ///
    /// # Panics
    /// When something is applied or locked already.
    pub fn replay_tips(&mut self, tips: Tips) {
        assert_eq!(self.tips.applied(), 0, "nothing is applied before a snapshot");
        assert_eq!(self.locks.count(), 0, "nothing is promised before a snapshot");
        self.tips = tips;
    }

    /// Ends replay: forgets the resolved batches.
    pub fn replayed_all(&mut self) {
        let resolved: Vec<BatchId> = self
            .open
            .iter()
            .filter(|(_, open)| self.is_resolved(open))
            .map(|(id, _)| *id)
            .collect();
        self.forget(&resolved);
    }

    /// The records that rebuild what is locked, accepted and promised now; a journal that is read
    /// from here on needs nothing older but the tips. They are by ascending round, as they were
    /// made: a lock or accept of a lower round would be refused behind a higher one. A lock may
    /// come back out of another batch that holds its transfer, too.
    pub fn live_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let closed = self.closed.batches();
        if !closed.is_empty() {
            records.push(Record::Closed(Closed { batches: closed }));
        }
        let mut open: Vec<&Open> = self.open.values().filter(|open| open.is_recorded).collect();
        open.sort_by_key(|open| open.batch.id());
        let batches = open.iter().map(|open| Record::Batch(open.proposal.clone()));
        records.extend(batches);
        let rounds: BTreeSet<u32> =
            open.iter().flat_map(|open| open.batch.entries()).map(|entry| entry.round).collect();
        for round in rounds {
            for open in &open {
                open.records_of(round, &mut records);
            }
        }
        self.promises(&mut records);
        records
    }

    /// What was reported, by round.
    fn promises(&self, records: &mut Vec<Record>) {
        let mut by_round: BTreeMap<u32, Vec<Promise>> = BTreeMap::new();
        for row in self.locks.rows() {
            if let Some(reported) = row.reported {
                let promise = Promise { state: row.state, accepted: reported.accepted };
                by_round.entry(row.promised).or_default().push(promise);
            }
        }
        for (round, mut promises) in by_round {
            promises.sort_by_key(|promise| promise.state);
            for promises in promises.chunks(PROMISES_MAX) {
                let promises = promises.to_vec();
                records.push(Record::Promised(Promised { round, promises }));
            }
        }
    }
}

impl Open {
    /// The records of its entries of one round.
    fn records_of(&self, round: u32, records: &mut Vec<Record>) {
        let batch = self.batch.id();
        let of_round = |bits: &Bitmap| {
            let mut found = Bitmap::empty(bits.count());
            let entries = self.batch.entries();
            bits.indexes().filter(|i| entries[*i].round == round).for_each(|i| found.set(i));
            found
        };
        let bitmap = of_round(&self.locked);
        if bitmap.ones() > 0 {
            records.push(Record::Locked(Locked { batch, bitmap }));
        }
        for certified in &self.lock_certificates {
            let bitmap = of_round(&certified.bitmap);
            if bitmap.ones() > 0 {
                let certificate = certified.certificate.clone();
                records.push(Record::Accepted(Certified { certificate, bitmap }));
            }
        }
    }
}

fn held(batch: &Batch, index: usize) -> (&ledger::Entry, Held) {
    let entry = &batch.entries()[index];
    let held = Held { round: entry.round, transfer: batch.ids()[index], batch: batch.id() };
    (entry, held)
}
