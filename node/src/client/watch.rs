//! The stream of a node's events (`GET /v1/events`).

use super::Client;
use super::events::NodeEvent;
use super::stream::EventStream;
use crate::error::Failure;
use http_body_util::Full;
use hyper::header::ACCEPT;

/// An open stream of events.
pub struct NodeEvents(EventStream);

impl Client {
    /// Opens the stream of the first node that answers: after the event of number `last`, or with
    /// the next one. Numbers are a node's own.
    ///
    /// # Errors
    /// As all reads.
    pub async fn events(&self, last: Option<u64>) -> Result<NodeEvents, Failure> {
        let stream = self.stream("events", |builder| {
            let builder = builder.uri("/v1/events").header(ACCEPT, "text/event-stream");
            let builder = match last {
                Some(last) => builder.header("last-event-id", last),
                None => builder,
            };
            builder.body(Full::default())
        });
        stream.await.map(NodeEvents)
    }
}

impl NodeEvents {
    /// The next event, whenever it comes.
    ///
    /// # Errors
    /// `unreachable`: the stream has ended.
    pub async fn next(&mut self) -> Result<NodeEvent, Failure> {
        loop {
            if let Some(event) = NodeEvent::of(&self.0.next().await?) {
                return Ok(event);
            }
        }
    }
}
