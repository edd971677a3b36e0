//! Requests and replies, for catching up: one bidirectional stream each, one frame each way.
//!
//! A request never waits for a slot and has a deadline; a reply that nobody wants any more is
//! stopped.

use super::frame::{FrameError, FrameReader, gather};
use super::limits::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_PER_PEER_MAX};
use super::link::{Link, LinkError, joined, tell};
use super::{Inbound, Shared};
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// Tells the asking side that there is no answer, the answering side that none is awaited.
const GIVEN_UP: VarInt = VarInt::from_u32(1);

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no link to the member, or it is ourselves or nobody.
    #[error("there is no link to member {member}")]
    Down {
        /// The member asked.
        member: u16,
    },
    /// As many requests to this member as are allowed are under way.
    #[error("{max} requests to this member are under way")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The request is larger than the limit; nothing was sent.
    #[error("a request of {bytes} bytes, and at most {max} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The deadline passed.
    #[error("no reply in time")]
    Deadline,
    /// The peer gave no answer: it refused, was busy for too long, or broke the stream off.
    #[error("the peer refused to answer")]
    Refused,
    /// The peer announced a reply above the limit.
    #[error("the peer announced a reply of {bytes} bytes, and at most {max} are allowed")]
    ReplyTooLarge {
        /// Bytes announced.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The link broke before the reply was complete.
    #[error("the link broke: {0}")]
    Lost(LinkError),
}

/// Why a reply could not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Larger than [`REPLY_BYTES_MAX`]; the peer is told that there is no answer.
    #[error("a reply of {bytes} bytes, and at most {max} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The peer or the link is gone, or the answer came too late.
    #[error("nobody waits for the reply any more")]
    Gone,
}

/// Answers one request, from any thread. Dropped unused, it tells the peer that there is no answer.
#[derive(Debug)]
pub struct ReplyHandle(oneshot::Sender<Bytes>);

impl ReplyHandle {
    /// Hands over the reply. Never waits.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn send(self, reply: Bytes) -> Result<(), ReplyError> {
        if reply.len() > REPLY_BYTES_MAX {
            return Err(ReplyError::TooLarge { bytes: reply.len(), max: REPLY_BYTES_MAX });
        }
        self.0.send(reply).map_err(|_| ReplyError::Gone)
    }

    /// Whether nobody waits any more, so that costly answers need not be made.
    pub fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Asks the member at the other end of `link` and waits for its reply, at most until `deadline`.
pub(super) async fn ask(
    shared: &Shared,
    link: &Link,
    request: Bytes,
    deadline: Instant,
) -> Result<Bytes, RequestError> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(RequestError::TooLarge { bytes: request.len(), max: REQUEST_BYTES_MAX });
    }
    let connection = link.state.lock().connection.clone();
    let connection = connection.ok_or(RequestError::Down { member: link.member })?;
    let _permit = link
        .requests
        .try_acquire()
        .map_err(|_| RequestError::TooMany { max: REQUESTS_PER_PEER_MAX })?;
    let exchange = async {
        let lost = |error: quinn::ConnectionError| RequestError::Lost(error.into());
        let (mut outgoing, incoming) = connection.open_bi().await.map_err(lost)?;
        // A request cut short by the deadline has not all the bytes that its header says.
        let written = outgoing.write_all_chunks(&mut gather(&[request])).await;
        written.map_err(|error| match error {
            quinn::WriteError::ConnectionLost(error) => lost(error),
            _ => RequestError::Refused,
        })?;
        outgoing.finish().map_err(|_| RequestError::Refused)?;
        let mut incoming = FrameReader::new(incoming, shared.timings.frame);
        match incoming.next(REPLY_BYTES_MAX).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) | Err(FrameError::Truncated | FrameError::TooSlow { .. }) => {
                Err(RequestError::Refused)
            }
            Err(FrameError::TooLarge { bytes, max }) => {
                Err(RequestError::ReplyTooLarge { bytes, max })
            }
            Err(FrameError::Lost(error)) => Err(lost(error)),
        }
    };
    timeout_at(deadline, exchange).await.map_err(|_| RequestError::Deadline)?
}

/// Takes the peer's requests until the link ends.
pub(super) async fn serve(shared: Arc<Shared>, from: u16, connection: Connection) -> LinkError {
    let mut answers = JoinSet::new();
    let error = loop {
        tokio::select! {
            Some(ended) = answers.join_next() => joined(ended),
            // A peer that resets its streams gets new ones at once: QUIC's bound is not ours.
            stream = connection.accept_bi(), if answers.len() < REQUESTS_PER_PEER_MAX => {
                match stream {
                    Ok((outgoing, incoming)) => {
                        answers.spawn(answer(shared.clone(), from, outgoing, incoming));
                    }
                    Err(error) => break error,
                }
            }
            error = connection.closed() => break error,
        }
    };
    while let Some(ended) = answers.join_next().await {
        joined(ended);
    }
    error.into()
}

/// One request: read, handed over, answered. Ends early when the peer gives up or the link ends.
async fn answer(shared: Arc<Shared>, from: u16, mut outgoing: SendStream, incoming: RecvStream) {
    let given_up = outgoing.stopped();
    let mut incoming = FrameReader::new(incoming, shared.timings.frame);
    let reply = async {
        // The stream is open, so its request has begun.
        let time = shared.timings.frame.time(REQUEST_BYTES_MAX);
        let bytes = timeout(time, incoming.next(REQUEST_BYTES_MAX)).await.ok()?.ok()??;
        let (sender, reply) = oneshot::channel();
        let request = Inbound::Request { from, bytes, reply: ReplyHandle(sender) };
        if !tell(&shared, request).await {
            return None;
        }
        timeout(shared.timings.serve, reply).await.ok()?.ok()
    };
    let reply = tokio::select! {
        reply = reply => reply,
        _ = given_up => None,
    };
    let is_sent = match reply {
        Some(reply) => send(&shared, &mut outgoing, reply).await,
        None => false,
    };
    if !is_sent && outgoing.reset(GIVEN_UP).is_err() {
        tracing::debug!(member = from, "a request's stream was closed already");
    }
}

/// Writes one reply, no slower than the least rate.
async fn send(shared: &Shared, outgoing: &mut SendStream, reply: Bytes) -> bool {
    let time: Duration = shared.timings.frame.time(reply.len());
    let written = timeout(time, outgoing.write_all_chunks(&mut gather(&[reply]))).await;
    matches!(written, Ok(Ok(()))) && outgoing.finish().is_ok()
}
