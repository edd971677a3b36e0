//! Receipts that came over the DHT: of transfers that are final elsewhere and not applied here.
//! They are the proof behind a refusal, so they are kept for a while and served.

use ledger::{Receipt, TransferId, VerifiedReceipt};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

/// Receipts kept; the oldest goes first. A common one has 1 to 2 KB.
pub const RECEIPTS_MAX: usize = 1_024;
/// The longest that is kept, entries' inputs and outputs together; larger ones are only believed.
const PARTS_MAX: usize = 256;

/// The receipts, by transfer.
#[derive(Default)]
pub struct ForeignReceipts {
    kept: Mutex<(HashMap<TransferId, Receipt>, VecDeque<TransferId>)>,
}

impl ForeignReceipts {
    /// Keeps a receipt.
    pub fn keep(&self, receipt: VerifiedReceipt) {
        let id = receipt.id();
        let transfer = receipt.transfer().transfer();
        if transfer.inputs.len() + transfer.outputs.len() > PARTS_MAX {
            return;
        }
        let mut kept = self.kept.lock();
        let (receipts, order) = &mut *kept;
        if receipts.insert(id, receipt.receipt().clone()).is_some() {
            return;
        }
        order.push_back(id);
        if order.len() > RECEIPTS_MAX
            && let Some(oldest) = order.pop_front()
        {
            receipts.remove(&oldest);
        }
    }

    /// The receipt of a transfer that is final elsewhere.
    pub fn get(&self, id: &TransferId) -> Option<Receipt> {
        self.kept.lock().0.get(id).cloned()
    }
}
