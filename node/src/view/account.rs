//! What an account has: `quorate.balance/1`.

use super::text::{AddressText, IdText};
use super::{Schema, Unit};
use crate::handle::Shared;
use consensus::Sum;
use ledger::{Address, AssetId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Assets that are looked at under one read lock, some 0.3 ms. What an account has of more of them
/// is put together from several looks.
const ASSETS_A_LOOK_MAX: usize = 512;

/// What an account has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BalanceDocument {
    /// `quorate.balance/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The account.
    #[schema(value_type = AddressText)]
    pub address: Address,
    /// One row an asset, in order of the asset ids; none of which the account has nothing.
    pub balances: Vec<BalanceRow>,
}

/// What an account has of one asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BalanceRow {
    /// Name of a genesis asset, id of another.
    pub asset: String,
    /// Decimal text: all of it, what is locked included.
    pub amount: String,
    /// How many tokens.
    pub tokens: u64,
    /// Decimal text: the part whose tokens are locked by a transfer that is not final here.
    pub locked: String,
    /// The asset's id.
    #[schema(value_type = IdText)]
    pub asset_id: AssetId,
    /// The asset's name, which is only a label for one that was issued.
    pub name: String,
    /// The asset's decimals.
    pub decimals: u8,
}

impl BalanceDocument {
    /// What an account's tokens come to; no row for one that has nothing. O(assets); transfers may
    /// be applied between two looks.
    pub fn of(shared: &Shared, address: Address) -> Self {
        let mut balances = Vec::new();
        let mut after = None;
        loop {
            let rows = Self::look(shared, address, after);
            after = rows.last().map(|row| row.asset_id);
            let is_over = rows.len() < ASSETS_A_LOOK_MAX;
            balances.extend(rows);
            if is_over {
                break;
            }
        }
        Self { schema: "quorate.balance/1".into(), ok: true, address, balances }
    }

    /// The rows of assets above `after`, at most [`ASSETS_A_LOOK_MAX`], under one read lock.
    fn look(shared: &Shared, address: Address, after: Option<AssetId>) -> Vec<BalanceRow> {
        let validator = shared.validator.read();
        let (tips, locks) = (validator.tips(), validator.locks());
        let row = |(asset_id, sum): (AssetId, Sum)| {
            let unit = Unit::of(tips, &asset_id);
            BalanceRow {
                amount: unit.amount(sum.units),
                tokens: sum.tokens,
                locked: unit.amount(locks.locked(address, asset_id)),
                asset_id,
                asset: unit.label,
                name: unit.name,
                decimals: unit.decimals,
            }
        };
        tips.balances_after(&address, after, ASSETS_A_LOOK_MAX).into_iter().map(row).collect()
    }
}
