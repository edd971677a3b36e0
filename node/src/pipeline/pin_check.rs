//! Stage 3: is a state pinned as spent here, and by which transfer? That transfer's receipt is the
//! answer.

use super::hash::Hashed;
use consensus::{Refusal, Verdict};
use ledger::TransferId;

/// A batch in which every spent state that can be is traced to its spender.
#[derive(Debug)]
pub struct PinChecked(pub(super) Hashed);

/// Traces spent states. A transfer that is final here is named as its own states' spender: the same
/// transfer again is success (R8). The tip itself names the spender of the newest state; older ones
/// are left without. `is_final` tells whether a transfer is final here.
pub fn pin_check(is_final: impl Fn(&TransferId) -> bool, mut hashed: Hashed) -> PinChecked {
    let Ok(batch) = &hashed.batch else { return PinChecked(hashed) };
    for (verdict, id) in hashed.verdicts.iter_mut().zip(batch.ids()) {
        if let Some(Verdict::Invalid(Refusal::Spent { by, .. })) = verdict
            && *by != Some(*id)
            && is_final(id)
        {
            *by = Some(*id);
        }
    }
    PinChecked(hashed)
}
