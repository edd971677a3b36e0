//! The one message of Bitswap 1.2.0 and its bytes (specs.ipfs.tech/bitswap-protocol).
//!
//! Unknown fields are skipped, entries without a meaning here (no CID, unknown type) are left out,
//! and lists are cut at [`ITEMS_MAX`]: none of that spoils the rest of the message. CIDs stay raw
//! bytes, because a peer may name kinds that [`ContentId`] does not know and must be answered.
//! Nothing here hashes but [`id_of`], and nothing decides.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::protobuf::{Fields, Malformed, Value, put_bytes, put_number, varint};
use crate::{CidError, ContentId};

/// Entries, blocks and presences that are read from one message, each; the rest is left out. Twice
/// what either side may want of the other (`WANTS_MAX`), so that as many cancels fit beside. It
/// keeps a message of 4 MiB of two-byte items from becoming 100 MiB in memory.
pub const ITEMS_MAX: usize = 2_048;

/// The longest CID that is read, in bytes: version and codec (at most 20), a multihash head (at
/// most 20) and a digest of 64. Longer ones are left out.
pub const CID_BYTES_MAX: usize = 104;

/// What one side tells the other; any part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The entries replace all that were sent before.
    pub is_full: bool,
    /// What the sender wants, or wants no more.
    pub entries: Vec<Entry>,
    /// Blocks that were wanted.
    pub blocks: Vec<Block>,
    /// Which blocks the sender holds, and which not.
    pub presences: Vec<Presence>,
    /// Items over [`ITEMS_MAX`] that were not read; never sent.
    pub left_out: usize,
}

/// A want, or the end of one. Priorities are sent as 1 and not read: answers go in the order of
/// the wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of which block.
    pub cid: Bytes,
    /// Whether the want ends.
    pub is_cancel: bool,
    /// How much is wanted.
    pub kind: WantKind,
    /// Whether its absence is to be told.
    pub send_dont_have: bool,
}

/// Ordered by how much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WantKind {
    /// Only whether it is there.
    Have,
    /// The bytes.
    Block,
}

/// A block: its CID without the digest, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its CID up to the digest.
    pub prefix: Bytes,
    /// Its bytes.
    pub data: Bytes,
}

/// Whether the sender holds a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Of which block.
    pub cid: Bytes,
    /// Whether the sender holds it.
    pub is_held: bool,
}

/// The id of a received block. Cost: one hash.
///
/// # Errors
/// As [`ContentId::from_bytes`]; [`CidError::OtherKind`] when the hash is not sha2-256.
pub fn id_of(prefix: &[u8], data: &[u8]) -> Result<ContentId, CidError> {
    let mut rest = prefix;
    let mut numbers = [0_u64; 4]; // version, codec, hash code, digest bytes
    for number in &mut numbers {
        let (value, length) = varint(rest).ok_or(CidError::Malformed)?;
        (*number, rest) = (value, &rest[length..]);
    }
    if !rest.is_empty() {
        return Err(CidError::Malformed);
    }
    if numbers[2..] != [0x12, 32] {
        return Err(CidError::OtherKind);
    }
    ContentId::from_bytes(&[prefix, Sha256::digest(data).as_slice()].concat())
}

/// The prefix under which a block of this id is sent.
pub fn prefix_of(id: ContentId) -> Bytes {
    let cid = id.to_bytes();
    let head = cid.len().saturating_sub(id.digest().len());
    Bytes::from(cid).slice(..head)
}

impl Message {
    /// The bytes, without the length before them. The wantlist is always written: Kubo before
    /// 0.38 crashes without it (litep2p issue 457).
    pub fn encode(&self) -> Vec<u8> {
        let data: usize = self.blocks.iter().map(|block| block.data.len()).sum();
        let items = self.entries.len() + self.blocks.len() + self.presences.len();
        let mut out = Vec::with_capacity(data + 64 * items + 8);
        let mut list = Vec::with_capacity(64 * self.entries.len());
        let mut item = Vec::with_capacity(64);
        for entry in &self.entries {
            entry.encode(&mut item);
            put_bytes(&mut list, 1, &item);
        }
        put_number(&mut list, 2, u64::from(self.is_full));
        put_bytes(&mut out, 1, &list);
        for block in &self.blocks {
            item.clear();
            put_bytes(&mut item, 1, &block.prefix);
            put_bytes(&mut item, 2, &block.data);
            put_bytes(&mut out, 3, &item);
        }
        for presence in &self.presences {
            item.clear();
            put_bytes(&mut item, 1, &presence.cid);
            put_number(&mut item, 2, u64::from(!presence.is_held));
            put_bytes(&mut out, 4, &item);
        }
        out
    }

    /// Reads a message; what it holds are slices of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut message = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(list)) => message.read_wantlist(bytes, list)?,
                (3, Value::Bytes(item)) => {
                    let block = Block::decode(bytes, item)?;
                    push(&mut message.blocks, Some(block), &mut message.left_out);
                }
                (4, Value::Bytes(item)) => {
                    let presence = Presence::decode(bytes, item)?;
                    push(&mut message.presences, presence, &mut message.left_out);
                }
                _ => {}
            }
        }
        Ok(message)
    }

    fn read_wantlist(&mut self, whole: &Bytes, list: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(list) {
            match field? {
                (1, Value::Bytes(item)) => {
                    let entry = Entry::decode(whole, item)?;
                    push(&mut self.entries, entry, &mut self.left_out);
                }
                (2, Value::Number(value)) => self.is_full = value != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        put_bytes(out, 1, &self.cid);
        put_number(out, 2, 1);
        put_number(out, 3, u64::from(self.is_cancel));
        put_number(out, 4, u64::from(self.kind == WantKind::Have));
        put_number(out, 5, u64::from(self.send_dont_have));
    }

    /// `None` for an entry without a CID or of an unknown type.
    fn decode(whole: &Bytes, item: &[u8]) -> Result<Option<Self>, Malformed> {
        let (mut is_cancel, mut send_dont_have) = (false, false);
        let (mut cid, mut kind) = (&item[..0], 0);
        for field in Fields::of(item) {
            match field? {
                (1, Value::Bytes(bytes)) => cid = bytes,
                (3, Value::Number(value)) => is_cancel = value != 0,
                (4, Value::Number(value)) => kind = value,
                (5, Value::Number(value)) => send_dont_have = value != 0,
                _ => {}
            }
        }
        let kind = match kind {
            0 => WantKind::Block,
            1 => WantKind::Have,
            _ => return Ok(None),
        };
        let entry = |cid| Self { cid, is_cancel, kind, send_dont_have };
        Ok(sound_cid(whole, cid).map(entry))
    }
}

impl Block {
    fn decode(whole: &Bytes, item: &[u8]) -> Result<Self, Malformed> {
        let (mut prefix, mut data) = (&item[..0], &item[..0]);
        for field in Fields::of(item) {
            match field? {
                (1, Value::Bytes(bytes)) => prefix = bytes,
                (2, Value::Bytes(bytes)) => data = bytes,
                _ => {}
            }
        }
        Ok(Self { prefix: whole.slice_ref(prefix), data: whole.slice_ref(data) })
    }
}

impl Presence {
    /// `None` for a presence without a CID or of an unknown type.
    fn decode(whole: &Bytes, item: &[u8]) -> Result<Option<Self>, Malformed> {
        let (mut cid, mut kind) = (&item[..0], 0);
        for field in Fields::of(item) {
            match field? {
                (1, Value::Bytes(bytes)) => cid = bytes,
                (2, Value::Number(value)) => kind = value,
                _ => {}
            }
        }
        let presence = |cid| Self { cid, is_held: kind == 0 };
        Ok(sound_cid(whole, cid).filter(|_| kind <= 1).map(presence))
    }
}

fn sound_cid(whole: &Bytes, cid: &[u8]) -> Option<Bytes> {
    (1..=CID_BYTES_MAX).contains(&cid.len()).then(|| whole.slice_ref(cid))
}

fn push<T>(list: &mut Vec<T>, item: Option<T>, left_out: &mut usize) {
    match item {
        Some(item) if list.len() < ITEMS_MAX => list.push(item),
        Some(_) => *left_out += 1,
        None => {}
    }
}

#[cfg(test)]
mod tests;
