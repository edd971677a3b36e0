//! Tokens: where they stand (`quorate.tokens/1`, `quorate.token/1`) and how they came there
//! (`quorate.token-history/1`).

use super::text::{AddressText, IdText};
use super::{Schema, Unit, units_text};
use crate::handle::Shared;
use crate::store::StoreError;
use consensus::{Tip, Validator};
use ledger::{Address, AssetId, Input, TokenId, TokenState, TransferId, cid_text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of an account's tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokensDocument {
    /// `quorate.tokens/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The account.
    #[schema(value_type = AddressText)]
    pub address: Address,
    /// In order of the token ids.
    pub tokens: Vec<TokenRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    #[schema(value_type = Option<IdText>)]
    pub next: Option<TokenId>,
}

/// Where one token stands, with all that an input of a transfer needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenRow {
    /// The token.
    #[schema(value_type = IdText)]
    pub id: TokenId,
    /// Name of a genesis asset, id of another.
    pub asset: String,
    /// Decimal text.
    pub amount: String,
    /// Transfers into the token's life.
    pub height: u64,
    /// CID of the newest state, as text.
    pub state_cid: String,
    /// The transfer that has a lock on it here and is not final here.
    #[schema(value_type = Option<IdText>)]
    pub locked_by: Option<TransferId>,
    /// The transfer that made the newest state; zeros for a genesis token.
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

/// Where one token stands, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenDocument {
    /// `quorate.token/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The token; its fields stand beside the others.
    #[serde(flatten)]
    pub token: TokenRow,
    /// Who owns it, or who owned it last.
    #[schema(value_type = AddressText)]
    pub owner: Address,
    /// The transfer that ended the token by splitting or joining it; `None` while it lives.
    #[schema(value_type = Option<IdText>)]
    pub ended_by: Option<TransferId>,
}

/// A page of a token's chain, newest state first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryDocument {
    /// `quorate.token-history/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The token.
    #[schema(value_type = IdText)]
    pub id: TokenId,
    /// The transfer that ended the token; `None` while it lives.
    #[schema(value_type = Option<IdText>)]
    pub ended_by: Option<TransferId>,
    /// Newest first.
    pub history: Vec<HistoryRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    #[schema(value_type = Option<IdText>)]
    pub next: Option<TransferId>,
}

/// One state of a token's chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryRow {
    /// 0 for the token as it was created.
    pub height: u64,
    /// CID of the state, as text.
    pub state_cid: String,
    /// The transfer that made it; zeros for a genesis token.
    #[schema(value_type = IdText)]
    pub made_by: TransferId,
    /// Who had the token before; `None` where a token was created.
    #[schema(value_type = Option<AddressText>)]
    pub from: Option<Address>,
    /// Who owned it in this state.
    #[schema(value_type = AddressText)]
    pub owner: Address,
}

impl TokenRow {
    /// The row of a token at its tip.
    pub fn of(validator: &Validator, token: TokenId, tip: &Tip) -> Self {
        let unit = Unit::of(validator.tips(), &tip.asset);
        let state = tip.state(token);
        let lock = validator.locks().get(&token).filter(|lock| lock.state == state);
        Self {
            id: token,
            amount: unit.amount(tip.amount),
            asset: unit.label,
            height: tip.height,
            state_cid: cid_text(&state.cid()),
            locked_by: lock.and_then(|lock| lock.locked).map(|held| held.transfer),
            made_by: tip.made_by,
            asset_id: tip.asset,
            units: tip.amount,
        }
    }

    /// What a transfer that spends it has to name.
    pub fn input(&self) -> Input {
        let state = TokenState { token: self.id, height: self.height, made_by: self.made_by };
        Input { state, asset: self.asset_id, amount: self.units }
    }
}

impl TokensDocument {
    /// At most `limit` live tokens of an owner with ids above `after`.
    pub fn of(shared: &Shared, address: Address, after: Option<TokenId>, limit: usize) -> Self {
        let validator = shared.validator.read();
        let tips = validator.tips();
        let above = tips.tokens_after(&address, after.unwrap_or_default()).take(limit + 1);
        let mut found: Vec<(TokenId, Tip)> = above.map(|(token, tip)| (token, *tip)).collect();
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| is_more).map(|(token, _)| *token);
        let row = |(token, tip): &(TokenId, Tip)| TokenRow::of(&validator, *token, tip);
        let tokens = found.iter().map(row).collect();
        Self { schema: "quorate.tokens/1".into(), ok: true, address, tokens, next }
    }
}

impl TokenDocument {
    /// Where a token stands; `None` for one that is not known here.
    pub fn of(shared: &Shared, token: TokenId) -> Option<Self> {
        let validator = shared.validator.read();
        let tip = validator.tips().tip(&token)?;
        let (owner, ended_by) = (tip.owner, tip.ended_by);
        let token = TokenRow::of(&validator, token, tip);
        Some(Self { schema: "quorate.token/1".into(), ok: true, token, owner, ended_by })
    }
}

impl HistoryDocument {
    /// Walks from the tip, or from the state before the one that transfer `after` made, back
    /// through the receipts in the store; at most `limit` states, each of which reads one batch
    /// from disk. `None` for a token that is not known here, or an `after` that did not move it.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn of(
        shared: &Shared,
        token: TokenId,
        after: Option<TransferId>,
        limit: usize,
    ) -> Result<Option<Self>, StoreError> {
        let tip = shared.validator.read().tips().tip(&token).copied();
        let Some(tip) = tip else { return Ok(None) };
        let mut at = Some((tip.state(token), tip.owner));
        if let Some(after) = after {
            let Some(before) = before(shared, token, after)? else { return Ok(None) };
            at = before;
        }
        let mut history = Vec::new();
        while let Some((state, owner)) = at {
            if history.len() >= limit {
                break;
            }
            let made_by = state.made_by;
            at = if made_by == TransferId::default() {
                None
            } else {
                before(shared, token, made_by)?.flatten()
            };
            let from = at.map(|(_, owner)| owner);
            let state_cid = cid_text(&state.cid());
            history.push(HistoryRow { height: state.height, state_cid, made_by, from, owner });
        }
        let next = at.and_then(|_| history.last().map(|row| row.made_by));
        let ended_by = tip.ended_by;
        let schema = "quorate.token-history/1".into();
        Ok(Some(Self { schema, ok: true, id: token, ended_by, history, next }))
    }
}

/// The state that `transfer` spent of this token, with its owner. Outer `None`: the transfer is not
/// final here or has nothing to do with the token; inner: it created the token.
type Before = Option<Option<(TokenState, Address)>>;

fn before(shared: &Shared, token: TokenId, transfer: TransferId) -> Result<Before, StoreError> {
    let Some(receipt) = shared.store.receipt(&transfer)? else { return Ok(None) };
    let spent = &receipt.entry.signed.transfer;
    if let Some(input) = spent.inputs.iter().find(|input| input.state.token == token) {
        return Ok(Some(Some((input.state, spent.owner))));
    }
    let made = spent.made(transfer).into_iter().any(|made| made.state.token == token);
    Ok(made.then_some(None))
}
