//! Transfers: `quorate.transfer/1`, and the short rows that a batch is answered with.

use super::text::{AddressText, IdText};
use super::{ErrorBody, Schema, Unit, count, names};
use crate::board::{Entry, Status};
use crate::error::{Failure, OUTCOME_UNKNOWN, TOKEN_LOCKED, rejection};
use crate::handle::Shared;
use consensus::proposer::VoteSplit;
use consensus::{Outcome, Refusal, Stages};
use ledger::asset::issued_asset_id;
use ledger::{Address, AssetId, Output, Transfer, TransferId, format_amount};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is known of one transfer. What follows `tokens_spent` is there once it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransferDocument {
    /// `quorate.transfer/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True: the question was answered, whatever became of the transfer.
    pub ok: bool,
    /// The transfer.
    #[schema(value_type = IdText)]
    pub id: TransferId,
    /// `signed`, `submitted`, `locked`, `final`, `rejected` or `unknown`.
    pub status: String,
    /// Who signed it.
    #[schema(value_type = AddressText)]
    pub from: Address,
    /// Whom the first output that is not the signer's goes to; the signer when all are.
    #[schema(value_type = AddressText)]
    pub to: Address,
    /// The asset of that output.
    pub asset: String,
    /// Sum of the outputs to `to` in that asset, decimal text.
    pub amount: String,
    /// How many inputs.
    pub tokens_spent: u64,
    /// Its memo; empty for none.
    #[serde(default)]
    pub memo: String,
    /// The round in which it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub round: Option<u32>,
    /// Who voted for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub votes: Option<VotesOf>,
    /// Timings; none for a transfer that another validator proposed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stages_us: Option<StagesUs>,
    /// In an untrusted network: `complete` when enough of the DHT answered, else `incomplete`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dht: Option<String>,
    /// Of a `locked` one: who votes for what.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub locked: Option<LockSplit>,
    /// Of a `rejected`, `locked` or `unknown` one: the failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorBody>,
}

/// Who voted for a transfer, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VotesOf {
    /// To lock it; empty when it is read from the store, which keeps Commit votes only.
    pub lock: Vec<String>,
    /// To commit it.
    pub commit: Vec<String>,
    /// Vote weight that is enough.
    pub quorum: u64,
}

/// How long each stage took, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StagesUs {
    /// From the client's bytes to found Valid.
    pub admit: u64,
    /// Waiting for its batch to be sealed.
    pub batch_wait: u64,
    /// Encoding, compressing and handing the batch to the links.
    pub propose: u64,
    /// From proposing to the Lock certificate.
    pub lock: u64,
    /// From the Lock certificate to the Commit certificate.
    pub commit: u64,
    /// From admission to the durable Commit certificate.
    pub total: u64,
}

/// Who votes for what, where locks are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LockSplit {
    /// The other transfer with the most votes; `None` when no member named one.
    #[schema(value_type = Option<IdText>)]
    pub held_by: Option<TransferId>,
    /// Members by the transfer they have locked; zeros where they did not say.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub votes: BTreeMap<TransferId, Vec<String>>,
}

/// The outcomes of a batch of submitted transfers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutcomesDocument {
    /// `quorate.outcomes/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// `outcomes[i]` is for the i-th transfer of the request.
    pub outcomes: Vec<OutcomeRow>,
}

/// The outcome of one transfer of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeRow {
    /// The transfer; `None` for bytes that are none.
    #[schema(value_type = Option<IdText>)]
    pub id: Option<TransferId>,
    /// As in [`TransferDocument::status`]; `signed` for one that could not be taken now and may be
    /// sent again.
    pub status: String,
    /// From admission to the durable Commit certificate, µs; of a final one that was proposed here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub total_us: Option<u64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorBody>,
}

impl TransferDocument {
    /// What is known of a transfer.
    pub fn of(shared: &Shared, entry: &Entry) -> Self {
        let transfer = &entry.signed.transfer;
        let (to, asset, amount) = summary(shared, entry.id, transfer);
        let report = entry.report.as_ref().filter(|_| entry.status != Status::Submitted);
        let locked = match report.map(|report| &report.outcome) {
            Some(Outcome::Locked(split)) => Some(LockSplit::of(shared, entry.id, split)),
            _ => None,
        };
        Self {
            schema: "quorate.transfer/1".into(),
            ok: true,
            id: entry.id,
            status: entry.status.word().into(),
            from: transfer.owner,
            to,
            asset,
            amount,
            tokens_spent: count(transfer.inputs.len()),
            memo: transfer.memo.clone(),
            round: report.map(|report| report.round),
            votes: (entry.status == Status::Final).then(|| VotesOf::of(shared, entry)),
            stages_us: report.map(|report| StagesUs::of(&report.stages)),
            dht: entry.dht.map(|mark| mark.word().into()),
            locked,
            error: failure_of(shared, entry).map(|failure| ErrorBody::of(&failure)),
        }
    }
}

impl VotesOf {
    fn of(shared: &Shared, entry: &Entry) -> Self {
        let quorum = shared.network.committee.quorum();
        let (lock, commit) = match &entry.report {
            Some(report) => (report.lock.as_slice(), report.commit.as_slice()),
            None => ([].as_slice(), entry.commit.as_slice()),
        };
        Self { lock: names(shared, lock), commit: names(shared, commit), quorum }
    }
}

impl StagesUs {
    /// As the state machine counted them.
    pub fn of(stages: &Stages) -> Self {
        Self {
            admit: stages.admit,
            batch_wait: stages.batch_wait,
            propose: stages.propose,
            lock: stages.lock,
            commit: stages.commit,
            total: stages.total,
        }
    }
}

impl LockSplit {
    fn of(shared: &Shared, id: TransferId, split: &VoteSplit) -> Self {
        let named = split.others.iter().filter(|(other, _)| **other != TransferId::default());
        let held_by = named.max_by_key(|(_, members)| members.len()).map(|(other, _)| *other);
        let others = split.others.iter().map(|(other, members)| (*other, names(shared, members)));
        let mut votes: BTreeMap<TransferId, Vec<String>> = others.collect();
        votes.insert(id, names(shared, &split.ours));
        Self { held_by, votes }
    }
}

impl OutcomeRow {
    /// The row of a transfer that was taken.
    pub fn of(shared: &Shared, entry: &Entry) -> Self {
        let report = entry.report.as_ref().filter(|_| entry.status == Status::Final);
        Self {
            id: Some(entry.id),
            status: entry.status.word().into(),
            total_us: report.map(|report| report.stages.total),
            error: failure_of(shared, entry).map(|failure| ErrorBody::of(&failure)),
        }
    }

    /// The row of one that is on its way.
    pub fn submitted(id: TransferId) -> Self {
        let status = Status::Submitted.word().into();
        Self { id: Some(id), status, total_us: None, error: None }
    }

    /// The row of one that was taken and has not ended in time.
    pub fn unknown(id: TransferId) -> Self {
        let error = Some(ErrorBody::of(&unknown_outcome(id)));
        Self { id: Some(id), status: Status::Unknown.word().into(), total_us: None, error }
    }

    /// The row of a transfer that was not taken.
    pub fn refused(id: Option<TransferId>, failure: &Failure) -> Self {
        let status = if failure.code.is_retryable { "signed" } else { "rejected" };
        let error = Some(ErrorBody::of(failure));
        Self { id, status: status.into(), total_us: None, error }
    }
}

/// To whom, which asset, how much. A transfer that names an input it does not have moves nothing.
fn summary(shared: &Shared, id: TransferId, transfer: &Transfer) -> (Address, String, String) {
    let outputs: Vec<(Address, AssetId, u64)> =
        (0u32..).zip(&transfer.outputs).map(|(i, output)| made(transfer, id, i, output)).collect();
    let first = outputs.iter().position(|(to, ..)| *to != transfer.owner).unwrap_or(0);
    let Some((to, asset, _)) = outputs.get(first).copied() else {
        return (transfer.owner, String::new(), "0".into());
    };
    let same = outputs.iter().filter(|output| (output.0, output.1) == (to, asset));
    let units = same.fold(0u64, |sum, output| sum.saturating_add(output.2));
    if let Some(Output::Issue { definition, .. }) = transfer.outputs.get(first) {
        return (to, asset.to_string(), format_amount(units, definition.decimals()));
    }
    let unit = Unit::of(shared.validator.read().tips(), &asset);
    let amount = unit.amount(units);
    (to, unit.label, amount)
}

fn made(
    transfer: &Transfer,
    id: TransferId,
    index: u32,
    output: &Output,
) -> (Address, AssetId, u64) {
    match output {
        Output::Move { input, to } => {
            let input = transfer.inputs.get(usize::from(*input));
            input.map_or((*to, AssetId::default(), 0), |input| (*to, input.asset, input.amount))
        }
        Output::Create { asset, amount, to } => (*to, *asset, *amount),
        Output::Issue { supply, to, .. } => (*to, issued_asset_id(id, index), *supply),
    }
}

/// The failure that a transfer ended with; `None` while it is on its way, and when it is final.
pub fn failure_of(shared: &Shared, entry: &Entry) -> Option<Failure> {
    let id = entry.id;
    match (entry.status, entry.report.as_ref().map(|report| &report.outcome)) {
        (Status::Submitted | Status::Final, _) | (_, Some(Outcome::Final)) => None,
        (_, Some(Outcome::Rejected(refusal))) => Some(rejected(id, refusal)),
        (_, Some(Outcome::Locked(split))) => {
            Some(locked(shared, (id, &entry.signed.transfer), split))
        }
        (_, Some(Outcome::Unknown) | None) => Some(unknown_outcome(id)),
    }
}

fn rejected(id: TransferId, refusal: &Refusal) -> Failure {
    let failure = Failure::new(rejection(refusal), format!("{refusal}; nothing was changed"));
    let details = match refusal {
        Refusal::Spent { state, by } => {
            json!({"transfer": id, "token": state.token, "height": state.height, "by": by})
        }
        Refusal::LockConflict { state, held_by, .. } => {
            json!({"transfer": id, "token": state.token, "held_by": held_by, "votes": {}})
        }
        Refusal::NotOwner { token }
        | Refusal::WrongValue { token }
        | Refusal::NoSuchToken { token } => json!({"transfer": id, "token": token}),
        _ => json!({"transfer": id}),
    };
    let failure = failure.details(details);
    match refusal {
        Refusal::Spent { .. } => failure.help("look at the owner's tokens and pay with others"),
        _ => failure,
    }
}

/// Tokens that a message names at most.
const NAMED_MAX: usize = 8;

fn locked(shared: &Shared, (id, transfer): (TransferId, &Transfer), split: &VoteSplit) -> Failure {
    let tokens = transfer.inputs.iter().map(|input| input.state.token.to_string());
    let tokens: Vec<String> = tokens.take(NAMED_MAX).collect();
    let split = LockSplit::of(shared, id, split);
    let holder = match &split.held_by {
        Some(other) => format!("transfer {other}"),
        None => "another transfer".into(),
    };
    let votes = split.votes.iter().map(|(of, members)| format!("{of}: {}", members.join(", ")));
    let votes: Vec<String> = votes.collect();
    let what = format!(
        "a token of transfer {id} is locked by {holder} (votes {}); nothing was changed",
        votes.join("; ")
    );
    let mut details = serde_json::to_value(&split).expect("names and ids have a JSON form");
    if let Value::Object(details) = &mut details {
        details.insert("transfer".into(), json!(id));
        details.insert("tokens".into(), json!(tokens));
    }
    let failure = Failure::new(TOKEN_LOCKED, what).details(details);
    failure.help(format!(
        "quorate recover {}   frees them, or completes what was paid",
        tokens.join(" ")
    ))
}

/// The failure of a transfer that was taken and whose end nobody has told yet.
pub fn unknown_outcome(id: TransferId) -> Failure {
    let what = format!("transfer {id} was proposed and its outcome is not known yet");
    Failure::new(OUTCOME_UNKNOWN, what)
        .help(format!("quorate tx wait {id}"))
        .help(format!("quorate tx retry {id}"))
        .details(json!({"transfer": id}))
}
