//! A simulated journal: what is written and not synced may be lost at a crash, from some record on.

use consensus::Record;
use rand::RngExt;
use rand::rngs::StdRng;

/// The records of one node, encoded.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    records: Vec<(u8, Vec<u8>)>,
    synced: usize,
    is_syncing: bool,
}

impl Disk {
    /// Writes a record; it is durable after a later sync.
    pub fn append(&mut self, record: &Record) {
        self.records.push((record.kind(), record.payload()));
    }

    /// Begins a sync of all that is written, if there is need and none is running; it ends with
    /// [`Disk::synced_to`].
    pub fn begin_sync(&mut self) -> Option<usize> {
        if self.is_syncing || self.is_durable() {
            return None;
        }
        self.is_syncing = true;
        Some(self.records.len())
    }

    /// A sync has ended.
    pub fn synced_to(&mut self, count: usize) {
        self.is_syncing = false;
        self.synced = self.synced.max(count);
    }

    /// Power is lost: some of what was not synced is gone, the rest happens to be there.
    pub fn crash(&mut self, rng: &mut StdRng) {
        let kept = rng.random_range(self.synced..=self.records.len());
        self.records.truncate(kept);
        self.synced = kept;
        self.is_syncing = false;
    }

    /// How many records are written.
    pub fn written(&self) -> usize {
        self.records.len()
    }

    /// How many records are durable.
    pub fn synced(&self) -> usize {
        self.synced
    }

    /// Whether all that is written is durable.
    pub fn is_durable(&self) -> bool {
        self.synced == self.records.len()
    }

    /// What a restart reads.
    pub fn read(&self) -> impl Iterator<Item = Record> + '_ {
        let read = |(kind, payload): &(u8, Vec<u8>)| {
            Record::read(*kind, payload).expect("it wrote that itself").expect("of a known kind")
        };
        self.records.iter().map(read)
    }
}
