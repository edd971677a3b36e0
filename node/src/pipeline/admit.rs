//! Clients' transfers on their way to the proposer: the same checks as a batch's, over whatever has
//! come in together.

use super::Done;
use super::dht_check::{self, Findings, Question};
use super::hash::{is_justified, verify};
use crate::handle::Shared;
use consensus::{Refusal, Verdict, VerifiedEntry};
use ledger::{Entry, SignedTransfer, TransferError, TransferId};
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
    /// The transfer, its round and its justification, unchecked.
    pub entry: Entry,
    /// Its id.
    pub id: TransferId,
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
    /// `Valid` comes with the verified entry.
    pub verdict: Verdict,
    /// What may be proposed.
    pub verified: Option<VerifiedEntry>,
}

/// Judges a group: `admitted[i]` is for `group[i]`. All signatures in one batch. In an untrusted
/// network the question to the DHT comes with it, under way already.
pub fn admit(shared: &Shared, group: Vec<Admission>) -> (Vec<Admitted>, Option<Question>) {
    let mut verdicts: Vec<Verdict> = {
        let validator = shared.validator.read();
        let tips = validator.tips();
        group.iter().map(|admission| judge(tips, &admission.entry.signed)).collect()
    };
    let open: Vec<usize> =
        (0..group.len()).filter(|index| verdicts[*index] == Verdict::Valid).collect();
    let transfers: Vec<&SignedTransfer> =
        open.iter().map(|index| &group[*index].entry.signed).collect();
    let ids: Vec<TransferId> = open.iter().map(|index| group[*index].id).collect();
    for (index, is_valid) in open.iter().zip(verify(&transfers, &ids)) {
        if !is_valid {
            let refusal = Refusal::Transfer(TransferError::BadSignature);
            verdicts[*index] = Verdict::Invalid(refusal);
        } else if !is_justified(&group[*index].entry, group[*index].id, &shared.network) {
            verdicts[*index] = Verdict::Invalid(Refusal::NotJustified);
        }
    }
    // After the signatures: whoever owns nothing can't make this node ask.
    let signed = open.iter().filter(|index| verdicts[**index] == Verdict::Valid);
    let states = signed.flat_map(|index| {
        let inputs = &group[*index].entry.signed.transfer.inputs;
        inputs.iter().map(|input| (*index, input.state))
    });
    let question = dht_check::ask(shared, states);
    let pairs = group.into_iter().zip(verdicts);
    (pairs.map(|(admission, verdict)| admitted(admission, verdict)).collect(), question)
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
        let open = admitted.iter().enumerate().filter(|(_, one)| one.verified.is_some());
        let states = open.flat_map(|(index, one)| {
            let inputs = &one.admission.entry.signed.transfer.inputs;
            inputs.iter().map(move |input| (index, input.state))
        });
        let Some(question) = dht_check::ask(&shared, states) else { break };
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
        let id = one.admission.id;
        if let Some(mark) = findings.mark(index) {
            shared.board.mark(&id, mark);
        }
        one.verdict = findings.verdict(index, id, is_strict);
        if one.verdict != Verdict::Valid {
            one.verified = None;
        }
    }
    admitted
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
        is_valid.then(|| VerifiedEntry::assume_verified(admission.entry.clone(), admission.id));
    Admitted { admission, verdict, verified }
}
