//! The one thread that writes: takes all that is queued, writes it with one call, syncs once, tells
//! everybody who waits. Any failure ends it for good.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::error::Step;
use super::head::Head;
use super::queue::{Queue, Queued, Work};
use super::record::{Hash, frame, framed_bytes, length};
use super::recover::{Active, write_head};
use super::segment::{self, Header};

/// After this long without a record the head is synced, and then nothing more is written.
const QUIET: Duration = Duration::from_millis(50);
/// A group's buffer larger than this is given back when the group is written.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// State of the writer thread, which owns it alone.
pub(super) struct Writer {
    queue: Arc<Queue>,
    disk: Disk,
    dir: PathBuf,
    segment_bytes: u64,
    file: File,
    header: Header,
    /// The newest head, written to its slot but perhaps not synced.
    head: Head,
    is_head_synced: bool,
    buffer: Vec<u8>,
}

/// Poisons the queue if the writer ends by a panic, so that nobody waits for ever.
struct Sentinel(Arc<Queue>, u32);

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(Step::Panic, &io::Error::other("panic"), self.1);
        }
    }
}

impl Writer {
    /// A writer that goes on in `active`.
    pub fn new(
        queue: Arc<Queue>,
        disk: Disk,
        dir: PathBuf,
        segment_bytes: u64,
        active: Active,
    ) -> Self {
        let Active { file, header, head } = active;
        let (is_head_synced, buffer) = (true, Vec::new());
        Self { queue, disk, dir, segment_bytes, file, header, head, is_head_synced, buffer }
    }

    /// Works until the queue is stopped and empty, or the disk fails.
    pub fn run(mut self) {
        let _sentinel = Sentinel(self.queue.clone(), self.header.segment);
        if let Err((step, error)) = self.work() {
            self.queue.poison(step, &error, self.header.segment);
        }
    }

    fn work(&mut self) -> Result<(), (Step, io::Error)> {
        let mut last_group = Instant::now();
        loop {
            let quiet_at = (!self.is_head_synced).then_some(last_group + QUIET);
            match self.queue.wait_work(quiet_at) {
                Work::Group(group) => {
                    self.commit(&group)?;
                    last_group = Instant::now();
                }
                Work::Quiet => self.sync_head()?,
                Work::Stop => return self.sync_head(),
            }
        }
    }

    fn commit(&mut self, group: &[Queued]) -> Result<(), (Step, io::Error)> {
        let first = group.first().expect("a group is not empty").location;
        if first.segment != self.header.segment {
            self.roll(first.segment, &group[0]).map_err(|error| (Step::Create, error))?;
        }
        assert!(first.offset == self.head.end, "places are assigned without gaps");
        let hash = self.encode(group);
        self.disk
            .write(&self.file, &self.buffer, first.offset)
            .map_err(|error| (Step::Write, error))?;
        self.disk.sync(&self.file).map_err(|error| (Step::Sync, error))?;
        self.head = Head {
            generation: self.head.generation + 1,
            records: self.head.records + length(group.len()),
            end: first.offset + length(self.buffer.len()),
            hash,
            is_sealed: false,
        };
        self.queue.finish(group.len(), self.head.records);
        self.is_head_synced = false;
        // Not synced here: the next group's sync, or the quiet one, takes it along.
        let slot = self.head.to_bytes(&self.header);
        self.disk
            .write(&self.file, &slot, self.head.slot_offset())
            .map_err(|error| (Step::Head, error))
    }

    /// Frames the group into the buffer; returns the last record's hash.
    fn encode(&mut self, group: &[Queued]) -> Hash {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        group.iter().fold(self.head.hash, |hash, item| {
            frame(&hash, item.kind, &item.payload, &mut self.buffer)
        })
    }

    fn sync_head(&mut self) -> Result<(), (Step, io::Error)> {
        if !self.is_head_synced {
            self.disk.sync(&self.file).map_err(|error| (Step::Head, error))?;
            self.is_head_synced = true;
        }
        Ok(())
    }

    /// Creates the next segment, then seals this one: from then on the next one must be there.
    fn roll(&mut self, segment: u32, first: &Queued) -> io::Result<()> {
        assert!(segment == self.header.segment + 1, "segments follow one another");
        let bytes = segment::FIRST_RECORD + framed_bytes(length(first.payload.len()));
        let header = Header {
            network: self.header.network,
            segment,
            first_record: self.head.records,
            previous: self.head.hash,
        };
        let file = segment::create(&self.disk, &self.dir, &header, self.segment_bytes.max(bytes))?;
        let sealed = Head { generation: self.head.generation + 1, is_sealed: true, ..self.head };
        write_head(&self.disk, &self.file, &self.header, &sealed)?;
        self.file = file;
        self.header = header;
        self.head = Head { generation: 1, ..Head::fresh(&header) };
        self.is_head_synced = true;
        Ok(())
    }
}
