//! The head: how many records there are and what they hash to, kept apart from the records, so that
//! records lost from the end are told from records never written.
//!
//! Two slots in two pages of the active segment are written in turn: each right after a sync, so
//! the next sync makes it durable. A torn write spoils one slot; the other is one commit older.

use sha2::{Digest, Sha256};

use super::record::Hash;
use super::segment::{Header, PAGE_BYTES};

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 89;

/// Generations and records above this are none: writing counts on from them.
pub(super) const NUMBER_MAX: u64 = u64::MAX >> 1;

/// What one slot says. It never promises more than a sync has made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Counts the writes of this segment's head; the larger of two valid slots holds.
    pub generation: u64,
    /// Records from the journal's start.
    pub records: u64,
    /// Byte in the segment where the last of them ends.
    pub end: u64,
    /// Hash of the last of them.
    pub hash: Hash,
    /// Whether the next segment has been created, so its absence is a loss.
    pub is_sealed: bool,
}

impl Head {
    /// The head of a segment that holds no records yet.
    pub fn fresh(header: &Header) -> Self {
        let (records, hash) = (header.first_record, header.previous);
        Self { generation: 0, records, end: super::segment::FIRST_RECORD, hash, is_sealed: false }
    }

    /// Where this generation is written in its segment.
    pub fn slot_offset(&self) -> u64 {
        PAGE_BYTES * (1 + self.generation % 2)
    }

    /// The slot's bytes: generation, records, end, sealed, hash, checksum; integers little-endian.
    pub fn to_bytes(self, header: &Header) -> [u8; SLOT_BYTES] {
        let mut out = [0; SLOT_BYTES];
        out[..8].copy_from_slice(&self.generation.to_le_bytes());
        out[8..16].copy_from_slice(&self.records.to_le_bytes());
        out[16..24].copy_from_slice(&self.end.to_le_bytes());
        out[24] = u8::from(self.is_sealed);
        out[25..57].copy_from_slice(&self.hash);
        let checksum = checksum(header, &out[..57]);
        out[57..].copy_from_slice(&checksum);
        out
    }

    /// Reads a slot; `None` if its checksum does not hold for this segment of this network.
    pub fn from_bytes(header: &Header, bytes: &[u8; SLOT_BYTES]) -> Option<Self> {
        if checksum(header, &bytes[..57]) != bytes[57..] {
            return None;
        }
        let number = |from: usize| {
            let mut out = [0; 8];
            out.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(out)
        };
        // Each write counts one on: who has forged such numbers has written no journal of ours.
        if number(0) > NUMBER_MAX || number(8) > NUMBER_MAX {
            return None;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[25..57]);
        Some(Self {
            generation: number(0),
            records: number(8),
            end: number(16),
            hash,
            is_sealed: bytes[24] == 1,
        })
    }
}

/// Binds a slot to its segment and network, so that a slot copied from elsewhere is not taken.
fn checksum(header: &Header, body: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(b"quorate journal head")
        .chain_update(header.network)
        .chain_update(header.segment.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}
