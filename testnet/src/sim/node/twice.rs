//! A planted bug: votes count as often as they are there, whoever gave them.

use super::{Node, Surroundings};
use consensus::record::Certified;
use consensus::{Record, Step};
use ledger::{Bitmap, Certificate, Phase};

impl Node {
    /// Applies what a certificate carries over the quorum by the number of its votes.
    pub(super) fn count_twice(&mut self, certificate: Certificate, around: &mut Surroundings<'_>) {
        let Some((_, batch)) = self.archive.batch(&certificate.batch) else { return };
        let votes = |index: usize| -> usize {
            let with = certificate.groups.iter().filter(|group| group.bitmap.has(index));
            with.map(|group| group.votes.len()).sum()
        };
        let bits: Vec<bool> = (0..batch.count()).map(|index| votes(index) >= 5).collect();
        let bitmap = Bitmap::from_bools(&bits);
        if certificate.phase == Phase::Commit && bitmap.ones() > 0 {
            let applied = Record::Applied(Certified { certificate, bitmap });
            self.absorb(Step { persist: vec![applied], ..Step::default() }, around);
        }
    }
}
