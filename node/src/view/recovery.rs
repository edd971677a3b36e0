//! What came of an owner's `Recover`s (`quorate.recoveries/1`): per state what may be proposed, and
//! the justification that an entry of that round carries.

use super::Schema;
use crate::handle::Shared;
use crate::store::StoreError;
use consensus::recovery::collector::Advice;
use consensus::{Collected, Place};
use ledger::{Canonical, Receipt, TokenId, TransferId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Receipts that one justification carries at most: a claimed transfer is ended by one of them.
const RECEIPTS_MAX: usize = 64;

/// The answer to `POST /v1/recoveries`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveriesDocument {
    /// `quorate.recoveries/1`.
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// `recoveries[i]` is for the i-th `Recover` of the body.
    pub recoveries: Vec<RecoveryRow>,
}

/// What came of one `Recover`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryRow {
    /// The round asked for.
    pub round: u32,
    /// Whether every state has a quorum of reports.
    pub justified: bool,
    /// The highest round that a validator named when it refused; 0 for none.
    pub promised: u32,
    /// Ascending, as in the `Recover`.
    pub states: Vec<RecoveredState>,
    /// Canonical bytes of the justification, hexadecimal; empty when not justified.
    pub justification: String,
}

/// What is known of one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveredState {
    /// The token.
    pub token: TokenId,
    /// Transfers into its life.
    pub height: u64,
    /// Whether it is said to be spent.
    pub spent: bool,
    /// The transfer that spent it, where that is known.
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
            true => hex::encode(collected.justification(&receipts)),
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

/// Receipts of final transfers that spent inputs of claimed ones: those can no longer live.
fn receipts(shared: &Shared, collected: &Collected) -> Result<Vec<Receipt>, StoreError> {
    let mut spenders: BTreeSet<TransferId> = BTreeSet::new();
    {
        let validator = shared.validator.read();
        for lock in collected.accepted() {
            let id = lock.id();
            for input in &lock.signed.transfer.inputs {
                if let Place::Spent { by: Some(by) } = validator.tips().place(&input.state)
                    && by != id
                {
                    spenders.insert(by);
                }
            }
        }
    }
    let mut found = Vec::new();
    for id in spenders.into_iter().take(RECEIPTS_MAX) {
        found.extend(shared.store.receipt(&id)?);
    }
    Ok(found)
}
