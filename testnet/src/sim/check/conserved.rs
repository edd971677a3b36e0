//! Value is conserved on each node: what is unspent adds up to what genesis created, asset by
//! asset.

use super::Broken;
use consensus::Tips;
use ledger::{AssetId, Network};
use std::collections::BTreeMap;

/// What genesis created.
#[derive(Debug)]
pub struct Conserved {
    created: BTreeMap<AssetId, u128>,
}

impl Conserved {
    /// Adds genesis up.
    pub fn new(network: &Network) -> Self {
        let mut created: BTreeMap<AssetId, u128> = BTreeMap::new();
        for made in network.tokens() {
            *created.entry(made.asset).or_default() += u128::from(made.amount);
        }
        Self { created }
    }

    /// Adds up a node's tokens.
    ///
    /// # Errors
    /// When a sum is not the genesis'.
    pub fn holds(&self, member: u16, tips: &Tips) -> Result<(), Broken> {
        let mut live: BTreeMap<AssetId, u128> = BTreeMap::new();
        for (_, tip) in tips.tokens().filter(|(_, tip)| tip.ended_by.is_none()) {
            *live.entry(tip.asset).or_default() += u128::from(tip.amount);
        }
        if self.created == live {
            return Ok(());
        }
        Err(("conserved", format!("member {member} has {live:?} of {:?}", self.created)))
    }
}
