//! How a transfer ended, who voted, and how long each stage took.

use super::Pending;
use crate::verdict::{Refusal, Refused};
use ledger::{TokenState, Transfer, TransferId};
use std::collections::BTreeMap;

/// How a transfer ended at its proposer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A quorum has durably accepted it and this node has applied it. Nobody can take it back.
    Final,
    /// It breaks a rule, or its states are spent by another transfer. Nothing changed.
    Rejected(Refusal),
    /// Votes are split so that no quorum can come in this round any more.
    Locked(VoteSplit),
    /// It was proposed and nothing more is known; the same bytes may be sent again.
    Unknown,
}

/// Who votes for what, where locks are split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoteSplit {
    /// Members that locked this transfer, ascending.
    pub ours: Vec<u16>,
    /// Members by the transfer that holds their lock; zero where they did not say.
    pub others: BTreeMap<TransferId, Vec<u16>>,
}

impl VoteSplit {
    /// Groups what members said.
    pub(super) fn of(ours: Vec<u16>, refusals: &[(u16, Refused)]) -> Self {
        let mut others: BTreeMap<TransferId, Vec<u16>> = BTreeMap::new();
        for (member, refused) in refusals {
            others.entry(refused.transfer).or_default().push(*member);
        }
        Self { ours, others }
    }
}

/// How long each stage took, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// From the client's bytes to found Valid here.
    pub admit: u64,
    /// Waiting for its batch to be sealed.
    pub batch_wait: u64,
    /// Encoding, compressing and handing the batch to the links.
    pub propose: u64,
    /// From proposing to the Lock certificate.
    pub lock: u64,
    /// From the Lock certificate to the Commit certificate.
    pub commit: u64,
    /// From admission to the durable Commit certificate.
    pub total: u64,
}

/// The end of one transfer, told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferReport {
    /// The transfer.
    pub id: TransferId,
    /// How it ended.
    pub outcome: Outcome,
    /// The round it was proposed in.
    pub round: u32,
    /// Members that voted to lock it, ascending.
    pub lock: Vec<u16>,
    /// Members that voted to commit it, ascending.
    pub commit: Vec<u16>,
    /// Timings. `total` ends when this report was made; the driver adds the last sync.
    pub stages: Stages,
    /// When the client's bytes came, µs.
    pub admitted_us: u64,
}

impl Pending {
    pub(super) fn report(
        self,
        id: TransferId,
        outcome: Outcome,
        voters: (Vec<u16>, Vec<u16>),
        now_us: u64,
    ) -> TransferReport {
        let total = now_us.saturating_sub(self.admitted_us);
        TransferReport {
            id,
            outcome,
            round: self.entry.round,
            lock: voters.0,
            commit: voters.1,
            stages: Stages { total, ..self.stages },
            admitted_us: self.admitted_us,
        }
    }
}

/// The outcome for `transfer` now that `winner` has spent `state`: rejected, if it wanted that very
/// state.
pub(super) fn lost(transfer: &Transfer, state: &TokenState, winner: TransferId) -> Option<Outcome> {
    let wanted = transfer.inputs.iter().find(|input| input.state.token == state.token)?;
    let refusal = if wanted.state == *state {
        Refusal::Spent { state: *state, by: Some(winner) }
    } else if wanted.state.height < state.height {
        Refusal::Spent { state: wanted.state, by: None }
    } else {
        return None;
    };
    Some(Outcome::Rejected(refusal))
}
