//! What the driver tells the readers of `GET /v1/events`: the documents of its events. Made only
//! while somebody reads, or did lately (`events`); they decide nothing.

use crate::board::voters;
use crate::handle::Shared;
use crate::view::{StagesUs, names};
use consensus::{Applied, Record, TransferReport};
use serde_json::{Value, json};

/// Transfers that the event of a batch names: what a list shows without asking.
const NAMED_MAX: usize = 8;

/// A `batch` event: transfers of a batch were applied, `total` are by now. `persist` is what the
/// same step records; the batch's Commit certificate is in it. `proposer` and `commit` are null
/// where this step does not tell.
///
/// # Panics
/// When nothing was applied.
pub(super) fn batch(shared: &Shared, persist: &[Record], applied: &[Applied], total: u64) -> Value {
    let id = applied.first().expect("something was applied").batch;
    let certificate = persist.iter().find_map(|record| match record {
        Record::Applied(certified) if certified.certificate.batch == id => {
            Some(&certified.certificate)
        }
        _ => None,
    });
    let commit = certificate.map(|certificate| names(shared, &voters(certificate)));
    let proposer = shared.validator.read().proposal(&id).map(|proposal| proposal.proposer);
    let of_batch = applied.iter().filter(|applied| applied.batch == id);
    let first: Vec<String> =
        of_batch.take(NAMED_MAX).map(|applied| applied.change.id.to_string()).collect();
    json!({
        "schema": "quorate.batch-event/1",
        "ok": true,
        "batch": id.to_string(),
        "transfers": applied.len(),
        "applied": total,
        "proposer": proposer.map(|member| shared.name_of(member)),
        "commit": commit,
        "first": first,
    })
}

/// A `transfer` event: a transfer that this node proposed has ended.
pub(super) fn transfer(report: &TransferReport) -> Value {
    let outcome = crate::error::outcome_code(&report.outcome).map_or("final", |code| code.slug);
    json!({
        "schema": "quorate.transfer-event/1",
        "ok": true,
        "id": report.id.to_string(),
        "outcome": outcome,
        "total_us": report.stages.total,
        "round": report.round,
        "stages_us": StagesUs::of(&report.stages),
    })
}

/// A `validator` event: another member is heard from again, or not any more.
pub(super) fn validator(name: &str, is_up: bool) -> Value {
    json!({"schema": "quorate.validator-event/1", "ok": true, "name": name, "up": is_up})
}
