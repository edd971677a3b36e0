//! What a wallet's journal holds: the receipts of each batch, each distinct certificate once, and
//! forks with both receipts. Canonical bytes.

use ledger::encoding::canonical_struct;
use ledger::receipt::group;
use ledger::{
    Canonical, Certificate, DecodeError, Entry, Inclusion, Network, Output, Reader, Receipt,
    ReceiptError, TokenState,
};

/// Kind of a record of received receipts. The validators' kinds are below, in journals of their
/// own.
pub const RECEIVED_KIND: u8 = 20;
/// Kind of a record of a fork.
pub const FORK_KIND: u8 = 21;
/// Kind of a record of receipts that did not join on, kept as proof that heads below are spent.
pub const OVERTAKEN_KIND: u8 = 22;

/// Most receipts of one batch, and so of one record: what one certificate can be for.
pub const RECEIPTS_MAX: usize = 4_096;
/// Bytes of the shortest certificate and of the shortest item below.
const CERTIFICATE_BYTES_MIN: usize = 45;
const ITEM_BYTES_MIN: usize = 200;

/// A receipt but for its certificate, which is the one of this index in the record.
struct Item {
    entry: Entry,
    inclusion: Inclusion,
    certificate: u32,
}
canonical_struct!(Item { entry, inclusion, certificate });

/// The payload of a record of these receipts, in this order.
pub fn received(receipts: &[Receipt]) -> Vec<u8> {
    let grouped = group(receipts);
    let mut out = Vec::new();
    let small = |number: usize| u32::try_from(number).expect("at most 4,096");
    small(grouped.certificates.len()).write(&mut out);
    for (certificate, _) in &grouped.certificates {
        certificate.write(&mut out);
    }
    small(receipts.len()).write(&mut out);
    for (receipt, certificate) in receipts.iter().zip(grouped.of) {
        receipt.entry.write(&mut out);
        receipt.inclusion.write(&mut out);
        small(certificate).write(&mut out);
    }
    out
}

/// The receipts of a record, in their order.
///
/// # Errors
/// Any [`DecodeError`].
pub fn read_received(payload: &[u8]) -> Result<Vec<Receipt>, DecodeError> {
    let mut reader = Reader::new(payload);
    let certificates: Vec<Certificate> =
        reader.list("certificates", RECEIPTS_MAX, CERTIFICATE_BYTES_MIN)?;
    let items: Vec<Item> = reader.list("receipts", RECEIPTS_MAX, ITEM_BYTES_MIN)?;
    if reader.left() > 0 {
        return Err(DecodeError::Trailing(reader.left()));
    }
    let receipt = |item: Item| {
        let Item { entry, inclusion, certificate } = item;
        let transfer = &entry.signed.transfer;
        let is_there = |output: &Output| match output {
            Output::Move { input, .. } => usize::from(*input) < transfer.inputs.len(),
            Output::Create { .. } | Output::Issue { .. } => true,
        };
        if !transfer.outputs.iter().all(is_there) {
            return Err(DecodeError::NotCanonical("an output moves an input that is not there"));
        }
        let found = usize::try_from(certificate).ok().and_then(|at| certificates.get(at));
        let missing = DecodeError::NotCanonical("an item names a certificate that is not there");
        let certificate = found.cloned().ok_or(missing)?;
        Ok(Receipt { entry, inclusion, certificate })
    };
    items.into_iter().map(receipt).collect()
}

/// Two final transfers that spend one state. It needs no trust: both receipts are in it. More than
/// f validators are Byzantine, or there is a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The state.
    pub state: TokenState,
    /// The receipt that was received.
    pub first: Receipt,
    /// The receipt that was refused.
    pub second: Receipt,
}
canonical_struct!(Fork { state, first, second });

/// Why a fork is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// A receipt in it proves nothing.
    #[error("a receipt in it does not hold: {0}")]
    Receipt(#[from] ReceiptError),
    /// Both are of one transfer, or one of them does not spend the state.
    #[error("the two receipts do not spend the state twice")]
    NotTwice,
}

impl Fork {
    /// Checks it with nothing but the genesis.
    ///
    /// # Errors
    /// Every [`NoFork`].
    pub fn verify(&self, network: &Network) -> Result<(), NoFork> {
        let first = self.first.verify(network, &mut rand::rng())?;
        let second = self.second.verify(network, &mut rand::rng())?;
        let spends = |receipt: &Receipt| {
            let inputs = &receipt.entry.signed.transfer.inputs;
            inputs.iter().any(|input| input.state == self.state)
        };
        let is_fork = first.id() != second.id() && spends(&self.first) && spends(&self.second);
        if is_fork { Ok(()) } else { Err(NoFork::NotTwice) }
    }
}
