//! An honest member's votes on one batch in one phase only gain bits: of any two, one covers the
//! other.

use super::Broken;
use ledger::{BatchId, Bitmap, Phase, Vote};
use std::collections::BTreeMap;

/// The largest vote of each member, batch and phase.
#[derive(Debug, Default)]
pub struct OnlyGains {
    votes: BTreeMap<(u16, BatchId, Phase), Bitmap>,
}

impl OnlyGains {
    /// An honest member votes.
    ///
    /// # Errors
    /// When neither of two votes covers the other.
    pub fn voted(&mut self, member: u16, vote: &Vote) -> Result<(), Broken> {
        let ballot = &vote.ballot;
        let key = (member, ballot.batch, ballot.phase);
        let before = self.votes.entry(key).or_insert_with(|| ballot.bitmap.clone());
        if ballot.bitmap.covers(before) {
            *before = ballot.bitmap.clone();
            return Ok(());
        }
        if before.covers(&ballot.bitmap) {
            return Ok(());
        }
        Err(("only_gains", format!("member {member} contradicts itself on {:?}", ballot.batch)))
    }

    /// Whether these bits are more than an earlier vote's.
    pub fn gains(&self, key: (u16, BatchId, Phase), bits: &Bitmap) -> bool {
        let before = self.votes.get(&key);
        before.is_some_and(|before| bits.ones() > before.ones() && bits.covers(before))
    }
}
