//! Justifications: why an entry may stand in a round above 0. Reports, the Lock certificates that
//! prove what they claim, and receipts that show which of it can no longer live. What has to be in
//! one is judged by the consensus (protocol §4); here is its form.

use crate::committee::MEMBERS_MAX;
use crate::encoding::{Canonical, DecodeError, Reader, write_list};
use crate::lock_proof::LockProof;
use crate::receipt::Receipt;
use crate::report::{Accepted, SignedReport};
use crate::state::TokenState;
use crate::transfer::{INPUTS_MAX, Transfer};
use std::collections::BTreeSet;

/// Most reports: one a member and state would be enough, and a member may say all in one.
pub const REPORTS_MAX: usize = MEMBERS_MAX * 16;
/// Most lock proofs, and most receipts: one for each state at most.
pub const PROOFS_MAX: usize = INPUTS_MAX;

/// What stands behind an entry of a round above 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Justification {
    /// What members said. A member may be there with several reports of different states.
    pub reports: Vec<SignedReport>,
    /// One for each transfer and round that the reports claim.
    pub locks: Vec<LockProof>,
    /// Final transfers that spent inputs of claimed ones.
    pub receipts: Vec<Receipt>,
}

impl Justification {
    /// What of it speaks for `transfer`: the reports that are about a state it spends, and the
    /// proofs of what those claim. Members refuse all else, so that nobody makes them check what
    /// does not count; and a member may report of some of the states asked for only.
    #[must_use]
    pub fn about(mut self, transfer: &Transfer) -> Self {
        let states: BTreeSet<TokenState> =
            transfer.inputs.iter().map(|input| input.state).collect();
        let claims_one = |signed: &SignedReport| {
            signed.report.claims.iter().any(|claim| states.contains(&claim.state))
        };
        self.reports.retain(claims_one);
        let claims = self.reports.iter().flat_map(|signed| &signed.report.claims);
        let claimed: BTreeSet<Accepted> = claims.filter_map(|claim| claim.accepted).collect();
        self.locks
            .retain(|lock| claimed.contains(&Accepted { round: lock.round, transfer: lock.id() }));
        self
    }
}

impl Canonical for Justification {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(&self.reports, out);
        write_list(&self.locks, out);
        write_list(&self.receipts, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            reports: reader.list("reports", REPORTS_MAX, 155)?,
            locks: reader.list("lock proofs", PROOFS_MAX, 300)?,
            receipts: reader.list("receipts", PROOFS_MAX, 300)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_one_is_read_back_and_counts_are_bounded() {
        let empty = Justification::default();
        assert_eq!(Justification::from_bytes(&empty.to_bytes()), Ok(empty));
        let mut claim = u32::try_from(REPORTS_MAX + 1).expect("small").to_bytes();
        claim.extend([0; 8]);
        let found = Justification::from_bytes(&claim);
        assert!(matches!(found, Err(DecodeError::TooMany { what: "reports", .. })));
    }
}
