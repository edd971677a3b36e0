//! Too little, too few, or promised to somebody else: what is said, and whether waiting may help.

use super::signer::Need;
use crate::error::{Failure, INSUFFICIENT_FUNDS, TOKEN_LOCKED, USAGE, refused_transfer};
use crate::view::TokenRow;
use crate::wallet::{Promises, SelectError, Wanted, choose};
use ledger::transfer::INPUTS_MAX;
use ledger::{Input, TokenId, TransferError, TransferId};
use serde_json::json;

/// Why no tokens could be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortage {
    /// What is said when waiting does not help.
    pub failure: Failure,
    /// Whether the end of a transfer under way may help.
    pub may_end: bool,
}

/// What the owner has of an asset, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// All of it.
    balance: u64,
    /// Promised to transfers of this wallet that have not ended, or locked.
    reserved: u64,
    /// Tokens, all and those not free.
    tokens: (usize, usize),
    /// Whether there would be enough without promises and locks.
    is_enough: bool,
}

impl Holdings {
    /// Of these rows, of which these are free.
    pub fn of(rows: &[TokenRow], free: &[Input], promises: &Promises<'_>) -> HoldingsOf {
        let live: Vec<Input> =
            rows.iter().map(TokenRow::input).filter(|input| !promises.is_spent(input)).collect();
        let sum = |inputs: &[Input]| {
            inputs.iter().fold(0u64, |sum, input| sum.saturating_add(input.amount))
        };
        let (balance, available) = (sum(&live), sum(free));
        let tokens = (live.len(), live.len().saturating_sub(free.len()));
        let reserved = balance.saturating_sub(available);
        HoldingsOf { live, of: Holdings { balance, reserved, tokens, is_enough: false } }
    }
}

/// Holdings with the tokens that they are of.
pub struct HoldingsOf {
    live: Vec<Input>,
    of: Holdings,
}

/// What to say when `choose` fails.
pub fn of(name: &str, need: &Need, error: SelectError, holdings: HoldingsOf) -> Shortage {
    let is_enough = choose(&holdings.live, &need.wanted).is_ok();
    let holdings = Holdings { is_enough, ..holdings.of };
    let asset = &need.asset;
    let details = json!({
        "asset": asset.label,
        "balance": asset.format(holdings.balance),
        "reserved": asset.format(holdings.reserved),
        "tokens": holdings.tokens.0,
        "tokens_reserved": holdings.tokens.1,
    });
    let failure = match error {
        SelectError::TooLittle { .. } | SelectError::TooFew { .. } => {
            Failure::new(INSUFFICIENT_FUNDS, too_little(name, need, &error, holdings))
                .help(format!("quorate balance {name}"))
                .help("quorate tx list   shows the transfers that have not ended")
        }
        SelectError::TooManyPieces { covered, .. } => {
            let error = TransferError::TooMany { what: "inputs", max: INPUTS_MAX };
            let what = format!("{error}: the {INPUTS_MAX} largest tokens hold less than is wanted");
            let covered = asset.format(covered);
            Failure::new(refused_transfer(&error), what + "; nothing was signed or sent")
                .help(format!("join tokens first: quorate transfer {name} {name} {covered}"))
        }
        SelectError::BadCount(_) | SelectError::OtherAsset(_) => {
            Failure::new(USAGE, format!("{error}; nothing was signed or sent"))
                .help("quorate help transfer")
        }
        SelectError::NotOwned(_) | SelectError::Overflow => {
            Failure::new(INSUFFICIENT_FUNDS, format!("{error}; nothing was signed or sent"))
                .help(format!("quorate tokens {name}"))
        }
    };
    Shortage { failure: failure.details(details), may_end: is_enough }
}

fn too_little(name: &str, need: &Need, error: &SelectError, holdings: Holdings) -> String {
    let asset = &need.asset;
    let label = &asset.label;
    let (has, wants) = match (&need.wanted, error) {
        (Wanted::Count(count), _) => {
            (format!("{} tokens of {label}", holdings.tokens.0), format!("{count} are wanted"))
        }
        (_, SelectError::TooLittle { wanted, .. }) => {
            let has = format!("{} {label}", asset.format(holdings.balance));
            (has, format!("{} are wanted", asset.format(*wanted)))
        }
        _ => (format!("{} {label}", asset.format(holdings.balance)), "more is wanted".into()),
    };
    let promised = match holdings.tokens.1 {
        0 => String::new(),
        tokens => {
            let reserved = asset.format(holdings.reserved);
            format!(" ({reserved} in {tokens} tokens promised to transfers not yet ended)")
        }
    };
    format!("{name} has {has}{promised} and {wants}; nothing was signed or sent")
}

/// A token that is promised to another transfer of this wallet.
pub fn promised(token: TokenId, held_by: TransferId) -> Shortage {
    let what = format!(
        "token {token} is promised to transfer {held_by}, which has not ended; \
         nothing was signed or sent"
    );
    let failure = Failure::new(TOKEN_LOCKED, what)
        .help(format!("quorate tx wait {held_by}"))
        .help(format!("quorate tx retry {held_by}"))
        .details(json!({"token": token, "held_by": held_by, "votes": {}}));
    Shortage { failure, may_end: true }
}
