//! The stream of events for `GET /v1/events`: bounded, with numbers, so that a reader that fell
//! behind or comes back sees a gap instead of missing one.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Events kept for readers that come back, about 700 bytes each.
pub const EVENTS_KEPT_MAX: usize = 4_096;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counts up from 1, for `Last-Event-ID`.
    pub number: u64,
    /// `batch`, `transfer` or `validator`.
    pub kind: &'static str,
    /// The document.
    pub data: Arc<Value>,
}

/// The latest events and a way to wait for the next.
pub struct Events {
    kept: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::channel(0).0 }
    }
}

impl Events {
    /// Appends an event; the oldest goes when it is full.
    pub fn push(&self, kind: &'static str, data: Value) {
        let mut kept = self.kept.lock();
        let number = *self.newest.borrow() + 1;
        if kept.len() >= EVENTS_KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Event { number, kind, data: Arc::new(data) });
        drop(kept);
        self.newest.send_replace(number);
    }

    /// Whether anybody listens; events that cost something to make are made only then.
    pub fn has_readers(&self) -> bool {
        self.newest.receiver_count() > 0
    }

    /// Follows the number of the newest event.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The events after `number`, at most `count`, and how many were lost before them.
    pub fn after(&self, number: u64, count: usize) -> (u64, Vec<Event>) {
        let kept = self.kept.lock();
        let first = kept.front().map_or(number + 1, |event| event.number);
        let lost = first.saturating_sub(number + 1);
        let events = kept.iter().filter(|event| event.number > number).take(count).cloned();
        (lost, events.collect())
    }
}
