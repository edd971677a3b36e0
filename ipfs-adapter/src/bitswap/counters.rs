//! What has happened so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the start; blocks and bytes are those of blocks, not of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitswapStats {
    /// Blocks written to peers.
    pub blocks_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Blocks that came and were wanted.
    pub blocks_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Blocks and presences that nobody here wanted, or no longer; wrong hashes are among them.
    pub unwanted: u64,
    /// Wants, streams, calls and list items over a limit.
    pub refused: u64,
    /// Messages given up, because the peer could not be reached or did not read.
    pub unsent: u64,
    /// Streams dropped because of a message that was too long, malformed or too slow.
    pub malformed: u64,
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub blocks_sent: Counter,
    pub bytes_sent: Counter,
    pub blocks_received: Counter,
    pub bytes_received: Counter,
    pub unwanted: Counter,
    pub refused: Counter,
    pub unsent: Counter,
    pub malformed: Counter,
}

/// One number.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        let count = u64::try_from(count).expect("no machine counts beyond 2^64");
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn stats(&self) -> BitswapStats {
        BitswapStats {
            blocks_sent: self.blocks_sent.value(),
            bytes_sent: self.bytes_sent.value(),
            blocks_received: self.blocks_received.value(),
            bytes_received: self.bytes_received.value(),
            unwanted: self.unwanted.value(),
            refused: self.refused.value(),
            unsent: self.unsent.value(),
            malformed: self.malformed.value(),
        }
    }
}
