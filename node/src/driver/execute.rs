//! What a step asks for, in one order: persist, then send, then hand over work. Votes and answers
//! to clients leave only after every record handed to the journal before them is durable (R5, R6).

use super::Driver;
use super::gate::Gated;
use super::told;
use crate::journal::JournalError;
use crate::multicast::Sent;
use crate::store::{Cause, Persisted, Silence, StoreError};
use bytes::Bytes;
use consensus::{
    CheckedCertificate, Judged, Message, Mode, Outgoing, Refusal, Step, To, Verdict, codec,
};
use ledger::{Phase, TransferId};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a full journal queue may take to drain before the disk is taken for dead.
const JOURNAL_WAIT: Duration = Duration::from_secs(10);
/// Proofs sent for one batch: a proposer whose tips are that far behind catches up by itself.
const PROOFS_MAX: usize = 8;

impl Driver {
    /// Hands a step's records to the journal at once, in the order in which the state machines
    /// changed, and queues the rest for [`Driver::settle`].
    pub(super) fn take(&mut self, mut step: Step) {
        if let Some(state) = step.fork {
            step.after.clear();
            let token = state.token;
            self.silence(Silence::new(Cause::Fork, &format!("of token {token}")));
            self.fail(&format!("two certified transfers spend one state of token {token}"));
        }
        if let Some(id) = step.forgotten {
            step.after.clear();
            self.silence(Silence::new(Cause::VoteForgotten, &format!("for transfer {id}")));
        }
        if self.is_failed {
            // Nothing is written behind what could not be: a mark that is missing, or a record. A
            // certificate that showed what was forgotten shows it again after a restart.
            step.after.clear();
            step.reports.clear();
        } else if !step.persist.is_empty() {
            match self.persist(&step) {
                Ok(persisted) => {
                    self.newest = persisted.sequence.or(self.newest);
                    let (records, bytes) = persisted.appended;
                    self.shared.metrics.journal_records.inc_by(records);
                    self.shared.metrics.journal_bytes.inc_by(bytes);
                }
                Err(error) => {
                    // What stands on records that were not taken must never leave (R5, R6).
                    step.after.clear();
                    step.reports.clear();
                    self.fail(&error.to_string());
                }
            }
        }
        self.steps.push_back(step);
    }

    fn persist(&mut self, step: &Step) -> Result<Persisted, StoreError> {
        let validator = self.shared.validator.read();
        let tips = validator.tips();
        let is_urgent = !step.after.is_empty() || !step.reports.is_empty();
        let store = &self.shared.store;
        let persist = || store.persist(&step.persist, &step.applied, tips, is_urgent);
        let deadline = Instant::now() + JOURNAL_WAIT;
        let mut persisted = persist();
        // The disk is slower than the network for long. What waits may be a checkpoint's, too.
        while matches!(persisted, Err(StoreError::Journal(JournalError::Full { .. })))
            && Instant::now() < deadline
        {
            store.journal().wait_drained(deadline)?;
            persisted = persist();
        }
        persisted
    }

    /// Does the rest of all queued steps, and what they lead to, until nothing is left; then lets
    /// go of what has become durable.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(step) = self.steps.pop_front() {
                self.execute(step);
            }
            for outgoing in std::mem::take(&mut self.later) {
                self.deliver(outgoing);
            }
            self.release();
            if self.steps.is_empty() {
                break;
            }
        }
    }

    fn execute(&mut self, step: Step) {
        let is_final = |checked: &CheckedCertificate| checked.certificate().phase == Phase::Commit;
        if step.certificates.iter().any(is_final) {
            // What is final goes to this node's own disk first: a client waits for that, nobody for
            // the others' tips.
            self.later.extend(step.now);
        } else {
            for outgoing in step.now {
                self.deliver(outgoing);
            }
        }
        let is_waited_for = !step.after.is_empty() || !step.reports.is_empty();
        if is_waited_for && !self.is_failed {
            let sequence = self.newest;
            if let Some(newest) = sequence {
                self.shared.store.journal().hurry(newest);
            }
            let (after, reports) = (step.after, step.reports);
            let since = self.shared.telemetry.mark();
            self.gate.hold(Gated { sequence, after, reports, since });
        }
        let now_us = self.now_us();
        for (proposal, batch) in step.own {
            self.shared.telemetry.begun(&proposal, Some(&batch));
            let (id, since) = (batch.id(), self.shared.telemetry.mark());
            let next = self.shared.validator.write().own(now_us, proposal, batch);
            self.shared.telemetry.stage(id, "lock", since);
            self.take(next);
        }
        for checked in step.certificates {
            self.certified(now_us, checked);
        }
        if !step.applied.is_empty() {
            self.shared.metrics.batches.inc();
            let applied = self.shared.validator.read().tips().applied();
            self.shared.metrics.applied.set(i64::try_from(applied).unwrap_or(i64::MAX));
            self.shared.applied.notify_one();
            self.shared.telemetry.applied(&step.applied);
            self.shared.inbox.note(&step.applied);
            self.shared
                .events
                .tell("batch", || told::batch(&self.shared, &step.persist, &step.applied, applied));
            let next = self.proposer.applied(now_us, &step.applied);
            self.take(next);
            self.look_at_held();
        }
        for batch in step.orphans {
            tracing::debug!(batch = %batch.id(), "proposing an orphaned batch again");
            self.shared.metrics.orphans.inc();
            let next = self.proposer.adopt(now_us, batch);
            self.take(next);
        }
        for job in step.judge {
            self.shared.telemetry.begun(&job.proposal, None);
            if let Some(judged) = self.pipeline.judge(&self.shared, job) {
                self.judged(judged);
            }
        }
        for fetch in step.fetch {
            self.sync.fetch(&self.transport, fetch);
        }
        for blame in step.blame {
            self.shared.blame(blame.member, &blame.what);
        }
    }

    /// No vote leaves this node any more, also not after a restart; it goes on serving and
    /// applying. What already waits for the journal may be a vote, and does not leave either.
    fn silence(&mut self, silence: Silence) {
        self.gate.silence();
        for step in &mut self.steps {
            step.after.clear();
        }
        self.shared.validator.write().set_mode(Mode::Silent);
        self.shared.metrics.voting.set(0);
        tracing::error!(%silence, "this node does not vote any more");
        let kept = silence.keep(&self.shared.config.home);
        self.shared.silence.write().get_or_insert(silence);
        if let Err(error) = kept {
            self.fail(&format!("the mark `silent` can't be written: {error}"));
        }
    }

    /// The pipeline has judged a batch: lock and vote; show proofs for what is spent already (R8).
    pub(super) fn judged(&mut self, judged: Judged) {
        let now_us = self.now_us();
        let proposer = judged.proposal.proposer;
        let spenders: BTreeSet<TransferId> = judged
            .verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Some(Verdict::Invalid(Refusal::Spent { by, .. })) => *by,
                _ => None,
            })
            .take(PROOFS_MAX)
            .collect();
        let (id, since) = (judged.proposal.claimed, self.shared.telemetry.mark());
        let step = self.shared.validator.write().judged(now_us, judged);
        self.shared.telemetry.stage(id, "lock", since);
        self.take(step);
        if !spenders.is_empty() && proposer != self.shared.member {
            self.send_proofs(proposer, spenders);
        }
    }

    /// A quorum has voted.
    pub(super) fn certified(&mut self, now_us: u64, checked: CheckedCertificate) {
        let since = self.shared.telemetry.mark();
        let (batch, phase) = (checked.certificate().batch, checked.certificate().phase);
        let step = self.shared.validator.write().certified(now_us, checked);
        self.shared.telemetry.certified(batch, phase, since);
        self.take(step);
    }

    /// Shows a member the batches that spent what it proposes. One set at a time, and only as much
    /// as it takes: some hundred bytes of a batch could ask for 64 MiB.
    fn send_proofs(&mut self, to: u16, spenders: BTreeSet<TransferId>) {
        if self.proving.get(&to).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let shared = self.shared.clone();
        let multicast = self.transport.multicast();
        let task = self.tasks.spawn_blocking(move || {
            for id in spenders {
                if let Ok(Some(applied)) = shared.store.batch_of(&id) {
                    let frame = Bytes::from(codec::encode(&Message::Proof(applied)));
                    // A dropped proof is sent again with the next repeat of the batch.
                    let sent = multicast.send(to, frame);
                    tracing::trace!(to, ?sent, "a proof");
                    if sent != Sent::Queued {
                        return;
                    }
                }
            }
        });
        self.proving.insert(to, task);
    }

    /// Lets go of what waited for records that are durable now.
    fn release(&mut self) {
        let durable = *self.durable.borrow_and_update();
        if let Some(failure) = durable.failed {
            self.fail(&failure.to_string());
        }
        while let Some(gated) = self.gate.release(durable.records) {
            for outgoing in gated.after {
                self.shared.telemetry.voted(&outgoing.message, gated.since);
                self.deliver(outgoing);
            }
            for report in gated.reports {
                self.ended(report);
            }
        }
    }

    fn deliver(&mut self, outgoing: Outgoing) {
        match outgoing.to {
            To::Member(member) if member == self.shared.member => {
                self.message(member, outgoing.message);
            }
            To::Member(member) => self.send(member, &outgoing.message),
            To::All => {
                let start = Instant::now();
                self.transport.send_all(Bytes::from(codec::encode(&outgoing.message)));
                if let Message::Propose(proposal) = &outgoing.message {
                    let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.proposer.sent(&proposal.claimed, took);
                }
            }
        }
    }

    /// Encodes a message and queues it for one peer; a full queue or a link that is down drops it,
    /// and the peer catches up by asking.
    pub(super) fn send(&mut self, member: u16, message: &Message) {
        let sent = self.transport.send(member, Bytes::from(codec::encode(message)));
        tracing::trace!(member, ?sent, "a message");
    }
}
