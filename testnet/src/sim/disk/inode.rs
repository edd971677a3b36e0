//! The bytes of one file: as they are read, as they are durable, and what lies between.

use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// One change that is not durable yet.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Size(usize),
}

/// One file.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// How much of what was not synced a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// Each sector in some version of its own, each change of size up to some one.
    Some,
}

impl Left {
    /// What it is this time: half of the crashes tear.
    pub fn draw(rng: &mut StdRng) -> Self {
        [Left::Nothing, Left::All, Left::Some, Left::Some][rng.random_range(0..4)]
    }
}

impl Inode {
    /// Its bytes as they are read.
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Its bytes as a crash that leaves nothing leaves them.
    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Whether all of it is durable.
    pub fn is_synced(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes, growing the file where it has to.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.seen.len() {
            self.resize(end);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    /// Cuts it, or grows it by zeros.
    pub fn resize(&mut self, bytes: usize) {
        self.seen.resize(bytes, 0);
        self.pending.push(Change::Size(bytes));
    }

    /// All of it is durable now.
    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { offset, bytes } => {
                    self.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
                Change::Size(bytes) => self.durable.resize(bytes, 0),
            }
        }
    }

    /// Power is lost: what was not synced is durable in parts, and only that is left.
    pub fn crash(&mut self, left: Left, rng: &mut StdRng) {
        self.sync_some(left, left, rng);
        self.seen.clone_from(&self.durable);
    }

    /// A sync has failed: parts are durable, and what is read still looks as if all of it were.
    /// Sizes do not lie: a file system that can't write them ends.
    pub fn sync_badly(&mut self, rng: &mut StdRng) {
        self.sync_some(Left::draw(rng), Left::All, rng);
    }

    fn sync_some(&mut self, left: Left, left_sizes: Left, rng: &mut StdRng) {
        let pending = std::mem::take(&mut self.pending);
        let mut versions: BTreeMap<usize, usize> = BTreeMap::new();
        let mut sizes = 0;
        for change in &pending {
            match change {
                Change::Write { offset, bytes } => {
                    for sector in sectors(*offset, bytes.len()) {
                        *versions.entry(sector).or_insert(0) += 1;
                    }
                }
                Change::Size(_) => sizes += 1,
            }
        }
        // From here on: how many versions of each sector, and of the size, still get there.
        let mut keep = |left: Left, count: &mut usize| {
            *count = match left {
                Left::Nothing => 0,
                Left::All => *count,
                Left::Some => rng.random_range(0..=*count),
            };
        };
        keep(left_sizes, &mut sizes);
        versions.values_mut().for_each(|count| keep(left, count));
        for change in pending {
            match change {
                Change::Write { offset, bytes } => self.write_some(offset, &bytes, &mut versions),
                Change::Size(bytes) if sizes > 0 => {
                    sizes -= 1;
                    self.durable.resize(bytes, 0);
                }
                Change::Size(_) => {}
            }
        }
    }

    /// Makes those sectors of a write durable of which a version is left, as far as the size goes.
    fn write_some(&mut self, offset: usize, bytes: &[u8], left: &mut BTreeMap<usize, usize>) {
        for sector in sectors(offset, bytes.len()) {
            let versions = left.get_mut(&sector).expect("counted before");
            if *versions == 0 {
                continue;
            }
            *versions -= 1;
            let from = offset.max(sector * SECTOR_BYTES);
            let end = (offset + bytes.len()).min((sector + 1) * SECTOR_BYTES);
            let end = end.min(self.durable.len());
            if from < end {
                self.durable[from..end].copy_from_slice(&bytes[from - offset..end - offset]);
            }
        }
    }

    /// A bit of what is durable turns.
    pub fn flip(&mut self, byte: usize, bit: u8) {
        assert!(self.pending.is_empty(), "nobody writes it");
        self.durable[byte] ^= 1 << bit;
        self.seen.clone_from(&self.durable);
    }

    /// The bytes of one sector come where another one's belong; a file may end within its last one.
    pub fn misdirect(&mut self, from: usize, to: usize) {
        assert!(self.pending.is_empty(), "nobody writes it");
        let bytes = self.durable.len();
        let of = |sector: usize| {
            (sector * SECTOR_BYTES).min(bytes)..((sector + 1) * SECTOR_BYTES).min(bytes)
        };
        let (from, to) = (of(from), of(to));
        let length = from.len().min(to.len());
        self.durable.copy_within(from.start..from.start + length, to.start);
        self.seen.clone_from(&self.durable);
    }
}

fn sectors(offset: usize, bytes: usize) -> std::ops::Range<usize> {
    offset / SECTOR_BYTES..(offset + bytes).div_ceil(SECTOR_BYTES)
}
