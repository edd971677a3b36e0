//! Making room: removes the blocks that no pin keeps, such as those of gets long ago and of puts
//! that failed. Nobody calls this but the owner of the store, when it is full and nothing is under
//! way.

use std::ops::Bound;

use crate::{BlockError, Blocks, ContentId, Sled, disk::block_key};

/// Keys read at once: 33 KB.
const PAGE: usize = 1_000;

impl Sled {
    /// Removes every block that is not pinned under any codec; returns how many bytes that were.
    /// Cost: reads every block's row.
    ///
    /// # Errors
    /// [`BlockError::Store`].
    pub fn remove_unpinned(&self) -> Result<u64, BlockError> {
        let before = self.usage().bytes;
        let mut after = Bound::Included(block_key(ContentId::from_digest([0; 32])).to_vec());
        let end = block_key(ContentId::from_digest([0xff; 32])).to_vec();
        loop {
            let range = (after, Bound::Included(end.clone()));
            let page = self.on_tree(|tree| {
                tree.range(range).keys().take(PAGE).collect::<sled::Result<Vec<sled::IVec>>>()
            })?;
            let Some(last) = page.last() else { break };
            after = Bound::Excluded(last.to_vec());
            for key in &page {
                let Some(digest) = key.get(1..).and_then(|digest| digest.try_into().ok()) else {
                    continue;
                };
                match self.remove(ContentId::from_digest(digest)) {
                    Ok(_) | Err(BlockError::Pinned { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(before.saturating_sub(self.usage().bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Content, Label, Pin, Pins};

    #[test]
    fn what_is_pinned_stays_and_all_else_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sled::open(folder.path(), 1 << 20).expect("it opens");
        let block = |number: u32| Content::of(number.to_be_bytes().to_vec()).expect("small");
        for number in 0..2_500 {
            store.put(&block(number)).expect("it fits");
        }
        let label = Label::new(b"why").expect("short");
        // One of them under another codec: the bytes are the same.
        let kept = ContentId::new(Codec::DagPb, *block(8).id().digest());
        let pins = [block(7).id(), kept].map(|id| Pin { id, label: label.clone() });
        store.pin(&pins).expect("pinned");
        assert_eq!(store.remove_unpinned(), Ok(2_498 * 4));
        assert_eq!(store.usage().count, 2);
        assert_eq!(store.get(block(7).id()), Ok(Some(block(7))));
        assert_eq!(store.remove_unpinned(), Ok(0));
    }
}
