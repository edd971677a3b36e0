//! What is said in recovery (protocol §4): owners' questions and members' answers.

use crate::limits::{RECOVER_STATES_MAX, RECOVERS_MAX};
use ledger::encoding::{canonical_struct, write_list};
use ledger::transfer::INPUTS_MAX;
use ledger::{
    Canonical, DecodeError, Digest, LockProof, Reader, SignedRecover, SignedReport, TokenState,
    TransferId,
};

/// A validator's answer to one `Recover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverReply {
    /// The id of the `Recover`.
    pub recover: Digest,
    /// What is reported, about as many of the states as it can be.
    pub report: Option<SignedReport>,
    /// One proof for each transfer and round that the report claims.
    pub locks: Vec<LockProof>,
    /// The other states, ascending.
    pub withheld: Vec<Withheld>,
}

/// Why nothing is reported of a state. Explains; proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The state.
    pub state: TokenState,
    /// Why.
    pub kind: WithheldKind,
    /// The round that is promised already; 0 where it is about none.
    pub round: u32,
    /// The transfer that spent it; zero where it is about none.
    pub transfer: TransferId,
}
canonical_struct!(Withheld { state, kind, round, transfer });

/// Why nothing is reported of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithheldKind {
    /// It is spent.
    Spent,
    /// A higher round is promised, or this one by a lock.
    Promised,
    /// It is not known here yet, or this member does not report.
    Unknown,
    /// It is not the asker's, or no state at all.
    Refused,
}

impl Canonical for WithheldKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            WithheldKind::Spent => 0,
            WithheldKind::Promised => 1,
            WithheldKind::Unknown => 2,
            WithheldKind::Refused => 3,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => WithheldKind::Spent,
            1 => WithheldKind::Promised,
            2 => WithheldKind::Unknown,
            3 => WithheldKind::Refused,
            tag => return Err(DecodeError::BadTag { what: "reason of no report", tag }),
        })
    }
}

impl Canonical for RecoverReply {
    fn write(&self, out: &mut Vec<u8>) {
        self.recover.write(out);
        match &self.report {
            None => out.push(0),
            Some(report) => {
                out.push(1);
                report.write(out);
            }
        }
        write_list(&self.locks, out);
        write_list(&self.withheld, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let recover = Digest::read(reader)?;
        let report = match u8::read(reader)? {
            0 => None,
            1 => Some(SignedReport::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "presence of a report", tag }),
        };
        let locks = reader.list("lock proofs", INPUTS_MAX, 300)?;
        let withheld: Vec<Withheld> = reader.list("states without report", INPUTS_MAX, 109)?;
        if withheld.windows(2).any(|pair| pair[0].state >= pair[1].state) {
            return Err(DecodeError::NotCanonical("states out of order"));
        }
        Ok(Self { recover, report, locks, withheld })
    }
}

/// Owners' questions, bounded in number and in states.
pub(super) fn read_recovers(reader: &mut Reader<'_>) -> Result<Vec<SignedRecover>, DecodeError> {
    let recovers: Vec<SignedRecover> = reader.list("recovers", RECOVERS_MAX, 184)?;
    let found: usize = recovers.iter().map(|signed| signed.recover.states.len()).sum();
    if found > RECOVER_STATES_MAX {
        let what = "states to recover in one message";
        return Err(DecodeError::TooMany { what, max: RECOVER_STATES_MAX, found });
    }
    Ok(recovers)
}
