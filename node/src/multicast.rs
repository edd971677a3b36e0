//! What is to be sent: one bounded queue per peer, filled from any thread, emptied by that peer's
//! link.
//!
//! A message is encoded once; the queues share its bytes. Nothing here waits: when a peer's queue
//! is full or its link is down, the message is dropped for that peer alone and counted, and the
//! peer catches up by asking. This file knows no sockets; `transport/link.rs` drains the queues.

use crate::transport::limits::{
    FRAME_BYTES_MAX, OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX, WRITE_BYTES_MAX, WRITE_FRAMES_MAX,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// What became of a message for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// It waits for its turn on the link. Not a promise that it arrives.
    Queued,
    /// The peer takes messages more slowly than they are made: dropped and counted.
    Full,
    /// There is no link to the peer: dropped and counted.
    Down,
}

/// The queues to all peers. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Multicast {
    /// `outboxes[i]` is for member `i`; there is none for ourselves.
    outboxes: Arc<[Option<Arc<Outbox>>]>,
}

impl Multicast {
    /// One outbox for each of `members` members but `own`; all closed until their links come up.
    pub(crate) fn new(members: u16, own: u16) -> Self {
        let outboxes =
            (0..members).map(|member| (member != own).then(|| Arc::new(Outbox::default())));
        Self { outboxes: outboxes.collect() }
    }

    /// Queues `message` for one member. Never waits; about 50 ns.
    ///
    /// # Panics
    /// When `member` is ourselves or no member, or the message is larger than [`FRAME_BYTES_MAX`]
    /// bytes: the caller's limits exclude both.
    pub fn send(&self, member: u16, message: Bytes) -> Sent {
        self.outbox(member).expect("a message goes to another member").push(message)
    }

    /// Queues `message` for every other member and says for how many it is queued. Never waits.
    ///
    /// # Panics
    /// When the message is larger than [`FRAME_BYTES_MAX`] bytes.
    pub fn send_all(&self, message: Bytes) -> usize {
        let outboxes = self.outboxes.iter().flatten();
        outboxes.filter(|outbox| outbox.push(message.clone()) == Sent::Queued).count()
    }

    /// Messages dropped for `member` since the start; zero for ourselves and for no member.
    pub fn dropped(&self, member: u16) -> u64 {
        self.outbox(member).map_or(0, |outbox| outbox.dropped())
    }

    /// The queue for `member`, none for ourselves.
    pub(crate) fn outbox(&self, member: u16) -> Option<&Arc<Outbox>> {
        self.outboxes.get(usize::from(member))?.as_ref()
    }
}

/// What waits for one peer: at most [`OUTBOX_FRAMES_MAX`] frames and [`OUTBOX_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    is_open: bool,
}

impl Outbox {
    /// Queues one frame, or drops and counts it. Never waits.
    ///
    /// # Panics
    /// When the frame is larger than [`FRAME_BYTES_MAX`] bytes.
    pub fn push(&self, frame: Bytes) -> Sent {
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        let sent = self.queue.lock().push(frame);
        match sent {
            Sent::Queued => self.filled.notify_one(),
            Sent::Full | Sent::Down => self.count_dropped(1),
        }
        sent
    }

    /// Frames dropped since the start, those that a broken link had not taken over included.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Frames and bytes that wait.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.frames.len(), queue.bytes)
    }

    /// The link is up: frames are taken.
    pub(crate) fn open(&self) {
        self.queue.lock().is_open = true;
    }

    /// The link is down: what waits is dropped and counted, and so is all that follows.
    pub(crate) fn close(&self) {
        let waiting = std::mem::take(&mut *self.queue.lock()).frames.len();
        self.count_dropped(waiting);
    }

    /// Counts frames that were taken and not written.
    pub(crate) fn count_dropped(&self, frames: usize) {
        let frames = u64::try_from(frames).expect("a count fits 64 bits");
        self.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    /// Waits for frames and takes up to [`WRITE_FRAMES_MAX`] of them, oldest first, up to
    /// [`WRITE_BYTES_MAX`] bytes, and at least one. For one caller at a time; nothing is lost when
    /// the future is dropped.
    pub(crate) async fn take(&self) -> Vec<Bytes> {
        loop {
            let taken = self.queue.lock().take();
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }
}

impl Queue {
    fn push(&mut self, frame: Bytes) -> Sent {
        if !self.is_open {
            return Sent::Down;
        }
        let bytes = self.bytes + frame.len();
        if self.frames.len() >= OUTBOX_FRAMES_MAX || bytes > OUTBOX_BYTES_MAX {
            return Sent::Full;
        }
        self.bytes = bytes;
        self.frames.push_back(frame);
        Sent::Queued
    }

    fn take(&mut self) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(frame) = self.frames.front() {
            let is_past_end = bytes + frame.len() > WRITE_BYTES_MAX && !taken.is_empty();
            if is_past_end || taken.len() == WRITE_FRAMES_MAX {
                break;
            }
            bytes += frame.len();
            taken.extend(self.frames.pop_front());
        }
        assert!(bytes <= self.bytes);
        self.bytes -= bytes;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Outbox {
        let outbox = Outbox::default();
        outbox.open();
        outbox
    }

    #[test]
    fn one_frame_more_than_the_queue_holds_is_dropped_and_counted() {
        let outbox = open();
        for _ in 0..OUTBOX_FRAMES_MAX {
            assert_eq!(outbox.push(Bytes::from_static(b"vote")), Sent::Queued);
        }
        assert_eq!(outbox.push(Bytes::from_static(b"vote")), Sent::Full);
        assert_eq!(outbox.dropped(), 1);
        assert_eq!(outbox.waiting(), (OUTBOX_FRAMES_MAX, 4 * OUTBOX_FRAMES_MAX));
    }

    #[test]
    fn one_byte_more_than_the_queue_holds_is_dropped_and_counted() {
        let outbox = open();
        let part = Bytes::from(vec![0; OUTBOX_BYTES_MAX / 4]);
        for _ in 0..4 {
            assert_eq!(outbox.push(part.clone()), Sent::Queued);
        }
        assert_eq!(outbox.push(Bytes::from_static(b"x")), Sent::Full);
        assert_eq!(outbox.push(Bytes::new()), Sent::Queued);
        assert_eq!(outbox.dropped(), 1);
    }

    #[test]
    fn without_a_link_everything_is_dropped_at_once() {
        let outbox = Outbox::default();
        assert_eq!(outbox.push(Bytes::from_static(b"a")), Sent::Down);
        outbox.open();
        assert_eq!(outbox.push(Bytes::from_static(b"b")), Sent::Queued);
        outbox.close();
        assert_eq!(outbox.waiting(), (0, 0));
        assert_eq!(outbox.push(Bytes::from_static(b"c")), Sent::Down);
        assert_eq!(outbox.dropped(), 3);
    }

    #[test]
    fn a_write_is_bounded_and_a_large_frame_goes_alone() {
        let mut queue = Queue { is_open: true, ..Queue::default() };
        let small = Bytes::from_static(b"vote");
        for _ in 0..=WRITE_FRAMES_MAX {
            assert_eq!(queue.push(small.clone()), Sent::Queued);
        }
        assert_eq!(queue.push(Bytes::from(vec![0; WRITE_BYTES_MAX + 1])), Sent::Queued);
        assert_eq!(queue.take().len(), WRITE_FRAMES_MAX);
        assert_eq!(queue.take(), [small]);
        assert_eq!(queue.take().len(), 1);
        assert_eq!((queue.take().len(), queue.bytes), (0, 0));
    }

    #[test]
    #[should_panic(expected = "a frame of")]
    fn a_frame_above_the_limit_is_our_own_bug() {
        let _sent = open().push(Bytes::from(vec![0; FRAME_BYTES_MAX + 1]));
    }

    #[test]
    fn all_but_ourselves_are_sent_to() {
        let multicast = Multicast::new(7, 3);
        for member in [0, 1, 2, 4, 5] {
            multicast.outbox(member).expect("a peer").open();
        }
        assert_eq!(multicast.send_all(Bytes::from_static(b"x")), 5);
        assert_eq!(multicast.dropped(6), 1);
        assert_eq!(multicast.dropped(3), 0);
    }
}
