//! Blocks and pins in memory: for simulations, for tests, and for nodes that keep nothing.

use std::{collections::BTreeMap, ops::Bound};

use parking_lot::Mutex;

use crate::{
    BlockError, Blocks, Codec, Content, ContentId, LIST_COUNT_MAX, Label, Pin, PinError, Pins,
    Usage,
    blockstore::{size_of, verified},
    pins::missing,
};

/// Both traits over two maps under one mutex. Gone when dropped.
pub struct Memory {
    held: Mutex<Held>,
}

struct Held {
    /// By digest: the same bytes under two codecs are one block.
    blocks: BTreeMap<[u8; 32], Vec<u8>>,
    pins: BTreeMap<ContentId, Label>,
    /// Always the count and sum of `blocks`. Written by `put` and `remove`.
    usage: Usage,
}

impl Memory {
    /// An empty store that takes up to `bytes_max` bytes of blocks.
    pub fn new(bytes_max: u64) -> Self {
        let usage = Usage { count: 0, bytes: 0, bytes_max };
        let held = Held { blocks: BTreeMap::new(), pins: BTreeMap::new(), usage };
        Self { held: Mutex::new(held) }
    }

    /// Flips a bit of a block behind the store's back.
    #[cfg(test)]
    pub(crate) fn flip(&self, id: ContentId) {
        let mut held = self.held.lock();
        held.blocks.get_mut(id.digest()).expect("held")[0] ^= 4;
    }

    /// The digests of all blocks, as raw ids.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> Vec<ContentId> {
        self.held.lock().blocks.keys().copied().map(ContentId::from_digest).collect()
    }
}

impl Blocks for Memory {
    fn put(&self, content: &Content) -> Result<(), BlockError> {
        let mut held = self.held.lock();
        let old = held.blocks.get(content.id().digest()).map(|old| size_of(old));
        held.usage = held.usage.after_put(old, size_of(content.bytes()))?;
        held.blocks.insert(*content.id().digest(), content.bytes().to_vec());
        Ok(())
    }

    fn get(&self, id: ContentId) -> Result<Option<Content>, BlockError> {
        let bytes = self.held.lock().blocks.get(id.digest()).cloned();
        bytes.map(|bytes| verified(id, bytes)).transpose()
    }

    fn size(&self, id: ContentId) -> Result<Option<u64>, BlockError> {
        Ok(self.held.lock().blocks.get(id.digest()).map(|bytes| size_of(bytes)))
    }

    fn remove(&self, id: ContentId) -> Result<bool, BlockError> {
        let mut held = self.held.lock();
        let under = |codec| ContentId::new(codec, *id.digest());
        let pins = held.pins.range(under(Codec::Raw)..=under(Codec::DagPb)).next();
        if let Some((id, _label)) = pins {
            return Err(BlockError::Pinned { id: *id });
        }
        let old = held.blocks.remove(id.digest());
        held.usage = held.usage.after_remove(old.as_deref().map(size_of));
        Ok(old.is_some())
    }

    fn usage(&self) -> Usage {
        self.held.lock().usage
    }
}

impl Pins for Memory {
    fn pin(&self, pins: &[Pin]) -> Result<(), PinError> {
        let mut held = self.held.lock();
        let labels: Vec<_> = pins.iter().map(|pin| held.pins.get(&pin.id).cloned()).collect();
        let new = missing(pins, &labels)?;
        held.pins.extend(new.into_iter().map(|(id, label)| (id, label.clone())));
        Ok(())
    }

    fn unpin(&self, ids: &[ContentId]) -> Result<(), PinError> {
        let mut held = self.held.lock();
        for id in ids {
            held.pins.remove(id);
        }
        Ok(())
    }

    fn labels(&self, ids: &[ContentId]) -> Result<Vec<Option<Label>>, PinError> {
        let held = self.held.lock();
        Ok(ids.iter().map(|id| held.pins.get(id).cloned()).collect())
    }

    fn list(&self, after: Option<ContentId>, count_max: usize) -> Result<Vec<Pin>, PinError> {
        let held = self.held.lock();
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = held.pins.range((first, Bound::Unbounded)).take(count_max.min(LIST_COUNT_MAX));
        Ok(behind.map(|(id, label)| Pin { id: *id, label: label.clone() }).collect())
    }
}
