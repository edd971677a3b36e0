//! The pipeline finds what the slow sequential form finds, for every transfer of every batch. In
//! one thing it knows more: that a spent state was spent by this very transfer.

use super::Broken;
use consensus::{Judged, Refusal, Verdict};
use ledger::TransferId;

/// Whether both found the same.
///
/// # Errors
/// Where they differ.
pub fn same(
    fast: &Judged,
    slow: &Judged,
    is_final: impl Fn(&TransferId) -> bool,
) -> Result<(), Broken> {
    let id = |judged: &Judged| judged.batch.as_ref().map(|batch| batch.id()).ok();
    let ids: &[TransferId] = slow.batch.as_ref().map_or(&[], |batch| batch.ids());
    let is_alike = fast.is_signed == slow.is_signed
        && id(fast) == id(slow)
        && fast.proposal == slow.proposal
        && fast.verdicts.len() == slow.verdicts.len();
    if !is_alike {
        let what = format!("{:?} or {:?} verdicts", fast.verdicts.len(), slow.verdicts.len());
        return Err(("judged", format!("two pipelines differ about a batch: {what}")));
    }
    for (index, (fast, slow)) in fast.verdicts.iter().zip(&slow.verdicts).enumerate() {
        if fast == slow {
            continue;
        }
        let own = ids.get(index).copied();
        let spent = |verdict: &Option<Verdict>| match verdict {
            Some(Verdict::Invalid(Refusal::Spent { state, by })) => Some((*state, *by)),
            _ => None,
        };
        let is_own = match (spent(fast), spent(slow)) {
            (Some((state, by)), Some((other, _))) => {
                state == other && by == own && own.is_some_and(|own| is_final(&own))
            }
            _ => false,
        };
        if !is_own {
            let what = format!("entry {index}: the pipeline finds {fast:?}, one by one {slow:?}");
            return Err(("judged", what));
        }
    }
    Ok(())
}
