//! One call: a permit, a POST, the status. What the body says is [`Answer`]'s part.
//!
//! Every call is a POST (Kubo refuses GET: a browser can be tricked into one). Redirects are not
//! followed, no proxy is asked. A 404 is the one answer that means "this daemon has no such call".

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    StatusCode, Url,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    multipart::{Form, Part},
    redirect,
};
use tokio::sync::Semaphore;

use super::answer::{self, Answer};
use crate::IpfsError;

/// How long an unused connection is kept: less than the 5 s after which Node.js closes its end, so
/// that a call seldom meets a connection that is just being closed.
const IDLE_KEPT: Duration = Duration::from_secs(2);

/// One call, still to be made.
pub(super) struct Call {
    name: &'static str,
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
}

impl Call {
    /// `name` as in Kubo's documentation: `block/get`.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, query: Vec::new(), body: None }
    }

    pub(super) fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    /// One file of a multipart body.
    pub(super) fn with_body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Some(bytes.into());
        self
    }
}

/// The connections to one daemon.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    /// One permit a call under way, until its answer is read or dropped.
    permits: Arc<Semaphore>,
    /// Look-ups take minutes where block calls take milliseconds: they leave some permits alone.
    pub(super) lookups: Semaphore,
    pub(super) lookups_max: usize,
    /// For calls that are not given a deadline.
    pub(super) timeout: Duration,
}

impl Client {
    pub(super) fn new(
        base: Url,
        timeout: Duration,
        connections_max: usize,
    ) -> Result<Self, IpfsError> {
        let connections_max = connections_max.clamp(1, super::CONNECTIONS_MAX);
        let http = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(connections_max)
            .pool_idle_timeout(IDLE_KEPT)
            .tcp_nodelay(true)
            .build()
            .map_err(|_| IpfsError::Stopped)?;
        let lookups_max = (connections_max * 3 / 4).max(1);
        let permits = Arc::new(Semaphore::new(connections_max));
        let lookups = Semaphore::new(lookups_max);
        Ok(Self { http, base, permits, lookups, lookups_max, timeout })
    }

    /// Makes the call; its status was good.
    ///
    /// # Errors
    /// [`IpfsError::Nonsense`] also when there is no such call: all daemons have those asked here.
    pub(super) async fn open(&self, call: Call) -> Result<Answer, IpfsError> {
        let name = call.name;
        self.open_if_there(call).await?.ok_or(IpfsError::Nonsense { call: name })
    }

    /// As [`Client::open`]; `None` when this daemon has no such call.
    pub(super) async fn open_if_there(&self, call: Call) -> Result<Option<Answer>, IpfsError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| IpfsError::Stopped)?;
        let nonsense = IpfsError::Nonsense { call: call.name };
        let url = self.base.join(call.name).map_err(|_| nonsense.clone())?;
        let mut request = self.http.post(url).query(&call.query);
        if let Some(bytes) = call.body {
            // Kubo does not care, but other daemons want a type and a name for each part.
            let part = Part::stream(bytes).file_name("data");
            let part = part.mime_str("application/octet-stream").map_err(|_| nonsense.clone())?;
            request = request.multipart(Form::new().part("data", part));
        }
        let response = request.send().await.map_err(|error| self.failure(&error, call.name))?;
        let status = response.status();
        let headers = response.headers();
        // Else nobody could tell an answer from one that was cut: its end would prove nothing.
        let has_end =
            headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        let answer = Answer::new(call.name, self.base.clone(), response.into(), permit);
        match status {
            StatusCode::OK if has_end => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => Err(nonsense),
            other => Err(answer.into_refusal(other).await),
        }
    }

    fn failure(&self, error: &reqwest::Error, call: &'static str) -> IpfsError {
        failure(error, call, &self.base)
    }
}

/// What a failure of the transport means.
pub(super) fn failure(error: &reqwest::Error, call: &'static str, base: &Url) -> IpfsError {
    let mut kind = if error.is_dns() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(http) = error.downcast_ref::<hyper::Error>() {
            if http.is_parse() {
                return IpfsError::Nonsense { call };
            }
            if http.is_incomplete_message() {
                kind = io::ErrorKind::UnexpectedEof;
            }
        }
        if let Some(system) = error.downcast_ref::<io::Error>() {
            kind = system.kind();
        }
        source = error.source();
    }
    match kind {
        // So hyper calls lengths of chunks that are none.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => IpfsError::Nonsense { call },
        kind => IpfsError::Unreachable { url: answer::shown(base), kind },
    }
}

/// Calls of the same meaning, newest first: which of them a daemon has depends on its version.
pub(super) struct Chain {
    calls: &'static [&'static str],
    /// The one that was there last.
    at: AtomicUsize,
}

impl Chain {
    pub(super) const fn new(calls: &'static [&'static str]) -> Self {
        Self { calls, at: AtomicUsize::new(0) }
    }

    /// Makes the first call that the daemon has.
    ///
    /// # Errors
    /// [`IpfsError::Nonsense`] when it has none of them.
    pub(super) async fn open(
        &self,
        client: &Client,
        make: impl Fn(&'static str) -> Call,
    ) -> Result<Answer, IpfsError> {
        let first = self.at.load(Ordering::Relaxed);
        for step in 0..self.calls.len() {
            let index = (first + step) % self.calls.len();
            if let Some(answer) = client.open_if_there(make(self.calls[index])).await? {
                self.at.store(index, Ordering::Relaxed);
                return Ok(answer);
            }
        }
        Err(IpfsError::Nonsense { call: self.calls[0] })
    }
}

/// The work's result, or [`IpfsError::Timeout`] once the deadline has passed; then the work is
/// dropped with its connections, which tells the daemon to stop.
pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, IpfsError>>,
) -> Result<T, IpfsError> {
    let after_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    let timeout = IpfsError::Timeout { after_ms };
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(timeout))
}
