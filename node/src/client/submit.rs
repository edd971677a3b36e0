//! Sending signed transfers. The rule of the double payment is kept here: the same bytes, node
//! after node, and an outcome that nobody has told is unknown, not failed.

use super::attempts::Attempts;
use super::{Client, answer::Answer, unreachable};
use crate::error::{Failure, OUTCOME_UNKNOWN};
use crate::view::{OutcomesDocument, TransferDocument};
use bytes::Bytes;
use std::time::Duration;

/// What to wait for when sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until a node has taken it.
    Submitted,
    /// Until it has ended.
    Final,
}

/// What became of a transfer that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SubmitOutcome {
    /// As the node tells: `submitted` or `final`.
    pub transfer: TransferDocument,
    /// URL of the node that answered.
    pub node: String,
    /// How many nodes were asked; some of them may have been silent.
    pub attempts: usize,
}

impl Client {
    /// Sends the canonical bytes of a signed transfer.
    ///
    /// # Errors
    /// What the node's problem document says (rejected is exit 5, locked 6); `outcome_unknown` (7)
    /// when the bytes were written to a connection and no node has told what became of them;
    /// `unreachable` (4) when nothing was sent at all.
    pub async fn submit(&self, bytes: Bytes, wait: Wait) -> Result<SubmitOutcome, Failure> {
        let path = match wait {
            Wait::Submitted => "/v1/transfers",
            Wait::Final => "/v1/transfers?wait=final",
        };
        let (answer, attempts) = self.send(path, bytes).await?;
        let node = answer.url.clone();
        let transfer = answer.document_of(&[200, 202]).map_err(not_understood)?;
        Ok(SubmitOutcome { transfer, node, attempts })
    }

    /// Sends many: `outcomes[i]` of the answer is for `transfers[i]`, canonical bytes of signed
    /// transfers.
    ///
    /// # Errors
    /// As [`Client::submit`], for the request as a whole.
    ///
    /// # Panics
    /// With more than 4,096 transfers, or one above 4 GiB.
    pub async fn submit_batch(
        &self,
        transfers: &[Bytes],
        wait: Wait,
    ) -> Result<OutcomesDocument, Failure> {
        let path = match wait {
            Wait::Submitted => "/v1/transfers/batch",
            Wait::Final => "/v1/transfers/batch?wait=final",
        };
        let (answer, _) = self.send(path, batch_body(transfers)).await?;
        answer.document_of(&[200, 202]).map_err(not_understood)
    }

    /// Sends the same bytes to one node after the other until one tells what became of them.
    pub(super) async fn send(&self, path: &str, body: Bytes) -> Result<(Answer, usize), Failure> {
        let mut may_be_sent = false;
        let mut errors = Vec::new();
        let mut refused: Option<Failure> = None;
        let request = (path, Some(body));
        let mut attempts = Attempts::new(&self.nodes, request, self.timeout, Duration::ZERO);
        while let Some((index, outcome)) = attempts.next().await {
            let url = self.nodes[index].url();
            let answer = match outcome {
                Ok(answer) => answer,
                Err(lost) => {
                    may_be_sent |= lost.may_be_sent;
                    errors.push(format!("{url}: {lost}"));
                    continue;
                }
            };
            if (200..300).contains(&answer.status) {
                return Ok((answer, attempts.begun()));
            }
            let failure = answer.failure();
            if tells_the_end(&failure) {
                return Err(failure);
            }
            // An answer that no node gives says nothing of what was done with the bytes.
            may_be_sent |= matches!(failure.code.slug, "outcome_unknown" | "internal")
                || failure.details["proposed_before"] == true;
            errors.push(format!("{url}: {failure}"));
            if !may_be_tried_elsewhere(&failure) {
                attempts.ask_no_more();
            }
            refused.get_or_insert(failure);
        }
        Err(match refused {
            Some(failure) if !may_be_sent || failure.code.slug == OUTCOME_UNKNOWN.slug => failure,
            _ if may_be_sent => unknown(&errors),
            _ => unreachable(&errors, "nothing was sent"),
        })
    }
}

/// Whether a refusal settles what becomes of the bytes, whatever other nodes were sent before.
fn tells_the_end(failure: &Failure) -> bool {
    matches!(failure.code.exit, 5 | 6) && failure.code.slug != "overloaded"
}

/// Whether another node may do better: this one has proposed nothing, or does not answer as a node
/// does.
fn may_be_tried_elsewhere(failure: &Failure) -> bool {
    matches!(failure.code.slug, "no_quorum" | "store_failed" | "overloaded" | "busy" | "internal")
}

/// The bytes were taken, and the answer can't be read.
fn not_understood(failure: Failure) -> Failure {
    unknown(&[failure.message])
}

fn unknown(errors: &[String]) -> Failure {
    let lost = unreachable(errors, "the transfer may have been taken");
    Failure::new(OUTCOME_UNKNOWN, lost.message)
        .help("quorate tx wait ID: asks what became of it")
        .help("quorate tx retry ID: sends the same signed bytes again, which can't pay twice")
}

/// The body of `POST /v1/transfers/batch`: count, then each with its length, u32 little-endian.
pub(super) fn batch_body(transfers: &[Bytes]) -> Bytes {
    let small = |number: usize| u32::try_from(number).expect("at most 4,096 short ones");
    assert!(transfers.len() <= consensus::limits::BATCH_ENTRIES_MAX);
    let bytes: usize = transfers.iter().map(|transfer| transfer.len() + 4).sum();
    let mut body = Vec::with_capacity(4 + bytes);
    body.extend_from_slice(&small(transfers.len()).to_le_bytes());
    for transfer in transfers {
        body.extend_from_slice(&small(transfer.len()).to_le_bytes());
        body.extend_from_slice(transfer);
    }
    body.into()
}
