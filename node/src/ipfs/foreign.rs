//! Receipts that came over the DHT: of transfers that are final elsewhere and not applied here.
//! They are the proof behind a refusal, so they are kept for a while and served. What they spend is
//! remembered for longer: a node that has seen the proof does not vote for another transfer of the
//! same state only because nobody shows it again.

use ledger::{Receipt, TokenState, TransferId, VerifiedReceipt};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

/// Receipts kept; the oldest goes first. A common one has 1 to 2 KB.
pub const RECEIPTS_MAX: usize = 1_024;
/// The longest that is kept, entries' inputs and outputs together; larger ones are only believed.
const PARTS_MAX: usize = 256;
/// States remembered as spent, some 200 bytes each; the oldest goes first. Only receipts of this
/// network's quorum fill it.
pub const STATES_MAX: usize = 65_536;

/// The receipts, by transfer, and what they spend.
#[derive(Default)]
pub struct ForeignReceipts {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    receipts: HashMap<TransferId, Receipt>,
    order: VecDeque<TransferId>,
    spenders: HashMap<TokenState, TransferId>,
    spent: VecDeque<TokenState>,
}

impl ForeignReceipts {
    /// Keeps a receipt.
    pub fn keep(&self, receipt: VerifiedReceipt) {
        let id = receipt.id();
        let transfer = receipt.transfer().transfer();
        let mut kept = self.kept.lock();
        for input in &transfer.inputs {
            kept.remember(input.state, id);
        }
        if transfer.inputs.len() + transfer.outputs.len() > PARTS_MAX {
            return;
        }
        if kept.receipts.insert(id, receipt.receipt().clone()).is_some() {
            return;
        }
        kept.order.push_back(id);
        if kept.order.len() > RECEIPTS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.receipts.remove(&oldest);
        }
    }

    /// The receipt of a transfer that is final elsewhere.
    pub fn get(&self, id: &TransferId) -> Option<Receipt> {
        self.kept.lock().receipts.get(id).cloned()
    }

    /// The transfer that has spent this state elsewhere, where a proof of that was seen.
    pub fn spender(&self, state: &TokenState) -> Option<TransferId> {
        self.kept.lock().spenders.get(state).copied()
    }
}

impl Kept {
    /// The first proof of a state stays.
    fn remember(&mut self, state: TokenState, by: TransferId) {
        if self.spenders.contains_key(&state) {
            return;
        }
        self.spenders.insert(state, by);
        self.spent.push_back(state);
        if self.spent.len() > STATES_MAX
            && let Some(oldest) = self.spent.pop_front()
        {
            self.spenders.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Digest, TokenId};

    #[test]
    fn spent_states_are_bounded_and_the_first_proof_stays() {
        let state = |height: usize| TokenState {
            token: TokenId(Digest([1; 32])),
            height: u64::try_from(height).expect("small"),
            made_by: TransferId(Digest([2; 32])),
        };
        let id = |byte: u8| TransferId(Digest([byte; 32]));
        let mut kept = Kept::default();
        kept.remember(state(0), id(1));
        kept.remember(state(0), id(2));
        assert_eq!(kept.spenders.get(&state(0)), Some(&id(1)));
        (1..=STATES_MAX).for_each(|height| kept.remember(state(height), id(3)));
        assert_eq!((kept.spenders.len(), kept.spent.len()), (STATES_MAX, STATES_MAX));
        assert_eq!(kept.spenders.get(&state(0)), None);
    }
}
