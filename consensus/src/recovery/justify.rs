//! Whether an entry may stand in a round above 0: for every input state a quorum of reports for
//! that round, and over all of them together the highest accepted transfer that may still live is
//! this very transfer, or there is none and it is a refresh (protocol §4).
//!
//! It rests on nothing of this node's but the genesis, so everybody finds the same.

use super::claims::{Highest, Proven, highest};
use super::is_refresh;
use crate::limits::JUSTIFICATION_RECEIPTS_MAX;
use ledger::key::Sealed;
use ledger::{
    Accepted, Canonical, DecodeError, Entry, Justification, Network, SignedReport, TokenState,
    TransferId,
};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

/// Why a justification does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjustified {
    /// Its bytes are none.
    #[error("the justification can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// A report that is not a member's, of another round or epoch, or of other states.
    #[error("a report of member {0} is not valid for this round")]
    BadReport(u16),
    /// A member that reports of one state more than once.
    #[error("member {0} reports twice of one state")]
    TwoReports(u16),
    /// A Lock certificate or a receipt that proves nothing.
    #[error("a proof in the justification does not hold")]
    BadProof,
    /// What a member claims to have accepted is not proven by a Lock certificate of a lower round.
    #[error("member {0} claims an accept that nothing proves")]
    NoProof(u16),
    /// The reports of a state do not reach the quorum.
    #[error("the reports of token {} do not reach the quorum", .0.token)]
    NoQuorum(TokenState),
    /// Another transfer is accepted higher and may still become final.
    #[error("transfer {} is accepted in round {} and goes first", .0.transfer, .0.round)]
    Higher(Accepted),
    /// Nothing is accepted, and only a refresh may be proposed then.
    #[error("nothing is accepted, so only a refresh of one state may be proposed")]
    NoRefresh,
}

/// Checks the justification of `entry`, whose transfer's id is `id`. The owner's signature, and
/// whether the inputs are what they say, are for the caller. About 0.3 ms for five reports without
/// accepts; one signature batch more for each proof.
///
/// # Errors
/// Every [`Unjustified`].
///
/// # Panics
/// In round 0, which needs none.
pub fn check(
    entry: &Entry,
    id: TransferId,
    network: &Network,
    rng: &mut impl CryptoRng,
) -> Result<(), Unjustified> {
    assert!(entry.round > 0);
    let found = Justification::from_bytes(&entry.justification)?;
    let states: BTreeSet<TokenState> =
        entry.signed.transfer.inputs.iter().map(|input| input.state).collect();
    // First all that costs no signature: nobody is made to check what could not count.
    let said = said_of(&found.reports, &states)?;
    check_quorums(&said, &states, network)?;
    check_shape(&found)?;
    check_reports(&found.reports, entry.round, network, rng)?;
    let proven = check_proofs(&found, network, rng)?;
    let claims = claims_of(&said, entry.round, &proven)?;
    match highest(&claims, &proven, Some(id)) {
        Highest::None if is_refresh(&entry.signed.transfer) => Ok(()),
        Highest::None => Err(Unjustified::NoRefresh),
        Highest::One(accepted) if accepted.transfer == id => Ok(()),
        Highest::One(accepted) | Highest::Torn(accepted, _) => Err(Unjustified::Higher(accepted)),
    }
}

/// Round, epoch and every signature.
fn check_reports(
    reports: &[SignedReport],
    round: u32,
    network: &Network,
    rng: &mut impl CryptoRng,
) -> Result<(), Unjustified> {
    let mut statements = Vec::new();
    for signed in reports {
        if signed.report.round != round || signed.report.epoch != network.epoch {
            return Err(Unjustified::BadReport(signed.member));
        }
        statements.push(signed.report.statement(&network.id));
    }
    let sealed: Vec<Sealed<'_>> = reports
        .iter()
        .zip(&statements)
        .map(|(signed, message)| Sealed {
            key: usize::from(signed.member),
            signature: &signed.signature,
            message,
        })
        .collect();
    match network.committee.keys().first_invalid(&sealed, rng) {
        Some(index) => Err(Unjustified::BadReport(reports[index].member)),
        None => Ok(()),
    }
}

fn check_proofs(
    found: &Justification,
    network: &Network,
    rng: &mut impl CryptoRng,
) -> Result<Proven, Unjustified> {
    let mut proven = Proven::default();
    for lock in &found.locks {
        let accepted = lock.verify(network, rng).map_err(|_| Unjustified::BadProof)?;
        proven.add_lock(accepted, &lock.signed.transfer);
    }
    for receipt in &found.receipts {
        let verified = receipt.verify(network, rng).map_err(|_| Unjustified::BadProof)?;
        proven.add_final(verified.id(), verified.transfer().transfer());
    }
    Ok(proven)
}

/// Who said what of each state.
type Said = BTreeMap<TokenState, BTreeMap<u16, Option<Accepted>>>;

/// What is said of these states. Every report has to say something of one of them.
fn said_of(reports: &[SignedReport], states: &BTreeSet<TokenState>) -> Result<Said, Unjustified> {
    let mut said = Said::new();
    for signed in reports {
        let member = signed.member;
        let mut is_about = false;
        for claim in signed.report.claims.iter().filter(|claim| states.contains(&claim.state)) {
            is_about = true;
            let known = said.entry(claim.state).or_default().insert(member, claim.accepted);
            if known.is_some() {
                return Err(Unjustified::TwoReports(member));
            }
        }
        if !is_about {
            return Err(Unjustified::BadReport(member));
        }
    }
    Ok(said)
}

/// Whether a quorum has reported of each state; a member counts once a state.
fn check_quorums(
    said: &Said,
    states: &BTreeSet<TokenState>,
    network: &Network,
) -> Result<(), Unjustified> {
    for state in states {
        let members = said.get(state).into_iter().flat_map(BTreeMap::keys);
        let weight: u64 = members.map(|member| network.committee.weight(*member)).sum();
        if weight < network.committee.quorum() {
            return Err(Unjustified::NoQuorum(*state));
        }
    }
    Ok(())
}

/// Whether there are only proofs of what the reports claim, each once, and few receipts.
fn check_shape(found: &Justification) -> Result<(), Unjustified> {
    let claims = found.reports.iter().flat_map(|signed| &signed.report.claims);
    let claimed: BTreeSet<Accepted> = claims.filter_map(|claim| claim.accepted).collect();
    let mut shown = BTreeSet::new();
    for lock in &found.locks {
        let accepted = Accepted { round: lock.round, transfer: lock.id() };
        if !claimed.contains(&accepted) || !shown.insert(accepted) {
            return Err(Unjustified::BadProof);
        }
    }
    let finals = found.receipts.iter().map(|receipt| receipt.entry.signed.transfer.id());
    let is_each_once = finals.collect::<BTreeSet<_>>().len() == found.receipts.len();
    if !is_each_once || found.receipts.len() > JUSTIFICATION_RECEIPTS_MAX {
        return Err(Unjustified::BadProof);
    }
    Ok(())
}

/// All that is claimed of the states, when each claim is proven and of a lower round.
fn claims_of(said: &Said, round: u32, proven: &Proven) -> Result<BTreeSet<Accepted>, Unjustified> {
    let mut claims = BTreeSet::new();
    for (state, said) in said {
        for (member, accepted) in said {
            let Some(accepted) = accepted else { continue };
            if accepted.round >= round || !proven.has_locked(accepted, state) {
                return Err(Unjustified::NoProof(*member));
            }
            claims.insert(*accepted);
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests;
