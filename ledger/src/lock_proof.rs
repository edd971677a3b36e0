//! Lock proofs: that a quorum has locked one transfer in one round, checkable with the genesis
//! alone. Of the entry's justification only the hash is in it: who voted has checked it.

use crate::bitmap::BITS_MAX;
use crate::certificate::{Certificate, CertificateError, Expected};
use crate::encoding::{Canonical, DecodeError, Reader, write_list};
use crate::entry::Entry;
use crate::genesis::Network;
use crate::hash::{Digest, TransferId};
use crate::merkle;
use crate::receipt::PATH_MAX;
use crate::report::Accepted;
use crate::transfer::SignedTransfer;
use crate::vote::Phase;
use rand_core::CryptoRng;

/// A transfer's place in a batch and the batch's Lock certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockProof {
    /// The transfer, signed by its owner.
    pub signed: SignedTransfer,
    /// The round of its entry.
    pub round: u32,
    /// H(owner's signature, justification) as in the entry's leaf.
    pub proof: Digest,
    /// Its position in the batch, 0-based.
    pub index: u32,
    /// How many entries the batch has.
    pub count: u32,
    /// Siblings from the entry's leaf to the root, lowest first.
    pub path: Vec<Digest>,
    /// The Lock certificate over the batch.
    pub certificate: Certificate,
}

impl Canonical for LockProof {
    fn write(&self, out: &mut Vec<u8>) {
        self.signed.write(out);
        self.round.write(out);
        self.proof.write(out);
        self.index.write(out);
        self.count.write(out);
        write_list(&self.path, out);
        self.certificate.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            signed: SignedTransfer::read(reader)?,
            round: u32::read(reader)?,
            proof: Digest::read(reader)?,
            index: u32::read(reader)?,
            count: u32::read(reader)?,
            path: reader.list("nodes in a Merkle path", PATH_MAX, 32)?,
            certificate: Certificate::read(reader)?,
        })
    }
}

/// Why a lock proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockProofError {
    /// The Merkle path does not lead to the batch that the certificate is for.
    #[error("the transfer is not at position {index} of the batch that the certificate is for")]
    OtherBatch {
        /// The position claimed.
        index: u32,
    },
    /// The owner's signature is not valid: above round 0 the leaf does not tell, and whoever
    /// proposes the transfer again needs it.
    #[error("the transfer's signature is not its owner's")]
    BadSignature,
    /// The certificate proves nothing.
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate is valid and not for this transfer.
    #[error("the certificate's quorum is not for this transfer of the batch")]
    NotCertified,
}

impl LockProof {
    /// The proof for an entry at `index` of `count`, with its Merkle path.
    pub fn of(
        entry: &Entry,
        (index, count): (usize, usize),
        path: Vec<Digest>,
        certificate: &Certificate,
    ) -> Self {
        let small = |number: usize| u32::try_from(number).expect("at most 4,096");
        Self {
            signed: entry.signed.clone(),
            round: entry.round,
            proof: entry.proof(),
            index: small(index),
            count: small(count),
            path,
            certificate: certificate.clone(),
        }
    }

    /// Checks the owner's signature, path, every vote, and the quorum for this transfer; returns
    /// what it proves accepted. Cost: one signature and one batch of them.
    ///
    /// # Errors
    /// Every [`LockProofError`].
    pub fn verify(
        &self,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<Accepted, LockProofError> {
        let transfer = self.signed.transfer.id();
        let other = LockProofError::OtherBatch { index: self.index };
        let (Ok(index), Ok(count)) = (usize::try_from(self.index), usize::try_from(self.count))
        else {
            return Err(other);
        };
        // What was hashed with the signature is known in round 0.
        let is_plain = self.round > 0 || self.proof == Entry::ordinary(self.signed.clone()).proof();
        if !is_plain {
            return Err(other);
        }
        let leaf = Entry::leaf_of(transfer, self.round, &self.proof);
        let root = merkle::root_of_path(leaf, index, count, &self.path);
        if count > BITS_MAX || root != Some(self.certificate.batch) {
            return Err(other);
        }
        let expected = Expected {
            network: &network.id,
            epoch: network.epoch,
            committee: &network.committee,
            phase: Phase::Lock,
            count,
        };
        let statement = self.signed.transfer.statement(transfer);
        if !self.signed.transfer.owner.0.verifies(&self.signed.signature, &statement) {
            return Err(LockProofError::BadSignature);
        }
        let certified = self.certificate.verify(expected, rng)?;
        if !certified.has(index) {
            return Err(LockProofError::NotCertified);
        }
        Ok(Accepted { round: self.round, transfer })
    }

    /// The id of its transfer.
    pub fn id(&self) -> TransferId {
        self.signed.transfer.id()
    }
}

#[cfg(test)]
mod tests;
