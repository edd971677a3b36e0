//! One record as it lies in a segment, and the hash that chains it to the one before.
//!
//! ```text
//! len: u32 LE | kind: u8 | payload: len bytes | hash: 32 bytes
//! hash = sha2-256(hash of the record before | kind | len | payload)
//! ```
//! The hash stands last, so the 32 bytes before any record are the hash that it continues: a record
//! can be checked alone, by reading 32 bytes more, and no second digest is stored.

use std::io::{self, BufReader, Read};

use sha2::{Digest, Sha256};

use super::disk::FileHandle;

/// Longest payload of a record, in bytes: one batch of the largest size with room to spare.
pub const RECORD_BYTES_MAX: u64 = 16 << 20;

/// Bytes of `len` and `kind`.
pub(super) const PREFIX_BYTES: u64 = 5;
/// Bytes of a hash.
pub(super) const HASH_BYTES: u64 = 32;
/// Bytes read at once when records are walked in order.
const WALK_BUFFER_BYTES: usize = 1 << 18;

/// A sha2-256 digest.
pub(super) type Hash = [u8; 32];

/// A length in memory as a length on disk.
pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("usize has at most 64 bits here")
}

/// Bytes that a payload of `payload_bytes` takes in a segment.
pub(super) fn framed_bytes(payload_bytes: u64) -> u64 {
    PREFIX_BYTES + payload_bytes + HASH_BYTES
}

/// The chained hash of one record.
pub(super) fn chain(previous: &Hash, kind: u8, payload: &[u8]) -> Hash {
    let bytes = u32::try_from(payload.len()).expect("payloads are at most RECORD_BYTES_MAX");
    Sha256::new()
        .chain_update(previous)
        .chain_update([kind])
        .chain_update(bytes.to_le_bytes())
        .chain_update(payload)
        .finalize()
        .into()
}

/// Appends one framed record to `out` and returns its hash.
pub(super) fn frame(previous: &Hash, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Hash {
    let hash = chain(previous, kind, payload);
    let bytes = u32::try_from(payload.len()).expect("payloads are at most RECORD_BYTES_MAX");
    out.extend_from_slice(&bytes.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
    out.extend_from_slice(&hash);
    hash
}

/// Splits `len` and `kind`; `None` if the length cannot be one of ours.
pub(super) fn prefix(bytes: [u8; 5]) -> Option<(u64, u8)> {
    let [a, b, c, d, kind] = bytes;
    let payload_bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
    (payload_bytes <= RECORD_BYTES_MAX).then_some((payload_bytes, kind))
}

/// A file read in order from a place on.
struct From {
    file: FileHandle,
    offset: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += length(read);
        Ok(read)
    }
}

/// Reads records in order from one segment's file for as long as they are valid.
pub(super) struct Walk {
    reader: BufReader<From>,
    payload: Vec<u8>,
    limit: u64,
    /// Where the next record starts.
    pub offset: u64,
    /// Hash of the last valid record, or the one that the first continues.
    pub hash: Hash,
}

impl Walk {
    /// Starts at `offset`, after a record of hash `hash`, and stops at byte `limit` of the file.
    pub fn new(file: FileHandle, offset: u64, limit: u64, hash: Hash) -> Self {
        let from = From { file, offset };
        let reader = BufReader::with_capacity(WALK_BUFFER_BYTES, from);
        Self { reader, payload: Vec::new(), limit, offset, hash }
    }

    /// The next valid record as (its offset, kind, payload), or `None` where validity ends.
    ///
    /// After `None` the walk must not be used on: `offset` and `hash` tell where it ended.
    pub fn next(&mut self) -> io::Result<Option<(u64, u8, &[u8])>> {
        let start = self.offset;
        if start + framed_bytes(0) > self.limit {
            return Ok(None);
        }
        let mut head = [0; 5];
        self.reader.read_exact(&mut head)?;
        let Some((payload_bytes, kind)) = prefix(head) else { return Ok(None) };
        // Checked against the file before anything is allocated for it.
        if start + framed_bytes(payload_bytes) > self.limit {
            return Ok(None);
        }
        self.payload.resize(usize::try_from(payload_bytes).expect("at most 16 MiB"), 0);
        self.reader.read_exact(&mut self.payload)?;
        let mut stored = [0; 32];
        self.reader.read_exact(&mut stored)?;
        let hash = chain(&self.hash, kind, &self.payload);
        if hash != stored {
            return Ok(None);
        }
        self.hash = hash;
        self.offset = start + framed_bytes(payload_bytes);
        Ok(Some((start, kind, &self.payload)))
    }
}
