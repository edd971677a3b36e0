//! What there is of each asset: `quorate.supply/1`.

use super::text::IdText;
use super::{Schema, Unit};
use crate::handle::Shared;
use consensus::tips::Asset;
use ledger::AssetId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What there is of each asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SupplyDocument {
    /// `quorate.supply/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// In order of the asset ids.
    pub supply: Vec<SupplyRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    #[schema(value_type = Option<IdText>)]
    pub next: Option<AssetId>,
}

/// What there is of one asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SupplyRow {
    /// Name of a genesis asset, id of another.
    pub asset: String,
    /// What was ever created, decimal text.
    pub issued: String,
    /// Sum of the unspent amounts, decimal text.
    pub live: String,
    /// The asset's id.
    #[schema(value_type = IdText)]
    pub asset_id: AssetId,
    /// The asset's name, which is only a label for one that was issued.
    pub name: String,
    /// The asset's decimals.
    pub decimals: u8,
}

impl SupplyDocument {
    /// At most `limit` assets with ids above `after`. O(limit).
    pub fn of(shared: &Shared, after: Option<AssetId>, limit: usize) -> Self {
        let validator = shared.validator.read();
        let tips = validator.tips();
        let mut assets: Vec<(&AssetId, &Asset)> =
            tips.assets_after(after).take(limit + 1).collect();
        let is_more = assets.len() > limit;
        assets.truncate(limit);
        let row = |(id, asset): &(&AssetId, &Asset)| {
            let unit = Unit::of(tips, id);
            SupplyRow {
                issued: unit.amount(asset.issued),
                live: unit.amount(asset.live),
                asset_id: **id,
                asset: unit.label,
                name: unit.name,
                decimals: unit.decimals,
            }
        };
        let next = assets.last().filter(|_| is_more).map(|(id, _)| **id);
        let supply = assets.iter().map(row).collect();
        Self { schema: "quorate.supply/1".into(), ok: true, supply, next }
    }
}
