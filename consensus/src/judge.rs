//! What the validation pipeline hands to the validator, and the slow sequential form of the
//! pipeline: one transfer after the other, one signature at a time. The node's pipeline must give
//! the same verdicts.

use crate::batch::{Batch, Proposal, WrongRoot};
use crate::recovery::VerifiedEntry;
use crate::tips::Tips;
use crate::verdict::{Refusal, Verdict};
use ledger::{Bitmap, Entry};
use rand_core::CryptoRng;
use std::sync::Arc;

/// A batch with a verdict for each entry.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The batch as received.
    pub proposal: Arc<Proposal>,
    /// The batch with ids, or the reason why it is refused whole (R1).
    pub batch: Result<Arc<Batch>, WrongRoot>,
    /// Whether the proposer's signature holds; a batch without is refused whole.
    pub is_signed: bool,
    /// `verdicts[i]` is for entry i; `None` where it was not asked for. Empty when the batch is
    /// refused.
    pub verdicts: Vec<Option<Verdict>>,
}

/// Judges a batch one transfer at a time: R1 to R3 as far as the tips tell. Locks (R4) are the
/// validator's.
pub fn judge(
    tips: &Tips,
    proposal: Arc<Proposal>,
    only: Option<&Bitmap>,
    rng: &mut impl CryptoRng,
) -> Judged {
    let is_signed = proposal.is_signed(tips.network());
    let batch = Batch::of(&proposal).map(Arc::new);
    let verdicts = match &batch {
        Ok(_) if is_signed => {
            let wanted = |index: usize| only.is_none_or(|only| only.has(index));
            let entries = proposal.entries.iter().enumerate();
            entries.map(|(i, entry)| wanted(i).then(|| judge_entry(tips, entry, rng))).collect()
        }
        _ => Vec::new(),
    };
    Judged { proposal, batch, is_signed, verdicts }
}

/// Judges one entry. What fails early skips the dear signature check.
pub fn judge_entry(tips: &Tips, entry: &Entry, rng: &mut impl CryptoRng) -> Verdict {
    if let Err(error) = entry.signed.transfer.check(tips) {
        return Verdict::Invalid(Refusal::Transfer(error));
    }
    match tips.judge(&entry.signed.transfer) {
        Verdict::Valid => match VerifiedEntry::verify(entry.clone(), tips.network(), rng) {
            Ok(_) => Verdict::Valid,
            Err(refusal) => Verdict::Invalid(refusal),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;

    #[test]
    fn verdicts_are_given_where_they_are_asked_for_and_never_for_a_refused_batch() {
        let tips = Tips::genesis(network());
        let (proposal, _) = batch(0, &[pay_coin(0, ""), pay(1, &[coin(0)], 0, "not his")]);
        let judged = judge(&tips, proposal.clone(), None, &mut rng());
        assert_eq!(judged.verdicts.len(), 2);
        assert_eq!(judged.verdicts[0], Some(Verdict::Valid));
        assert!(matches!(judged.verdicts[1], Some(Verdict::Invalid(Refusal::NotOwner { .. }))));
        let only = judge(&tips, proposal.clone(), Some(&bits(".1")), &mut rng());
        assert_eq!((only.verdicts[0].is_none(), only.verdicts[1].is_some()), (true, true));
        let mut stranger = (*proposal).clone();
        stranger.proposer = 7;
        let judged = judge(&tips, Arc::new(stranger), None, &mut rng());
        assert!(!judged.is_signed && judged.verdicts.is_empty());
        let mut wrong = (*proposal).clone();
        wrong.claimed = Default::default();
        let judged = judge(&tips, Arc::new(wrong), None, &mut rng());
        assert!(judged.batch.is_err() && judged.verdicts.is_empty());
    }
}
