//! What a wallet node asks validators: pages of an inbox, receipts in bulk, and the stream of
//! deliveries. Nothing is verified here.

use super::answer::Answer;
use super::connection::{Ask, Open};
use super::{Client, unreachable};
use crate::error::{Failure, INTERNAL, UNREACHABLE};
use crate::inbox::{FETCH_MAX, News, Page};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use ledger::encoding::canonical_bytes_of_list;
use ledger::{Address, Canonical, Reader, Receipt, TokenId, TransferId};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of a stream that are kept until an event is whole; ours have about 200.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// A stream that is silent for longer is taken for dead: a keep-alive comes every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// What a stream of deliveries tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// From now on nothing is missed.
    Open,
    /// A transfer that concerns one of the addresses was applied.
    Delivery(News),
    /// Deliveries were missed: drain again.
    Gap,
}

/// An open stream of deliveries.
pub struct Deliveries {
    body: Incoming,
    _open: Open<Full<Bytes>>,
    pending: Vec<u8>,
    events: VecDeque<StreamEvent>,
}

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
        let mut errors = Vec::new();
        let deadline = Instant::now() + self.timeout;
        for (index, node) in self.nodes.iter().enumerate() {
            let until = self.attempt_until(index, deadline);
            let opening = async {
                let mut open: Open<Full<Bytes>> = node.open(until).await?;
                let request = Request::builder()
                    .method("POST")
                    .uri("/v1/inbox/stream")
                    .header(HOST, node.authority())
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .body(Full::new(body.clone()))
                    .map_err(|error| error.to_string())?;
                let response = open.sender.send_request(request).await;
                let response = response.map_err(|error| error.to_string())?;
                match response.status().as_u16() {
                    200 => Ok((open, response.into_body())),
                    status => Err(format!("it answers with HTTP status {status}")),
                }
            };
            let opened = tokio::time::timeout_at(until.into(), opening).await;
            match opened.unwrap_or_else(|_| Err("no answer in time".into())) {
                Ok((open, body)) => {
                    let (pending, events) = (Vec::new(), VecDeque::new());
                    return Ok(Deliveries { body, _open: open, pending, events });
                }
                Err(why) => errors.push(format!("{}: {why}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
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
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.map_err(|_| ended("it is silent"))?;
            let frame = frame.ok_or_else(|| ended("the node ended it"))?;
            let frame = frame.map_err(|error| ended(&error.to_string()))?;
            let Some(bytes) = frame.data_ref() else { continue };
            if self.pending.len() + bytes.len() > EVENT_BYTES_MAX {
                return Err(ended("an event is too long"));
            }
            self.pending.extend_from_slice(bytes);
            self.take_events();
        }
    }

    /// Takes out what is whole.
    fn take_events(&mut self) {
        self.events.extend(whole_events(&mut self.pending));
    }
}

/// The events that are whole, taken out of `pending`: each ends with an empty line. Linear in the
/// bytes, as they are moved once, however many events there are.
fn whole_events(pending: &mut Vec<u8>) -> Vec<StreamEvent> {
    let (mut events, mut start) = (Vec::new(), 0);
    while let Some(length) = pending[start..].windows(2).position(|pair| pair == b"\n\n") {
        let end = start + length + 2;
        events.extend(event_of(&String::from_utf8_lossy(&pending[start..end])));
        start = end;
    }
    pending.drain(..start);
    events
}

/// An event's text; `None` for keep-alives and kinds that are not known.
fn event_of(text: &str) -> Option<StreamEvent> {
    #[derive(Deserialize)]
    struct Data {
        id: TransferId,
        sequence: u64,
    }
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match field("event:")? {
        "open" => Some(StreamEvent::Open),
        "gap" => Some(StreamEvent::Gap),
        "delivery" => {
            let Data { id, sequence } = serde_json::from_str(field("data:")?).ok()?;
            Some(StreamEvent::Delivery(News { sequence, id }))
        }
        _ => None,
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(UNREACHABLE, format!("the stream of deliveries ended: {why}"))
}

fn not_understood(error: &ledger::DecodeError) -> Failure {
    Failure::new(INTERNAL, format!("the node's answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_events_are_taken_and_a_begun_one_stays() {
        let mut pending = b"event: gap\n\n:\n\nevent: open\n\nevent: ga".to_vec();
        assert_eq!(whole_events(&mut pending), [StreamEvent::Gap, StreamEvent::Open]);
        assert_eq!(pending, b"event: ga");
        pending.extend_from_slice(b"p\n");
        assert_eq!(whole_events(&mut pending), []);
        pending.push(b'\n');
        assert_eq!(whole_events(&mut pending), [StreamEvent::Gap]);
        assert!(pending.is_empty());
    }

    #[test]
    fn events_are_read_and_the_rest_is_passed_over() {
        let id = TransferId::default();
        let text = format!(
            "id: 7\nevent: delivery\ndata: {{\"schema\":\"x\",\"id\":\"{id}\",\"sequence\":7}}\n\n"
        );
        let news = StreamEvent::Delivery(News { sequence: 7, id });
        assert_eq!(event_of(&text), Some(news));
        assert_eq!(event_of("retry: 1000\nevent: open\ndata: {}\n\n"), Some(StreamEvent::Open));
        assert_eq!(event_of("event: gap\ndata: {}\n\n"), Some(StreamEvent::Gap));
        for other in [":\n\n", "", "event: delivery\ndata: {}\n\n", "event: more\ndata: x\n\n"] {
            assert_eq!(event_of(other), None, "{other:?}");
        }
    }
}
