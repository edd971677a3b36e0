//! The rows: for each key who provides it, as small as may be, and never a scan.
//!
//! ```text
//! keyed 64-bit hash of the key ──▶ row number ──▶ 48 bytes: key, two slots
//!        13 bytes a bucket                              └─▶ a third provider and more: beside
//! ```
//!
//! Rows stay where they are, so that a sweep and a rewrite of the log can walk them in pieces. Keys
//! come from peers; the hash is keyed, so that nobody can make them collide. Should two keys share
//! 64 bits all the same, the second is refused (odds: 1 in 10^8 for a full index).
//!
//! Memory per key with one or two providers: 48 bytes and 15 to 30 for the bucket (a test
//! measures: 75 at 500,000 keys).

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::ContentId;

/// Rows that are allocated at a time, and walked under one lock when the log is rewritten.
pub(super) const PAGE_ROWS: usize = 4_096;
/// Providers in the row itself.
const INLINE: usize = 2;

/// One provider of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    /// The peer's number.
    pub peer: u32,
    /// Unix seconds; 0 is an empty slot. Lasts until 2106.
    pub expires: u32,
}

impl Slot {
    pub fn is_live(&self, now: u64) -> bool {
        u64::from(self.expires) > now
    }
}

#[derive(Clone, Copy)]
struct Row {
    key: [u8; 32],
    /// Filled from the left; all empty: the row is free.
    slots: [Slot; INLINE],
}

#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    numbers: HashMap<[u32; 2], u32>,
    /// Each of up to [`PAGE_ROWS`]; all but the last are full.
    pages: Vec<Vec<Row>>,
    /// The numbers of free rows.
    free: Vec<u32>,
    /// The providers of a row behind the first [`INLINE`].
    more: HashMap<u32, Vec<Slot>>,
    /// Always the count of all filled slots. Written by `insert` and `set`.
    records: usize,
    /// Where the next sweep goes on.
    cursor: usize,
}

impl Index {
    /// Keys.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Pairs of a key and a provider.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The key's row. Cost: one look-up in a hash map.
    pub fn row(&self, key: &ContentId) -> Option<u32> {
        let row = *self.numbers.get(&self.hash(key))?;
        (self.at(row).key == *key.digest()).then_some(row)
    }

    /// The providers of a row, first come first; they may have expired. None: the row is free.
    pub fn slots(&self, row: u32) -> impl Iterator<Item = Slot> + '_ {
        let inline = self.at(row).slots;
        let more = if inline[INLINE - 1] == Slot::default() { None } else { self.more.get(&row) };
        let filled = inline.into_iter().filter(|slot| *slot != Slot::default());
        filled.chain(more.into_iter().flatten().copied())
    }

    /// A new key with its first provider; false when its hash is another key's.
    pub fn insert(&mut self, key: &ContentId, slot: Slot) -> bool {
        let hash = self.hash(key);
        if self.numbers.contains_key(&hash) {
            return false;
        }
        let row = Row { key: *key.digest(), slots: [slot, Slot::default()] };
        let number = match self.free.pop() {
            Some(number) => {
                *self.at_mut(number) = row;
                number
            }
            None => self.push(row),
        };
        self.numbers.insert(hash, number);
        self.records += 1;
        true
    }

    /// Replaces a row's providers; none at all free it.
    pub fn set(&mut self, row: u32, slots: &[Slot]) {
        self.records = self.records - self.slots(row).count() + slots.len();
        let (inline, more) = slots.split_at(slots.len().min(INLINE));
        let held = self.at_mut(row);
        held.slots = [Slot::default(); INLINE];
        held.slots[..inline.len()].copy_from_slice(inline);
        let key = ContentId::from_digest(held.key);
        if more.is_empty() {
            self.more.remove(&row);
        } else {
            self.more.insert(row, more.to_vec());
        }
        if slots.is_empty() {
            self.numbers.remove(&self.hash(&key));
            self.free.push(row);
        }
    }

    /// The next row of a walk around all rows; `None` when there are none. It may be free.
    pub fn next_row(&mut self) -> Option<u32> {
        let count = self.rows();
        if count == 0 {
            return None;
        }
        let row = self.cursor % count;
        self.cursor = row + 1;
        Some(number(row))
    }

    /// Rows, free ones with them.
    pub fn rows(&self) -> usize {
        let full = self.pages.len().saturating_sub(1) * PAGE_ROWS;
        full + self.pages.last().map_or(0, Vec::len)
    }

    /// The keys and rows of one page; `None` behind the last.
    pub fn page(&self, page: usize) -> Option<impl Iterator<Item = (ContentId, u32)> + '_> {
        let rows = self.pages.get(page)?.iter().enumerate();
        Some(
            rows.map(move |(at, row)| {
                (ContentId::from_digest(row.key), number(page * PAGE_ROWS + at))
            }),
        )
    }

    fn push(&mut self, row: Row) -> u32 {
        if self.pages.last().is_none_or(|page| page.len() == PAGE_ROWS) {
            self.pages.push(Vec::with_capacity(PAGE_ROWS));
        }
        let number = number(self.rows());
        self.pages.last_mut().expect("a page was pushed if there was none").push(row);
        number
    }

    fn hash(&self, key: &ContentId) -> [u32; 2] {
        // Halves, because a pair of a u64 and a u32 would be padded to 16 bytes.
        let bytes = self.hasher.hash_one(key.digest()).to_be_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
    }

    fn at(&self, row: u32) -> &Row {
        let row = usize::try_from(row).expect("32 bits fit into usize");
        &self.pages[row / PAGE_ROWS][row % PAGE_ROWS]
    }

    fn at_mut(&mut self, row: u32) -> &mut Row {
        let row = usize::try_from(row).expect("32 bits fit into usize");
        &mut self.pages[row / PAGE_ROWS][row % PAGE_ROWS]
    }
}

fn number(row: usize) -> u32 {
    u32::try_from(row).expect("RECORDS_MAX_MAX rows fit into 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RECORDS_MAX_DEFAULT;

    fn key(seed: usize) -> ContentId {
        ContentId::of(&seed.to_be_bytes())
    }

    /// What the index has allocated, from the sizes and capacities of its parts.
    fn bytes(index: &Index) -> usize {
        let pages = index.pages.len() * PAGE_ROWS * size_of::<Row>();
        // A hash map fills 7 of 8 buckets at most and has one control byte for each.
        let buckets = index.numbers.capacity() * 8 / 7;
        let bucket = size_of::<([u32; 2], u32)>() + 1;
        pages + buckets * bucket + index.free.capacity() * size_of::<u32>()
    }

    #[test]
    fn a_key_with_two_providers_takes_less_than_100_bytes() {
        let mut index = Index::default();
        for count in 1..=RECORDS_MAX_DEFAULT {
            let slot = Slot { peer: 1, expires: 1 };
            assert!(index.insert(&key(count), slot));
            let row = index.row(&key(count)).expect("it was inserted");
            index.set(row, &[slot, Slot { peer: 2, expires: 1 }]);
            if count >= 10 * PAGE_ROWS && count % 1_000 == 0 {
                assert!(bytes(&index) <= 85 * count, "{} bytes, {count} keys", bytes(&index));
            }
        }
        let each = bytes(&index) / RECORDS_MAX_DEFAULT;
        assert!((70..=80).contains(&each), "{each} bytes a key, the documentation says 75");
        assert!(index.more.is_empty());
    }

    #[test]
    fn rows_are_used_again() {
        let mut index = Index::default();
        let slots: Vec<Slot> = (1..=5).map(|peer| Slot { peer, expires: 9 }).collect();
        for round in 0..3 {
            for seed in 0..100 {
                assert!(index.insert(&key(round * 100 + seed), slots[0]));
                let row = index.row(&key(round * 100 + seed)).expect("it was inserted");
                index.set(row, &slots);
                assert_eq!(index.slots(row).collect::<Vec<_>>(), slots);
            }
            assert_eq!((index.len(), index.records(), index.rows()), (100, 500, 100));
            for seed in 0..100 {
                let row = index.row(&key(round * 100 + seed)).expect("it was inserted");
                index.set(row, &[]);
                assert_eq!(index.slots(row).count(), 0);
                assert_eq!(index.row(&key(round * 100 + seed)), None);
            }
            assert_eq!((index.len(), index.records(), index.more.len()), (0, 0, 0));
        }
    }

    #[test]
    fn the_walk_goes_around() {
        let mut index = Index::default();
        assert_eq!(index.next_row(), None);
        (0..3).for_each(|seed| assert!(index.insert(&key(seed), Slot { peer: 0, expires: 1 })));
        let rows: Vec<_> = (0..5).map(|_| index.next_row()).collect();
        assert_eq!(rows, [0, 1, 2, 0, 1].map(Some));
        assert_eq!(index.page(0).map(Iterator::count), Some(3));
        assert!(index.page(1).is_none());
    }
}
