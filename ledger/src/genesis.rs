//! Genesis: who votes, which assets and tokens there are at first. A strict JSON file, hashed in
//! canonical form; the hash is the network id. Where validators can be reached is not in it.

use crate::address::Address;
use crate::amount::{AmountError, DECIMALS_MAX, parse_amount};
use crate::asset::{AssetDefinition, AssetKind, genesis_asset_id, is_asset_name};
use crate::committee::{Committee, CommitteeError, Member};
use crate::encoding::{Canonical, write_bytes, write_count, write_list};
use crate::hash::{AssetId, NetworkId, Tag, TransferId, hash};
use crate::name::Name;
use crate::state::{TokenState, genesis_token_id};
use crate::transfer::{Made, Rules};
use std::collections::BTreeMap;

/// The schema that the file names.
pub const GENESIS_SCHEMA: &str = "quorate.genesis/1";
/// Most genesis tokens.
pub const GENESIS_TOKENS_MAX: u64 = 20_000_000;
/// Most genesis assets.
pub const GENESIS_ASSETS_MAX: usize = 1_000;

/// The file, as written. Unknown and repeated fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// `quorate.genesis/1`.
    pub schema: String,
    /// The network's name, for people.
    pub network: Name,
    /// The one epoch of this version.
    pub epoch: u64,
    /// The committee, in the order of the members' indexes.
    pub committee: Vec<GenesisMember>,
    /// The genesis assets, in order.
    pub assets: Vec<GenesisAsset>,
    /// The genesis tokens, in order.
    pub tokens: Vec<GenesisTokens>,
}

/// One member of the committee.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisMember {
    /// For people.
    pub name: Name,
    /// The key it votes with, as a did:key.
    pub key: Address,
    /// Above 0.
    pub weight: u64,
}

/// One fungible asset.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAsset {
    /// Reserved for it.
    pub name: String,
    /// 0 to 18.
    pub decimals: u8,
}

/// `count` equal tokens of one owner.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisTokens {
    /// Their owner.
    pub owner: Address,
    /// Name of a genesis asset.
    pub asset: String,
    /// The amount of each, decimal text.
    pub amount: String,
    /// How many, at least 1.
    pub count: u64,
}

/// Why a genesis is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not the JSON that a genesis is.
    #[error("the genesis file is not what {GENESIS_SCHEMA} says: {0}")]
    Json(String),
    /// Another schema.
    #[error("the genesis file names schema {0:?}, and this version reads {GENESIS_SCHEMA:?}")]
    Schema(String),
    /// The committee is none.
    #[error("the genesis committee is refused: {0}")]
    Committee(#[from] CommitteeError),
    /// A bad or repeated asset name, or too many decimals or assets.
    #[error(
        "genesis asset {0:?} is refused: names are 1 to 32 printable characters and unique, \
         decimals at most 18, assets at most 1,000"
    )]
    Asset(String),
    /// Tokens of an asset that is not defined.
    #[error("genesis tokens are of asset {0:?}, which the file does not define")]
    UnknownAsset(String),
    /// A bad amount.
    #[error("a genesis token's amount is refused: {0}")]
    Amount(#[from] AmountError),
    /// A count of zero, more tokens than allowed, or a supply above 64 bits.
    #[error("the genesis tokens of asset {0:?} are none, too many, or more than 64 bits hold")]
    Supply(String),
}

/// A checked genesis: all that verifying needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Hash of the genesis' canonical bytes.
    pub id: NetworkId,
    /// The network's name.
    pub name: Name,
    /// The epoch.
    pub epoch: u64,
    /// Who votes.
    pub committee: Committee,
    /// The genesis assets by id.
    pub assets: BTreeMap<AssetId, AssetDefinition>,
    grants: Vec<Grant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grant {
    owner: Address,
    asset: AssetId,
    amount: u64,
    count: u64,
}

impl Genesis {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`GenesisError::Json`], [`GenesisError::Schema`].
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        let refused = |error: serde_json::Error| GenesisError::Json(error.to_string());
        let genesis: Genesis = serde_json::from_str(text).map_err(refused)?;
        genesis.check_schema()?;
        // serde also takes a list for an object, without the fields' names.
        let found: serde_json::Value = serde_json::from_str(text).map_err(refused)?;
        if serde_json::to_value(&genesis).map_err(refused)? != found {
            return Err(GenesisError::Json("a list stands where an object should".into()));
        }
        Ok(genesis)
    }

    fn check_schema(&self) -> Result<(), GenesisError> {
        if self.schema == GENESIS_SCHEMA {
            return Ok(());
        }
        Err(GenesisError::Schema(self.schema.chars().take(60).collect()))
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers only");
        text.push('\n');
        text
    }

    /// Checks all of it and hashes its canonical form.
    ///
    /// # Errors
    /// Every [`GenesisError`] but [`GenesisError::Json`].
    pub fn network(&self) -> Result<Network, GenesisError> {
        self.check_schema()?;
        let member = |member: &GenesisMember| Member {
            name: member.name.clone(),
            key: member.key.0,
            weight: member.weight,
        };
        let members: Vec<Member> = self.committee.iter().map(member).collect();
        let committee = Committee::new(members)?;
        let assets = self.definitions()?;
        let grants = self.grants(&assets)?;
        let canonical = self.canonical_bytes(&committee, &assets, &grants);
        let id = NetworkId(hash(Tag::Genesis, &[&canonical]));
        let assets = assets.into_iter().collect();
        Ok(Network { id, name: self.network.clone(), epoch: self.epoch, committee, assets, grants })
    }

    fn definitions(&self) -> Result<Vec<(AssetId, AssetDefinition)>, GenesisError> {
        let mut definitions: Vec<(AssetId, AssetDefinition)> = Vec::new();
        for (index, asset) in self.assets.iter().enumerate() {
            let is_taken = self.assets[..index].iter().any(|other| other.name == asset.name);
            let is_good = is_asset_name(&asset.name) && asset.decimals <= DECIMALS_MAX;
            if is_taken || !is_good || index >= GENESIS_ASSETS_MAX {
                return Err(GenesisError::Asset(asset.name.chars().take(60).collect()));
            }
            let id = genesis_asset_id(u32::try_from(index).expect("at most 1,000"));
            let kind = AssetKind::Fungible { decimals: asset.decimals };
            definitions.push((id, AssetDefinition { name: asset.name.clone(), kind }));
        }
        Ok(definitions)
    }

    fn grants(&self, assets: &[(AssetId, AssetDefinition)]) -> Result<Vec<Grant>, GenesisError> {
        let mut supply: BTreeMap<AssetId, u64> = BTreeMap::new();
        let mut tokens: u64 = 0;
        let mut grants = Vec::with_capacity(self.tokens.len());
        for grant in &self.tokens {
            let known = assets.iter().find(|(_, definition)| definition.name == grant.asset);
            let Some((asset, definition)) = known else {
                return Err(GenesisError::UnknownAsset(grant.asset.chars().take(60).collect()));
            };
            let refused = || GenesisError::Supply(grant.asset.clone());
            let amount = parse_amount(&grant.amount, definition.decimals())?;
            tokens = tokens.checked_add(grant.count).ok_or_else(refused)?;
            if grant.count == 0 || tokens > GENESIS_TOKENS_MAX {
                return Err(refused());
            }
            let sum = supply.entry(*asset).or_default();
            let more = amount.checked_mul(grant.count).ok_or_else(refused)?;
            *sum = sum.checked_add(more).ok_or_else(refused)?;
            push(
                &mut grants,
                Grant { owner: grant.owner, asset: *asset, amount, count: grant.count },
            );
        }
        Ok(grants)
    }

    /// Schema, network name, epoch, members, definitions of the assets, grants.
    fn canonical_bytes(
        &self,
        committee: &Committee,
        assets: &[(AssetId, AssetDefinition)],
        grants: &[Grant],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        write_bytes(GENESIS_SCHEMA.as_bytes(), &mut out);
        self.network.write(&mut out);
        self.epoch.write(&mut out);
        write_list(committee.members(), &mut out);
        write_count(assets.len(), &mut out);
        for (_, definition) in assets {
            definition.write(&mut out);
        }
        write_count(grants.len(), &mut out);
        for grant in grants {
            grant.owner.write(&mut out);
            grant.asset.write(&mut out);
            grant.amount.write(&mut out);
            grant.count.write(&mut out);
        }
        out
    }
}

/// Equal tokens that follow each other are one grant, however many lines the file spends on them:
/// files that mean the same tokens have the same id.
fn push(grants: &mut Vec<Grant>, next: Grant) {
    match grants.last_mut() {
        Some(last) if Grant { count: next.count, ..*last } == next => last.count += next.count,
        _ => grants.push(next),
    }
}

impl Network {
    /// The genesis tokens in order of their positions.
    pub fn tokens(&self) -> impl Iterator<Item = Made> + '_ {
        let all = self.grants.iter().flat_map(|grant| (0..grant.count).map(move |_| grant));
        (0u64..).zip(all).map(|(position, grant)| Made {
            state: TokenState {
                token: genesis_token_id(position),
                height: 0,
                made_by: TransferId::default(),
            },
            asset: grant.asset,
            amount: grant.amount,
            owner: grant.owner,
        })
    }

    /// The genesis asset with this name.
    pub fn asset_named(&self, name: &str) -> Option<(&AssetId, &AssetDefinition)> {
        self.assets.iter().find(|(_, definition)| definition.name == name)
    }
}

/// As far as genesis tells: an asset that a transfer issued is not known here, so its
/// indivisibility is for the validators.
impl Rules for Network {
    fn network(&self) -> NetworkId {
        self.id
    }
    fn epoch(&self) -> u64 {
        self.epoch
    }
    fn is_reserved(&self, name: &str) -> bool {
        self.asset_named(name).is_some()
    }
    fn is_indivisible(&self, asset: &AssetId) -> bool {
        self.assets.get(asset).is_some_and(AssetDefinition::is_indivisible)
    }
}

#[cfg(test)]
mod tests;
