//! Clients' transfers on their way to the proposer: the same checks as a batch's, over whatever has
//! come in together.

use super::hash::verify;
use crate::handle::Shared;
use consensus::{Refusal, Verdict};
use ledger::{SignedTransfer, TransferError, TransferId, VerifiedTransfer};
use std::time::Instant;

/// A transfer that a client has sent.
#[derive(Debug)]
pub struct Admission {
    /// The transfer, unchecked.
    pub signed: SignedTransfer,
    /// Its id.
    pub id: TransferId,
    /// When it came.
    pub admitted: Instant,
}

/// A transfer with this node's verdict.
#[derive(Debug)]
pub struct Admitted {
    /// The transfer.
    pub admission: Admission,
    /// `Valid` comes with the verified transfer.
    pub verdict: Verdict,
    /// What may be proposed.
    pub verified: Option<VerifiedTransfer>,
}

/// Judges a group: `admitted[i]` is for `group[i]`. All signatures in one batch.
pub fn admit(shared: &Shared, group: Vec<Admission>) -> Vec<Admitted> {
    let mut verdicts: Vec<Verdict> = {
        let validator = shared.validator.read();
        let tips = validator.tips();
        group.iter().map(|admission| judge(tips, &admission.signed)).collect()
    };
    let open: Vec<usize> =
        (0..group.len()).filter(|index| verdicts[*index] == Verdict::Valid).collect();
    let transfers: Vec<&SignedTransfer> = open.iter().map(|index| &group[*index].signed).collect();
    let ids: Vec<TransferId> = open.iter().map(|index| group[*index].id).collect();
    for (index, is_valid) in open.iter().zip(verify(&transfers, &ids)) {
        if !is_valid {
            let refusal = Refusal::Transfer(TransferError::BadSignature);
            verdicts[*index] = Verdict::Invalid(refusal);
        }
    }
    let pairs = group.into_iter().zip(verdicts);
    pairs.map(|(admission, verdict)| admitted(admission, verdict)).collect()
}

fn judge(tips: &consensus::Tips, signed: &SignedTransfer) -> Verdict {
    match signed.transfer.check(tips) {
        Ok(()) => tips.judge(&signed.transfer),
        Err(error) => Verdict::Invalid(Refusal::Transfer(error)),
    }
}

fn admitted(admission: Admission, verdict: Verdict) -> Admitted {
    let is_valid = verdict == Verdict::Valid;
    let verified =
        is_valid.then(|| VerifiedTransfer::assume_verified(admission.signed.clone(), admission.id));
    Admitted { admission, verdict, verified }
}
