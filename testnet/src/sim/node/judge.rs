//! The node's real pipeline over one batch, stage by stage, and beside it now and then the slow
//! sequential form, which must find the same. The DHT stage asks nobody: the network is trusted.

use super::{Node, Surroundings};
use crate::sim::mutant::Mutant;
use consensus::judge::judge;
use consensus::{Judge, Judged};
use node::pipeline::{dht_check, hash, pin_check, prefetch};
use rand::RngExt;

/// One batch in so many is judged twice.
const COMPARED_ONE_IN: u32 = 8;

impl Node {
    /// Judges a batch with the tips as they are now.
    pub(super) fn judge(&mut self, job: Judge, around: &mut Surroundings<'_>) -> Judged {
        let mut weights = self.weights();
        let slow = (self.rng.random_range(0..COMPARED_ONE_IN) == 0).then(|| {
            let (proposal, only) = (job.proposal.clone(), job.only.as_ref());
            judge(self.validator.tips(), proposal, only, &mut weights)
        });
        let prefetched = prefetch::prefetch(&self.validator, job);
        let hashed = hash::hash(&self.network, prefetched);
        let checked = pin_check::pin_check(|id| self.archive.is_final(id), hashed);
        let mut judged = dht_check::dht_check(checked, None, false);
        if self.mutant == Some(Mutant::VerdictMissing)
            && let Some(last) = judged.verdicts.last_mut()
        {
            *last = None;
        }
        if let Some(slow) = slow {
            let is_final = |id: &_| self.archive.is_final(id);
            around.checks.judged(around.at_us, (&judged, &slow), is_final);
        }
        judged
    }
}
