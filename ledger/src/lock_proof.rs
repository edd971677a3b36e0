//! Lock proofs: that a quorum has locked one transfer in one round, checkable with the genesis
//! alone. Of the entry's justification only the hash is in it: who voted has checked it.

use crate::certificate::{Certificate, CertificateError, Expected};
use crate::encoding::canonical_struct;
use crate::entry::Entry;
use crate::genesis::Network;
use crate::hash::{Digest, TransferId};
use crate::merkle::Inclusion;
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
    /// Where it stands in the batch.
    pub inclusion: Inclusion,
    /// The Lock certificate over the batch.
    pub certificate: Certificate,
}
canonical_struct!(LockProof { signed, round, proof, inclusion, certificate });

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
    /// The proof for an entry that stands there.
    pub fn of(entry: &Entry, inclusion: Inclusion, certificate: &Certificate) -> Self {
        Self {
            signed: entry.signed.clone(),
            round: entry.round,
            proof: entry.proof(),
            inclusion,
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
        let leaf = Entry::leaf_of(transfer, self.round, &self.proof);
        // What was hashed with the signature is known in round 0.
        let is_plain = self.round > 0 || self.proof == Entry::ordinary(self.signed.clone()).proof();
        let index = self.inclusion.index_in(&self.certificate.batch, leaf).filter(|_| is_plain);
        let Some(index) = index else {
            return Err(LockProofError::OtherBatch { index: self.inclusion.index });
        };
        let count = usize::try_from(self.inclusion.count).expect("it leads to a batch");
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
