//! Stage 1: rules that need no store (R3), and the tips of all input states (R2) in one pass.

use consensus::{Judge, Refusal, Validator, Verdict};
use ledger::Bitmap;

/// A batch whose inputs are looked up. `verdicts[i]` is for entry i: `None` where it was not asked
/// for, `Valid` where the signature is still to be checked.
#[derive(Debug)]
pub struct Prefetched {
    pub(super) job: Judge,
    pub(super) verdicts: Vec<Option<Verdict>>,
}

/// Looks everything up under one read lock.
pub fn prefetch(validator: &Validator, job: Judge) -> Prefetched {
    let tips = validator.tips();
    let is_wanted = |only: &Option<Bitmap>, index| only.as_ref().is_none_or(|o| o.has(index));
    let entries = job.proposal.entries.iter().enumerate();
    let verdicts = entries.map(|(index, entry)| {
        is_wanted(&job.only, index).then(|| match entry.signed.transfer.check(tips) {
            Ok(()) => tips.judge(&entry.signed.transfer),
            Err(error) => Verdict::Invalid(Refusal::Transfer(error)),
        })
    });
    let verdicts = verdicts.collect();
    Prefetched { job, verdicts }
}
