//! Reading a node's answer about recoveries: nothing in it is believed that can be checked here.

use crate::error::{Failure, INTERNAL};
use crate::view::{OutcomeRow, RecoveredState, RecoveryRow};
use ledger::{Canonical, Entry, Justification, Recover, SignedTransfer};

/// How far above the round asked for a validator's word is followed at a time.
const STEP_MAX: u32 = 1_000;

/// Whether an answer is about what was asked.
pub(super) fn check_row(recover: &Recover, row: &RecoveryRow) -> Result<(), Failure> {
    let asked = recover.states.iter().map(|state| (state.token, state.height));
    let told = row.states.iter().map(|state| (state.token, state.height));
    if row.round == recover.round && asked.eq(told) { Ok(()) } else { Err(nonsense()) }
}

/// One above what was asked for or named. A validator that lies may name the last round there is,
/// behind which nothing could ever be recovered: so it is followed by steps only.
pub(super) fn next_round(row: &RecoveryRow) -> u32 {
    let named = row.promised.min(row.round.saturating_add(STEP_MAX));
    named.max(row.round).saturating_add(1)
}

/// That a state is spent is somebody's word here, and ends nothing: the next look at the token
/// tells, which rests on a certificate.
pub(super) enum Found {
    NotJustified,
    Refresh,
    Again(Box<SignedTransfer>),
}

impl Found {
    pub(super) fn is_refresh(&self) -> bool {
        matches!(self, Found::Refresh)
    }
}

pub(super) fn outcome(state: &RecoveredState, row: &RecoveryRow) -> Result<Found, Failure> {
    if state.torn {
        let what = "two transfers of one token were accepted in one round: more validators lie \
                    than the network can bear; nothing was proposed";
        return Err(Failure::new(INTERNAL, what).help("quorate status"));
    }
    if !row.justified {
        return Ok(Found::NotJustified);
    }
    let Some(text) = &state.again else { return Ok(Found::Refresh) };
    let bytes = hex::decode(text).map_err(|_| nonsense())?;
    let signed = SignedTransfer::from_bytes(&bytes).map_err(|_| nonsense())?;
    Ok(Found::Again(Box::new(signed)))
}

pub(super) fn entry(signed: SignedTransfer, row: &RecoveryRow) -> Result<Entry, Failure> {
    let bytes = hex::decode(&row.justification).map_err(|_| nonsense())?;
    let all = Justification::from_bytes(&bytes).map_err(|_| nonsense())?;
    let justification = all.about(&signed.transfer).to_bytes();
    Ok(Entry { signed, round: row.round, justification })
}

pub(super) fn is_final(outcome: &OutcomeRow) -> bool {
    outcome.status == "final"
}

pub(super) fn nonsense() -> Failure {
    Failure::new(INTERNAL, "the node's answer about the recovery makes no sense; nothing was sent")
        .help("ask another node: --node URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liar_does_not_lead_to_the_last_round() {
        let row = |round, promised| RecoveryRow {
            round,
            justified: false,
            promised,
            states: Vec::new(),
            justification: String::new(),
        };
        assert_eq!(next_round(&row(1, 0)), 2);
        assert_eq!(next_round(&row(1, 7)), 8);
        assert_eq!(next_round(&row(5, 3)), 6);
        assert_eq!(next_round(&row(1, u32::MAX)), 2 + STEP_MAX);
        assert_eq!(next_round(&row(u32::MAX, u32::MAX)), u32::MAX);
    }
}
