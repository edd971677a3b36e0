//! Evidence holds, and never convicts an honest key.

use super::Broken;
use consensus::Evidence;
use ledger::Network;
use std::collections::BTreeSet;

/// A member keeps evidence. Owners in the simulator that sign twice mean it.
///
/// # Errors
/// When it proves nothing, or convicts an honest member.
pub fn convicted(
    network: &Network,
    honest: &BTreeSet<u16>,
    evidence: &Evidence,
) -> Result<(), Broken> {
    if evidence.verify(network).is_err() {
        return Err(("evidence", format!("it proves nothing: {evidence:?}")));
    }
    match evidence {
        Evidence::Votes(votes) if honest.contains(&votes.first.member) => {
            Err(("evidence", format!("an honest member is convicted: {votes:?}")))
        }
        _ => Ok(()),
    }
}
