//! What stands between those who append and the one thread that writes: records in order, each with
//! its place already assigned, bounded by count and by bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::error::{Failure, JournalError, Step};
use super::record::{framed_bytes, length};
use super::segment::FIRST_RECORD;
use super::{Durable, Location, Ticket};

/// Most framed bytes written and synced as one group, unless one record is larger: one write of
/// this size takes a few ms, so a small record behind it does not wait long.
const GROUP_BYTES_MAX: u64 = 4 << 20;

/// A record that nobody waits for is written and synced at the latest after this: the next record
/// that somebody waits for takes it along before that.
const LAZY: Duration = Duration::from_millis(20);

/// A record on its way to the disk.
#[derive(Clone)]
pub(super) struct Queued {
    /// Its place, assigned when it was appended.
    pub location: Location,
    /// Its kind.
    pub kind: u8,
    /// Its payload.
    pub payload: Bytes,
}

/// The bounds of the queue and of a segment, from `Options`.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Most records waiting.
    pub records_max: u64,
    /// Most framed bytes waiting; an empty queue takes one record of any size.
    pub bytes_max: u64,
    /// Size of a segment.
    pub segment_bytes: u64,
}

struct State {
    /// Records not written yet, in order; the writer takes them out when they are in the file.
    items: VecDeque<Queued>,
    bytes: u64,
    sequence: u64,
    next: Location,
    written: Location,
    durable: u64,
    /// Records that somebody waits for: this many have to become durable at once.
    wanted: u64,
    /// When the oldest queued record came.
    oldest: Instant,
    failed: Option<Failure>,
    is_stopping: bool,
}

/// Shared by the handle and the writer thread.
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
    published: watch::Sender<Durable>,
    bounds: Bounds,
}

/// What the writer is to do next.
pub(super) enum Work {
    /// Write these, all of one segment, in this order.
    Group(Vec<Queued>),
    /// Nothing has come for a while: make the head durable.
    Quiet,
    /// Everything is written and nothing will come.
    Stop,
}

impl Queue {
    /// An empty queue after `records` durable records, the next one to go to `next`.
    pub fn new(bounds: Bounds, records: u64, next: Location) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            sequence: records,
            next,
            written: next,
            durable: records,
            wanted: records,
            oldest: Instant::now(),
            failed: None,
            is_stopping: false,
        };
        let (published, _) = watch::channel(Durable { records, failed: None });
        let (work, progress) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), work, progress, published, bounds }
    }

    /// Assigns a place to the record and queues it.
    pub fn push(&self, kind: u8, payload: Bytes) -> Result<Ticket, JournalError> {
        let framed = framed_bytes(length(payload.len()));
        let mut state = self.state.lock();
        if let Some(failure) = state.failed {
            return Err(JournalError::Failed(failure));
        }
        assert!(!state.is_stopping, "the handle that appends is the one that stops");
        let (records, bytes) = (length(state.items.len()), state.bytes);
        let is_full = records >= self.bounds.records_max || bytes + framed > self.bounds.bytes_max;
        if is_full && records > 0 {
            return Err(JournalError::Full { records, bytes });
        }
        let location = self.place(state.next, framed);
        let sequence = state.sequence;
        state.sequence += 1;
        state.next = Location { offset: location.offset + framed, ..location };
        state.bytes += framed;
        let is_first = state.items.is_empty();
        if is_first {
            state.oldest = Instant::now();
        }
        state.items.push_back(Queued { location, kind, payload });
        drop(state);
        if is_first {
            self.work.notify_one();
        }
        Ok(Ticket { sequence, location })
    }

    /// Somebody waits for record `sequence`: it and all before it are written now.
    pub fn hurry(&self, sequence: u64) {
        let mut state = self.state.lock();
        if state.wanted <= sequence {
            state.wanted = sequence + 1;
            drop(state);
            self.work.notify_one();
        }
    }

    /// A record goes where the last one ended, or starts a segment if it does not fit there.
    fn place(&self, next: Location, framed: u64) -> Location {
        if next.offset > FIRST_RECORD && next.offset + framed > self.bounds.segment_bytes {
            let segment = next.segment.checked_add(1).expect("2^32 segments are 256 PiB");
            return Location { segment, offset: FIRST_RECORD };
        }
        next
    }

    /// Blocks until there is something to do; with `quiet_at`, no longer than that.
    pub fn wait_work(&self, quiet_at: Option<Instant>) -> Work {
        let mut state = self.state.lock();
        loop {
            let until = match state.items.is_empty() {
                true if state.is_stopping => return Work::Stop,
                true => quiet_at,
                false if self.is_due(&state) => return Work::Group(group(&state.items)),
                false => Some(state.oldest + LAZY),
            };
            match until {
                None => self.work.wait(&mut state),
                Some(at) => {
                    let is_late = self.work.wait_until(&mut state, at).timed_out();
                    if is_late && state.items.is_empty() {
                        return Work::Quiet;
                    }
                }
            }
        }
    }

    /// Whether queued records are to be written now: somebody waits, or they have waited long, or
    /// they fill half of the queue.
    fn is_due(&self, state: &State) -> bool {
        let is_half_full = length(state.items.len()) * 2 >= self.bounds.records_max
            || state.bytes * 2 >= self.bounds.bytes_max;
        state.wanted > state.durable
            || state.is_stopping
            || is_half_full
            || state.oldest.elapsed() >= LAZY
    }

    /// The first `records` of the queue are in the file and synced.
    pub fn finish(&self, records: usize, durable: u64) {
        let mut state = self.state.lock();
        let done: Vec<Queued> = state.items.drain(..records).collect();
        for item in &done {
            let framed = framed_bytes(length(item.payload.len()));
            state.bytes -= framed;
            state.written = Location { offset: item.location.offset + framed, ..item.location };
        }
        state.oldest = Instant::now();
        assert!(durable == state.durable + length(records), "every record is counted once");
        state.durable = durable;
        self.published.send_replace(Durable { records: durable, failed: None });
        drop(state);
        self.progress.notify_all();
    }

    /// Nothing becomes durable any more; the first failure is the one told.
    pub fn poison(&self, step: Step, error: &std::io::Error, segment: u32) {
        let mut state = self.state.lock();
        let failure = Failure {
            step,
            kind: error.kind(),
            os_code: error.raw_os_error(),
            segment,
            records_durable: state.durable,
        };
        state.failed.get_or_insert(failure);
        self.published.send_replace(Durable { records: state.durable, failed: state.failed });
        drop(state);
        self.progress.notify_all();
    }

    /// Asks the writer to finish what is queued and end.
    pub fn stop(&self) {
        self.state.lock().is_stopping = true;
        self.work.notify_one();
    }

    /// Records that are durable.
    pub fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The failure, if there was one.
    pub fn failed(&self) -> Option<Failure> {
        self.state.lock().failed
    }

    /// Where the file's records end, and where the next record will go.
    pub fn ends(&self) -> (Location, Location) {
        let state = self.state.lock();
        (state.written, state.next)
    }

    /// Records appended so far.
    #[cfg(test)]
    pub fn queued_end(&self) -> u64 {
        self.state.lock().sequence
    }

    /// The record at `location` if it is still queued.
    pub fn queued(&self, location: Location) -> Option<Queued> {
        let state = self.state.lock();
        let index = state.items.binary_search_by_key(&location, |item| item.location).ok()?;
        state.items.get(index).cloned()
    }

    /// Blocks until record `sequence` is durable.
    pub fn wait_durable(&self, sequence: u64, deadline: Instant) -> Result<(), JournalError> {
        self.hurry(sequence);
        let mut state = self.state.lock();
        while state.durable <= sequence {
            if let Some(failure) = state.failed {
                return Err(JournalError::Failed(failure));
            }
            if self.progress.wait_until(&mut state, deadline).timed_out() {
                if state.durable > sequence {
                    break;
                }
                return Err(JournalError::Deadline { durable: state.durable });
            }
        }
        Ok(())
    }

    /// A receiver of every change of `Durable`.
    pub fn watch(&self) -> watch::Receiver<Durable> {
        self.published.subscribe()
    }
}

/// The first records that share a segment, up to `GROUP_BYTES_MAX`, at least one.
fn group(items: &VecDeque<Queued>) -> Vec<Queued> {
    let mut bytes = 0;
    let segment = items.front().map(|item| item.location.segment);
    items
        .iter()
        .take_while(|item| {
            let is_first = bytes == 0;
            bytes += framed_bytes(length(item.payload.len()));
            Some(item.location.segment) == segment && (is_first || bytes <= GROUP_BYTES_MAX)
        })
        .cloned()
        .collect()
}
