//! Blocks: bytes that are stored under their own hash. The trait, its types, and blocks on sled.

use crate::{
    BlockError, Codec, ContentError, ContentId, Sled,
    disk::{block_key, id_of_pin_key, pins_prefix},
};

/// The most bytes one block may have: 1 MiB, what IPFS peers accept from each other (the Bitswap
/// specification allows 2 MiB messages and asks for blocks of at most half).
pub const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Bytes together with the id that they hash to; nothing else can be put into a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Always the hash of `bytes`. Written by `of_codec`, `claimed` and `verified` only.
    id: ContentId,
    bytes: Vec<u8>,
}

impl Content {
    /// Raw bytes of our own. Cost: one hash.
    ///
    /// # Errors
    /// [`ContentError::TooLarge`] over [`BLOCK_BYTES_MAX`].
    pub fn of(bytes: impl Into<Vec<u8>>) -> Result<Self, ContentError> {
        Self::of_codec(Codec::Raw, bytes)
    }

    /// Bytes of our own, to be read by this codec; whether they can be is not looked at. Cost: one
    /// hash.
    ///
    /// # Errors
    /// As [`Content::of`].
    pub fn of_codec(codec: Codec, bytes: impl Into<Vec<u8>>) -> Result<Self, ContentError> {
        let bytes = bytes.into();
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(ContentError::TooLarge { bytes: bytes.len() });
        }
        Ok(Self { id: ContentId::of_codec(codec, &bytes), bytes })
    }

    /// Bytes that came from elsewhere under a name. Cost: one hash.
    ///
    /// # Errors
    /// [`ContentError::Mismatch`] when the name is not theirs; as [`Content::of`].
    pub fn claimed(id: ContentId, bytes: impl Into<Vec<u8>>) -> Result<Self, ContentError> {
        let content = Self::of_codec(id.codec(), bytes)?;
        if content.id == id {
            Ok(content)
        } else {
            Err(ContentError::Mismatch { claimed: id, found: content.id })
        }
    }

    /// The name.
    pub fn id(&self) -> ContentId {
        self.id
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A store of blocks; the contract stands in the crate's documentation.
///
/// Blocks are held by their digest, as Kubo does: the same bytes under two codecs are one block.
pub trait Blocks: Send + Sync {
    /// Stores a block; one that is held already costs nothing, one that is corrupt is healed.
    ///
    /// # Errors
    /// [`BlockError::Full`] over the quota: refused, nothing is evicted to make room.
    fn put(&self, content: &Content) -> Result<(), BlockError>;

    /// The block, hashed again as it is read; `None` when it is not held.
    ///
    /// # Errors
    /// [`BlockError::Corrupt`] when the stored bytes are not what the id names.
    fn get(&self, id: ContentId) -> Result<Option<Content>, BlockError>;

    /// The stored block's size in bytes, unverified; `None` when it is not held.
    fn size(&self, id: ContentId) -> Result<Option<u64>, BlockError>;

    /// Removes a block; says whether it was held.
    ///
    /// # Errors
    /// [`BlockError::Pinned`] while it is pinned, under whatever codec.
    fn remove(&self, id: ContentId) -> Result<bool, BlockError>;

    /// How much is held, and how much may be.
    fn usage(&self) -> Usage;
}

/// What the blocks of a store take; keys, pins and the database's own overhead are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many blocks.
    pub count: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// The quota on `bytes`.
    pub bytes_max: u64,
}

impl Usage {
    /// The usage after a block of `new` bytes has taken the place of one of `old` bytes, if any.
    pub(crate) fn after_put(self, old: Option<u64>, new: u64) -> Result<Self, BlockError> {
        let kept = self.after_remove(old);
        let full = BlockError::Full {
            bytes_used: self.bytes,
            bytes_wanted: new,
            bytes_max: self.bytes_max,
        };
        match kept.bytes.checked_add(new) {
            Some(bytes) if bytes <= self.bytes_max => {
                Ok(Self { count: kept.count.saturating_add(1), bytes, ..self })
            }
            _ => Err(full),
        }
    }

    /// The usage after a block of `old` bytes, if any, has gone. Saturates, because a damaged
    /// counter on disk must not stop a removal.
    pub(crate) fn after_remove(self, old: Option<u64>) -> Self {
        old.map_or(self, |old| Self {
            count: self.count.saturating_sub(1),
            bytes: self.bytes.saturating_sub(old),
            ..self
        })
    }
}

/// A length in memory as a number for the disk.
pub(crate) fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("no machine has more than 2^64 bytes")
}

/// What was read for `id`, hashed again: the one way out of every store.
pub(crate) fn verified(id: ContentId, bytes: Vec<u8>) -> Result<Content, BlockError> {
    let found = ContentId::of_codec(id.codec(), &bytes);
    if found == id { Ok(Content { id, bytes }) } else { Err(BlockError::Corrupt { id, found }) }
}

/// Cost: a row of 256 KiB takes 2 to 3 ms of CPU in sled (measured on the 2-core machine), so big
/// content comes here off the vote's path.
impl Blocks for Sled {
    fn put(&self, content: &Content) -> Result<(), BlockError> {
        let key = block_key(content.id());
        let mut usage = self.writer();
        let old = self.on_tree(|tree| tree.get(key))?;
        if old.as_deref() == Some(content.bytes()) {
            return Ok(());
        }
        let next = usage.after_put(old.as_deref().map(size_of), size_of(content.bytes()))?;
        let mut batch = sled::Batch::default();
        batch.insert(key.as_slice(), content.bytes());
        self.write(batch, &mut usage, next)?;
        Ok(())
    }

    fn get(&self, id: ContentId) -> Result<Option<Content>, BlockError> {
        let row = self.on_tree(|tree| tree.get(block_key(id)))?;
        row.map(|bytes| verified(id, bytes.to_vec())).transpose()
    }

    fn size(&self, id: ContentId) -> Result<Option<u64>, BlockError> {
        let row = self.on_tree(|tree| tree.get(block_key(id)))?;
        Ok(row.as_deref().map(size_of))
    }

    fn remove(&self, id: ContentId) -> Result<bool, BlockError> {
        let key = block_key(id);
        let mut usage = self.writer();
        // A damaged pin counts as one: what it says is not known, and not known is not no.
        let pins = self.on_tree(|tree| tree.scan_prefix(pins_prefix(id)).next().transpose())?;
        if let Some((pin, _label)) = pins {
            return Err(BlockError::Pinned { id: id_of_pin_key(&pin).unwrap_or(id) });
        }
        let Some(old) = self.on_tree(|tree| tree.get(key))? else {
            return Ok(false);
        };
        let next = usage.after_remove(Some(size_of(&old)));
        let mut batch = sled::Batch::default();
        batch.remove(key.as_slice());
        self.write(batch, &mut usage, next)?;
        Ok(true)
    }

    fn usage(&self) -> Usage {
        *self.writer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_hashed_or_refused() {
        let id = ContentId::of(b"hello");
        assert_eq!(Content::claimed(id, b"hello").map(Content::into_bytes), Ok(b"hello".to_vec()));
        let found = ContentId::of(b"hellp");
        let mismatch = ContentError::Mismatch { claimed: id, found };
        assert_eq!(Content::claimed(id, b"hellp"), Err(mismatch));
    }

    #[test]
    fn a_block_over_the_limit_is_refused() {
        assert!(Content::of(vec![0; BLOCK_BYTES_MAX]).is_ok());
        let bytes = BLOCK_BYTES_MAX + 1;
        assert_eq!(Content::of(vec![0; bytes]), Err(ContentError::TooLarge { bytes }));
    }
}
