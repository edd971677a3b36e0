//! What became of transfers: asks the nodes and keeps the wallet's notes true.

use super::context::{Context, NodeAddress};
use crate::client::{Client, is_not_found};
use crate::error::{Failure, NOT_FOUND, OUTCOME_UNKNOWN, UNREACHABLE};
use crate::view::TransferDocument;
use crate::wallet::{Open, Progress, Wallet};
use ledger::TransferId;
use serde_json::{Value, json};
use std::panic::resume_unwind;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longest wait that one request asks a node for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Nodes that are asked about a transfer at the same time.
const ASKED_AT_ONCE_MAX: usize = 16;
/// When a node knows the transfer, others that are silent are waited for so long.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// Transfers that are asked about at once before tokens are looked for again.
const RECONCILED_MAX: usize = 256;

/// Asks nodes, and notes in the wallet what they tell.
pub struct Tracker<'a> {
    /// Where it is noted.
    pub wallet: &'a Wallet,
}

/// What all nodes together say of a transfer.
pub enum Found {
    /// A node knows it.
    Known(Box<TransferDocument>),
    /// Every node says that it does not know it.
    NotKnown,
    /// No node that answered knows it, and not every node answered.
    Unsure(Failure),
}

impl Tracker<'_> {
    /// Asks the nodes, some at a time, until one knows how the transfer ended: `final` and
    /// `rejected` are the last word. Anything less is kept while the others are asked; when one
    /// knows it, silent nodes are waited for no longer than [`SILENT_AFTER`] (and `wait`).
    ///
    /// # Errors
    /// `usage` for a bad URL.
    pub async fn look(
        &self,
        nodes: &[NodeAddress],
        timeout: Duration,
        id: TransferId,
        wait: Option<Duration>,
    ) -> Result<Found, Failure> {
        let wait = wait.map(|wait| wait.min(WAIT_MAX));
        let mut left = nodes.iter();
        let mut asking = JoinSet::new();
        let mut best: Option<TransferDocument> = None;
        let mut unsure = None;
        let mut until = Instant::now() + timeout.saturating_add(wait.unwrap_or_default());
        loop {
            while asking.len() < ASKED_AT_ONCE_MAX
                && let Some(node) = left.next()
            {
                let client = Client::new([&node.url], timeout)?;
                asking.spawn(async move { ask(&client, id, wait).await });
            }
            let answer = match tokio::time::timeout_at(until, asking.join_next()).await {
                Ok(Some(answer)) => answer.unwrap_or_else(|e| resume_unwind(e.into_panic())),
                // All have answered, or what is known is not kept back for those that are silent.
                Ok(None) | Err(_) => break,
            };
            match answer {
                Ok(found) => {
                    let status = Progress::of_word(&found.status);
                    if status.is_some_and(Progress::is_ended) {
                        return Ok(Found::Known(Box::new(found)));
                    }
                    best.get_or_insert(found);
                    let soon = wait.unwrap_or_default().saturating_add(SILENT_AFTER);
                    until = until.min(Instant::now() + soon);
                }
                Err(failure) if is_not_found(&failure) => {}
                Err(failure) => unsure = Some(failure),
            }
        }
        if best.is_none() && !asking.is_empty() {
            let what = "not every node answered in time; nothing was changed";
            unsure.get_or_insert(Failure::new(UNREACHABLE, what).help("quorate-testnet status"));
        }
        Ok(match (best, unsure) {
            (Some(found), _) => Found::Known(Box::new(found)),
            (None, None) => Found::NotKnown,
            (None, Some(failure)) => Found::Unsure(failure),
        })
    }

    /// Notes in the wallet what a node told.
    ///
    /// # Errors
    /// What the wallet says.
    pub fn note(&self, found: &TransferDocument) -> Result<(), Failure> {
        if let Some(error) = &found.error {
            self.note_spent(&error.code, &error.details)?;
        }
        match Progress::of_word(&found.status) {
            Some(status) => self.wallet.settle(&found.id, status),
            None => Ok(()),
        }
    }

    /// Notes the state that a rejection names as spent by somebody else: the next choice would take
    /// it again, for a node that lags still shows it.
    ///
    /// # Errors
    /// What the wallet says.
    pub fn note_spent(&self, slug: &str, details: &Value) -> Result<(), Failure> {
        let token = details["token"].as_str().and_then(|token| token.parse().ok());
        match (slug, token, details["height"].as_u64()) {
            ("already_spent", Some(token), Some(height)) => {
                self.wallet.promises()?.spent_elsewhere(token, height)
            }
            _ => Ok(()),
        }
    }

    /// Asks what became of transfers that hold tokens and lets go of those that have ended, and of
    /// those that were about to be sent by a process that has died and that no node knows. Returns
    /// whether tokens came free or somebody is still at work on one.
    ///
    /// # Errors
    /// What the wallet says; a node that does not answer only means that nothing is learnt.
    pub async fn reconcile(&self, context: &Context, open: &[Open]) -> Result<bool, Failure> {
        let nodes = context.nodes()?;
        let mut is_hopeful = false;
        for open in open.iter().take(RECONCILED_MAX) {
            if open.holder.is_alive() {
                is_hopeful = true;
                continue;
            }
            match self.look(&nodes, context.settings.timeout, open.id, None).await? {
                Found::Known(found) => {
                    self.note(&found)?;
                    let status = Progress::of_word(&found.status);
                    is_hopeful |= status.is_some_and(Progress::is_ended);
                }
                Found::NotKnown if open.status == Progress::Submitted => {
                    self.wallet.release(&open.id)?;
                    is_hopeful = true;
                }
                Found::NotKnown | Found::Unsure(_) => {}
            }
        }
        Ok(is_hopeful)
    }
}

/// What one node says: at once, or at the end of what it knows to be under way.
async fn ask(
    client: &Client,
    id: TransferId,
    wait: Option<Duration>,
) -> Result<TransferDocument, Failure> {
    let found = client.transfer(id, None).await?;
    match wait {
        Some(wait) if found.status == "submitted" => {
            Ok(client.transfer(id, Some(wait)).await.unwrap_or(found))
        }
        _ => Ok(found),
    }
}

/// What `tx wait` and a send make of a document: the document, or the failure that it tells.
///
/// # Errors
/// The transfer's own failure: 5, 6 or 7.
pub fn outcome(found: TransferDocument) -> Result<TransferDocument, Failure> {
    if matches!(found.status.as_str(), "final" | "signed") {
        return Ok(found);
    }
    let id = found.id;
    let document = serde_json::to_value(&found).unwrap_or_default();
    match found.error {
        Some(error) => {
            let failure = error.failure(422);
            Err(with_transfer(failure, id, document))
        }
        None => Err(with_transfer(unknown(id, "no outcome came in time"), id, document)),
    }
}

/// The failure of a transfer whose outcome is not known.
pub fn unknown(id: TransferId, why: &str) -> Failure {
    let what = format!(
        "the outcome of transfer {id} is unknown: {why}; it may have been proposed, and the same \
         signed bytes are kept and can't pay twice"
    );
    Failure::new(OUTCOME_UNKNOWN, what)
        .help(format!("quorate tx wait {id}    asks what became of it"))
        .help(format!("quorate tx retry {id}   sends the same bytes again"))
}

/// The failure for a transfer that neither nodes nor wallet know.
pub fn not_found(id: TransferId) -> Failure {
    let what = format!("no node asked and no wallet here knows transfer {id}; nothing was sent");
    Failure::new(NOT_FOUND, what).help("quorate tx list")
}

/// Adds the transfer to a failure's details.
pub fn with_transfer(mut failure: Failure, id: TransferId, document: Value) -> Failure {
    if !failure.details.is_object() {
        failure.details = json!({});
    }
    if let Some(details) = failure.details.as_object_mut() {
        details.insert("transfer".into(), json!(id));
        if !document.is_null() {
            details.insert("document".into(), document);
        }
    }
    failure
}
