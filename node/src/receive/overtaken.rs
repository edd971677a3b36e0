//! What a receipt proves though it does not join on: that heads below it are spent. Where their
//! tokens are now is not guessed; `hosting` looks it up.

use super::heads::Heads;
use super::record::{self, OVERTAKEN_KIND};
use super::{DISK_WAIT, Outcome, ReceiveError, Receiver};
use ledger::{Receipt, TokenId, VerifiedReceipt};
use std::collections::BTreeMap;
use std::time::Instant;

impl Receiver {
    /// A receipt that waits for others proves all the same that a head below it is spent: such a
    /// head leaves the balance at once, and for good, as the receipt is kept as the proof.
    pub(super) fn overtake(
        &self,
        verified: &BTreeMap<usize, VerifiedReceipt>,
        decided: &[(usize, Outcome)],
    ) -> Result<(), ReceiveError> {
        let (mut proofs, mut lowest) = (Vec::new(), Vec::new());
        for (index, outcome) in decided {
            if !matches!(outcome, Outcome::Gap(_)) {
                continue;
            }
            let receipt = verified[index].receipt();
            let found = overtaken(receipt, &self.heads);
            if found.iter().any(|(token, _)| self.book.is_owned(token)) {
                lowest.extend(found.into_iter().filter(|(token, _)| self.book.is_owned(token)));
                proofs.push(receipt.clone());
            }
        }
        if !proofs.is_empty() {
            let ticket = self.journal.append(OVERTAKEN_KIND, record::received(&proofs))?;
            self.journal.wait_durable(ticket.sequence, Instant::now() + DISK_WAIT)?;
            self.book.overtake(&lowest, &self.heads, &self.hosted);
        }
        Ok(())
    }
}

/// The tokens whose heads, as they stand, a receipt proves to be spent, each with the lowest height
/// at which it may live: the receipt spends the head, or a state above it.
pub(super) fn overtaken(receipt: &Receipt, heads: &Heads) -> Vec<(TokenId, u64)> {
    let inputs = receipt.entry.signed.transfer.inputs.iter();
    let above = inputs.filter_map(|input| {
        let state = input.state;
        let (head, _) = heads.chain(&state.token)?.head(state.token);
        let is_spent = head.height < state.height || head == state;
        is_spent.then(|| (state.token, state.height.saturating_add(1)))
    });
    above.collect()
}
