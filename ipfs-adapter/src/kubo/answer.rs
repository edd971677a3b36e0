//! What a daemon answers: bytes, one JSON value, or a stream of JSON lines. Everything is read
//! piece by piece, and more than its bound is refused before it is kept.
//!
//! A daemon that fails in the middle of a stream says so in a trailer (`X-Stream-Error`), since the
//! status has long been sent (ipfs/go-ipfs-cmds, http/responseemitter.go). Not to look there is to
//! take half an answer for a whole one.

use bytes::Bytes;
use cid::Cid;
use http_body_util::BodyExt;
use reqwest::{Body, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OwnedSemaphorePermit;

use super::client::failure;
use crate::{CidError, ContentId, IpfsError};

/// The most bytes of one JSON value.
pub(super) const JSON_BYTES_MAX: usize = 1 << 20;
/// The most bytes of one JSON line: a provider with some hundred addresses.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;
/// The most bytes of an error's text that are read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// The most characters of an error's text that are passed on.
const MESSAGE_CHARS_MAX: usize = 200;
/// Where an error after the status stands.
const STREAM_ERROR: &str = "X-Stream-Error";

/// An answer with a good status, its body unread. Holds the call's permit.
pub(super) struct Answer {
    call: &'static str,
    base: Url,
    status: StatusCode,
    body: Body,
    _permit: OwnedSemaphorePermit,
}

/// Kubo's form of an error (its `Code` and `Type` say nothing more).
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "Message")]
    message: String,
}

impl Answer {
    pub(super) fn new(
        call: &'static str,
        base: Url,
        response: hyper::Response<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let status = response.status();
        Self { call, base, status, body: response.into_body(), _permit: permit }
    }

    /// All bytes, if they are not more than `bytes_max`.
    pub(super) async fn bytes(mut self, bytes_max: usize) -> Result<Vec<u8>, IpfsError> {
        let mut bytes = Vec::new();
        while let Some(more) = self.more().await? {
            if bytes.len() + more.len() > bytes_max {
                return Err(self.nonsense());
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// The whole body as one JSON value.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, IpfsError> {
        let nonsense = self.nonsense();
        let bytes = self.bytes(JSON_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|_| nonsense)
    }

    /// The body as lines, each a JSON value.
    pub(super) fn lines(self) -> Lines {
        Lines { answer: self, buffer: Vec::new(), searched: 0 }
    }

    /// The error that an answer with a bad status carries.
    pub(super) async fn into_refusal(self, status: StatusCode) -> IpfsError {
        let nonsense = self.nonsense();
        let bytes = match self.bytes(REFUSAL_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        if let Ok(Refusal { message }) = serde_json::from_slice(&bytes) {
            return refusal(status, &message);
        }
        match status {
            // In front of a daemon, or the daemon itself before it knows what is called.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE => refusal(status, &String::from_utf8_lossy(&bytes)),
            _ => nonsense,
        }
    }

    pub(super) fn nonsense(&self) -> IpfsError {
        IpfsError::Nonsense { call: self.call }
    }

    /// The next piece; `None` at an end that the daemon itself has announced.
    async fn more(&mut self) -> Result<Option<Bytes>, IpfsError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| failure(&error, self.call, &self.base))?;
            match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(frame) => {
                    let trailers = frame.trailers_ref();
                    if let Some(error) = trailers.and_then(|all| all.get(STREAM_ERROR)) {
                        let message = String::from_utf8_lossy(error.as_bytes());
                        return Err(refusal(self.status, &message));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// A stream of JSON lines.
pub(super) struct Lines {
    answer: Answer,
    /// What has come and was not passed on: never more than a line and a piece.
    buffer: Vec<u8>,
    /// So many bytes of it hold no end of a line.
    searched: usize,
}

impl Lines {
    /// The next value; `None` at the end. Empty lines are left out.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, IpfsError> {
        loop {
            let fresh = &self.buffer[self.searched..];
            let end = fresh.iter().position(|byte| *byte == b'\n').map(|at| self.searched + at + 1);
            if end.unwrap_or(self.buffer.len()) > LINE_BYTES_MAX {
                return Err(self.answer.nonsense());
            }
            if let Some(end) = end {
                let line: Vec<u8> = self.buffer.drain(..end).collect();
                self.searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return self.parse(&line).map(Some);
            }
            self.searched = self.buffer.len();
            match self.answer.more().await? {
                Some(more) => self.buffer.extend_from_slice(&more),
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => {
                    let line = std::mem::take(&mut self.buffer);
                    self.searched = 0;
                    return self.parse(&line).map(Some);
                }
            }
        }
    }

    fn parse<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T, IpfsError> {
        serde_json::from_slice(line).map_err(|_| self.answer.nonsense())
    }
}

/// The address as it was configured.
pub(super) fn shown(base: &Url) -> String {
    base.as_str().trim_end_matches("/api/v0/").into()
}

/// An id in whatever base the daemon writes it (js-ipfs: base58).
pub(super) fn id_of(text: &str) -> Result<ContentId, CidError> {
    let cid: Cid = text.parse().map_err(|_| CidError::Malformed)?;
    ContentId::try_from(cid)
}

/// Whether the refusal says that a block is not held. Kubo gives all its errors the same code, so
/// its words have to do; they are those of boxo's offline exchange and of go-ipld-format.
pub(super) fn says_not_found(error: &IpfsError) -> bool {
    says(error, "not found") || says(error, "could not find")
}

/// Whether the refusal holds these words.
pub(super) fn says(error: &IpfsError, words: &str) -> bool {
    matches!(error, IpfsError::Refused { message, .. } if message.contains(words))
}

/// A refusal in the daemon's words, cut.
pub(super) fn refusal(status: StatusCode, message: &str) -> IpfsError {
    let message = message.trim().chars().take(MESSAGE_CHARS_MAX).collect();
    IpfsError::Refused { status: status.as_u16(), message }
}
