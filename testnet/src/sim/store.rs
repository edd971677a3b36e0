//! One node's store: the real journal with its marks over a simulated disk, driven in virtual time.
//! What the node's driver does with `Store` and the journal's thread, this does step by step.

use super::disk::SimDisk;
use consensus::Record;
use ledger::{Keypair, NetworkId};
use node::journal::{Damage, Disk, Journal, Next, Options, Writer};
use node::store::{self, Home, OpenError, Started, first_start};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where a node's home is on its disk.
const HOME: &str = "/home";
/// Byte of a segment's first record, and bytes of a record's hash, for a planted bug.
const FIRST_RECORD: usize = 12 * 1024;
const HASH_BYTES: usize = 32;

/// What the store waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A sync has begun.
    Sync,
    /// This time of the node's clock, µs.
    Until(u64),
}

/// What an open store has found.
#[derive(Debug)]
pub struct Found {
    /// Each record as the journal shows it.
    pub rows: Vec<(u8, Vec<u8>)>,
    /// What is wrong with the journal.
    pub damage: Option<Damage>,
    /// Why this member may never vote, if so.
    pub silence: Option<store::Silence>,
}

/// A disk, and the journal on it while the node runs.
pub struct Store {
    /// The disk.
    pub disk: SimDisk,
    journal: Option<Journal>,
    writer: Option<Writer>,
    is_syncing: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a store of {} durable records", self.durable())
    }
}

impl Store {
    /// A disk with a home, in which a first start is permitted; no journal yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(seed: u64, network: &NetworkId, keypair: &Keypair) -> std::io::Result<Self> {
        let store =
            Self { disk: SimDisk::default(), journal: None, writer: None, is_syncing: false };
        store.disk.image().seed(seed);
        store.permit(network, keypair)?;
        Ok(store)
    }

    /// Permits a first start.
    ///
    /// # Errors
    /// The disk's.
    pub fn permit(&self, network: &NetworkId, keypair: &Keypair) -> std::io::Result<()> {
        self.disk.create_dir(Path::new(HOME))?;
        first_start::permit_on(&self.disk, Path::new(HOME), network, keypair)
    }

    /// The process ends, however; nothing more is written.
    pub fn close(&mut self) {
        (self.journal, self.writer, self.is_syncing) = (None, None, false);
    }

    /// The process starts, as a node does.
    ///
    /// # Errors
    /// What stops a node from starting.
    pub fn open(
        &mut self,
        keypair: &Keypair,
        network: &NetworkId,
        options: Options,
    ) -> Result<Found, OpenError> {
        self.close();
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let home = Home { disk: &disk, path: Path::new(HOME), network, keypair };
        let mut rows = Vec::new();
        let started = store::start(home, options, &mut |_, kind, payload| {
            rows.push((kind, payload.to_vec()));
        })?;
        let Started { journal, writer, opened, silence } = started;
        (self.journal, self.writer) = (Some(journal), writer);
        Ok(Found { rows, damage: opened.damage, silence })
    }

    /// Leaves the mark that this member never votes.
    ///
    /// # Errors
    /// The disk's.
    pub fn silence(&self, silence: &store::Silence) -> std::io::Result<()> {
        silence.keep_on(&self.disk, Path::new(HOME))
    }

    /// Appends a record; how many are durable when it is. `None` when the journal takes nothing.
    pub fn append(&self, record: &Record) -> Option<u64> {
        let journal = self.journal.as_ref()?;
        let ticket = journal.append(record.kind(), record.payload()).ok()?;
        Some(ticket.sequence + 1)
    }

    /// Somebody waits until so many records are durable.
    pub fn hurry(&self, records: u64) {
        if let (Some(journal), Some(last)) = (&self.journal, records.checked_sub(1)) {
            journal.hurry(last);
        }
    }

    /// Records that are durable.
    pub fn durable(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::durable)
    }

    /// Whether the disk has failed.
    pub fn is_failed(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.watch().borrow().failed.is_some())
    }

    /// Does what can be done now; what it then waits for, if anything. A sync that it waits for
    /// ends with [`Store::synced`].
    pub fn work(&mut self, now_us: u64) -> Option<Waits> {
        let writer = self.writer.as_mut().filter(|_| !self.is_syncing)?;
        loop {
            match writer.step(Duration::from_micros(now_us)) {
                Next::Sync => {
                    self.is_syncing = true;
                    return Some(Waits::Sync);
                }
                Next::Again => {}
                Next::Wait(Some(until)) => {
                    let until_us = u64::try_from(until.as_micros()).expect("a short run");
                    return Some(Waits::Until(until_us));
                }
                Next::Wait(None) | Next::End => return None,
            }
        }
    }

    /// The disk has had its time: what was written is synced, or not.
    pub fn synced(&mut self, now_us: u64) {
        self.is_syncing = false;
        if let Some(writer) = &mut self.writer {
            writer.step(Duration::from_micros(now_us));
        }
    }

    /// Writes and syncs everything, as a node does that ends in good order.
    pub fn finish(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let mut now = Duration::ZERO;
        loop {
            match writer.step(now) {
                Next::Sync | Next::Again => {}
                Next::Wait(Some(until)) => now = until,
                Next::Wait(None) | Next::End => return,
            }
        }
    }

    /// The records in order as a planted bug reads them: no hash is compared.
    pub fn unchecked(&self) -> Vec<(u8, Vec<u8>)> {
        let mut rows = Vec::new();
        for file in self.disk.image().files("/home/journal/") {
            let mut rest = file.seen().get(FIRST_RECORD..).unwrap_or_default();
            while let Some((head, after)) = rest.split_first_chunk::<5>() {
                let bytes = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                if *head == [0; 5] || bytes > after.len().saturating_sub(HASH_BYTES) {
                    break;
                }
                rows.push((head[4], after[..bytes].to_vec()));
                rest = &after[bytes + HASH_BYTES..];
            }
        }
        rows
    }

    /// A planted bug: the mark of silence does not outlive the process.
    pub fn forget_silence(&self) {
        // Without a mark there is nothing to forget.
        drop(self.disk.remove(&Path::new(HOME).join("silent")));
    }
}

#[cfg(test)]
mod tests;
