//! Certificates: R6 accept before commit vote, R7 nothing without a quorum. What a certificate
//! names and
//! is missing here is fetched; the certificate waits, bounded.

use super::{Mode, Open, Parked, Validator};
use crate::batch::{AppliedBatch, Batch, Proposal};
use crate::limits::{PARKED_MAX, RETRY_US};
use crate::lock::Held;
use crate::message::CheckedCertificate;
use crate::record::{Certified, Record};
use crate::step::{Fetch, Step};
use crate::tips::Place;
use ledger::{BatchId, Bitmap, Certificate, Phase};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Validator {
    /// Whether a certificate can tell this validator anything new. If not, the answer to it is here
    /// and
    /// no signature has to be checked (R8).
    ///
    /// # Errors
    /// The answer, when there is nothing new.
    #[allow(clippy::result_large_err, reason = "the answer is moved once, into the driver")]
    pub fn wants(&self, certificate: &Certificate) -> Result<(), Step> {
        let Some(open) = self.open.get(&certificate.batch) else { return Ok(()) };
        let known = match certificate.phase {
            Phase::Lock => &open.accepted,
            Phase::Commit => &open.applied,
        };
        let is_known = |group: &ledger::certificate::Group| known.covers(&group.bitmap);
        if known.ones() == 0 || !certificate.groups.iter().all(is_known) {
            return Ok(());
        }
        let mut step = Step::default();
        if certificate.phase == Phase::Lock {
            self.commit_answers(certificate.batch, &mut step);
        }
        Err(step)
    }

    /// A certificate of either phase. It is acted on at once, or waits for its batch.
    pub fn certified(&mut self, now_us: u64, checked: CheckedCertificate) -> Step {
        let mut step = Step::default();
        let id = checked.certificate().batch;
        match self.open.get(&id) {
            Some(open) if open.batch.count() != checked.certified().count() => {
                // The voters' own bitmaps have another length than the batch: it proves nothing
                // here.
            }
            Some(_) => self.act(now_us, checked, &mut step),
            None => self.park(now_us, checked, &mut step),
        }
        self.go_on(now_us, &mut step);
        step
    }

    /// A batch with its Commit certificate, from somebody who has both (R8, §5).
    pub fn proven(
        &mut self,
        now_us: u64,
        applied: AppliedBatch,
        batch: Arc<Batch>,
        checked: CheckedCertificate,
    ) -> Step {
        let mut step = Step::default();
        let id = batch.id();
        let is_one = checked.certificate().batch == id && applied.proposal.claimed == id;
        let is_commit = checked.certificate().phase == Phase::Commit;
        let is_fit = batch.count() == checked.certified().count();
        if !is_one || !is_commit || !is_fit || !self.is_known_or_signed(id, &applied.proposal) {
            return step;
        }
        let proposal = Arc::new(applied.proposal);
        self.open.open(id, || Open::new(proposal, batch, now_us));
        self.act(now_us, checked, &mut step);
        self.go_on(now_us, &mut step);
        step
    }

    /// A batch that a certificate waits for has come. Its verdicts are not needed: a quorum gave
    /// theirs.
    pub fn fetched(&mut self, now_us: u64, proposal: Arc<Proposal>, batch: Arc<Batch>) -> Step {
        let mut step = Step::default();
        let id = batch.id();
        let is_wanted = proposal.claimed == id && self.parked.contains_key(&id);
        if is_wanted && self.is_known_or_signed(id, &proposal) {
            self.open.open(id, || Open::new(proposal, batch, now_us));
            self.unpark(now_us, id, &mut step);
            self.go_on(now_us, &mut step);
        }
        step
    }

    /// Whether a batch that somebody hands on is open here, or is its proposer's: what is opened is
    /// charged to whom it names, and kept and served in that name.
    fn is_known_or_signed(&self, id: BatchId, proposal: &Proposal) -> bool {
        self.open.contains_key(&id)
            || (proposal.epoch == self.network.epoch && proposal.is_signed(&self.network))
    }

    fn act(&mut self, now_us: u64, checked: CheckedCertificate, step: &mut Step) {
        let id = checked.certificate().batch;
        let open = self.open.get_mut(&id).expect("the caller looked");
        open.touched_us = now_us;
        self.recall(&checked, step);
        match checked.certificate().phase {
            Phase::Lock => self.accept(now_us, id, checked, step),
            Phase::Commit => self.apply(now_us, id, checked, step),
        }
    }

    /// R6. Entries whose inputs are no tips here are left out; those that wait for a parent are
    /// tried again
    /// when it is applied, and the vote gains bits (R10). What is spent already needs no accept any
    /// more.
    fn accept(&mut self, now_us: u64, id: BatchId, checked: CheckedCertificate, step: &mut Step) {
        let open = &self.open[&id];
        if self.mode != Mode::Voting || self.is_closed(open) {
            return;
        }
        let batch = open.batch.clone();
        let fresh = checked.certified().without(&open.accepted);
        let mut newly = Bitmap::empty(batch.count());
        let mut missing = BTreeSet::new();
        for index in fresh.indexes() {
            let entry = &batch.entries()[index];
            let inputs = &entry.signed.transfer.inputs;
            let places = inputs.iter().map(|input| (input.state, self.tips.place(&input.state)));
            let elsewhere: Vec<_> = places.filter(|(_, place)| *place != Place::Current).collect();
            if !elsewhere.is_empty() {
                if elsewhere.iter().all(|(_, place)| *place == Place::Ahead) {
                    missing.extend(elsewhere.iter().map(|(state, _)| state.made_by));
                }
                continue;
            }
            let held = Held { round: entry.round, transfer: batch.ids()[index], batch: id };
            if self.locks.accept(inputs, held).is_ok() {
                newly.set(index);
            }
        }
        if newly.ones() > 0 {
            self.record_batch(step, id);
            let certificate = checked.certificate().clone();
            let certified = Certified { certificate, bitmap: newly.clone() };
            let open = self.open.get_mut(&id).expect("looked at above");
            open.lock_certificates.push(certified.clone());
            step.persist.push(Record::Accepted(certified));
        }
        let open = self.open.get_mut(&id).expect("looked at above");
        open.accepted.add(&newly);
        if open.accepted.ones() > 0 {
            self.commit_answers(id, step);
        }
        if !missing.is_empty() {
            self.wait_for(&missing, id);
            self.park_for_parents(now_us, checked);
        }
    }

    fn park(&mut self, now_us: u64, checked: CheckedCertificate, step: &mut Step) {
        let id = checked.certificate().batch;
        if !self.parked.contains_key(&id) && self.parked.len() >= PARKED_MAX {
            let oldest = self.parked.iter().min_by_key(|(_, parked)| parked.since_us);
            let oldest = oldest.map(|(id, _)| *id).expect("it is full");
            self.parked.remove(&oldest);
        }
        let votes = checked.certificate().votes();
        let from = votes.iter().map(|vote| vote.member);
        let from = from.filter(|member| *member != self.member).collect();
        if !self.is_judging(id) {
            step.fetch.push(Fetch::Batch { batch: id, from });
        }
        let parked = self.parked.entry(id).or_default();
        parked.since_us = now_us;
        parked.put(checked);
    }

    /// Keeps a certificate until parents are applied; its batch is open. Commit certificates wait
    /// with
    /// their missing parents named, see `apply`.
    pub(super) fn park_for_parents(&mut self, now_us: u64, checked: CheckedCertificate) {
        let id = checked.certificate().batch;
        if self.parked.len() < PARKED_MAX || self.parked.contains_key(&id) {
            let parked = self.parked.entry(id).or_default();
            parked.since_us = now_us;
            parked.put(checked);
        }
    }

    /// Acts on certificates that waited for this batch; the caller goes on with what that woke.
    pub(super) fn unpark(&mut self, now_us: u64, id: BatchId, step: &mut Step) {
        if !self.open.contains_key(&id) {
            return;
        }
        let Some(parked) = self.parked.remove(&id) else { return };
        let count = self.open[&id].batch.count();
        for checked in [parked.commit, parked.lock].into_iter().flatten() {
            if checked.certified().count() == count {
                self.act(now_us, checked, step);
            }
        }
    }

    /// Asks again for batches that certificates have waited for too long.
    pub(super) fn retry_parked(&mut self, now_us: u64) -> Step {
        let mut step = Step::default();
        let late: Vec<BatchId> = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.since_us + RETRY_US <= now_us)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if self.open.contains_key(&id) {
                self.unpark(now_us, id, &mut step);
            }
            let Some(parked) = self.parked.get_mut(&id) else { continue };
            parked.since_us = now_us;
            if !self.open.contains_key(&id) {
                let from = parked.voters(self.member);
                step.fetch.push(Fetch::Batch { batch: id, from });
            }
        }
        self.go_on(now_us, &mut step);
        step
    }
}

impl Parked {
    /// Keeps a certificate; of two of one phase the one that certifies more.
    fn put(&mut self, checked: CheckedCertificate) {
        let slot = match checked.certificate().phase {
            Phase::Lock => &mut self.lock,
            Phase::Commit => &mut self.commit,
        };
        let is_more =
            slot.as_ref().is_none_or(|old| old.certified().ones() <= checked.certified().ones());
        if is_more {
            *slot = Some(checked);
        }
    }

    fn voters(&self, own: u16) -> Vec<u16> {
        let any = self.commit.as_ref().or(self.lock.as_ref());
        let votes = any.map(|checked| checked.certificate().votes()).unwrap_or_default();
        votes.iter().map(|vote| vote.member).filter(|member| *member != own).collect()
    }
}
