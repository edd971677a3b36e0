//! What becomes of receipts that are delivered: asked how, told what.

use super::record::RECEIPTS_MAX;
use crate::journal::JournalError;
use ledger::{ReceiptError, TransferId};
use std::sync::atomic::{AtomicU64, Ordering};

/// How a batch keeps others from its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// Guards, from the comparison until the heads have moved: nothing is written twice.
    Guards,
    /// None: the heads are compared and swapped at the end, and the batch decides again when one
    /// has moved meanwhile; after `MOVES_MAX` times it takes guards.
    CompareAndSwap,
}

/// What became of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Received, durably.
    New,
    /// It was received before: nothing changed.
    Duplicate,
    /// It lies below what is known of its tokens: nothing changed.
    Old,
    /// It concerns no hosted address: nothing changed.
    Foreign,
    /// These receipts have to come first, or with it: nothing changed.
    Gap(Vec<TransferId>),
    /// It spends a state that another final transfer has spent: refused, and kept as evidence.
    Fork,
    /// It proves nothing.
    Refused(ReceiptError),
    /// There is no room for its tokens: nothing changed.
    Full,
}

/// Why a batch was refused as a whole; nothing of it was received.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReceiveError {
    /// More receipts than a batch may have.
    #[error("{found} receipts, and a batch has at most {RECEIPTS_MAX}")]
    TooMany {
        /// How many came.
        found: usize,
    },
    /// So many tokens are being received that no more guards are given out.
    #[error("too many tokens are being received at a time")]
    Busy,
    /// The journal refused or failed.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Receipts received.
    pub received: AtomicU64,
    /// Receipts that came again, or lay below what was known.
    pub duplicates: AtomicU64,
    /// Receipts that had to wait for others.
    pub gaps: AtomicU64,
    /// Receipts that proved nothing.
    pub refused: AtomicU64,
    /// Receipts, or genesis tokens, that found no room.
    pub full: AtomicU64,
}

impl Counts {
    /// Counts what became of a batch.
    pub(super) fn add(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let counter = match outcome {
                Outcome::New => &self.received,
                Outcome::Duplicate | Outcome::Old => &self.duplicates,
                Outcome::Gap(_) => &self.gaps,
                Outcome::Refused(_) => &self.refused,
                Outcome::Full => &self.full,
                Outcome::Foreign | Outcome::Fork => continue,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
