//! Receipt files: `quorate.receipt/1`, strict JSON in exactly one textual form, so that a file with
//! one byte changed is never accepted as the file it was.

use super::Schema;
use super::text::IdText;
use crate::error::{Failure, VERIFICATION_FAILED};
use ledger::{Canonical, Network, NetworkId, Receipt, TransferId, VerifiedReceipt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const SCHEMA: &str = "quorate.receipt/1";

/// Longest receipt file, bytes: the canonical bytes of the largest receipt in hexadecimal are
/// below. The transfer takes most, then a recovery's justification, then the votes of 1,000
/// members.
pub const RECEIPT_FILE_BYTES_MAX: usize = 24 * 1024 * 1024;

/// A receipt as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptDocument {
    /// `quorate.receipt/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// The network that it is of.
    #[schema(value_type = IdText)]
    pub network: NetworkId,
    /// The final transfer.
    #[schema(value_type = IdText)]
    pub id: TransferId,
    /// Canonical bytes of the receipt, lower-case hexadecimal.
    pub receipt: String,
}

impl ReceiptDocument {
    /// A receipt of this network.
    pub fn of(network: NetworkId, receipt: &Receipt) -> Self {
        let id = receipt.entry.signed.transfer.id();
        Self { schema: SCHEMA.into(), network, id, receipt: hex::encode(receipt.to_bytes()) }
    }

    /// The one text of it.
    ///
    /// # Panics
    /// Never: strings have a JSON form.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings have a JSON form");
        text.push('\n');
        text
    }

    /// Reads a file's text. Nothing is verified but its form.
    ///
    /// # Errors
    /// `verification_failed` for unknown or repeated fields, another schema, and every text that is
    /// not byte for byte what [`ReceiptDocument::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > RECEIPT_FILE_BYTES_MAX {
            return Err(failed(format!("the file is larger than {RECEIPT_FILE_BYTES_MAX} bytes")));
        }
        let document: Self =
            serde_json::from_str(text).map_err(|error| failed(format!("not {SCHEMA}: {error}")))?;
        if document.schema != SCHEMA {
            let found: String = document.schema.chars().take(60).collect();
            return Err(failed(format!("the file names schema {found:?} and not {SCHEMA:?}")));
        }
        if document.to_text() != text {
            return Err(failed("the text is not in the one form that receipts are written in"));
        }
        document.bytes()?;
        Ok(document)
    }

    /// The receipt's canonical bytes.
    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let bytes = hex::decode(&self.receipt)
            .map_err(|error| failed(format!("its bytes are no hexadecimal text: {error}")))?;
        if hex::encode(&bytes) != self.receipt {
            return Err(failed("its bytes are written in lower-case hexadecimal digits"));
        }
        Ok(bytes)
    }

    /// Checks a file's text: its form, the network, the id, the owner's signature and every vote.
    ///
    /// # Errors
    /// `verification_failed`.
    pub fn verify(text: &str, network: &Network) -> Result<VerifiedReceipt, Failure> {
        let document = Self::parse(text)?;
        if document.network != network.id {
            let (found, ours) = (document.network, network.id);
            return Err(failed(format!("it is of network {found} and the genesis is of {ours}")));
        }
        let bytes = document.bytes()?;
        let verified = verify_bytes(&bytes, network)?;
        if verified.id() != document.id {
            let (claimed, found) = (document.id, verified.id());
            return Err(failed(format!("it claims transfer {claimed} and proves {found}")));
        }
        Ok(verified)
    }
}

/// Checks a receipt's canonical bytes, as `GET /v1/receipts/{id}` gives them.
///
/// # Errors
/// `verification_failed`.
pub fn verify_bytes(bytes: &[u8], network: &Network) -> Result<VerifiedReceipt, Failure> {
    let receipt = Receipt::from_bytes(bytes)
        .map_err(|error| failed(format!("its bytes are no receipt: {error}")))?;
    receipt.verify(network, &mut rand::rng()).map_err(|error| failed(error.to_string()))
}

fn failed(why: impl std::fmt::Display) -> Failure {
    let what = format!("the receipt proves nothing: {why}; nothing was sent or changed");
    Failure::new(VERIFICATION_FAILED, what)
        .help("ask a node for the receipt again: quorate tx show")
}

#[cfg(test)]
mod tests;
