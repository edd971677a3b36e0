//! What members say, on its way to the state machines: nothing dear is done for a member that has
//! made this node work for nothing too often, or for what is known already (R8). What a member is
//! charged for stands in `consensus`.

use super::Driver;
use crate::sync::check::{self, Proven};
use bytes::Bytes;
use consensus::validator::cost_of;
use consensus::{AppliedBatch, AppliedLine, CheckedCertificate, Message, codec};
use ledger::{Certificate, SignedRecover};
use std::sync::Arc;

impl Driver {
    /// A frame of another member.
    pub(super) fn frame(&mut self, from: u16, frame: &Bytes) {
        let now_us = self.now_us();
        if self.shared.validator.read().is_refused(now_us, from) {
            let what = "a message, and it made this node work for nothing too often";
            return self.shared.blame(from, what);
        }
        let bytes = codec::claimed_bytes(frame);
        if codec::is_long(bytes) && !self.shared.validator.write().may_send(now_us, from, bytes) {
            return self.shared.blame(from, "more bytes in long messages than a member may send");
        }
        match codec::decode::<Message>(frame) {
            Ok(message) => self.message(from, message),
            Err(error) => self.charge(from, bytes, &error.to_string()),
        }
    }

    /// A member made this node look at so many bytes, and they prove nothing.
    fn charge(&mut self, from: u16, bytes: usize, what: &str) {
        let now_us = self.now_us();
        self.shared.validator.write().charge(now_us, from, cost_of(bytes));
        self.shared.blame(from, what);
    }

    /// A message of member `from`, which may be this one.
    pub(super) fn message(&mut self, from: u16, message: Message) {
        let now_us = self.now_us();
        match message {
            Message::Progress(progress) => {
                let own = self.progress();
                self.sync.progress(from, progress, &own);
                self.catch_up();
            }
            // What is missed now comes with the logs.
            _ if self.join.is_some() => {}
            Message::Propose(proposal) => {
                let proposal = Arc::new(proposal);
                let step = self.shared.validator.write().proposed(now_us, from, proposal);
                self.take(step);
            }
            Message::Answer(answer) => {
                let step = self.proposer.answered(now_us, from, answer, &mut self.rng);
                self.take(step);
            }
            Message::Certify(certificate) => self.certificate(from, certificate),
            Message::Proof(applied) => self.proof(from, applied),
            Message::Recover(recovers) => {
                for signed in recovers {
                    self.recover_of(from, &signed);
                }
            }
            Message::Report(reply) => self.reported(from, reply),
        }
    }

    fn certificate(&mut self, from: u16, certificate: Certificate) {
        let now_us = self.now_us();
        let wanted = self.shared.validator.read().wants(&certificate);
        if let Err(step) = wanted {
            return self.take(step);
        }
        let is_open = self.shared.validator.read().proposal(&certificate.batch).is_some();
        if !is_open && self.is_applied(&certificate) {
            return;
        }
        let votes: usize = certificate.groups.iter().map(|group| group.votes.len()).sum();
        let network = &self.shared.network;
        match CheckedCertificate::check(certificate, network, &mut self.rng) {
            Ok(checked) => self.certified(now_us, checked),
            // A vote in it was checked twice, and is as dear as a kilobyte.
            Err(error) => self.charge(from, 2_048 * votes, &format!("a certificate: {error}")),
        }
    }

    /// A batch with its Commit certificate, from a peer who has both.
    fn proof(&mut self, from: u16, applied: AppliedBatch) {
        if self.is_applied(&applied.certificate) {
            return;
        }
        let bytes = self.shared.validator.read().bytes_of(&applied.proposal);
        match check::check(&self.shared.network, applied) {
            Ok(proven) => self.proven(self.now_us(), proven),
            Err(error) => self.charge(from, bytes, &format!("a proof: {error}")),
        }
    }

    /// Whether all that a certificate may be about is applied here: an old one, shown again, must
    /// neither be checked nor make this node fetch the batch.
    fn is_applied(&self, certificate: &Certificate) -> bool {
        let mut bitmaps = certificate.groups.iter().map(|group| &group.bitmap);
        let Some(mut bitmap) = bitmaps.next().cloned() else { return false };
        for other in bitmaps {
            if other.count() != bitmap.count() {
                return false;
            }
            bitmap.add(other);
        }
        self.shared.store.has_applied(&AppliedLine { batch: certificate.batch, bitmap })
    }

    fn recover_of(&mut self, from: u16, signed: &SignedRecover) {
        let now_us = self.now_us();
        let mut validator = self.shared.validator.write();
        if !validator.may_recover(now_us, from, signed) {
            drop(validator);
            self.shared.metrics.recovers_dropped.inc();
            return;
        }
        let step = validator.recover(from, signed);
        drop(validator);
        self.take(step);
    }

    /// A batch with its Commit certificate, checked.
    pub(super) fn proven(&mut self, now_us: u64, proven: Proven) {
        let Proven { applied, batch, checked, .. } = proven;
        let step = self.shared.validator.write().proven(now_us, applied, batch, checked);
        self.take(step);
    }
}
