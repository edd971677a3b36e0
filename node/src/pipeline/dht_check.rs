//! Stage 4: does anyone out there say that a state is spent? Skipped, and only this stage, in a
//! trusted network. Without an adapter to ask there is nobody out there: configuration refuses
//! untrusted networks until there is one, so this stage can't be skipped by accident.

use super::pin_check::PinChecked;
use consensus::{Cause, Judged, Verdict};

/// Ends the pipeline. In an untrusted network what would be `Valid` is `Unknown` as long as nobody
/// can be asked: never a yes by omission (R10).
pub fn dht_check(trusted_network: bool, checked: PinChecked) -> Judged {
    let mut hashed = checked.0;
    if !trusted_network {
        for verdict in hashed.verdicts.iter_mut().flatten() {
            if *verdict == Verdict::Valid {
                *verdict = Verdict::Unknown(Cause::DhtSilent);
            }
        }
    }
    Judged {
        proposal: hashed.proposal,
        batch: hashed.batch,
        is_signed: hashed.is_signed,
        verdicts: hashed.verdicts,
    }
}
