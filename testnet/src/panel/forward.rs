//! Requests passed on to a validator as they are, and its answers passed back: bodies as they come.
//! When the validator does not run any more, a question goes to the next; what may have changed
//! something does not.

use super::Desk;
use super::events::Events;
use super::upstream::halted;
use crate::process::Process;
use crate::registry::Validator;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderName, IF_NONE_MATCH, RANGE, TRANSFER_ENCODING,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use node::Failure;
use node::api::Problem;
use node::error::{INTERNAL, OUTCOME_UNKNOWN, OVERLOADED};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// Longest time for a connection on loopback.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// What a validator is told of a request's head. Nothing of the browser's origin: the gate has
/// looked at that, and a validator would compare it with another host.
const PASSED_ON: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, IF_NONE_MATCH, RANGE];
/// Where a stream was left; only a panel knows whose numbers they are.
pub(super) const LAST_EVENT_ID: &str = "last-event-id";

/// A connection to a validator for one request; its task ends with it.
struct Link {
    sender: SendRequest<Body>,
    _task: JoinSet<()>,
}

/// What an answer holds on to while it is passed back.
pub(super) struct Held {
    _link: Link,
    _permit: OwnedSemaphorePermit,
    halted: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Held {
    /// Ready when the validator does not run any more.
    pub(super) fn poll_halted(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.halted.as_mut().poll(context)
    }
}

/// Any route of a node.
pub(super) async fn forward(
    State(desk): State<Desk>,
    request: Request,
) -> Result<Response, Problem> {
    let permit = desk.forwards.clone().try_acquire_owned().map_err(|_| {
        Failure::new(OVERLOADED, "the panel passes on too many requests; nothing was done")
            .help("send the same request again in a second")
    })?;
    let (parts, body) = request.into_parts();
    let is_question = matches!(parts.method, Method::GET | Method::HEAD);
    let mut body = Some(if is_question { Body::empty() } else { body });
    let mut failed: Vec<Process> = Vec::new();
    loop {
        let validator = desk.upstreams.choose(&failed).await?;
        let Some(mut link) = connect(&validator).await else {
            failed.push(validator.process);
            continue;
        };
        let request = outgoing(&parts, &validator, body.take().unwrap_or_else(Body::empty))?;
        let answer = tokio::select! {
            answer = link.sender.send_request(request) => answer.ok(),
            () = halted(validator.process) => None,
        };
        let Some(answer) = answer else {
            if !is_question {
                let what = "the validator did not answer; what was sent may have been taken";
                let failure = Failure::new(OUTCOME_UNKNOWN, what);
                return Err(failure
                    .help("send the same bytes again, which can't pay twice")
                    .into());
            }
            failed.push(validator.process);
            continue;
        };
        let halted = Box::pin(halted(validator.process));
        let held = Held { _link: link, _permit: permit, halted };
        return Ok(passed_back(&parts, &validator, answer, held));
    }
}

async fn connect(validator: &Validator) -> Option<Link> {
    let address = validator.api.strip_prefix("http://")?;
    let connecting = async {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        handshake(TokioIo::new(stream)).await.ok()
    };
    let (sender, connection) = tokio::time::timeout(CONNECT_TIME, connecting).await.ok()??;
    let mut task = JoinSet::new();
    task.spawn(async move {
        // How it ended is told by the request on it.
        drop(connection.await);
    });
    Some(Link { sender, _task: task })
}

fn outgoing(
    parts: &Parts,
    validator: &Validator,
    body: Body,
) -> Result<hyper::Request<Body>, Failure> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = validator.api.trim_start_matches("http://");
    let mut request = hyper::Request::builder().method(&parts.method).uri(path).header(HOST, host);
    for name in PASSED_ON {
        for value in parts.headers.get_all(&name) {
            request = request.header(&name, value);
        }
    }
    if let Some(number) = resumed(&parts.headers, validator) {
        request = request.header(LAST_EVENT_ID, number);
    }
    request
        .body(body)
        .map_err(|error| Failure::new(INTERNAL, format!("the request can't be passed on: {error}")))
}

/// Whose events a stream through the panel has: a validator's process.
fn origin(validator: &Validator) -> String {
    format!("{}-{}-{}", validator.name, validator.process.pid, validator.process.started)
}

/// The number of the last event that was seen, if it was this validator's.
fn resumed(headers: &HeaderMap, validator: &Validator) -> Option<u64> {
    let (from, number) = headers.get(LAST_EVENT_ID)?.to_str().ok()?.rsplit_once('.')?;
    (from == origin(validator)).then(|| number.parse().ok()).flatten()
}

fn passed_back(
    parts: &Parts,
    validator: &Validator,
    answer: hyper::Response<Incoming>,
    held: Held,
) -> Response {
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONNECTION);
    head.headers.remove(TRANSFER_ENCODING);
    let is_events = parts.uri.path() == "/v1/events" && head.status.is_success();
    if !is_events {
        return Response::from_parts(head, Body::new(Passed { body, held }));
    }
    let is_gap =
        parts.headers.contains_key(LAST_EVENT_ID) && resumed(&parts.headers, validator).is_none();
    let events = Events::new(body, held, origin(validator), is_gap);
    Response::from_parts(head, Body::new(events))
}

/// An answer's body; it fails when the validator does not run any more.
struct Passed {
    body: Incoming,
    held: Held,
}

impl hyper::body::Body for Passed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        self.held.poll_halted(context).map(|()| Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn validator(pid: u32) -> Validator {
        Validator {
            name: "v0".into(),
            process: Process { pid, started: 7 },
            api: "http://127.0.0.1:1".into(),
            quic: "127.0.0.1:2".into(),
            ipfs: Vec::new(),
            home: PathBuf::new(),
        }
    }

    #[test]
    fn a_number_is_taken_up_only_where_it_was_given() {
        for (last, expected) in [
            ("v0-3-7.12", Some(12)),
            ("v0-3-7.", None),
            ("v0-4-7.12", None),
            ("v1-3-7.12", None),
            ("12", None),
            (".12", None),
            ("v0-3-7.-1", None),
            ("v0-3-7.99999999999999999999999", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, last.parse().expect("a header"));
            assert_eq!(resumed(&headers, &validator(3)), expected, "{last}");
        }
        assert_eq!(resumed(&HeaderMap::new(), &validator(3)), None);
    }

    #[test]
    fn a_validator_is_told_nothing_of_the_browser() {
        let request = hyper::Request::builder()
            .uri("http://127.0.0.1:9/v1/events?a=b")
            .header("host", "127.0.0.1:9")
            .header("origin", "http://127.0.0.1:9")
            .header("cookie", "a=b")
            .header("sec-fetch-site", "same-origin")
            .header("accept", "text/event-stream")
            .header(LAST_EVENT_ID, "v0-4-7.12")
            .body(())
            .expect("a request");
        let (parts, ()) = request.into_parts();
        let sent = outgoing(&parts, &validator(3), Body::empty()).expect("a request");
        assert_eq!(sent.uri(), "/v1/events?a=b");
        let names: Vec<&str> = sent.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "accept"]);
        assert_eq!(sent.headers()[HOST], "127.0.0.1:1");
    }
}
