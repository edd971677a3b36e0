//! The journal: an append-only file of checksummed records, synced before any vote leaves.
//!
//! It is the truth of a node's disk: a vote waits until the records it stands on are durable here,
//! and everything else (the index, caches) is derived from it. It knows bytes, not ledgers.
//!
//! ```text
//!  append ──▶ queue (bounded) ──▶ writer thread: one write, one fdatasync per group
//!    │ place known at once             │  on a `Disk`: the system's, or the simulator's
//!    ▼                                 ▼ watch: `Durable { records, failed }`
//!  Ticket { sequence, location }     votes leave
//! ```
//!
//! **What is promised.** Each record is hashed onto the one before (`record`), from the network's
//! id on. The *head* (count, hash, end) is kept apart from the records (`head`), so that losing
//! records is told from not having written them. Bytes beyond the head that are not valid are a
//! crash and are cut; anything less than the head is `Damage`: what is valid can be read, nothing
//! appended, unless the operator accepts the amnesia. After a failed write or sync nothing is
//! retried.
//!
//! **What is not.** The head trails the newest group by one sync until the journal has been quiet
//! for 50 ms: damage *and* a crash within that time can take the last group unnoticed. An older
//! copy of the whole directory is a valid journal. A directory that is wholly gone looks new: who
//! opens with `create: true` has to know that it is (`store/first_start`).
//!
//! **Measured** (2 vCPU, virtual disk, ext4): append + fdatasync of 256 B, p50 / p99: growing file
//! 110-135 / 160-240 µs; fallocate 91 / 156; zero-filled 98 / 138, but 25-160 ms for each segment.
//! So segments are preallocated by fallocate, 0.15 ms each. The head's slot costs 4 µs of these.
//! `benches/journal.rs`, 240 B records, appended and waited for: 1 in 111 µs, 100 in 217 µs, 1,000
//! in 1.24 ms (805,000 records/s); a random read 0.9 µs (cached pages).
//!
//! Not here: who may open the directory (`store_lock`), what records mean (`store`).

mod disk;
mod error;
mod head;
mod location;
mod options;
mod queue;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

pub use disk::{Disk, DiskFile, FileHandle, System};
pub use error::{Damage, DamageKind, Failure, JournalError, Step};
pub use location::Location;
pub use options::{Opened, Options};
pub use record::RECORD_BYTES_MAX;
pub use verify::{Report, verify};
pub use writer::{Next, Writer};

use disk::read_exact;
use queue::{Bounds, Queue};
use reader::Reader;
use record::{Walk, length};
use recover::Active;
use scan::{Survey, Visit};
use segment::FIRST_RECORD;

/// Size of a segment unless told otherwise, in bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Most records that wait for the disk; with groups of 1,000 about a second of a slow disk.
pub const QUEUE_RECORDS_MAX: u64 = 65_536;
/// Most framed bytes that wait for the disk.
pub const QUEUE_BYTES_MAX: u64 = 64 << 20;

const _: () = assert!(QUEUE_BYTES_MAX > RECORD_BYTES_MAX, "the longest record must fit the queue");
const _: () = assert!(SEGMENT_BYTES > RECORD_BYTES_MAX + FIRST_RECORD, "and a segment");

/// What an appended record is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Records before it; it is durable once `Durable::records` is greater.
    pub sequence: u64,
    /// Where it can be read, from now on.
    pub location: Location,
}

/// How far the journal is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Records from the start that no crash takes any more. Never falls.
    pub records: u64,
    /// The failure after which it does not rise any more.
    pub failed: Option<Failure>,
}

/// Reads the records of the journal in `dir` in order, up to the first damage, and changes nothing.
///
/// # Errors
/// `OtherNetwork`, `OtherFormat`, `Io`.
pub fn read_all(
    dir: &Path,
    network: [u8; 32],
    visit: &mut dyn FnMut(Location, u8, &[u8]),
) -> Result<(), JournalError> {
    scan::survey(&System, dir, &network, visit).map(drop)
}

/// An open journal. Share it by reference or `Arc`; every method takes `&self`.
///
/// Dropping it writes and syncs what is queued, like `close`, but tells nobody of a failure.
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    queue: Arc<Queue>,
    reader: Reader,
    damage: Option<Damage>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens or creates the journal in `dir`, checking every record and showing each to `visit`
    /// (location, kind, payload) in order.
    ///
    /// A torn tail is cut and what remains is made durable. With damage that is not accepted the
    /// disk is left as it is and the journal is for reading only; `visit` then sees the records
    /// before the damage. Accepted damage is set aside in files named `.damaged-N`.
    /// Cost: reads every byte, about 1 s per GB hashed.
    ///
    /// # Errors
    /// `Missing`, `OtherNetwork`, `OtherFormat`, `Io`.
    pub fn open(
        dir: &Path,
        options: Options,
        visit: &mut dyn FnMut(Location, u8, &[u8]),
    ) -> Result<(Self, Opened), JournalError> {
        Self::open_on(Arc::new(System), dir, options, visit)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        visit: Visit<'_>,
    ) -> Result<(Self, Opened), JournalError> {
        let (mut journal, writer, opened) = Self::open_stepped(disk, dir, options, visit)?;
        journal.run(writer)?;
        Ok((journal, opened))
    }

    /// Starts the thread that writes, unless there is no writer.
    pub(crate) fn run(&mut self, writer: Option<Writer>) -> Result<(), JournalError> {
        let Some(writer) = writer else { return Ok(()) };
        assert!(self.thread.is_none(), "a journal has one writer");
        let builder = std::thread::Builder::new().name("journal".to_owned());
        let thread = builder.spawn(move || writer.run());
        self.thread = Some(thread.map_err(JournalError::io("starting the writer of", &self.dir))?);
        Ok(())
    }

    /// As [`Journal::open`], on any disk, and without a thread: what is appended is written and
    /// synced when the caller steps the writer. There is none when damage is not accepted.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_stepped(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        visit: Visit<'_>,
    ) -> Result<(Self, Option<Writer>, Opened), JournalError> {
        let Options { network, accept_damage, segment_bytes, .. } = options;
        match (disk.exists(dir), options.create) {
            (true, _) => {}
            (false, true) => disk.create_dir(dir).map_err(JournalError::io("creating", dir))?,
            (false, false) => return Err(JournalError::Missing { dir: dir.to_path_buf() }),
        }
        let survey = scan::survey(&*disk, dir, &network, visit)?;
        let is_new = survey.last.is_none() && survey.damage.is_none();
        if is_new && !options.create {
            return Err(JournalError::Missing { dir: dir.to_path_buf() });
        }
        let active = match &survey.damage {
            None => Some(recover::resume(&*disk, dir, &survey, network, segment_bytes)?),
            Some(_) if accept_damage => {
                Some(recover::accept(&*disk, dir, &survey, network, segment_bytes)?)
            }
            Some(_) => None,
        };
        let opened = Opened {
            records: survey.records,
            bytes: survey.bytes,
            torn_bytes_cut: match (&survey.damage, &survey.last) {
                (None, Some(last)) => last.torn_bytes,
                _ => 0,
            },
            damage: survey.damage.clone(),
        };
        let (journal, writer) = Self::assemble(disk, dir, &options, &survey, active);
        Ok((journal, writer, opened))
    }

    fn assemble(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &Options,
        survey: &Survey,
        active: Option<Active>,
    ) -> (Self, Option<Writer>) {
        let end = match (&active, &survey.last) {
            (Some(active), _) => {
                Location { segment: active.header.segment, offset: active.head.end }
            }
            (None, Some(last)) => Location { segment: last.header.segment, offset: last.end },
            (None, None) => Location::START,
        };
        let bounds = Bounds {
            records_max: options.queue_records_max,
            bytes_max: options.queue_bytes_max,
            segment_bytes: options.segment_bytes,
        };
        let queue = Arc::new(Queue::new(bounds, survey.records, end));
        let damage = if active.is_some() { None } else { survey.damage.clone() };
        let (bytes, dir) = (options.segment_bytes, dir.to_path_buf());
        let writer = active
            .map(|active| Writer::new(queue.clone(), disk.clone(), dir.clone(), bytes, active));
        let reader = Reader::new(disk.clone(), dir.clone());
        (Self { disk, dir, queue, reader, damage, thread: None }, writer)
    }

    /// Queues a record and assigns its place; it is durable once `durable()` exceeds the ticket's
    /// sequence. Records are written in the order of the tickets. Never waits for the disk. It is
    /// synced within some 20 ms, or at once when somebody waits for it or for a later one and says
    /// so with `hurry` or `wait_durable`.
    ///
    /// # Errors
    /// `TooLarge`; `Full` when the queue is (try again later, or refuse your own caller);
    /// `Damaged`; `Failed` once the disk has failed. After an error nothing was queued.
    pub fn append(&self, kind: u8, payload: impl Into<Bytes>) -> Result<Ticket, JournalError> {
        Ok(self.append_all(vec![(kind, payload.into())], false)?[0])
    }

    /// The same for many, (kind, payload) each, in this order: all or none. `is_urgent`: somebody
    /// waits for the last.
    ///
    /// # Errors
    /// As `append`.
    pub fn append_all(
        &self,
        records: Vec<(u8, Bytes)>,
        is_urgent: bool,
    ) -> Result<Vec<Ticket>, JournalError> {
        if let Some(damage) = &self.damage {
            return Err(JournalError::Damaged(damage.clone()));
        }
        let sizes = records.iter().map(|(_, payload)| length(payload.len()));
        if let Some(bytes) = sizes.max().filter(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(JournalError::TooLarge { bytes });
        }
        self.queue.push(records, is_urgent)
    }

    /// Makes record `sequence` and all before it durable as soon as the disk can.
    pub fn hurry(&self, sequence: u64) {
        self.queue.hurry(sequence);
    }

    /// Records that are durable. After opening: all that were found.
    pub fn durable(&self) -> u64 {
        self.queue.durable()
    }

    /// Is told of each advance of the durable records, and of the failure that ends them.
    pub fn watch(&self) -> watch::Receiver<Durable> {
        self.queue.watch()
    }

    /// Blocks the thread until record `sequence` is durable; for tests and shutting down.
    ///
    /// # Errors
    /// `Failed`, or `Deadline` if it is not durable by then.
    pub fn wait_durable(&self, sequence: u64, deadline: Instant) -> Result<(), JournalError> {
        self.queue.wait_durable(sequence, deadline)
    }

    /// The same for all that is queued now.
    ///
    /// # Errors
    /// As `wait_durable`.
    pub fn wait_drained(&self, deadline: Instant) -> Result<(), JournalError> {
        match self.queue.queued_end().checked_sub(1) {
            Some(last) => self.queue.wait_durable(last, deadline),
            None => Ok(()),
        }
    }

    /// Syncs of records since it was opened, and the time that they took.
    pub fn syncs(&self) -> (u64, Duration) {
        self.queue.syncs()
    }

    /// Where the next record would be placed if it fitted: a checkpoint of all before it.
    pub fn end(&self) -> Location {
        self.queue.ends().1
    }

    /// The kind and payload of the record at `location`, from memory while it is queued, else from
    /// the disk, checked by its hash.
    ///
    /// # Errors
    /// `BadRecord` if no valid record starts there (a flipped bit, or not a record's place); `Io`.
    pub fn read(&self, location: Location) -> Result<(u8, Vec<u8>), JournalError> {
        if let Some(queued) = self.queue.queued(location) {
            return Ok((queued.kind, queued.payload.to_vec()));
        }
        self.reader.read(location, self.queue.ends().0)
    }

    /// Shows `visit` the written records from `location` on, in order, checking each; returns how
    /// many. `location` is a record's place or a former `end()`. Records still queued are left out.
    ///
    /// # Errors
    /// `BadRecord` where validity ends before the written end; `Io`.
    pub fn scan_from(
        &self,
        location: Location,
        visit: &mut dyn FnMut(Location, u8, &[u8]),
    ) -> Result<u64, JournalError> {
        let (end, _) = self.queue.ends();
        if location > end || location.offset < FIRST_RECORD {
            return Err(JournalError::BadRecord { location });
        }
        let mut records = 0;
        let mut hash = None;
        for segment in location.segment..=end.segment {
            let is_first = segment == location.segment;
            let start = if is_first { location.offset } else { FIRST_RECORD };
            let limit = (segment == end.segment).then_some(end.offset);
            let mut walk = self.walk(Location { segment, offset: start }, limit)?;
            if hash.is_some_and(|hash| hash != walk.hash) {
                return Err(JournalError::BadRecord {
                    location: Location { segment, offset: start },
                });
            }
            let path = segment::path(&self.dir, segment);
            while let Some((offset, kind, payload)) =
                walk.next().map_err(JournalError::io("reading", &path))?
            {
                visit(Location { segment, offset }, kind, payload);
                records += 1;
            }
            if limit.is_some_and(|limit| limit != walk.offset) {
                let location = Location { segment, offset: walk.offset };
                return Err(JournalError::BadRecord { location });
            }
            hash = Some(walk.hash);
        }
        Ok(records)
    }

    fn walk(&self, start: Location, limit: Option<u64>) -> Result<Walk, JournalError> {
        let path = segment::path(&self.dir, start.segment);
        let fail = || JournalError::io("reading", &path);
        let file = self.disk.open(&path).map_err(fail())?;
        let mut hash = [0; 32];
        read_exact(&*file, &mut hash, start.offset - record::HASH_BYTES).map_err(fail())?;
        let limit = match limit {
            Some(limit) => limit,
            None => file.bytes().map_err(fail())?,
        };
        Ok(Walk::new(file, start.offset, limit, hash))
    }

    /// Writes and syncs everything queued, makes the head exact, ends the writer.
    ///
    /// # Errors
    /// `Failed` if the disk failed, now or earlier.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.stop();
        self.queue.failed().map_or(Ok(()), |failure| Err(JournalError::Failed(failure)))
    }

    fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.queue.stop();
            // A panic of the writer has poisoned the queue already, which `close` tells.
            if thread.join().is_err() {
                tracing::error!("the journal's writer panicked");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}
