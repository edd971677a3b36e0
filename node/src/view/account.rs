//! What an account has: `quorate.balance/1`.

use super::text::{AddressText, IdText};
use super::{Schema, Unit, count};
use crate::handle::Shared;
use ledger::{Address, AssetId, TokenId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Tokens that are looked at under one read lock, about 2 ms. A larger account's balance is put
/// together from several looks, between which transfers may be applied.
pub const TOKENS_A_LOOK_MAX: usize = 16_384;

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

#[derive(Default)]
struct Sum {
    units: u64,
    tokens: u64,
    locked: u64,
}

impl BalanceDocument {
    /// Adds up an account's tokens; all zero for one that has nothing. O(tokens).
    pub fn of(shared: &Shared, address: Address) -> Self {
        let mut sums: BTreeMap<AssetId, Sum> = BTreeMap::new();
        let mut after = None;
        loop {
            let (seen, last) = look(shared, address, after, &mut sums);
            after = last;
            if seen < TOKENS_A_LOOK_MAX {
                break;
            }
        }
        let validator = shared.validator.read();
        let row = |(asset_id, sum): (&AssetId, &Sum)| {
            let unit = Unit::of(validator.tips(), asset_id);
            BalanceRow {
                amount: unit.amount(sum.units),
                tokens: sum.tokens,
                locked: unit.amount(sum.locked),
                asset_id: *asset_id,
                asset: unit.label,
                name: unit.name,
                decimals: unit.decimals,
            }
        };
        let balances = sums.iter().map(row).collect();
        Self { schema: "quorate.balance/1".into(), ok: true, address, balances }
    }
}

/// Adds the account's tokens above `after`, at most [`TOKENS_A_LOOK_MAX`]; returns how many and the
/// last.
fn look(
    shared: &Shared,
    owner: Address,
    after: Option<TokenId>,
    sums: &mut BTreeMap<AssetId, Sum>,
) -> (usize, Option<TokenId>) {
    let validator = shared.validator.read();
    let (tips, locks) = (validator.tips(), validator.locks());
    let mut seen = 0;
    let mut last = after;
    let from = after.unwrap_or_default();
    for (token, tip) in tips.tokens_after(&owner, from).take(TOKENS_A_LOOK_MAX) {
        let sum = sums.entry(tip.asset).or_default();
        // Below the asset's supply, which 64 bits hold; two looks may count a moved token twice.
        sum.units = sum.units.saturating_add(tip.amount);
        sum.tokens += 1;
        if locks.get(&token).is_some_and(|lock| lock.locked.is_some()) {
            sum.locked = sum.locked.saturating_add(tip.amount);
        }
        seen += 1;
        last = Some(token);
    }
    assert!(count(seen) <= count(TOKENS_A_LOOK_MAX));
    (seen, last)
}
