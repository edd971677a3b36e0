//! One direction of a link: what happens to each datagram, and the queue of those that are late.
//!
//! No sockets and no clock: time comes in as microseconds since any start. Every datagram draws the
//! same number of random numbers whatever the faults are, so the fate of the n-th one depends on
//! the seed and on the faults at that moment, and on nothing that was drawn before.

use crate::faults::Link;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Datagrams that wait in one direction; more are dropped, as a router does. A second of 4 MB/s in
/// datagrams of 1,452 bytes is below.
pub const QUEUED_MAX: usize = 4_096;
/// Bytes that wait in one direction; more are dropped. 42 directions of seven validators that are
/// full hold 168 MiB.
pub const QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A datagram that is put behind others comes this much later, on top of its delay.
const REORDER_US: u64 = 20_000;

/// What became of the datagrams of one direction, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Handed on, copies too.
    pub passed: u64,
    /// Not let through by a partition.
    pub blocked: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Copies made by chance.
    pub copied: u64,
    /// Put behind others by chance.
    pub reordered: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
}

impl Counts {
    /// Adds those of another direction.
    pub fn add(&mut self, other: &Counts) {
        self.passed += other.passed;
        self.blocked += other.blocked;
        self.lost += other.lost;
        self.copied += other.copied;
        self.reordered += other.reordered;
        self.dropped += other.dropped;
    }
}

/// A datagram that waits. Ordered by time, then by arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due_us: u64,
    number: u64,
    bytes: Bytes,
}

/// One direction of one link.
#[derive(Debug)]
pub struct Direction {
    faults: Link,
    rng: StdRng,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Of all that wait; written by `keep` and `due`.
    waiting_bytes: usize,
    arrived: u64,
    counts: Counts,
}

impl Direction {
    /// Without faults. `from` and `to` are the members' indices: each direction has numbers of its
    /// own.
    pub fn new(seed: u64, from: u16, to: u16) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..10].copy_from_slice(&from.to_le_bytes());
        bytes[10..12].copy_from_slice(&to.to_le_bytes());
        Self {
            faults: Link::default(),
            rng: StdRng::from_seed(bytes),
            waiting: BinaryHeap::new(),
            waiting_bytes: 0,
            arrived: 0,
            counts: Counts::default(),
        }
    }

    /// From now on these faults. What waits in a direction that is blocked now never arrives.
    pub fn set(&mut self, faults: Link) {
        if faults.is_blocked {
            self.counts.blocked += u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
            self.waiting.clear();
            self.waiting_bytes = 0;
        }
        self.faults = faults;
    }

    /// Takes a datagram that arrived.
    pub fn arrive(&mut self, now_us: u64, bytes: Bytes) {
        // A range could draw again; a remainder never does.
        let mut chance = |per_mille: u16| self.rng.random::<u32>() % 1_000 < u32::from(per_mille);
        let is_lost = chance(self.faults.lose_per_mille);
        let is_copied = chance(self.faults.duplicate_per_mille);
        let is_late = chance(self.faults.reorder_per_mille);
        let jitters: [u64; 2] = [self.rng.random(), self.rng.random()];
        if self.faults.is_blocked {
            self.counts.blocked += 1;
            return;
        }
        if is_lost {
            self.counts.lost += 1;
            return;
        }
        let reordered_us = if is_late { REORDER_US } else { 0 };
        self.counts.reordered += u64::from(is_late);
        let copies = if is_copied { 2 } else { 1 };
        for (copy, jitter) in jitters.into_iter().take(copies).enumerate() {
            let jitter_us = jitter % (u64::from(self.faults.jitter_ms) * 1_000 + 1);
            let delay_us = u64::from(self.faults.delay_ms) * 1_000 + jitter_us + reordered_us;
            let is_kept = self.keep(now_us + delay_us, bytes.clone());
            self.counts.copied += u64::from(is_kept && copy > 0);
        }
    }

    /// Whether there was room.
    fn keep(&mut self, due_us: u64, bytes: Bytes) -> bool {
        let is_full =
            self.waiting.len() >= QUEUED_MAX || self.waiting_bytes + bytes.len() > QUEUED_BYTES_MAX;
        if is_full {
            self.counts.dropped += 1;
            return false;
        }
        self.waiting_bytes += bytes.len();
        let number = self.arrived;
        self.arrived += 1;
        self.waiting.push(Reverse(Waiting { due_us, number, bytes }));
        true
    }

    /// The next datagram whose time has come.
    pub fn due(&mut self, now_us: u64) -> Option<Bytes> {
        if self.next_due_us()? > now_us {
            return None;
        }
        let Reverse(waiting) = self.waiting.pop()?;
        self.waiting_bytes -= waiting.bytes.len();
        self.counts.passed += 1;
        Some(waiting.bytes)
    }

    /// When the next datagram is due; `None` while none waits.
    pub fn next_due_us(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due_us)
    }

    /// What became of its datagrams so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
