//! The HTTP client that the command line and the benches use: several nodes tried in the order
//! given, connections kept alive, answers as the documents of [`crate::view`], errors as
//! [`Failure`].
//!
//! Paying twice is excluded by the bytes: what may have reached a node is only ever sent again as
//! the same signed bytes, to the next node. When no node answers, the outcome is unknown (exit 7)
//! if any byte of the transfer was written to a connection, and nothing was sent (exit 4) if none
//! was.

mod answer;
mod attempts;
mod connection;
mod content;
mod events;
mod inbox;
mod recover;
mod stream;
mod submit;
mod watch;

use crate::error::{Failure, NOT_FOUND, UNREACHABLE, USAGE};
use crate::view::{
    BalanceDocument, BatchDocument, BatchesDocument, EvidenceDocument, HealthDocument,
    HistoryDocument, HistoryRow, NetworkDocument, NodeDocument, SupplyDocument, TokenDocument,
    TokenRow, TokensDocument, TransferDocument, ValidatorsDocument,
};
use answer::Answer;
use attempts::Attempts;
use bytes::Bytes;
use connection::Node;
use ledger::{Address, BatchId, TokenId, TransferId};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use events::{EventReader, NodeEvent, StreamEvent};
pub use inbox::Deliveries;
pub use submit::{SubmitOutcome, Wait};
pub use watch::NodeEvents;

/// Largest answer that is read, bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Idle connections kept to one node; more are closed after their answer.
pub const IDLE_CONNECTIONS_MAX: usize = 256;
/// Most tokens that [`Client::tokens`] collects.
pub const TOKENS_MAX: usize = 5_000_000;
/// Most states that [`Client::history`] collects.
pub const HISTORY_MAX: usize = 100_000;
/// States that [`Client::history`] asks for at a time: the most that a node gives.
const HISTORY_PAGE: usize = 100;
/// Most nodes that a client knows.
pub const NODES_MAX: usize = 1_000;
/// Longest time for a TCP connection to be made.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// A client of one or more nodes. Shared by reference: calls at the same time use connections of
/// their own.
pub struct Client {
    nodes: Vec<Arc<Node>>,
    timeout: Duration,
}

impl Client {
    /// A client of the nodes at these URLs (`http://127.0.0.1:8080`), tried in this order. A call
    /// takes at most `timeout` over all nodes; one that is silent for a second is not waited for:
    /// the next is asked as well, and the first outcome counts.
    ///
    /// # Errors
    /// `usage` for no URL, more than [`NODES_MAX`], or one that is not `http://HOST:PORT`.
    pub fn new(
        nodes: impl IntoIterator<Item = impl AsRef<str>>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let nodes = nodes.into_iter().map(|url| Node::new(url.as_ref()).map(Arc::new));
        let nodes: Vec<Arc<Node>> = nodes.take(NODES_MAX + 1).collect::<Result<_, _>>()?;
        if nodes.is_empty() || nodes.len() > NODES_MAX {
            let what = format!("a client needs 1 to {NODES_MAX} nodes; nothing was sent");
            return Err(Failure::new(USAGE, what).help("name one with --node http://HOST:PORT"));
        }
        Ok(Self { nodes, timeout })
    }

    /// URLs of the nodes, in the order in which they are tried.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.url())
    }

    /// The network as its genesis says.
    ///
    /// # Errors
    /// As all reads: `unreachable` when no node answers, and what the node's problem document says.
    pub async fn network(&self) -> Result<NetworkDocument, Failure> {
        self.document("/v1/network").await
    }

    /// The first node that answers.
    ///
    /// # Errors
    /// As all reads.
    pub async fn node(&self) -> Result<NodeDocument, Failure> {
        self.document("/v1/node").await
    }

    /// The committee as that node sees it.
    ///
    /// # Errors
    /// As all reads.
    pub async fn validators(&self) -> Result<ValidatorsDocument, Failure> {
        self.document("/v1/validators").await
    }

    /// What there is of each asset; the first page, which has all but of very many assets.
    ///
    /// # Errors
    /// As all reads.
    pub async fn supply(&self) -> Result<SupplyDocument, Failure> {
        self.document("/v1/supply").await
    }

    /// What an account has.
    ///
    /// # Errors
    /// As all reads.
    pub async fn account(&self, address: Address) -> Result<BalanceDocument, Failure> {
        self.document(&format!("/v1/accounts/{address}")).await
    }

    /// All tokens of an account, page by page. Transfers may be applied between two pages.
    ///
    /// # Errors
    /// As all reads.
    pub async fn tokens(&self, address: Address) -> Result<TokensDocument, Failure> {
        let mut all: Vec<TokenRow> = Vec::new();
        let mut after = None;
        loop {
            let page = self.tokens_page(address, after, 5_000).await?;
            let is_empty = page.tokens.is_empty();
            all.extend(page.tokens);
            after = page.next;
            // A page of nothing that goes on is a node's that lies.
            if after.is_none() || is_empty || all.len() >= TOKENS_MAX {
                let schema = page.schema;
                return Ok(TokensDocument { schema, ok: true, address, tokens: all, next: after });
            }
        }
    }

    /// One page of an account's tokens.
    ///
    /// # Errors
    /// As all reads.
    pub async fn tokens_page(
        &self,
        address: Address,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<TokensDocument, Failure> {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        self.document(&format!("/v1/accounts/{address}/tokens?limit={limit}{after}")).await
    }

    /// Where a token stands.
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn token(&self, id: TokenId) -> Result<TokenDocument, Failure> {
        self.document(&format!("/v1/tokens/{id}")).await
    }

    /// A token's chain, newest state first, page by page.
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn history(&self, id: TokenId) -> Result<HistoryDocument, Failure> {
        self.history_from(id, 0).await
    }

    /// The same down to the page that holds the state of this height, or one below it.
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn history_from(&self, id: TokenId, lowest: u64) -> Result<HistoryDocument, Failure> {
        let mut all: Vec<HistoryRow> = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/tokens/{id}/history?limit={HISTORY_PAGE}{after}");
            let mut page: HistoryDocument = self.document(&path).await?;
            let before = all.last().map(|row| row.height);
            all.append(&mut page.history);
            let reached = all.last().map(|row| row.height);
            // A page that does not go further down than the one before would never end.
            let falls = reached.is_some_and(|height| before.is_none_or(|before| height < before));
            let is_deep = reached.is_some_and(|height| height <= lowest);
            match page.next {
                Some(next) if falls && !is_deep && all.len() < HISTORY_MAX => {
                    after = format!("&after={next}");
                }
                _ => return Ok(HistoryDocument { history: all, ..page }),
            }
        }
    }

    /// What is known of a transfer; with `wait`, at its end or after that time (at most 30 s).
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn transfer(
        &self,
        id: TransferId,
        wait: Option<Duration>,
    ) -> Result<TransferDocument, Failure> {
        let waits = wait.unwrap_or_default();
        let wait = wait.map_or_else(String::new, |wait| format!("?wait={}ms", wait.as_millis()));
        let path = format!("/v1/transfers/{id}{wait}");
        self.read_slowly(&path, waits).await?.document_of(&[200])
    }

    /// Canonical bytes of the receipt of a final transfer. Nothing is verified here.
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn receipt(&self, id: TransferId) -> Result<Bytes, Failure> {
        self.read(&format!("/v1/receipts/{id}")).await?.success()
    }

    /// Whether the first node that answers is ready; one that is not ready answers, too.
    ///
    /// # Errors
    /// As all reads.
    pub async fn health(&self) -> Result<HealthDocument, Failure> {
        self.read("/v1/health/ready").await?.document_of(&[200, 503])
    }

    /// A page of the evidence, after a position.
    ///
    /// # Errors
    /// As all reads.
    pub async fn evidence(&self, after: Option<u64>) -> Result<EvidenceDocument, Failure> {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        self.document(&format!("/v1/evidence{after}")).await
    }

    /// A page of the applied log, after a position.
    ///
    /// # Errors
    /// As all reads.
    pub async fn batches(&self, after: Option<u64>) -> Result<BatchesDocument, Failure> {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        self.document(&format!("/v1/batches{after}")).await
    }

    /// One batch.
    ///
    /// # Errors
    /// As all reads; `not_found`.
    pub async fn batch(&self, id: BatchId) -> Result<BatchDocument, Failure> {
        self.document(&format!("/v1/batches/{id}")).await
    }

    /// The metrics' text of the first node that answers.
    ///
    /// # Errors
    /// As all reads.
    pub async fn metrics(&self) -> Result<String, Failure> {
        let text = self.read("/metrics").await?.success()?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    async fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(path).await?.document_of(&[200])
    }

    /// The first node's answer to a read.
    async fn read(&self, path: &str) -> Result<Answer, Failure> {
        self.read_slowly(path, Duration::ZERO).await
    }

    /// The same for an answer that may take a while, because that is what is asked for.
    async fn read_slowly(&self, path: &str, waits: Duration) -> Result<Answer, Failure> {
        let mut errors = Vec::new();
        let mut attempts = Attempts::new(&self.nodes, (path, None), self.timeout, waits);
        while let Some((index, outcome)) = attempts.next().await {
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(lost) => errors.push(format!("{}: {lost}", self.nodes[index].url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
    }

    /// Until when node `index` may take: half of what is left, and all of it for the last.
    fn attempt_until(&self, index: usize, deadline: Instant) -> Instant {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        if index + 1 < self.nodes.len() { now + left / 2 } else { deadline }
    }
}

/// Most nodes that a message names.
const NAMED_MAX: usize = 3;

fn unreachable(errors: &[String], changed: &str) -> Failure {
    let named: Vec<&str> = errors.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match errors.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!("no node answers ({}{more}); {changed}", named.join("; "));
    Failure::new(UNREACHABLE, what)
        .help("see which validators run: quorate-testnet status")
        .help("name another node with --node http://HOST:PORT")
}

/// Whether a failure says that nobody knows what was asked for.
pub fn is_not_found(failure: &Failure) -> bool {
    failure.code.slug == NOT_FOUND.slug
}

#[cfg(test)]
pub(crate) mod tests;
