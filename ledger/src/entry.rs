//! Batch entries: a signed transfer with the round it is proposed in.

use crate::encoding::{Canonical, DecodeError, Reader, write_bytes};
use crate::hash::{Digest, Tag, TransferId, hash};
use crate::transfer::SignedTransfer;

/// Largest justification, bytes: a quorum of reports with their proofs for the states of one
/// transfer.
pub const JUSTIFICATION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A signed transfer, its round, and why it may be proposed in that round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The owner's transfer.
    pub signed: SignedTransfer,
    /// 0 for an ordinary transfer; more in recovery (protocol §4).
    pub round: u32,
    /// Canonical bytes of the reports that justify a round above 0; empty exactly in round 0, in
    /// which it is neither sent nor hashed.
    pub justification: Vec<u8>,
}

impl Entry {
    /// An ordinary entry, in round 0.
    pub fn ordinary(signed: SignedTransfer) -> Self {
        Self { signed, round: 0, justification: Vec::new() }
    }

    /// Its leaf in the batch's Merkle tree: H(transfer id, round, H(owner's signature,
    /// justification)), so that other signatures make another batch.
    pub fn leaf(&self, id: TransferId) -> Digest {
        Self::leaf_of(id, self.round, &self.proof())
    }

    /// H(owner's signature, justification), as in the leaf.
    pub fn proof(&self) -> Digest {
        let justification = if self.round == 0 { &[][..] } else { &self.justification[..] };
        hash(Tag::Proof, &[&self.signed.signature.0, justification])
    }

    /// The leaf of an entry of which only the hash of signature and justification is known.
    pub fn leaf_of(id: TransferId, round: u32, proof: &Digest) -> Digest {
        hash(Tag::Leaf, &[id.bytes(), &round.to_le_bytes(), &proof.0])
    }
}

impl Canonical for Entry {
    fn write(&self, out: &mut Vec<u8>) {
        self.signed.write(out);
        self.round.write(out);
        if self.round > 0 {
            write_bytes(&self.justification, out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let signed = SignedTransfer::read(reader)?;
        let round = u32::read(reader)?;
        let justification = match round {
            0 => Vec::new(),
            _ => reader.bytes("bytes of justification", JUSTIFICATION_BYTES_MAX)?.to_vec(),
        };
        if round > 0 && justification.is_empty() {
            return Err(DecodeError::NotCanonical("an entry above round 0 without justification"));
        }
        Ok(Self { signed, round, justification })
    }
}
