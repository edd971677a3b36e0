//! What a wallet node asks validators: pages of an inbox, receipts in bulk, and the stream of
//! deliveries. Nothing is verified here.

use super::answer::Answer;
use super::connection::Ask;
use super::events::StreamEvent;
use super::stream::EventStream;
use super::{Client, unreachable};
use crate::error::{Failure, INTERNAL};
use crate::inbox::{FETCH_MAX, Page};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use ledger::encoding::canonical_bytes_of_list;
use ledger::{Address, Canonical, Reader, Receipt, TokenId, TransferId};
use std::time::Instant;

/// An open stream of deliveries.
pub struct Deliveries(EventStream);

impl Client {
    /// A page of an address' live tokens, at most 4,096, of the first node that answers.
    ///
    /// # Errors
    /// As all reads.
    pub async fn inbox_page(
        &self,
        address: Address,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Page, Failure> {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        let answer = self.read(&format!("/v1/inbox/{address}?limit={limit}{after}")).await?;
        let bytes = answer.success()?;
        Page::from_bytes(&bytes).map_err(|error| not_understood(&error))
    }

    /// The receipts of up to 1,024 transfers, as far as the node has them and they fit its answer,
    /// in the order of the ids.
    ///
    /// # Errors
    /// As all reads.
    pub async fn fetch_receipts(&self, ids: &[TransferId]) -> Result<Vec<Receipt>, Failure> {
        let body = canonical_bytes_of_list(ids);
        let bytes = self.ask_with("/v1/receipts/fetch", body.into()).await?.success()?;
        let mut reader = Reader::new(&bytes);
        reader.list("receipts", FETCH_MAX, 200).map_err(|error| not_understood(&error))
    }

    /// Hands receipts to a wallet node; the answer says what became of each.
    ///
    /// # Errors
    /// As all reads. Giving them again is always safe.
    pub async fn deliver(&self, receipts: &[Receipt]) -> Result<serde_json::Value, Failure> {
        let body = canonical_bytes_of_list(receipts);
        self.ask_with("/v1/receipts", body.into()).await?.document_of(&[200])
    }

    /// Opens the stream of what is delivered to these addresses, at most 1,024.
    ///
    /// # Errors
    /// As all reads.
    pub async fn deliveries(&self, addresses: &[Address]) -> Result<Deliveries, Failure> {
        let body = Bytes::from(canonical_bytes_of_list(addresses));
        let stream = self.stream("deliveries", |builder| {
            let builder = builder.method("POST").uri("/v1/inbox/stream");
            let builder = builder.header(CONTENT_TYPE, "application/octet-stream");
            builder.body(Full::new(body.clone()))
        });
        stream.await.map(Deliveries)
    }

    /// The first node's answer to a question with a body.
    async fn ask_with(&self, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut errors = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let until = self.attempt_until(index, deadline);
            match node.ask(Ask { path, body: Some(body.clone()) }, until).await {
                Ok(answer) => return Ok(answer),
                Err(lost) => errors.push(format!("{}: {lost}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
    }
}

impl Deliveries {
    /// The next event, whenever it comes.
    ///
    /// # Errors
    /// `unreachable`: the stream has ended.
    pub async fn next(&mut self) -> Result<StreamEvent, Failure> {
        loop {
            if let Some(event) = StreamEvent::of(&self.0.next().await?) {
                return Ok(event);
            }
        }
    }
}

fn not_understood(error: &ledger::DecodeError) -> Failure {
    Failure::new(INTERNAL, format!("the node's answer is not understood: {error}"))
}
