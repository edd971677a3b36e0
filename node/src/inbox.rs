//! The inbox at a validator: what was delivered to an address while its wallet was away, and the
//! news while it is there. Derived, so that nothing can be lost and the vote's path pays nothing:
//!
//! ```text
//!  tips: the live tokens of an address ─▶ Page (full drain, by token id)
//!  Step.applied ─▶ Inbox: ring of the newest deliveries ─▶ streams, each at its reader's pace
//! ```
//!
//! The ring holds what was applied since somebody first asked for a stream, and the oldest go: who
//! fell behind gets a gap, and drains again. Receipts come from the store (`store/receipts.rs`).
//! Nothing here proves anything: a wallet believes receipts only.

use crate::handle::Shared;
use consensus::Applied;
use ledger::encoding::{canonical_struct, write_list};
use ledger::{Address, Canonical, DecodeError, Input, Reader, TokenId, TransferId};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Deliveries kept for streams: some seconds of a full load, so that a reader may pause.
pub const DELIVERIES_MAX: usize = 65_536;
/// Addresses over all deliveries kept, 32 bytes each: 16 MiB.
pub const ADDRESSES_KEPT_MAX: usize = 524_288;
/// Deliveries that one look passes at most; a reader that is further behind looks again.
pub const LOOK_MAX: usize = 1_024;
/// Most addresses that one wallet hosts, and one stream follows.
pub const HOSTED_MAX: usize = 1_024;
/// Tokens on a page: what is given without `limit`, and the most; 120 bytes each.
pub const INBOX_PAGE: (usize, usize) = (1_000, 4_096);
/// Receipts asked for at once.
pub const FETCH_MAX: usize = 1_024;
/// Bytes of receipts in one answer, unless the first alone is longer.
pub const FETCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A page of an address' live tokens, as this validator's tips stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order of the token ids: each state with its asset and amount; its `made_by` is the
    /// transfer whose receipt proves it.
    pub tokens: Vec<Input>,
    /// Whether there are more after the last.
    pub has_more: bool,
}

impl Canonical for Page {
    fn write(&self, out: &mut Vec<u8>) {
        write_list(&self.tokens, out);
        u8::from(self.has_more).write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tokens = reader.list("tokens on a page", INBOX_PAGE.1, 112)?;
        let has_more = match u8::read(reader)? {
            0 => false,
            1 => true,
            tag => return Err(DecodeError::BadTag { what: "yes or no", tag }),
        };
        Ok(Self { tokens, has_more })
    }
}

impl Page {
    /// At most `limit` live tokens of an address with ids above `after`. One read lock.
    pub fn of(shared: &Shared, address: Address, after: Option<TokenId>, limit: usize) -> Self {
        let validator = shared.validator.read();
        let tips = validator.tips();
        let above = tips.tokens_after(&address, after.unwrap_or_default()).take(limit + 1);
        let mut tokens: Vec<Input> = above
            .map(|(token, tip)| Input {
                state: tip.state(token),
                asset: tip.asset,
                amount: tip.amount,
            })
            .collect();
        let has_more = tokens.len() > limit;
        tokens.truncate(limit);
        Self { tokens, has_more }
    }
}

/// A transfer that was applied, with the addresses that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Counts up from 1 while the node runs.
    pub sequence: u64,
    /// The transfer.
    pub id: TransferId,
    /// Who sent it and who received, ascending.
    pub addresses: Vec<Address>,
}

/// A delivery as it goes to a reader: without the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The delivery's number.
    pub sequence: u64,
    /// The transfer.
    pub id: TransferId,
}
canonical_struct!(News { sequence, id });

/// What a reader gets at a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Deliveries that were dropped before the reader saw them: it has to drain.
    pub missed: u64,
    /// Those that concern it, oldest first.
    pub news: Vec<News>,
    /// Up to where it has seen all.
    pub at: u64,
    /// The number of the newest: there is more to look at when it is above `at`.
    pub newest: u64,
}

#[derive(Default)]
struct Ring {
    deliveries: VecDeque<Arc<Delivery>>,
    addresses: usize,
}

/// The newest deliveries.
pub struct Inbox {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    /// Whether anybody has ever asked for a stream; before, nothing is noted.
    is_asked: AtomicBool,
    deliveries_max: usize,
    addresses_max: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new(DELIVERIES_MAX, ADDRESSES_KEPT_MAX)
    }
}

impl Inbox {
    /// With these bounds; the oldest go beyond them.
    pub fn new(deliveries_max: usize, addresses_max: usize) -> Self {
        let (newest, _) = watch::channel(0);
        let (ring, is_asked) = (Mutex::default(), AtomicBool::new(false));
        Self { ring, newest, is_asked, deliveries_max, addresses_max }
    }

    /// Notes what was applied. O(outputs); nothing while nobody has ever asked.
    pub fn note(&self, applied: &[Applied]) {
        if !self.is_asked.load(Ordering::Acquire) || applied.is_empty() {
            return;
        }
        let mut ring = self.ring.lock();
        let mut sequence = *self.newest.borrow();
        for one in applied {
            sequence += 1;
            let made = one.change.made.iter().map(|made| made.owner);
            let mut addresses: Vec<Address> = made.chain([one.change.owner]).collect();
            addresses.sort_unstable();
            addresses.dedup();
            ring.addresses += addresses.len();
            let delivery = Delivery { sequence, id: one.change.id, addresses };
            ring.deliveries.push_back(Arc::new(delivery));
        }
        while (ring.deliveries.len() > self.deliveries_max || ring.addresses > self.addresses_max)
            && let Some(oldest) = ring.deliveries.pop_front()
        {
            ring.addresses -= oldest.addresses.len();
        }
        drop(ring);
        self.newest.send_replace(sequence);
    }

    /// Follows the number of the newest delivery. All that is applied from now on is noted.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.is_asked.store(true, Ordering::Release);
        self.newest.subscribe()
    }

    /// What after number `at` concerns one of these addresses, at most `count` deliveries, of 1,024
    /// at most. The lock, for which whoever applies waits, is held to take these, and not while
    /// they are matched.
    pub fn after(&self, at: u64, addresses: &BTreeSet<Address>, count: usize) -> Look {
        let (first, newest, deliveries) = {
            let ring = self.ring.lock();
            let newest = *self.newest.borrow();
            let first = ring.deliveries.front().map_or(newest + 1, |delivery| delivery.sequence);
            let skip = usize::try_from((at + 1).saturating_sub(first)).unwrap_or(usize::MAX);
            let after = ring.deliveries.iter().skip(skip).take(LOOK_MAX);
            (first, newest, after.cloned().collect::<Vec<Arc<Delivery>>>())
        };
        let (missed, at) = (first.saturating_sub(at + 1), at.max(first - 1));
        let mut look = Look { missed, news: Vec::new(), at, newest };
        for delivery in deliveries {
            if look.news.len() >= count {
                break;
            }
            look.at = delivery.sequence;
            if delivery.addresses.iter().any(|address| addresses.contains(address)) {
                look.news.push(News { sequence: delivery.sequence, id: delivery.id });
            }
        }
        look
    }
}

#[cfg(test)]
mod tests;
