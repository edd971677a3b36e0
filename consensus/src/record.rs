//! What must survive a crash, in the order in which it happened: the contents of the journal. A
//! validator is rebuilt from its records alone ([`crate::validator::Validator::replay`]).

use crate::batch::Proposal;
use crate::evidence::Evidence;
use crate::limits::{CLOSED_MAX, PROMISES_MAX};
use crate::lock::Held;
use ledger::encoding::{canonical_struct, write_list};
use ledger::{BatchId, Bitmap, Canonical, Certificate, DecodeError, Reader, TokenState};
use std::sync::Arc;

/// One durable fact.
#[allow(clippy::large_enum_variant, reason = "records are moved once, from a step to the journal")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The bytes of a batch, before anything that names it: a lock keeps the signed bytes.
    Batch(Arc<Proposal>),
    /// These entries' states are locked for them, each in its entry's round (R5).
    Locked(Locked),
    /// The Lock certificate of these entries is accepted (R6).
    Accepted(Certified),
    /// The Commit certificate of these entries is applied.
    Applied(Certified),
    /// Evidence (R9).
    Evidence(Evidence),
    /// Batches whose votes are forgotten: never voted on again. Only in what compacting a journal
    /// writes.
    Closed(Closed),
    /// A round promised for states, with what was reported of each (protocol §4).
    Promised(Promised),
}

/// A round promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The round, at least 1.
    pub round: u32,
    /// For these states, at least one.
    pub promises: Vec<Promise>,
}

/// A state whose round was raised, and what was accepted of it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The state.
    pub state: TokenState,
    /// What was reported.
    pub accepted: Option<Held>,
}

impl Canonical for Promise {
    fn write(&self, out: &mut Vec<u8>) {
        self.state.write(out);
        match &self.accepted {
            None => out.push(0),
            Some(held) => {
                out.push(1);
                held.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let state = TokenState::read(reader)?;
        let accepted = match u8::read(reader)? {
            0 => None,
            1 => Some(Held::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "presence of an accept", tag }),
        };
        Ok(Self { state, accepted })
    }
}

impl Canonical for Promised {
    fn write(&self, out: &mut Vec<u8>) {
        self.round.write(out);
        write_list(&self.promises, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let round = u32::read(reader)?;
        let promises: Vec<Promise> = reader.list("promises", PROMISES_MAX, 73)?;
        if round == 0 || promises.is_empty() {
            return Err(DecodeError::NotCanonical("a promise of nothing"));
        }
        Ok(Self { round, promises })
    }
}

/// Entries of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The batch.
    pub batch: BatchId,
    /// The entries that were new.
    pub bitmap: Bitmap,
}
canonical_struct!(Locked { batch, bitmap });

/// Entries of one batch with the certificate that they stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The certificate, which names the batch.
    pub certificate: Certificate,
    /// The entries that were new.
    pub bitmap: Bitmap,
}
canonical_struct!(Certified { certificate, bitmap });

/// Batches by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Ascending, without repeats.
    pub batches: Vec<BatchId>,
}

impl Canonical for Closed {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(&self.batches, out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batches: Vec<BatchId> = reader.list("closed batches", CLOSED_MAX, 32)?;
        if batches.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(DecodeError::NotCanonical("closed batches out of order"));
        }
        Ok(Self { batches })
    }
}

impl Record {
    /// The number that stands for the kind in the journal: 1 to 7.
    pub fn kind(&self) -> u8 {
        match self {
            Record::Batch(_) => 1,
            Record::Locked(_) => 2,
            Record::Accepted(_) => 3,
            Record::Applied(_) => 4,
            Record::Evidence(_) => 5,
            Record::Closed(_) => 6,
            Record::Promised(_) => 7,
        }
    }

    /// The journal's payload.
    pub fn payload(&self) -> Vec<u8> {
        match self {
            Record::Batch(proposal) => proposal.to_bytes(),
            Record::Locked(locked) => locked.to_bytes(),
            Record::Accepted(certified) | Record::Applied(certified) => certified.to_bytes(),
            Record::Evidence(evidence) => evidence.to_bytes(),
            Record::Closed(closed) => closed.to_bytes(),
            Record::Promised(promised) => promised.to_bytes(),
        }
    }

    /// Reads a payload; `None` for a kind that is not one of ours.
    ///
    /// # Errors
    /// Any [`DecodeError`]: the store was written by another version, or is damaged.
    pub fn read(kind: u8, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            1 => Record::Batch(Arc::new(Proposal::from_bytes(payload)?)),
            2 => Record::Locked(Locked::from_bytes(payload)?),
            3 => Record::Accepted(Certified::from_bytes(payload)?),
            4 => Record::Applied(Certified::from_bytes(payload)?),
            5 => Record::Evidence(Evidence::from_bytes(payload)?),
            6 => Record::Closed(Closed::from_bytes(payload)?),
            7 => Record::Promised(Promised::from_bytes(payload)?),
            _ => return Ok(None),
        }))
    }
}
