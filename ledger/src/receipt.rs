//! Receipts: the portable proof that one transfer is final; checkable offline with the genesis file
//! alone.

use crate::certificate::{Certificate, CertificateError};
use crate::encoding::canonical_struct;
use crate::entry::Entry;
use crate::genesis::Network;
use crate::hash::TransferId;
use crate::merkle::Inclusion;
use crate::transfer::{TransferError, VerifiedTransfer};
use rand_core::CryptoRng;

mod many;
pub use many::{Grouped, group, verify_many, verify_signed};

/// The proof that one transfer is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transfer as it stood in its batch.
    pub entry: Entry,
    /// Where it stands there.
    pub inclusion: Inclusion,
    /// The Commit certificate over the batch.
    pub certificate: Certificate,
}
canonical_struct!(Receipt { entry, inclusion, certificate });

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
        let id = self.check_unsigned(network)?;
        let transfer = VerifiedTransfer::verify(self.entry.signed.clone())?;
        assert_eq!(transfer.id(), id);
        let index = usize::try_from(self.inclusion.index).expect("it was found in the batch");
        let certified = self.certificate.verify_commit(self.inclusion.count, network, rng)?;
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
