//! Applied implies certified: five distinct members have validly signed a Commit vote for each
//! entry.

use super::Broken;
use ledger::{Canonical, Network, Phase};
use std::collections::{BTreeMap, BTreeSet};

/// Votes enough, counted here and nowhere else.
const VOTES_MIN: usize = 5;

/// Certificates looked at already, by their bytes: for each entry the members that signed for it.
#[derive(Debug, Default)]
pub struct Certified {
    seen: BTreeMap<Vec<u8>, BTreeMap<usize, BTreeSet<u16>>>,
}

impl Certified {
    /// A member writes that it applied these entries on this certificate.
    ///
    /// # Errors
    /// When an entry has fewer valid votes.
    pub fn applied(
        &mut self,
        network: &Network,
        member: u16,
        applied: &consensus::record::Certified,
    ) -> Result<(), Broken> {
        let certificate = &applied.certificate;
        let signers = self.seen.entry(certificate.to_bytes()).or_insert_with(|| {
            let mut signers: BTreeMap<usize, BTreeSet<u16>> = BTreeMap::new();
            for vote in certificate.votes() {
                let is_ours = vote.ballot.epoch == network.epoch;
                if is_ours && vote.is_valid(&network.id, &network.committee) {
                    for index in vote.ballot.bitmap.indexes() {
                        signers.entry(index).or_default().insert(vote.member);
                    }
                }
            }
            signers
        });
        let count = |index: usize| signers.get(&index).map_or(0, BTreeSet::len);
        let is_short = |index: &usize| count(*index) < VOTES_MIN;
        if certificate.phase != Phase::Commit || applied.bitmap.indexes().any(|i| is_short(&i)) {
            let what = format!("member {member} applied {:?} on too few votes", certificate.batch);
            return Err(("certified", what));
        }
        Ok(())
    }
}
