//! The board: what became of the transfers of late, for answers and waiting clients. Bounded: the
//! oldest ended ones go first; what is final can be read from the store for ever.

use crate::pipeline::dht_check::DhtMark;
use crate::service_rate::ServiceRate;
use consensus::{Outcome, TransferReport};
use ledger::{Certificate, Receipt, SignedTransfer, TransferId};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Entries kept, beside the waiting clients' handles.
pub const BOARD_ENTRIES_MAX: usize = 16_384;
/// Bytes of transfers kept with them: an ordinary one has 300, the largest nearly a million.
pub const BOARD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How far a transfer is, in the words of INTERFACE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On its way.
    Submitted,
    /// A quorum has durably accepted it and this node has applied it.
    Final,
    /// Nothing changed.
    Rejected,
    /// Votes are split.
    Locked,
    /// Proposed and no outcome in time.
    Unknown,
}

impl Status {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Status::Submitted => "submitted",
            Status::Final => "final",
            Status::Rejected => "rejected",
            Status::Locked => "locked",
            Status::Unknown => "unknown",
        }
    }
}

/// What is known of one transfer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transfer.
    pub id: TransferId,
    /// How far it is.
    pub status: Status,
    /// The signed transfer.
    pub signed: Arc<SignedTransfer>,
    /// Outcome, votes and timings, once it has ended at this node as proposer. A transfer that
    /// became final elsewhere has none.
    pub report: Option<TransferReport>,
    /// The Commit certificate's voters when it was read from the store; empty otherwise.
    pub commit: Vec<u16>,
    /// How the check with the DHT went, in an untrusted network.
    pub dht: Option<DhtMark>,
}

impl Entry {
    /// A final transfer as its receipt shows it.
    pub fn of_receipt(id: TransferId, receipt: &Receipt) -> Self {
        Self {
            id,
            status: Status::Final,
            signed: Arc::new(receipt.entry.signed.clone()),
            report: None,
            commit: voters(&receipt.certificate),
            dht: None,
        }
    }
}

/// Members whose votes are in a certificate, ascending.
pub fn voters(certificate: &Certificate) -> Vec<u16> {
    let mut members: Vec<u16> = certificate.votes().iter().map(|vote| vote.member).collect();
    members.sort_unstable();
    members
}

/// The transfers of late.
#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<TransferId, Slot>,
    order: VecDeque<TransferId>,
    bytes: usize,
    /// Entries that have not ended.
    open: usize,
    rate: ServiceRate,
}

struct Slot {
    entry: Entry,
    bytes: usize,
    /// Told when the transfer ends; made when the first client waits.
    ended: Option<watch::Sender<bool>>,
}

impl Inner {
    /// Whether a transfer is final or on its way.
    fn is_taken(&self, id: &TransferId) -> bool {
        let status = self.entries.get(id).map(|slot| slot.entry.status);
        matches!(status, Some(Status::Final | Status::Submitted))
    }
}

/// Room for one transfer, held while its signature is checked; given back when it is dropped.
#[must_use = "the room is given back when this goes"]
pub struct Reservation<'a> {
    /// None once the transfer is on the board.
    board: Option<&'a Board>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(board) = self.board {
            board.inner.lock().open -= 1;
        }
    }
}

impl Board {
    /// Room for one more transfer. One that is final or on its way already needs none, and gets it
    /// for as long as it is checked. `now_us` is the time since the node's start.
    ///
    /// # Errors
    /// It would wait too long behind those that are under way: when to try again.
    pub fn admit(&self, id: &TransferId, now_us: u64) -> Result<Reservation<'_>, Duration> {
        let mut inner = self.inner.lock();
        if !inner.is_taken(id) {
            let open = inner.open;
            inner.rate.admit(now_us, open)?;
        }
        inner.open += 1;
        Ok(Reservation { board: Some(self) })
    }

    /// A client has submitted a transfer, whose signature is good. One that ended without being
    /// final is on its way again. `bytes` is its size.
    pub fn submitted(
        &self,
        mut reserved: Reservation<'_>,
        id: TransferId,
        signed: &SignedTransfer,
        bytes: usize,
    ) {
        reserved.board = None;
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.is_taken(&id) {
            inner.open -= 1;
            return;
        }
        if let Some(slot) = inner.entries.get_mut(&id) {
            slot.entry.status = Status::Submitted;
            return;
        }
        inner.bytes += bytes;
        while inner.order.len() >= BOARD_ENTRIES_MAX || inner.bytes > BOARD_BYTES_MAX {
            let Some(oldest) = inner.order.pop_front() else { break };
            if let Some(slot) = inner.entries.remove(&oldest) {
                inner.bytes -= slot.bytes;
                inner.open -= usize::from(slot.entry.status == Status::Submitted);
            }
        }
        let entry = Entry {
            id,
            status: Status::Submitted,
            signed: Arc::new(signed.clone()),
            report: None,
            commit: Vec::new(),
            dht: None,
        };
        inner.entries.insert(id, Slot { entry, bytes, ended: None });
        inner.order.push_back(id);
    }

    /// A transfer has ended; those who wait are told.
    pub fn ended(&self, report: TransferReport, now_us: u64) {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if report.outcome == Outcome::Final {
            inner.rate.note(now_us);
        }
        let Some(slot) = inner.entries.get_mut(&report.id) else { return };
        inner.open -= usize::from(slot.entry.status == Status::Submitted);
        slot.entry.status = match &report.outcome {
            Outcome::Final => Status::Final,
            Outcome::Rejected(_) => Status::Rejected,
            Outcome::Locked(_) => Status::Locked,
            Outcome::Unknown => Status::Unknown,
        };
        slot.entry.report = Some(report);
        if let Some(ended) = slot.ended.take() {
            ended.send_replace(true);
        }
    }

    /// Transfers under way, and those made final in the last second.
    pub fn load(&self, now_us: u64) -> (usize, usize) {
        let mut inner = self.inner.lock();
        (inner.open, inner.rate.per_second(now_us))
    }

    /// How the check with the DHT went.
    pub fn mark(&self, id: &TransferId, mark: DhtMark) {
        if let Some(slot) = self.inner.lock().entries.get_mut(id) {
            slot.entry.dht = Some(mark);
        }
    }

    /// What is known of a transfer.
    pub fn get(&self, id: &TransferId) -> Option<Entry> {
        self.inner.lock().entries.get(id).map(|slot| slot.entry.clone())
    }

    /// Waits until a transfer has ended or the time is over; `None` for one that is not on the
    /// board.
    pub async fn wait(&self, id: TransferId, time: Duration) -> Option<Entry> {
        let mut ended = {
            let mut inner = self.inner.lock();
            let slot = inner.entries.get_mut(&id)?;
            if slot.entry.status != Status::Submitted {
                return Some(slot.entry.clone());
            }
            slot.ended.get_or_insert_with(|| watch::channel(false).0).subscribe()
        };
        // Over time, or the sender gone because the entry was replaced: the board says what is
        // known.
        drop(tokio::time::timeout(time, ended.wait_for(|ended| *ended)).await);
        self.get(&id)
    }
}

#[cfg(test)]
mod tests;
