//! What was delivered to an address: `quorate.inbox/1`.

use super::text::{AddressText, IdText};
use super::{Schema, units_text};
use crate::inbox::Page;
use ledger::{Address, AssetId, TokenId, TransferId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of an address' live tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InboxDocument {
    /// `quorate.inbox/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The address.
    #[schema(value_type = AddressText)]
    pub address: Address,
    /// In order of the token ids.
    pub deliveries: Vec<InboxRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    #[schema(value_type = Option<IdText>)]
    pub next: Option<TokenId>,
}

/// One token, and the transfer whose receipt proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InboxRow {
    /// The token.
    #[schema(value_type = IdText)]
    pub token: TokenId,
    /// Transfers into its life.
    pub height: u64,
    /// The transfer that made its newest state; zeros for a genesis token.
    #[schema(value_type = IdText)]
    pub made_by: TransferId,
    /// The asset's id.
    #[schema(value_type = IdText)]
    pub asset_id: AssetId,
    /// The amount in base units.
    #[serde(with = "units_text")]
    #[schema(value_type = String)]
    pub units: u64,
}

impl InboxDocument {
    /// A page as a document.
    pub fn of(address: Address, page: &Page) -> Self {
        let row = |input: &ledger::Input| InboxRow {
            token: input.state.token,
            height: input.state.height,
            made_by: input.state.made_by,
            asset_id: input.asset,
            units: input.amount,
        };
        let deliveries: Vec<InboxRow> = page.tokens.iter().map(row).collect();
        let next = deliveries.last().filter(|_| page.has_more).map(|row| row.token);
        Self { schema: "quorate.inbox/1".into(), ok: true, address, deliveries, next }
    }
}
