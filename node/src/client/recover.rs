//! Recovering tokens: asking a node to gather the validators' reports, and proposing what they
//! allow.

use super::Client;
use super::submit::batch_body;
use crate::error::{Failure, OUTCOME_UNKNOWN, UNREACHABLE};
use crate::view::{OutcomesDocument, RecoveriesDocument};
use ledger::encoding::canonical_bytes_of_list;
use ledger::{Canonical, Entry, SignedRecover};

impl Client {
    /// Asks for rounds: `recoveries[i]` of the answer is for `recovers[i]`. At most 256. Nothing
    /// moves by it, so it may be asked again whenever the answer is lost.
    ///
    /// # Errors
    /// What the node's problem document says; `unreachable`.
    pub async fn recover(&self, recovers: &[SignedRecover]) -> Result<RecoveriesDocument, Failure> {
        let body = canonical_bytes_of_list(recovers).into();
        let sent = self.send("/v1/recoveries", body).await;
        let (answer, _) = sent.map_err(|failure| match failure.code.slug {
            slug if slug == OUTCOME_UNKNOWN.slug => {
                let what = "no node has told what the validators report; nothing was changed";
                Failure::new(UNREACHABLE, what).help("run the same command again")
            }
            _ => failure,
        })?;
        answer.document_of(&[200])
    }

    /// Proposes transfers in rounds above 0, and waits for their ends: `outcomes[i]` of the answer
    /// is for `entries[i]`. Their bytes together are at most 8 MiB.
    ///
    /// # Errors
    /// As [`Client::submit_batch`].
    ///
    /// # Panics
    /// With more than 4,096.
    pub async fn propose_entries(&self, entries: &[Entry]) -> Result<OutcomesDocument, Failure> {
        let bytes: Vec<bytes::Bytes> =
            entries.iter().map(|entry| entry.to_bytes().into()).collect();
        let path = "/v1/recoveries/entries?wait=final";
        let (answer, _) = self.send(path, batch_body(&bytes)).await?;
        answer.document_of(&[200])
    }
}
