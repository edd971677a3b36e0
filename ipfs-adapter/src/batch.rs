//! Our batched provider protocol: who provides these keys, and I provide these keys, many at once.
//!
//! ```text
//! asker ── Find, Provide ──▶ one long-lived stream per direction and peer ──▶ server::answer
//!       ◀─ Found, Stored, Refused ─                                            │ Records
//! ```
//!
//! Kademlia has no such question: a look-up of its own per key costs about 100 times the CPU
//! (measured with 50 nodes). It is spoken with the peers near the keys, out of Kademlia's own
//! routing table, and answered from the same index as Kademlia's requests.
//!
//! A stream carries frames: a length (u32, big-endian) and a body ([`Request`] or [`Reply`]). Each
//! direction of asking has a stream of its own, so that an asker reads replies only. Replies bear
//! the number of their request and may come in any order. Nobody is believed: what is found is a
//! hint, and [`Reply::check_answers`] holds each reply against its request.
//!
//! This module knows bytes and bounds; it opens no stream, asks nobody, and keeps no time.

mod codec;
pub mod server;
#[cfg(test)]
mod tests;

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::Multiaddr;

use crate::{
    Answer, ContentId, KEYS_PER_QUERY_MAX,
    encoding::{ADDRESSES_BYTES_MAX, KEY_BYTES, PROVIDER_BYTES_MAX},
    records::PROVIDERS_PER_KEY_MAX,
};

/// The protocol's name; another form of its bytes gets another number.
pub const PROTOCOL: &str = "/quorate/providers/1.0.0";
/// The most keys of one request: a query's.
pub const KEYS_MAX: usize = KEYS_PER_QUERY_MAX;
/// The most providers of one key in a reply: as many as are kept.
pub const PROVIDERS_MAX: usize = PROVIDERS_PER_KEY_MAX;
/// The most distinct providers of one reply: their indices are one byte. A key whose providers
/// have no place is named without any, and is to be asked for again among fewer.
pub const TABLE_MAX: usize = 256;

/// Kind and number.
const FRONT_BYTES: usize = 1 + 4;
/// The longest body of a request: a full `Provide`, 132 KB.
pub const REQUEST_BYTES_MAX: usize =
    FRONT_BYTES + 4 + ADDRESSES_BYTES_MAX + 2 + KEYS_MAX * KEY_BYTES;
/// The longest body of a reply: a full `Found`, 375 KB.
pub const REPLY_BYTES_MAX: usize =
    FRONT_BYTES + 2 + TABLE_MAX * PROVIDER_BYTES_MAX + 2 + KEYS_MAX * (2 + 1 + PROVIDERS_MAX);
/// The longest body of any frame.
pub const FRAME_BYTES_MAX: usize =
    if REQUEST_BYTES_MAX > REPLY_BYTES_MAX { REQUEST_BYTES_MAX } else { REPLY_BYTES_MAX };

const _: () = assert!(KEYS_MAX <= 65_535, "a key's index is u16");
const _: () = assert!(PROVIDERS_MAX <= 255, "their count is u8");
const _: () = assert!(TABLE_MAX <= 256, "an index into the table is u8");
const _: () = assert!(TABLE_MAX >= PROVIDERS_MAX, "one key alone always finds place");
const _: () = assert!(FRONT_BYTES + 2 + KEYS_MAX / 8 <= REPLY_BYTES_MAX, "Stored fits");
const _: () = assert!(FRAME_BYTES_MAX < 512 << 10, "a frame is half a megabyte at most");

/// What is asked of a peer. `number` names the request on its stream and comes back in the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Who provides these keys?
    Find {
        /// The request's number.
        number: u32,
        /// Providers of a key that are enough, 1 to [`PROVIDERS_MAX`].
        providers_max: u8,
        /// 1 to [`KEYS_MAX`].
        keys: Vec<ContentId>,
    },
    /// I provide these keys.
    Provide {
        /// The request's number.
        number: u32,
        /// For how long; the receiver bounds it.
        ttl_seconds: u32,
        /// Where the sender can be dialled. None at all: as known.
        addresses: Vec<Multiaddr>,
        /// 1 to [`KEYS_MAX`].
        keys: Vec<ContentId>,
    },
}

/// What a peer replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `Find`.
    Found {
        /// The request's number.
        number: u32,
        /// Who provides what; at most [`TABLE_MAX`] providers ([`Answer::fit`]).
        answer: Answer,
    },
    /// To `Provide`.
    Stored {
        /// The request's number.
        number: u32,
        /// `stored[i]`: whether the record of `keys[i]` is held now.
        stored: Vec<bool>,
    },
    /// To either.
    Refused {
        /// The request's number; 0 when it could not be read.
        number: u32,
        /// The reason.
        why: Why,
    },
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Too much is under way: try again later, or elsewhere.
    Busy,
    /// More keys than this peer takes in one request.
    TooMany,
    /// It can't be read: one of both sides has a bug.
    Malformed,
    /// A kind that this version does not know.
    Unsupported,
}

/// What can go wrong with a frame. After any of these but [`BatchError::Unasked`] the stream is of
/// no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The stream failed, or ended within a frame.
    #[error("the stream failed: {0}")]
    Stream(io::ErrorKind),
    /// A frame over its limit; nothing of it was read.
    #[error("a frame of {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// What its length said.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A kind of message that this version does not know.
    #[error("a message of kind {kind}, which this version does not know")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// The body is not in the one form that this version writes.
    #[error("a message that makes no sense")]
    Malformed,
    /// A sound reply that does not fit its request: the peer lies or has a bug.
    #[error("a reply that does not fit its request")]
    Unasked,
}

impl Request {
    /// Its number.
    pub fn number(&self) -> u32 {
        match self {
            Request::Find { number, .. } | Request::Provide { number, .. } => *number,
        }
    }

    /// Its keys.
    pub fn keys(&self) -> &[ContentId] {
        match self {
            Request::Find { keys, .. } | Request::Provide { keys, .. } => keys,
        }
    }
}

impl Reply {
    /// The number of the request that it answers.
    pub fn number(&self) -> u32 {
        match self {
            Reply::Found { number, .. }
            | Reply::Stored { number, .. }
            | Reply::Refused { number, .. } => *number,
        }
    }

    /// Whether it can be the answer to this request: number and kind fit, each key is one of the
    /// request's, no key has more providers than were asked for, and there is one mark per key.
    ///
    /// # Errors
    /// [`BatchError::Unasked`].
    pub fn check_answers(&self, request: &Request) -> Result<(), BatchError> {
        let count = request.keys().len();
        let fits = match (self, request) {
            (Reply::Found { answer, .. }, Request::Find { providers_max, .. }) => {
                let most = usize::from(*providers_max);
                answer.hits.iter().all(|hit| hit.key < count && hit.providers.len() <= most)
            }
            (Reply::Stored { stored, .. }, Request::Provide { .. }) => stored.len() == count,
            (Reply::Refused { .. }, _) => true,
            _ => false,
        };
        let is_answer = fits && self.number() == request.number();
        if is_answer { Ok(()) } else { Err(BatchError::Unasked) }
    }
}

/// Reads one frame's body; `None` when the stream has ended before it. Memory grows with what
/// arrives, not with what the length promises. It has no deadline: that is the caller's.
///
/// # Errors
/// [`BatchError::TooLong`] over `bytes_max` ([`REQUEST_BYTES_MAX`] or [`REPLY_BYTES_MAX`]).
pub async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, BatchError> {
    let mut length = Vec::with_capacity(4);
    (&mut *stream).take(4).read_to_end(&mut length).await.map_err(broken)?;
    if length.is_empty() {
        return Ok(None);
    }
    let ended = BatchError::Stream(io::ErrorKind::UnexpectedEof);
    let length = u32::from_be_bytes(length.try_into().map_err(|_| ended)?);
    let bytes = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes_max = bytes_max.min(FRAME_BYTES_MAX);
    if bytes > bytes_max {
        return Err(BatchError::TooLong { bytes, bytes_max });
    }
    let mut body = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut body).await.map_err(broken)?;
    if body.len() == bytes { Ok(Some(body)) } else { Err(ended) }
}

/// Writes one frame and flushes it.
///
/// # Errors
/// [`BatchError::TooLong`] over [`FRAME_BYTES_MAX`]; then nothing was written.
pub async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    body: &[u8],
) -> Result<(), BatchError> {
    let bytes = body.len();
    let too_long = BatchError::TooLong { bytes, bytes_max: FRAME_BYTES_MAX };
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= FRAME_BYTES_MAX).ok_or(too_long)?;
    // One write, so that the length does not travel in a packet of its own.
    let frame = [length.to_be_bytes().as_slice(), body].concat();
    stream.write_all(&frame).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

fn broken(error: io::Error) -> BatchError {
    BatchError::Stream(error.kind())
}
