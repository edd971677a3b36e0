//! The stream of a node's events (`GET /v1/events`), taken up again where it broke.

use super::connection::Open;
use super::events::{EventReader, NodeEvent};
use super::{Client, unreachable};
use crate::error::{Failure, UNREACHABLE};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HOST};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A stream that is silent for longer is taken for dead: a keep-alive comes every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// An open stream of events.
pub struct NodeEvents {
    body: Incoming,
    _open: Open<Empty<Bytes>>,
    reader: EventReader,
    events: VecDeque<NodeEvent>,
}

impl Client {
    /// Opens the stream of the first node that answers: after the event of number `last`, or with
    /// the next one. Numbers are a node's own.
    ///
    /// # Errors
    /// As all reads.
    pub async fn events(&self, last: Option<u64>) -> Result<NodeEvents, Failure> {
        let mut errors = Vec::new();
        let deadline = Instant::now() + self.timeout;
        for (index, node) in self.nodes.iter().enumerate() {
            let until = self.attempt_until(index, deadline);
            let opening = async {
                let mut open: Open<Empty<Bytes>> = node.open(until).await?;
                let mut request = Request::builder()
                    .uri("/v1/events")
                    .header(HOST, node.authority())
                    .header(ACCEPT, "text/event-stream");
                if let Some(last) = last {
                    request = request.header("last-event-id", last);
                }
                let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
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
                    let (reader, events) = (EventReader::default(), VecDeque::new());
                    return Ok(NodeEvents { body, _open: open, reader, events });
                }
                Err(why) => errors.push(format!("{}: {why}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
    }
}

impl NodeEvents {
    /// The next event, whenever it comes.
    ///
    /// # Errors
    /// `unreachable`: the stream has ended.
    pub async fn next(&mut self) -> Result<NodeEvent, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.map_err(|_| ended("it is silent"))?;
            let frame = frame.ok_or_else(|| ended("the node ended it"))?;
            let frame = frame.map_err(|error| ended(&error.to_string()))?;
            let Some(bytes) = frame.data_ref() else { continue };
            let texts =
                self.reader.push_texts(bytes).ok_or_else(|| ended("an event is too long"))?;
            self.events.extend(texts.iter().filter_map(|text| NodeEvent::of(text)));
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(UNREACHABLE, format!("the stream of events ended: {why}"))
}
