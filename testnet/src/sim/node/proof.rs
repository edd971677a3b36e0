//! What others prove to a simulated node: certificates, alone and with their batches.

use super::watch::Watch;
use super::{Node, Surroundings};
use crate::sim::mutant::Mutant;
use consensus::{AppliedBatch, Batch, CheckedCertificate};
use ledger::{Certificate, CertificateError};
use std::sync::Arc;

impl Node {
    pub(super) fn proven(
        &mut self,
        from: u16,
        applied: AppliedBatch,
        around: &mut Surroundings<'_>,
    ) {
        let Ok(batch) = Batch::of(&applied.proposal) else { return };
        if let Some(checked) = self.check(applied.certificate.clone(), around) {
            let (batch, certified) = (Arc::new(batch), checked.certified().clone());
            let now_us = around.now_us;
            let step = self.validator.proven(now_us, applied, batch.clone(), checked);
            self.absorb(step, around);
            if certified.count() == batch.count() && self.archive.covers(&batch, &certified) {
                self.catch_up.shown(from, batch.id());
            }
        }
    }

    pub(super) fn check(
        &mut self,
        certificate: Certificate,
        around: &mut Surroundings<'_>,
    ) -> Option<CheckedCertificate> {
        let mut believed = self.believed.clone();
        if self.mutant == Some(Mutant::AnyEpoch) {
            Arc::make_mut(&mut believed).epoch = certificate.epoch;
        }
        let mut weights = self.weights();
        let checked = CheckedCertificate::check(certificate.clone(), &believed, &mut weights);
        if let Err(error) = &checked {
            self.watch(around).certificate(error);
            if let (Some(Mutant::RepeatedVotes), CertificateError::Repeated(_)) =
                (self.mutant, error)
            {
                self.count_twice(certificate, around);
            }
        }
        checked.ok()
    }

    /// Who counts what this member does.
    pub(super) fn watch<'a>(&self, around: &'a mut Surroundings<'_>) -> Watch<'a> {
        Watch::of(self.member, around.checks)
    }
}
