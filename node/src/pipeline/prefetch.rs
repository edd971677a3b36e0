//! Stage 1: rules that need no store (R3), and the tips of all input states (R2) in one pass.

use consensus::{Judge, Refusal, Validator, Verdict};
use ledger::{Bitmap, TokenState};

/// A batch whose inputs are looked up. `verdicts[i]` is for entry i: `None` where it was not asked
/// for, `Valid` where the signature is still to be checked.
#[derive(Debug)]
pub struct Prefetched {
    pub(super) job: Judge,
    pub(super) verdicts: Vec<Option<Verdict>>,
}

impl Prefetched {
    /// The input states of what may still be found Valid, each with its entry.
    pub fn open_states(&self) -> impl Iterator<Item = (usize, TokenState)> + '_ {
        let entries = self.job.proposal.entries.iter().zip(&self.verdicts).enumerate();
        let open = entries.filter(|(_, (_, verdict))| **verdict == Some(Verdict::Valid));
        open.flat_map(|(index, (entry, _))| {
            let inputs = &entry.signed.transfer.inputs;
            inputs.iter().map(move |input| (index, input.state))
        })
    }
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
