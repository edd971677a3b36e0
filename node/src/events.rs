//! The stream of events for `GET /v1/events`: bounded, with numbers, so that a reader that fell
//! behind or comes back sees a gap instead of missing one.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Events kept for readers that come back, about 700 bytes each.
pub const EVENTS_KEPT_MAX: usize = 4_096;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counts up, for `Last-Event-ID`; a later run of the node goes on above.
    pub number: u64,
    /// `batch`, `transfer` or `validator`.
    pub kind: &'static str,
    /// The document.
    pub data: Arc<Value>,
}

/// How long events are made after the last reader has gone: who comes back in that time has missed
/// none.
const RESUME_TIME: Duration = Duration::from_secs(600);
/// Numbers of one run of the node; those of a later run are higher.
const RUN_BITS: u32 = 20;

/// The latest events and a way to wait for the next.
pub struct Events {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
    /// The number before this run's first: who names a lower one has read an earlier run's.
    base: u64,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    /// When somebody was last seen to read.
    read: Option<Instant>,
}

impl Default for Events {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A JSON number is exact up to 2^53: until the year 2242.
        let base = since.as_secs() << RUN_BITS;
        Self { kept: Mutex::default(), newest: watch::channel(base).0, base }
    }
}

impl Events {
    /// Appends an event; the oldest goes when it is full.
    pub fn push(&self, kind: &'static str, data: Value) {
        self.append(&mut self.kept.lock(), kind, data);
    }

    fn append(&self, kept: &mut Kept, kind: &'static str, data: Value) {
        let number = *self.newest.borrow() + 1;
        if kept.events.len() >= EVENTS_KEPT_MAX {
            kept.events.pop_front();
        }
        kept.events.push_back(Event { number, kind, data: Arc::new(data) });
        self.newest.send_replace(number);
    }

    /// Appends an event, which costs something to make: where nobody has read for long it is only
    /// counted, so that a reader who comes back sees a gap.
    pub fn tell(&self, kind: &'static str, make: impl FnOnce() -> Value) {
        let mut kept = self.kept.lock();
        let now = Instant::now();
        if self.newest.receiver_count() > 0 {
            kept.read = Some(now);
        }
        if kept.read.is_some_and(|read| now.duration_since(read) < RESUME_TIME) {
            self.append(&mut kept, kind, make());
        } else {
            kept.events.clear();
            self.newest.send_modify(|number| *number += 1);
        }
    }

    /// The number before this run's first.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Follows the number of the newest event.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The events after `number`, at most `count`, and how many were lost before them.
    pub fn after(&self, number: u64, count: usize) -> (u64, Vec<Event>) {
        let kept = self.kept.lock();
        let none_yet = *self.newest.borrow() + 1;
        let first = kept.events.front().map_or(none_yet, |event| event.number);
        let lost = first.saturating_sub(number + 1);
        let events = kept.events.iter().filter(|event| event.number > number);
        (lost, events.take(count).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_reads_is_counted_and_a_reader_who_comes_back_has_a_gap() {
        let events = Events::default();
        let base = events.base();
        events.tell("batch", || panic!("nobody reads"));
        assert_eq!(events.after(base, 9), (1, vec![]));
        let reader = events.follow();
        events.tell("batch", || json!(2));
        drop(reader);
        events.tell("batch", || json!(3));
        let numbers = |(lost, found): (u64, Vec<Event>)| {
            (lost, found.iter().map(|event| event.number - base).collect::<Vec<_>>())
        };
        assert_eq!(numbers(events.after(base, 9)), (1, vec![2, 3]), "it may come back");
        assert_eq!(numbers(events.after(base + 2, 9)), (0, vec![3]));
        events.kept.lock().read = None;
        events.tell("batch", || panic!("nobody has read for long"));
        assert_eq!(numbers(events.after(base + 3, 9)), (1, vec![]));
    }
}
