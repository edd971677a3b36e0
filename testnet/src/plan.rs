//! What a testnet is made of: how many validators, accounts and tokens, and where its keys come
//! from.

use crate::accounts::{KeySource, account_name, validator_name};
use ledger::{Genesis, GenesisAsset, GenesisMember, GenesisTokens, Keypair, Name, Network};
use node::Failure;
use node::config::DhtSilence;
use node::error::GENESIS;
use node::keyfile::address_of;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The native asset.
pub const ASSET: &str = "QRT";
/// Its decimals.
pub const ASSET_DECIMALS: u8 = 3;

/// How big a testnet is. Kept in its folder, so that a second `up` there can tell whether the same
/// is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Validators, 1 to 256.
    pub validators: u16,
    /// Accounts.
    pub accounts: u32,
    /// Whole tokens of the native asset of each account.
    pub tokens: u64,
    /// The same seed gives the same keys; without one they are random.
    pub seed: Option<u64>,
    /// How the DHT is used.
    #[serde(default, flatten)]
    pub dht: DhtPlan,
}

/// How a testnet uses the DHT. All of them run it; only an untrusted one asks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtPlan {
    /// Transfers are judged with the DHT stage.
    #[serde(default)]
    pub untrusted: bool,
    /// What silence means.
    #[serde(default)]
    pub dht_silence: DhtSilence,
    /// Processes that are only DHT nodes. With any, the validators keep nobody's records.
    #[serde(default)]
    pub dht_peers: u16,
    /// Folder of another testnet whose DHT is joined.
    #[serde(default)]
    pub join_dht: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { validators: 7, accounts: 10, tokens: 1_000, seed: None, dht: DhtPlan::default() }
    }
}

/// A plan with its keys.
pub struct Drawn {
    /// The genesis file.
    pub genesis: Genesis,
    /// The genesis, checked.
    pub network: Network,
    /// Name and key of each validator, in the committee's order.
    pub validators: Vec<(String, Keypair)>,
    /// Name and key of each account.
    pub accounts: Vec<(String, Keypair)>,
}

impl Plan {
    /// Draws the keys and the genesis. `network` names it; without one the name is `testnet-` and
    /// the seed, or random digits.
    ///
    /// # Errors
    /// The numbers make no genesis; nothing was written.
    pub fn draw(&self, network: Option<&str>) -> Result<Drawn, Failure> {
        let source = self.seed.map_or_else(KeySource::random, KeySource::seeded);
        let tag = self.seed.map_or_else(|| source.tag(), |seed| seed.to_string());
        let name = network.map_or_else(|| format!("testnet-{tag}"), Into::into);
        let keyed = |name: String| {
            let key = source.key(&name);
            (name, key)
        };
        let validators: Vec<(String, Keypair)> =
            (0..self.validators).map(validator_name).map(keyed).collect();
        let accounts: Vec<(String, Keypair)> =
            (0..self.accounts).map(account_name).map(keyed).collect();
        let refused =
            |what: String| Failure::new(GENESIS, format!("{what}; nothing was written or started"));
        let named = |name: &str| Name::new(name).map_err(|error| refused(error.to_string()));
        let member = |(name, key): &(String, Keypair)| {
            Ok(GenesisMember { name: named(name)?, key: address_of(key), weight: 1 })
        };
        let grant = |(_, key): &(String, Keypair)| GenesisTokens {
            owner: address_of(key),
            asset: ASSET.into(),
            amount: "1".into(),
            count: self.tokens,
        };
        let genesis = Genesis {
            schema: ledger::genesis::GENESIS_SCHEMA.into(),
            network: named(&name)?,
            epoch: 0,
            committee: validators.iter().map(member).collect::<Result<_, Failure>>()?,
            assets: vec![GenesisAsset { name: ASSET.into(), decimals: ASSET_DECIMALS }],
            tokens: accounts.iter().map(grant).collect(),
        };
        let network = genesis.network().map_err(|error| refused(error.to_string()))?;
        Ok(Drawn { genesis, network, validators, accounts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_network() {
        let plan = Plan { seed: Some(7), ..Plan::default() };
        let id = |plan: Plan| plan.draw(None).expect("a good plan").network.id;
        assert_eq!(id(plan.clone()), id(plan.clone()));
        assert_ne!(id(plan.clone()), id(Plan { seed: Some(8), ..plan }));
        assert_ne!(id(Plan::default()), id(Plan::default()));
    }

    #[test]
    fn the_default_is_seven_validators_of_quorum_five() {
        let drawn = Plan::default().draw(None).expect("a good plan");
        assert_eq!(drawn.network.committee.quorum(), 5);
        assert_eq!(drawn.network.tokens().count(), 10_000);
        assert!(drawn.network.tokens().all(|made| made.amount == 1_000));
    }

    #[test]
    fn too_many_tokens_are_refused_with_a_reason() {
        let plan = Plan { tokens: 1_000_000_000_000, ..Plan::default() };
        let failure = plan.draw(None).err().expect("above the limit");
        assert_eq!(failure.code, GENESIS);
        assert!(failure.message.contains("nothing was written"), "{}", failure.message);
    }
}
