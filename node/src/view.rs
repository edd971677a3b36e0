//! The JSON documents of the API and of `--json`, as types that the node writes and clients read,
//! and the functions that fill them in from [`Shared`]. Nothing here waits or does more than read.
//!
//! Amounts are decimal strings in the asset's decimals; counts, heights and µs are numbers; members
//! go by name, genesis assets by name and issued ones by id. Readers take fields that they do not
//! know.

mod account;
mod batch;
mod catching_up;
mod content;
mod dht;
mod evidence;
pub mod hosting;
mod inbox;
mod network;
mod problem;
mod receipt;
mod recovery;
mod supply;
pub mod text;
mod token;
mod transfer;

use crate::handle::Shared;
use consensus::Tips;
use ledger::{AssetId, format_amount};
use std::borrow::Cow;

pub use account::{BalanceDocument, BalanceRow};
pub use batch::{BatchDocument, BatchEntry, BatchRow, BatchesDocument};
pub use catching_up::CatchingUp;
pub use content::ContentDocument;
pub use dht::{BitswapRow, ContentRow, DhtDocument, RecordsRow, switched_off};
#[cfg(test)]
pub(crate) use evidence::tests as evidence_tests;
pub use evidence::{
    Contradiction, EVIDENCE_FILE_BYTES_MAX, EvidenceDocument, EvidenceRow, verify_evidence,
};
pub use inbox::{InboxDocument, InboxRow};
pub use network::{
    AssetRow, DhtState, HealthDocument, MemberRow, NetworkDocument, NodeDocument, ValidatorRow,
    ValidatorsDocument,
};
pub use problem::{ErrorBody, ProblemDocument, failure_of_problem};
pub use receipt::{RECEIPT_FILE_BYTES_MAX, ReceiptDocument, verify_bytes};
pub use recovery::{RecoveredState, RecoveriesDocument, RecoveryRow};
pub use supply::{SupplyDocument, SupplyRow};
pub use token::{HistoryDocument, HistoryRow, TokenDocument, TokenRow, TokensDocument};
pub use transfer::{
    LockSplit, OutcomeRow, OutcomesDocument, StagesUs, TransferDocument, VotesOf, failure_of,
    unknown_outcome,
};

/// Names a document's schema, like `quorate.transfer/1`.
pub type Schema = Cow<'static, str>;

/// What an asset is called in documents, and how its amounts are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The name of a genesis asset, the id of another.
    pub label: String,
    /// The name in its definition: a label that may repeat, but for genesis assets.
    pub name: String,
    /// Digits behind the point.
    pub decimals: u8,
}

impl Unit {
    /// Of an asset as `tips` know it. One that is not known there is shown in base units.
    pub fn of(tips: &Tips, asset: &AssetId) -> Self {
        let definition = tips.asset(asset).map(|asset| &asset.definition);
        let name = definition.map_or_else(String::new, |definition| definition.name.clone());
        let is_genesis = tips.network().assets.contains_key(asset);
        let label = if is_genesis { name.clone() } else { asset.to_string() };
        Self { label, name, decimals: definition.map_or(0, |definition| definition.decimals()) }
    }

    /// Base units as decimal text.
    pub fn amount(&self, units: u64) -> String {
        format_amount(units, self.decimals)
    }
}

/// Names of members, in the order given.
pub fn names(shared: &Shared, members: &[u16]) -> Vec<String> {
    members.iter().map(|member| shared.name_of(*member)).collect()
}

/// Base units as a JSON string: they may be above what a JSON number keeps exactly.
mod units_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(units: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(units)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom("base units are digits in a string"))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).expect("a count")
}
