//! The one who writes: takes all that is queued, writes it with one call, syncs once, tells
//! everybody who waits. Any failure ends it for good.
//!
//! In a node it is a thread. Whoever has a clock of his own drives it step by step instead, and
//! decides how long a sync takes; both do the same calls in the same order.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, FileHandle};
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

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A group is written; the next step syncs it.
    Sync,
    /// The next step can be done at once.
    Again,
    /// Nothing, until this time of the clock, or until something is queued or waited for.
    Wait(Option<Duration>),
    /// Nothing ever: all is written, or the disk has failed.
    End,
}

/// A group that is in the file and not synced.
struct Written {
    records: usize,
    head: Head,
}

/// What writes a journal's segments; whoever has it, has it alone.
pub struct Writer {
    queue: Arc<Queue>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    file: FileHandle,
    header: Header,
    /// The newest head, written to its slot but perhaps not synced.
    head: Head,
    /// When the head is to be synced if nothing comes before; `None` when it is.
    quiet_at: Option<Duration>,
    written: Option<Written>,
    is_over: bool,
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
    pub(super) fn new(
        queue: Arc<Queue>,
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segment_bytes: u64,
        active: Active,
    ) -> Self {
        let Active { file, header, head } = active;
        Self {
            queue,
            disk,
            dir,
            segment_bytes,
            file,
            header,
            head,
            quiet_at: None,
            written: None,
            is_over: false,
            buffer: Vec::new(),
        }
    }

    /// Works until the queue is stopped and empty, or the disk fails.
    pub(super) fn run(mut self) {
        let _sentinel = Sentinel(self.queue.clone(), self.header.segment);
        let started = Instant::now();
        while !self.is_over {
            let work = match self.written {
                Some(_) => None,
                None => Some(self.queue.wait_work(started, self.quiet_at)),
            };
            let (begin, is_sync) = (Instant::now(), work.is_none());
            self.perform(work, started.elapsed());
            if is_sync {
                self.queue.synced(begin.elapsed());
            }
        }
    }

    /// Does what is to be done at `now` of the caller's clock, which never goes back: at most one
    /// write or one sync of records. Never blocks but for the disk.
    pub fn step(&mut self, now: Duration) -> Next {
        if self.is_over {
            return Next::End;
        }
        let work = match self.written {
            Some(_) => None,
            None => Some(self.queue.work_at(now, self.quiet_at)),
        };
        self.perform(work, now)
    }

    /// Does this work, or else syncs what is written.
    fn perform(&mut self, work: Option<Work>, now: Duration) -> Next {
        let done = match work {
            None => self.sync(now).map(|()| Next::Again),
            Some(Work::Group(group)) => self.write(&group).map(|()| Next::Sync),
            Some(Work::Quiet) => self.sync_head().map(|()| Next::Again),
            Some(Work::Stop) => self.sync_head().map(|()| Next::End),
            Some(Work::Wait(until)) => Ok(Next::Wait(until)),
        };
        let next = done.unwrap_or_else(|(step, error)| {
            self.queue.poison(step, &error, self.header.segment);
            Next::End
        });
        self.is_over = next == Next::End;
        next
    }

    fn write(&mut self, group: &[Queued]) -> Result<(), (Step, io::Error)> {
        let first = group.first().expect("a group is not empty").location;
        if first.segment != self.header.segment {
            self.roll(first.segment, &group[0]).map_err(|error| (Step::Create, error))?;
        }
        assert!(first.offset == self.head.end, "places are assigned without gaps");
        let hash = self.encode(group);
        self.file.write_at(&self.buffer, first.offset).map_err(|error| (Step::Write, error))?;
        let head = Head {
            generation: self.head.generation + 1,
            records: self.head.records + length(group.len()),
            end: first.offset + length(self.buffer.len()),
            hash,
            is_sealed: false,
        };
        self.written = Some(Written { records: group.len(), head });
        Ok(())
    }

    fn sync(&mut self, now: Duration) -> Result<(), (Step, io::Error)> {
        let Written { records, head } = self.written.take().expect("synced after a write");
        self.file.sync().map_err(|error| (Step::Sync, error))?;
        self.head = head;
        self.queue.finish(records, head.records);
        self.quiet_at = Some(now + QUIET);
        // Not synced here: the next group's sync, or the quiet one, takes it along.
        let slot = head.to_bytes(&self.header);
        self.file.write_at(&slot, head.slot_offset()).map_err(|error| (Step::Head, error))
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
        if self.quiet_at.take().is_some() {
            self.file.sync().map_err(|error| (Step::Head, error))?;
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
        let bytes = self.segment_bytes.max(bytes);
        let file = segment::create(&*self.disk, &self.dir, &header, bytes)?;
        let sealed = Head { generation: self.head.generation + 1, is_sealed: true, ..self.head };
        write_head(&*self.file, &self.header, &sealed)?;
        self.file = file;
        self.header = header;
        self.head = Head { generation: 1, ..Head::fresh(&header) };
        self.quiet_at = None;
        Ok(())
    }
}
