//! What stands between those who append and the one who writes: records in order, each with its
//! place already assigned, bounded by count and by bytes.

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
    /// Most framed bytes waiting; an empty queue takes any.
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
    /// When the writer first saw what is queued now, by its clock.
    seen: Option<Duration>,
    failed: Option<Failure>,
    is_stopping: bool,
    /// Syncs of records, and the time that they took.
    syncs: (u64, Duration),
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
    /// Nothing, until this time of the writer's clock, or until something is queued or waited for.
    Wait(Option<Duration>),
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
            seen: None,
            failed: None,
            is_stopping: false,
            syncs: (0, Duration::ZERO),
        };
        let (published, _) = watch::channel(Durable { records, failed: None });
        let (work, progress) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), work, progress, published, bounds }
    }

    /// Notes that a sync of records took so long.
    pub fn synced(&self, time: Duration) {
        let mut state = self.state.lock();
        state.syncs.0 += 1;
        state.syncs.1 += time;
    }

    /// Syncs of records so far, and the time that they took.
    pub fn syncs(&self) -> (u64, Duration) {
        self.state.lock().syncs
    }

    /// Assigns places to the records, (kind, payload) each, and queues them: all or, if the queue
    /// is full, none. If they are urgent somebody waits for the last. The writer is woken once: a
    /// wake for each record, and one more for the hurry, cost a sync 1.1 switches of thread.
    pub fn push(
        &self,
        records: Vec<(u8, Bytes)>,
        is_urgent: bool,
    ) -> Result<Vec<Ticket>, JournalError> {
        let more: u64 = records.iter().map(|(_, payload)| framed_of(payload)).sum();
        let mut state = self.state.lock();
        if let Some(failure) = state.failed {
            return Err(JournalError::Failed(failure));
        }
        assert!(!state.is_stopping, "the handle that appends is the one that stops");
        let (waiting, bytes) = (length(state.items.len()), state.bytes);
        let is_full = waiting + length(records.len()) > self.bounds.records_max
            || bytes + more > self.bounds.bytes_max;
        if is_full && waiting > 0 {
            return Err(JournalError::Full { records: waiting, bytes });
        }
        let mut tickets = Vec::with_capacity(records.len());
        for (kind, payload) in records {
            let framed = framed_of(&payload);
            let location = self.place(state.next, framed);
            tickets.push(Ticket { sequence: state.sequence, location });
            state.sequence += 1;
            state.next = Location { offset: location.offset + framed, ..location };
            state.bytes += framed;
            state.items.push_back(Queued { location, kind, payload });
        }
        let is_news = is_urgent && state.wanted < state.sequence;
        if is_news {
            state.wanted = state.sequence;
        }
        drop(state);
        if is_news || waiting == 0 {
            self.work.notify_one();
        }
        Ok(tickets)
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

    /// Blocks until there is something to do. The clock's zero is `started`; at `quiet_at` the head
    /// is to be made durable.
    pub fn wait_work(&self, started: Instant, quiet_at: Option<Duration>) -> Work {
        let mut state = self.state.lock();
        loop {
            match state.next(&self.bounds, started.elapsed(), quiet_at) {
                Work::Wait(None) => self.work.wait(&mut state),
                // Late or woken, the next look tells.
                Work::Wait(Some(at)) => {
                    self.work.wait_until(&mut state, started + at);
                }
                work => return work,
            }
        }
    }

    /// The same at a time that the caller tells, without blocking.
    pub fn work_at(&self, now: Duration, quiet_at: Option<Duration>) -> Work {
        self.state.lock().next(&self.bounds, now, quiet_at)
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
        state.seen = None;
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

/// What a payload takes in the file.
fn framed_of(payload: &Bytes) -> u64 {
    framed_bytes(length(payload.len()))
}

impl State {
    /// What the writer is to do at `now` of its clock.
    fn next(&mut self, bounds: &Bounds, now: Duration, quiet_at: Option<Duration>) -> Work {
        if self.items.is_empty() {
            return match quiet_at {
                _ if self.is_stopping => Work::Stop,
                Some(at) if at <= now => Work::Quiet,
                _ => Work::Wait(quiet_at),
            };
        }
        let late_at = *self.seen.get_or_insert(now) + LAZY;
        match late_at <= now || self.is_pressing(bounds) {
            true => Work::Group(group(&self.items)),
            false => Work::Wait(Some(late_at)),
        }
    }

    /// Whether queued records are to be written at once: somebody waits, or they fill half of the
    /// queue.
    fn is_pressing(&self, bounds: &Bounds) -> bool {
        let is_half_full = length(self.items.len()) * 2 >= bounds.records_max
            || self.bytes * 2 >= bounds.bytes_max;
        self.wanted > self.durable || self.is_stopping || is_half_full
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
