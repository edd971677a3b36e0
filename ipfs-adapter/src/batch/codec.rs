//! The bodies of the batched protocol's frames. Every message has one form: what can be decoded is
//! encoded to the same bytes again. Numbers are big-endian; lengths are checked before anything is
//! allocated.
//!
//! ```text
//! Find     1 │ number u32 │ providers_max u8 │ count u16 │ count keys
//! Provide  2 │ number u32 │ ttl_seconds u32 │ addresses │ count u16 │ count keys
//! Found    3 │ number u32 │ count u16 │ count providers │ count u16 │ count hits
//!   hit      key u16, rising │ count u8 │ count indices u8, distinct
//! Stored   4 │ number u32 │ count u16 │ ceil(count / 8) bytes: key 0 is the highest bit of byte 0
//! Refused  5 │ number u32 │ why u8: Busy 1, TooMany 2, Malformed 3, Unsupported 4
//! ```
//!
//! Providers, addresses and keys: `encoding`. The providers of a `Found` are distinct, and each is
//! somebody's.

use std::collections::HashSet;

use super::{
    Answer, BatchError, FRONT_BYTES, KEYS_MAX, PROVIDERS_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX,
    Reply, Request, TABLE_MAX, Why,
};
use crate::{
    ContentId,
    encoding::{Reader, put_addresses, put_keys, put_provider},
    records::Hit,
};

const FIND: u8 = 1;
const PROVIDE: u8 = 2;
const FOUND: u8 = 3;
const STORED: u8 = 4;
const REFUSED: u8 = 5;

impl Request {
    /// The frame's body.
    ///
    /// # Panics
    /// When the request is over a limit of its fields.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRONT_BYTES + 64 + self.keys().len() * 32);
        match self {
            Request::Find { number, providers_max, keys } => {
                assert!((1..=PROVIDERS_MAX).contains(&usize::from(*providers_max)));
                put_front(&mut out, FIND, *number);
                out.push(*providers_max);
                put_counted_keys(&mut out, keys);
            }
            Request::Provide { number, ttl_seconds, addresses, keys } => {
                put_front(&mut out, PROVIDE, *number);
                out.extend_from_slice(&ttl_seconds.to_be_bytes());
                put_addresses(&mut out, addresses);
                put_counted_keys(&mut out, keys);
            }
        }
        assert!(out.len() <= REQUEST_BYTES_MAX);
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`BatchError::Malformed`] for whatever `encode` does not write.
    pub fn decode(body: &[u8]) -> Result<Self, BatchError> {
        let mut reader = Reader(body);
        let kind = reader.u8().ok_or(BatchError::Malformed)?;
        let request = match kind {
            FIND => find(&mut reader),
            PROVIDE => provide(&mut reader),
            FOUND | STORED | REFUSED => None,
            kind => return Err(BatchError::Kind { kind }),
        };
        request.filter(|_| reader.is_at_end()).ok_or(BatchError::Malformed)
    }
}

impl Reply {
    /// The frame's body.
    ///
    /// # Panics
    /// When the reply is over a limit of its fields.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Reply::Found { number, answer } => {
                put_front(&mut out, FOUND, *number);
                put_answer(&mut out, answer);
            }
            Reply::Stored { number, stored } => {
                assert!((1..=KEYS_MAX).contains(&stored.len()));
                put_front(&mut out, STORED, *number);
                put_count(&mut out, stored.len());
                out.extend(stored.chunks(8).map(byte_of));
            }
            Reply::Refused { number, why } => {
                put_front(&mut out, REFUSED, *number);
                out.push(why.code());
            }
        }
        assert!(out.len() <= REPLY_BYTES_MAX);
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`BatchError::Malformed`] for whatever `encode` does not write.
    pub fn decode(body: &[u8]) -> Result<Self, BatchError> {
        let mut reader = Reader(body);
        let kind = reader.u8().ok_or(BatchError::Malformed)?;
        let reply = match kind {
            FOUND => found(&mut reader),
            STORED => stored(&mut reader),
            REFUSED => refused(&mut reader),
            FIND | PROVIDE => None,
            kind => return Err(BatchError::Kind { kind }),
        };
        reply.filter(|_| reader.is_at_end()).ok_or(BatchError::Malformed)
    }

    /// The refusal of a body that could not be read, with its number if that much was there.
    pub fn refusal(body: &[u8], error: BatchError) -> Self {
        let number = Reader(body.get(1..).unwrap_or_default()).u32().unwrap_or(0);
        let why = match error {
            BatchError::Kind { .. } => Why::Unsupported,
            _ => Why::Malformed,
        };
        Reply::Refused { number, why }
    }
}

impl Why {
    fn code(self) -> u8 {
        match self {
            Why::Busy => 1,
            Why::TooMany => 2,
            Why::Malformed => 3,
            Why::Unsupported => 4,
        }
    }
}

fn put_front(out: &mut Vec<u8>, kind: u8, number: u32) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).expect("every count here has a limit below 65,536");
    out.extend_from_slice(&count.to_be_bytes());
}

fn put_counted_keys(out: &mut Vec<u8>, keys: &[ContentId]) {
    assert!((1..=KEYS_MAX).contains(&keys.len()));
    put_count(out, keys.len());
    put_keys(out, keys);
}

fn put_answer(out: &mut Vec<u8>, answer: &Answer) {
    assert!(answer.providers.len() <= TABLE_MAX);
    assert!(answer.hits.len() <= KEYS_MAX);
    put_count(out, answer.providers.len());
    answer.providers.iter().for_each(|provider| put_provider(out, provider));
    put_count(out, answer.hits.len());
    for hit in &answer.hits {
        assert!(hit.providers.len() <= PROVIDERS_MAX);
        put_count(out, hit.key);
        out.push(u8::try_from(hit.providers.len()).expect("at most PROVIDERS_MAX"));
        let index = |index: &usize| u8::try_from(*index).expect("an index into TABLE_MAX");
        out.extend(hit.providers.iter().map(index));
    }
}

/// Up to eight marks, the first in the highest bit; what is missing is 0.
fn byte_of(marks: &[bool]) -> u8 {
    let bit = |(at, mark): (usize, &bool)| if *mark { 0x80 >> at } else { 0 };
    marks.iter().enumerate().map(bit).sum()
}

fn find(reader: &mut Reader<'_>) -> Option<Request> {
    let (number, providers_max) = (reader.u32()?, reader.u8()?);
    let is_sound = (1..=PROVIDERS_MAX).contains(&usize::from(providers_max));
    let keys = counted_keys(reader)?;
    is_sound.then_some(Request::Find { number, providers_max, keys })
}

fn provide(reader: &mut Reader<'_>) -> Option<Request> {
    let (number, ttl_seconds) = (reader.u32()?, reader.u32()?);
    let (addresses, keys) = (reader.addresses()?, counted_keys(reader)?);
    Some(Request::Provide { number, ttl_seconds, addresses, keys })
}

fn counted_keys(reader: &mut Reader<'_>) -> Option<Vec<ContentId>> {
    let count = count(reader, KEYS_MAX).filter(|count| *count > 0)?;
    reader.keys(count)
}

fn count(reader: &mut Reader<'_>, count_max: usize) -> Option<usize> {
    reader.u16().map(usize::from).filter(|count| *count <= count_max)
}

fn found(reader: &mut Reader<'_>) -> Option<Reply> {
    let number = reader.u32()?;
    let mut answer = Answer::default();
    let mut peers = HashSet::new();
    for _ in 0..count(reader, TABLE_MAX)? {
        let provider = reader.provider()?;
        if !peers.insert(provider.peer) {
            return None;
        }
        answer.providers.push(provider);
    }
    let mut is_named = vec![false; answer.providers.len()];
    for _ in 0..count(reader, KEYS_MAX)? {
        let hit = hit(reader, &mut is_named)?;
        if answer.hits.last().is_some_and(|last| last.key >= hit.key) {
            return None;
        }
        answer.hits.push(hit);
    }
    is_named.iter().all(|is_named| *is_named).then_some(Reply::Found { number, answer })
}

fn hit(reader: &mut Reader<'_>, is_named: &mut [bool]) -> Option<Hit> {
    let key = usize::from(reader.u16()?);
    let count = usize::from(reader.u8()?);
    if key >= KEYS_MAX || count > PROVIDERS_MAX {
        return None;
    }
    let mut providers = Vec::with_capacity(count);
    for index in reader.bytes(count)? {
        let index = usize::from(*index);
        if providers.contains(&index) {
            return None;
        }
        *is_named.get_mut(index)? = true;
        providers.push(index);
    }
    Some(Hit { key, providers })
}

fn stored(reader: &mut Reader<'_>) -> Option<Reply> {
    let number = reader.u32()?;
    let count = count(reader, KEYS_MAX).filter(|count| *count > 0)?;
    let bytes = reader.bytes(count.div_ceil(8))?;
    let mut marks =
        bytes.iter().flat_map(|byte| (0..8_u32).map(move |at| byte & (0x80 >> at) != 0));
    let stored = marks.by_ref().take(count).collect();
    // The bits behind the last key are zero.
    (!marks.any(|mark| mark)).then_some(Reply::Stored { number, stored })
}

fn refused(reader: &mut Reader<'_>) -> Option<Reply> {
    let (number, code) = (reader.u32()?, reader.u8()?);
    let all = [Why::Busy, Why::TooMany, Why::Malformed, Why::Unsupported];
    let why = all.into_iter().find(|why| why.code() == code)?;
    Some(Reply::Refused { number, why })
}
