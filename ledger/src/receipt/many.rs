//! Many receipts at once: receipts of one batch share their certificate, and its votes are checked
//! once for all of them; the owners' signatures are checked in one batch. The pieces are apart, so
//! that a caller with threads can spread them; [`super::Receipt::verify`] is the slow twin.

use super::{Receipt, ReceiptError, VerifiedReceipt};
use crate::bitmap::Bitmap;
use crate::certificate::{Certificate, CertificateError, Expected};
use crate::genesis::Network;
use crate::hash::{BatchId, TransferId};
use crate::transfer::{SignedTransfer, TransferError, VerifiedTransfer, verify_owners};
use crate::vote::Phase;
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// The distinct certificates of many receipts.
#[derive(Clone, Debug)]
pub struct Grouped<'a> {
    /// Each certificate once, with the count of the batch that its first receipt claims.
    pub certificates: Vec<(&'a Certificate, u32)>,
    /// `of[i]` is the index of the certificate of `receipts[i]`.
    pub of: Vec<usize>,
}

/// Finds the distinct pairs of certificate and count. Nothing is checked.
pub fn group(receipts: &[Receipt]) -> Grouped<'_> {
    let mut certificates: Vec<(&Certificate, u32)> = Vec::new();
    let mut by_batch: BTreeMap<BatchId, Vec<usize>> = BTreeMap::new();
    let mut of = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let same_batch = by_batch.entry(receipt.certificate.batch).or_default();
        let this = (&receipt.certificate, receipt.inclusion.count);
        let known = same_batch.iter().copied().find(|index| certificates[*index] == this);
        of.push(known.unwrap_or_else(|| {
            certificates.push(this);
            same_batch.push(certificates.len() - 1);
            certificates.len() - 1
        }));
    }
    Grouped { certificates, of }
}

impl Receipt {
    /// All that needs no signature: the rules about the transfer, its place in the batch; returns
    /// its id.
    ///
    /// # Errors
    /// [`ReceiptError::Transfer`], [`ReceiptError::OtherBatch`].
    pub fn check_unsigned(&self, network: &Network) -> Result<TransferId, ReceiptError> {
        self.entry.signed.transfer.check(network)?;
        let id = self.entry.signed.transfer.id();
        match self.inclusion.index_in(&self.certificate.batch, self.entry.leaf(id)) {
            Some(_) => Ok(id),
            None => Err(ReceiptError::OtherBatch { index: self.inclusion.index }),
        }
    }
}

impl Certificate {
    /// Checks a Commit certificate of this network over a batch of `count` entries: every vote.
    /// Bit `i` of what it returns is for entry `i`.
    ///
    /// # Errors
    /// Every [`CertificateError`].
    pub fn verify_commit(
        &self,
        count: u32,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<Bitmap, CertificateError> {
        let expected = Expected {
            network: &network.id,
            epoch: network.epoch,
            committee: &network.committee,
            phase: Phase::Commit,
            count: usize::try_from(count).unwrap_or(usize::MAX),
        };
        self.verify(expected, rng)
    }
}

/// A receipt on its way: `Ok` holds the id that [`Receipt::check_unsigned`] gave and the bits that
/// its certificate carries.
pub type Checked<'a> = Result<(TransferId, &'a Bitmap), ReceiptError>;

/// The last step: the bit is certified, the owner has signed. `results[i]` is for `receipts[i]`.
///
/// # Panics
/// When the lists differ in length, or an id is not its receipt's.
pub fn verify_signed(
    receipts: Vec<Receipt>,
    checked: Vec<Checked<'_>>,
    rng: &mut impl CryptoRng,
) -> Vec<Result<VerifiedReceipt, ReceiptError>> {
    assert_eq!(receipts.len(), checked.len());
    let certified: Vec<Result<TransferId, ReceiptError>> = receipts
        .iter()
        .zip(checked)
        .map(|(receipt, checked)| {
            let (id, bits) = checked?;
            let index = usize::try_from(receipt.inclusion.index);
            let is_certified = index.is_ok_and(|index| bits.has(index));
            if is_certified { Ok(id) } else { Err(ReceiptError::NotCertified) }
        })
        .collect();
    let signed: Vec<(&SignedTransfer, TransferId)> = receipts
        .iter()
        .zip(&certified)
        .filter_map(|(receipt, id)| Some((&receipt.entry.signed, *id.as_ref().ok()?)))
        .collect();
    let (transfers, ids): (Vec<&SignedTransfer>, Vec<TransferId>) = signed.into_iter().unzip();
    let mut is_signed = verify_owners(&transfers, &ids, rng).into_iter();
    receipts
        .into_iter()
        .zip(certified)
        .map(|(receipt, id)| {
            let id = id?;
            if is_signed.next() != Some(true) {
                return Err(TransferError::BadSignature.into());
            }
            let transfer = VerifiedTransfer::assume_verified(receipt.entry.signed.clone(), id);
            Ok(VerifiedReceipt { receipt, transfer })
        })
        .collect()
}

/// Verifies many receipts on this thread: each is good exactly when [`Receipt::verify`] says so.
/// A receipt with several faults may be refused for another one.
pub fn verify_many(
    receipts: Vec<Receipt>,
    network: &Network,
    rng: &mut impl CryptoRng,
) -> Vec<Result<VerifiedReceipt, ReceiptError>> {
    let grouped = group(&receipts);
    let bits: Vec<Result<Bitmap, CertificateError>> = grouped
        .certificates
        .iter()
        .map(|(certificate, count)| certificate.verify_commit(*count, network, rng))
        .collect();
    let of = grouped.of;
    let checked = receipts.iter().zip(of).map(|(receipt, certificate)| {
        let id = receipt.check_unsigned(network)?;
        let bits = bits[certificate].as_ref().map_err(|error| error.clone())?;
        Ok((id, bits))
    });
    let checked: Vec<Checked<'_>> = checked.collect();
    verify_signed(receipts, checked, rng)
}

impl VerifiedReceipt {
    /// The receipt, by value.
    pub fn into_receipt(self) -> Receipt {
        self.receipt
    }

    /// Takes a receipt that was verified before this process kept it: read back from its own
    /// journal, whose records are chained by hash. The id is computed again.
    pub fn assume_verified(receipt: Receipt) -> Self {
        let signed = receipt.entry.signed.clone();
        let id = signed.transfer.id();
        Self { transfer: VerifiedTransfer::assume_verified(signed, id), receipt }
    }
}

#[cfg(test)]
mod tests;
