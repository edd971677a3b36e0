//! Clients' transfers on their way to the proposer: the same checks as a batch's, over whatever has
//! come in together. Signatures come first ([`check`]), before anything is noted under a transfer's
//! id: the id does not cover them, so what bytes with a bad signature come to is an answer to who
//! sent these, and says nothing of the same transfer well signed.

use super::Done;
use super::dht_check::{self, Findings, Question};
use super::hash::{is_justified, verify};
use crate::handle::Shared;
use consensus::{Refusal, Verdict, VerifiedEntry};
use ledger::{Entry, SignedTransfer, TokenState, TransferError, TransferId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a client's transfer is asked about again while the DHT is silent, in strict mode.
const SILENT_MAX: Duration = Duration::from_secs(2);
/// Pause between two such questions.
const SILENT_PAUSE: Duration = Duration::from_millis(100);

/// A transfer that a client has sent.
#[derive(Debug)]
pub struct Admission {
    /// The transfer, its round and its justification, checked.
    pub entry: VerifiedEntry,
    /// When it came.
    pub admitted: Instant,
    /// Its size as counted in `Shared::queued_bytes`, until it is judged; 0 when it is not.
    pub bytes: usize,
}

/// A transfer with this node's verdict.
#[derive(Debug)]
pub struct Admitted {
    /// The transfer.
    pub admission: Admission,
    /// Whether it may be proposed.
    pub verdict: Verdict,
}

/// Checks owners' signatures and, above round 0, justifications, on the calling thread and, inside
/// a rayon pool, on its threads: `checked[i]` is for `entries[i]`, which come with their ids. Some
/// 20 µs each, alone 50, and above round 0 up to some milliseconds.
///
/// # Errors
/// [`Refusal::Transfer`] for a bad signature, [`Refusal::NotJustified`]; what else is wrong with
/// one that is badly signed comes first.
#[allow(clippy::result_large_err, reason = "a refusal carries its evidence, and is rare")]
pub fn check(
    shared: &Shared,
    entries: Vec<(Entry, TransferId)>,
) -> Vec<Result<VerifiedEntry, Refusal>> {
    let transfers: Vec<&SignedTransfer> = entries.iter().map(|(entry, _)| &entry.signed).collect();
    let ids: Vec<TransferId> = entries.iter().map(|(_, id)| *id).collect();
    let valid = verify(&transfers, &ids);
    let one = |((entry, id), is_valid): ((Entry, TransferId), bool)| {
        if !is_valid {
            return Err(match judge(shared.validator.read().tips(), &entry.signed) {
                Verdict::Invalid(refusal) => refusal,
                _ => Refusal::Transfer(TransferError::BadSignature),
            });
        }
        match is_justified(&entry, id, &shared.network) {
            true => Ok(VerifiedEntry::assume_verified(entry, id)),
            false => Err(Refusal::NotJustified),
        }
    };
    entries.into_iter().zip(valid).map(one).collect()
}

/// Judges a group: `admitted[i]` is for `group[i]`. In an untrusted network the question to the DHT
/// comes with it, under way already.
pub fn admit(shared: &Shared, group: Vec<Admission>) -> (Vec<Admitted>, Option<Question>) {
    let admitted: Vec<Admitted> = {
        let validator = shared.validator.read();
        let tips = validator.tips();
        let one = |admission: Admission| {
            let verdict = judge(tips, &admission.entry.entry().signed);
            Admitted { admission, verdict }
        };
        group.into_iter().map(one).collect()
    };
    let question = dht_check::ask(shared, states(&admitted));
    (admitted, question)
}

/// The states of those that are Valid so far, each with its transfer's place in the group.
fn states(admitted: &[Admitted]) -> impl Iterator<Item = (usize, TokenState)> {
    let open = admitted.iter().enumerate().filter(|(_, one)| one.verdict == Verdict::Valid);
    open.flat_map(|(index, one)| {
        let inputs = &one.admission.entry.transfer().inputs;
        inputs.iter().map(move |input| (index, input.state))
    })
}

/// Waits for the DHT's answers, then hands the group to the driver. In strict mode what is silent
/// is asked about again for a while.
pub(super) async fn finish(
    shared: Arc<Shared>,
    admitted: Vec<Admitted>,
    question: Question,
    done: mpsc::Sender<Done>,
) {
    let is_strict = dht_check::is_strict(&shared);
    let until = Instant::now() + SILENT_MAX;
    let mut findings = question.answer_or_silence(&shared).await;
    while is_strict && !findings.is_complete() && Instant::now() < until {
        tokio::time::sleep(SILENT_PAUSE).await;
        let Some(question) = dht_check::ask(&shared, states(&admitted)) else { break };
        findings = question.answer_or_silence(&shared).await;
    }
    let admitted = apply(&shared, admitted, &findings, is_strict);
    // The driver is gone only when the node ends.
    drop(done.send(Done::Admitted(admitted)).await);
}

fn apply(
    shared: &Shared,
    mut admitted: Vec<Admitted>,
    findings: &Findings,
    is_strict: bool,
) -> Vec<Admitted> {
    for (index, one) in admitted.iter_mut().enumerate() {
        if one.verdict != Verdict::Valid {
            continue;
        }
        let id = one.admission.entry.id();
        if let Some(mark) = findings.mark(index) {
            shared.board.mark(&id, mark);
        }
        one.verdict = findings.verdict(index, id, is_strict);
    }
    admitted
}

fn judge(tips: &consensus::Tips, signed: &SignedTransfer) -> Verdict {
    match signed.transfer.check(tips) {
        Ok(()) => tips.judge(&signed.transfer),
        Err(error) => Verdict::Invalid(Refusal::Transfer(error)),
    }
}
