//! A stream of server-sent events: opened at the first node that answers, then read event by event.
//! What the events say is for who asked.

use super::connection::Open;
use super::events::EventReader;
use super::{Client, unreachable};
use crate::error::{Failure, UNREACHABLE};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::request::Builder;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A stream that is silent for longer is taken for dead: a keep-alive comes every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// An open stream.
pub(super) struct EventStream {
    body: Incoming,
    _open: Open<Full<Bytes>>,
    reader: EventReader,
    texts: VecDeque<String>,
    /// Of what, for messages.
    what: &'static str,
}

impl Client {
    /// Opens a stream of the first node that answers; `request` gets the builder with the host.
    ///
    /// # Errors
    /// As all reads.
    pub(super) async fn stream(
        &self,
        what: &'static str,
        request: impl Fn(Builder) -> hyper::http::Result<Request<Full<Bytes>>>,
    ) -> Result<EventStream, Failure> {
        let mut errors = Vec::new();
        let deadline = Instant::now() + self.timeout;
        for (index, node) in self.nodes.iter().enumerate() {
            let until = self.attempt_until(index, deadline);
            let opening = async {
                let mut open: Open<Full<Bytes>> = node.open(until).await?;
                let builder = Request::builder().header(HOST, node.authority());
                let request = request(builder).map_err(|error| error.to_string())?;
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
                    let (reader, texts) = (EventReader::default(), VecDeque::new());
                    return Ok(EventStream { body, _open: open, reader, texts, what });
                }
                Err(why) => errors.push(format!("{}: {why}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
    }
}

impl EventStream {
    /// The text of the next event, whenever it comes.
    ///
    /// # Errors
    /// `unreachable`: the stream has ended.
    pub(super) async fn next(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(text) = self.texts.pop_front() {
                return Ok(text);
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.map_err(|_| self.ended("it is silent"))?;
            let frame = frame.ok_or_else(|| self.ended("the node ended it"))?;
            let frame = frame.map_err(|error| self.ended(&error.to_string()))?;
            let Some(bytes) = frame.data_ref() else { continue };
            let texts = self.reader.push(bytes);
            self.texts.extend(texts.ok_or_else(|| self.ended("an event is too long"))?);
        }
    }

    fn ended(&self, why: &str) -> Failure {
        Failure::new(UNREACHABLE, format!("the stream of {} ended: {why}", self.what))
    }
}
