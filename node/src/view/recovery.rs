//! What came of an owner's `Recover`s (`quorate.recoveries/1`): per state what may be proposed, and
//! the justification that an entry of that round carries.

use super::Schema;
use super::text::IdText;
use crate::handle::Shared;
use crate::store::StoreError;
use consensus::limits::JUSTIFICATION_RECEIPTS_MAX;
use consensus::recovery::collector::Advice;
use consensus::{Collected, Place};
use ledger::{Canonical, Receipt, TokenId, TokenState, TransferId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Spent inputs of one claimed transfer that are looked into: the first almost always decides.
const LOOKED_AT_MAX: usize = 8;
/// Links of a token's chain that are walked back; each reads a batch from disk.
const LINKS_MAX: usize = 64;

/// The answer to `POST /v1/recoveries`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecoveriesDocument {
    /// `quorate.recoveries/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// `recoveries[i]` is for the i-th `Recover` of the body.
    pub recoveries: Vec<RecoveryRow>,
}

/// What came of one `Recover`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryRow {
    /// The round asked for.
    pub round: u32,
    /// Whether every state has a quorum of reports.
    pub justified: bool,
    /// The highest round that a validator named when it refused; 0 for none.
    pub promised: u32,
    /// Ascending, as in the `Recover`.
    pub states: Vec<RecoveredState>,
    /// Canonical bytes of the justification, hexadecimal; empty when not justified. An entry
    /// carries what of it is about the states that its transfer spends, nothing else.
    pub justification: String,
}

/// What is known of one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecoveredState {
    /// The token.
    #[schema(value_type = IdText)]
    pub token: TokenId,
    /// Transfers into its life.
    pub height: u64,
    /// Whether it is said to be spent.
    pub spent: bool,
    /// The transfer that spent it, where that is known.
    #[schema(value_type = Option<IdText>)]
    pub spent_by: Option<TransferId>,
    /// Canonical bytes of the signed transfer that has to be proposed again, hexadecimal. Without
    /// one, and justified, a refresh may be proposed.
    pub again: Option<String>,
    /// Whether two transfers were accepted in one round: more validators lie than may.
    pub torn: bool,
}

impl RecoveryRow {
    /// Reads the receipts of what ended claimed transfers: blocks for the disk.
    ///
    /// # Errors
    /// A damaged or unreadable store.
    pub fn of(shared: &Shared, collected: &Collected) -> Result<Self, StoreError> {
        let receipts = receipts(shared, collected)?;
        let recover = &collected.recover.recover;
        let states = recover.states.iter().map(|state| {
            let by = collected.spent.get(state).copied();
            let advice = collected.advice(state, &receipts);
            RecoveredState {
                token: state.token,
                height: state.height,
                spent: by.is_some(),
                spent_by: by.filter(|by| *by != TransferId::default()),
                again: match &advice {
                    Advice::Again(signed) => Some(hex::encode(signed.to_bytes())),
                    Advice::Refresh | Advice::Torn => None,
                },
                torn: advice == Advice::Torn,
            }
        });
        let states = states.collect();
        let justification = match collected.is_justified {
            true => hex::encode(collected.justification(&receipts).to_bytes()),
            false => String::new(),
        };
        Ok(Self {
            round: recover.round,
            justified: collected.is_justified,
            promised: collected.promised,
            states,
            justification,
        })
    }
}

/// For each claimed transfer the receipt of one that spent an input of it, if there is one here:
/// then it can no longer live.
fn receipts(shared: &Shared, collected: &Collected) -> Result<Vec<Receipt>, StoreError> {
    let mut found: BTreeMap<TransferId, Receipt> = BTreeMap::new();
    for lock in collected.accepted() {
        let id = lock.id();
        let inputs = &lock.signed.transfer.inputs;
        let spent: Vec<TokenState> = {
            let validator = shared.validator.read();
            let is_spent = |state: &TokenState| {
                let place = validator.tips().place(state);
                matches!(place, Place::Spent { by } if by != Some(id))
            };
            inputs.iter().map(|input| input.state).filter(is_spent).collect()
        };
        for state in spent.into_iter().take(LOOKED_AT_MAX) {
            let receipt = spender(shared, &state)?;
            if let Some((by, receipt)) = receipt.filter(|(by, _)| *by != id) {
                found.insert(by, receipt);
                break;
            }
        }
        if found.len() >= JUSTIFICATION_RECEIPTS_MAX {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// Who spent a state, looked for from the token's newest transfer backwards.
fn spender(
    shared: &Shared,
    state: &TokenState,
) -> Result<Option<(TransferId, Receipt)>, StoreError> {
    let mut at = {
        let validator = shared.validator.read();
        validator.tips().tip(&state.token).map(|tip| tip.ended_by.unwrap_or(tip.made_by))
    };
    for _ in 0..LINKS_MAX {
        let Some(id) = at else { return Ok(None) };
        let Some(receipt) = shared.store.receipt(&id)? else { return Ok(None) };
        let inputs = &receipt.entry.signed.transfer.inputs;
        let input = inputs.iter().find(|input| input.state.token == state.token);
        match input.map(|input| input.state) {
            Some(spent) if spent == *state => return Ok(Some((id, receipt))),
            Some(spent) if spent.height > state.height => at = Some(spent.made_by),
            _ => return Ok(None),
        }
    }
    Ok(None)
}
