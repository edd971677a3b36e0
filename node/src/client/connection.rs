//! Connections to one node: kept alive, one request at a time on each. Tells for each request that
//! got no answer whether any of it may have been sent.

use super::answer::Answer;
use super::{ANSWER_BYTES_MAX, CONNECT_TIME_MAX, IDLE_CONNECTIONS_MAX};
use crate::error::{Failure, USAGE};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// One node.
pub(super) struct Node {
    url: String,
    authority: String,
    idle: Mutex<Vec<Connection>>,
}

/// What is asked: a GET without a body, a POST with one.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    /// Path and query.
    pub(super) path: &'a str,
    /// Canonical bytes.
    pub(super) body: Option<Bytes>,
}

/// A request without an answer.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// Whether the node may have got the request.
    pub(super) may_be_sent: bool,
    /// Why.
    pub(super) why: String,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// A connection for one request with any body; its task ends with it.
pub(super) struct Open<B> {
    pub(super) sender: SendRequest<B>,
    task: AbortHandle,
}

impl<B> Drop for Open<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that is kept for requests with whole bodies.
type Connection = Open<Full<Bytes>>;

impl Node {
    /// The node at `http://HOST:PORT`.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/');
        let bad = || {
            let shown: String = url.chars().take(80).collect();
            let what = format!("{shown:?} is no URL of a node; nothing was sent");
            Failure::new(USAGE, what)
                .help("write it as http://HOST:PORT, like http://127.0.0.1:8080")
        };
        let authority = url.strip_prefix("http://").ok_or_else(bad)?;
        let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| bad())?;
        if authority.contains('@') || parsed.host().is_empty() {
            return Err(bad());
        }
        let authority = match &authority[parsed.host().len()..] {
            "" => format!("{authority}:80"),
            _ if parsed.port_u16().is_some() => authority.to_string(),
            _ => return Err(bad()),
        };
        Ok(Self { url: url.into(), authority, idle: Mutex::default() })
    }

    /// The URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks and reads the whole answer. A kept connection that turns out closed is replaced once:
    /// the same request goes out again on a new one.
    pub(super) async fn ask(&self, ask: Ask<'_>, until: Instant) -> Result<Answer, Lost> {
        let mut may_be_sent = false;
        let kept = self.idle.lock().pop();
        if let Some(connection) = kept {
            match self.ask_on(connection, ask.clone(), until).await {
                Ok(answer) => return Ok(answer),
                Err(lost) if Instant::now() >= until => return Err(lost),
                Err(lost) => may_be_sent = lost.may_be_sent,
            }
        }
        let connection: Connection =
            self.open(until).await.map_err(|why| Lost { may_be_sent, why })?;
        self.ask_on(connection, ask, until)
            .await
            .map_err(|lost| Lost { may_be_sent: may_be_sent || lost.may_be_sent, ..lost })
    }

    /// The host and port of the URL.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// A new connection.
    pub(super) async fn open<B>(&self, until: Instant) -> Result<Open<B>, String>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let until = until.min(Instant::now() + CONNECT_TIME_MAX);
        let connecting = async {
            let stream = TcpStream::connect(&self.authority).await.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())
        };
        let (sender, connection) = tokio::time::timeout_at(until.into(), connecting)
            .await
            .map_err(|_| "no connection in time".to_string())??;
        let task = tokio::spawn(async move {
            // How it ended is told by the request on it.
            drop(connection.await);
        });
        Ok(Open { sender, task: task.abort_handle() })
    }

    async fn ask_on(
        &self,
        mut connection: Connection,
        ask: Ask<'_>,
        until: Instant,
    ) -> Result<Answer, Lost> {
        let mut may_be_sent = false;
        let asking = async {
            let ready = connection.sender.ready().await;
            ready.map_err(|error| Lost { may_be_sent: false, why: error.to_string() })?;
            may_be_sent = true;
            self.exchange(&mut connection, ask).await
        };
        let answer = match tokio::time::timeout_at(until.into(), asking).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Lost { may_be_sent, why: "no answer in time".into() }),
        };
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_CONNECTIONS_MAX && !connection.sender.is_closed() {
            idle.push(connection);
        }
        Ok(answer)
    }

    async fn exchange(&self, connection: &mut Connection, ask: Ask<'_>) -> Result<Answer, Lost> {
        let request = self.request(ask).map_err(|why| Lost { may_be_sent: false, why })?;
        let response = connection.sender.try_send_request(request).await.map_err(|mut lost| {
            // The request comes back when none of it was written.
            let may_be_sent = lost.take_message().is_none();
            Lost { may_be_sent, why: lost.into_error().to_string() }
        })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Lost { may_be_sent: true, why: error.to_string() })?;
        Ok(Answer { status, body: body.to_bytes(), url: self.url.clone() })
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, String> {
        let builder = Request::builder().uri(ask.path).header(HOST, &self.authority);
        let request = match ask.body {
            None => builder
                .method("GET")
                .header(ACCEPT, "application/octet-stream")
                .body(Full::default()),
            Some(body) => builder
                .method("POST")
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(Full::new(body)),
        };
        request.map_err(|error| error.to_string())
    }
}
