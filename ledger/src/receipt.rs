//! Receipts: the portable proof that one transfer is final; checkable offline with the genesis file
//! alone.

use crate::bitmap::BITS_MAX;
use crate::certificate::{Certificate, CertificateError, Expected};
use crate::encoding::{Canonical, DecodeError, Reader, write_list};
use crate::entry::Entry;
use crate::genesis::Network;
use crate::hash::{Digest, TransferId};
use crate::merkle;
use crate::transfer::{TransferError, VerifiedTransfer};
use crate::vote::Phase;
use rand_core::CryptoRng;

mod many;
pub use many::{Grouped, group, verify_many, verify_signed};

/// Longest Merkle path: 4,096 leaves.
pub(crate) const PATH_MAX: usize = 12;

/// The proof that one transfer is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transfer as it stood in its batch.
    pub entry: Entry,
    /// Its position in the batch, 0-based.
    pub index: u32,
    /// How many entries the batch has.
    pub count: u32,
    /// Siblings from the entry's leaf to the root, lowest first.
    pub path: Vec<Digest>,
    /// The Commit certificate over the batch.
    pub certificate: Certificate,
}

impl Canonical for Receipt {
    fn write(&self, out: &mut Vec<u8>) {
        self.entry.write(out);
        self.index.write(out);
        self.count.write(out);
        write_list(&self.path, out);
        self.certificate.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            entry: Entry::read(reader)?,
            index: u32::read(reader)?,
            count: u32::read(reader)?,
            path: reader.list("nodes in a Merkle path", PATH_MAX, 32)?,
            certificate: Certificate::read(reader)?,
        })
    }
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The transfer in it breaks a rule.
    #[error("the transfer in the receipt is not valid: {0}")]
    Transfer(#[from] TransferError),
    /// The Merkle path does not lead to the batch that the certificate is for.
    #[error("the transfer is not at position {index} of the batch that the certificate is for")]
    OtherBatch {
        /// The position claimed.
        index: u32,
    },
    /// The certificate proves nothing.
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate is valid and not for this transfer.
    #[error("the certificate's quorum is not for this transfer of the batch")]
    NotCertified,
}

/// A receipt that holds: its transfer is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    transfer: VerifiedTransfer,
}

impl Receipt {
    /// Checks all of it: the owner's signature, the path, every vote, the quorum for this transfer.
    /// The shape and R3 are checked as far as genesis tells; the rest a quorum has checked.
    ///
    /// # Errors
    /// Every [`ReceiptError`].
    pub fn verify(
        &self,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<VerifiedReceipt, ReceiptError> {
        self.entry.signed.transfer.check(network)?;
        let transfer = VerifiedTransfer::verify(self.entry.signed.clone())?;
        let other = ReceiptError::OtherBatch { index: self.index };
        let (Ok(index), Ok(count)) = (usize::try_from(self.index), usize::try_from(self.count))
        else {
            return Err(other);
        };
        let leaf = self.entry.leaf(transfer.id());
        let root = merkle::root_of_path(leaf, index, count, &self.path);
        if count > BITS_MAX || root != Some(self.certificate.batch) {
            return Err(other);
        }
        let expected = Expected {
            network: &network.id,
            epoch: network.epoch,
            committee: &network.committee,
            phase: Phase::Commit,
            count,
        };
        let certified = self.certificate.verify(expected, rng)?;
        if !certified.has(index) {
            return Err(ReceiptError::NotCertified);
        }
        Ok(VerifiedReceipt { receipt: self.clone(), transfer })
    }
}

impl VerifiedReceipt {
    /// The receipt.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The final transfer.
    pub fn transfer(&self) -> &VerifiedTransfer {
        &self.transfer
    }

    /// Its id.
    pub fn id(&self) -> TransferId {
        self.transfer.id()
    }
}

#[cfg(test)]
mod tests;
