//! Sending transfers, asking what became of them, and their receipts.

use super::answer::{bytes, document, not_found, ok};
use super::body;
use super::input::{In, Params};
use super::limits::LOOK_EVERY;
use super::{Answered, Api};
use crate::board::{Entry, Status};
use crate::error::Failure;
use crate::view::{
    OutcomeRow, OutcomesDocument, ReceiptDocument, TransferDocument, failure_of, unknown_outcome,
};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use ledger::{Canonical, TransferId};
use std::time::Duration;
use tokio::time::Instant;

/// Transfers of one request that its client gets spans of, if it traces.
const FOLLOWED_A_REQUEST_MAX: usize = 64;

/// `POST /v1/transfers`.
pub(super) async fn submit(State(api): State<Api>, params: Params, request: Request) -> Answered {
    let wait = params.only(&["wait"])?.wait()?;
    let signed = body::one_transfer(&api, request).await?;
    api.shared().telemetry.follow(|| signed.transfer.id());
    let id = api.handle.submit(signed).await?;
    let Some(time) = wait else {
        // It was put on the board just now; a full board may have let go of it since.
        let entry = api.shared().board.get(&id).ok_or_else(|| unknown_outcome(id))?;
        let taken = TransferDocument::of(api.shared(), &entry);
        return Ok(document(StatusCode::ACCEPTED, &taken));
    };
    // It is taken: a store that can't be read now makes its outcome unknown, and nothing else.
    let entry = api.ended(id, time).await.ok().flatten().ok_or_else(|| unknown_outcome(id))?;
    match entry.status {
        Status::Final => Ok(ok(&TransferDocument::of(api.shared(), &entry))),
        Status::Submitted => Err(unknown_outcome(id).into()),
        _ => Err(failure_of(api.shared(), &entry).unwrap_or_else(|| unknown_outcome(id)).into()),
    }
}

/// `POST /v1/transfers/batch`.
pub(super) async fn submit_batch(
    State(api): State<Api>,
    params: Params,
    request: Request,
) -> Answered {
    let wait = params.only(&["wait"])?.wait()?;
    let transfers = body::many_transfers(&api, request).await?;
    api.handle.can_propose()?;
    let (mut refusals, mut entries) = (Vec::with_capacity(transfers.len()), Vec::new());
    for decoded in transfers {
        refusals.push(match decoded {
            Ok(signed) => {
                entries.push(ledger::Entry::ordinary(signed));
                None
            }
            Err(refused) => Some(OutcomeRow::refused(refused.id, &refused.failure)),
        });
    }
    let mut taken = api.take(entries).await.into_iter();
    let mut outcomes: Vec<OutcomeRow> =
        refusals.into_iter().filter_map(|refused| refused.or_else(|| taken.next())).collect();
    let status = if wait.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    if let Some(time) = wait {
        outcomes_of(&api, &mut outcomes, time).await;
    }
    let outcomes = OutcomesDocument { schema: "quorate.outcomes/1".into(), ok: true, outcomes };
    Ok(document(status, &outcomes))
}

/// Waits for the ends of the transfers that were taken.
pub(super) async fn outcomes_of(api: &Api, outcomes: &mut [OutcomeRow], time: Duration) {
    let until = Instant::now() + time;
    for row in outcomes.iter_mut().filter(|row| row.error.is_none()) {
        let Some(id) = row.id else { continue };
        let left = until.saturating_duration_since(Instant::now());
        *row = match api.ended(id, left).await {
            Ok(Some(entry)) if entry.status != Status::Submitted => {
                OutcomeRow::of(api.shared(), &entry)
            }
            _ => OutcomeRow::unknown(id),
        };
    }
}

/// `GET /v1/transfers/{id}`.
pub(super) async fn transfer(
    State(api): State<Api>,
    In(id): In<TransferId>,
    params: Params,
) -> Answered {
    let wait = params.only(&["wait"])?.wait()?;
    let entry = api.ended(id, wait.unwrap_or(Duration::ZERO)).await?;
    let entry = entry.ok_or_else(|| not_found(format!("transfer {id}")))?;
    Ok(ok(&TransferDocument::of(api.shared(), &entry)))
}

/// `GET /v1/receipts/{id}`: canonical bytes, or with `Accept: application/json` a receipt file.
pub(super) async fn receipt(
    State(api): State<Api>,
    In(id): In<TransferId>,
    params: Params,
    headers: HeaderMap,
) -> Answered {
    params.only(&[])?;
    let found = api.blocking(move |handle| handle.receipt(&id)).await??;
    let has_base = api.shared().store.has_base();
    let found = found.ok_or_else(|| {
        let failure = not_found(format!("receipt of transfer {id}"));
        match has_base {
            // It may be final all the same.
            true => failure.help(
                "this node began with a snapshot and holds no receipts from before it: ask another \
                 validator",
            ),
            false => failure,
        }
    })?;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let mut response = if accept.contains("application/json") {
        let file = ReceiptDocument::of(api.shared().network.id, &found);
        bytes(StatusCode::OK, "application/json", file.to_text())
    } else {
        bytes(StatusCode::OK, "application/octet-stream", found.to_bytes())
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

impl Api {
    /// Hands entries to the node; `rows[i]` is for `entries[i]`.
    pub(super) async fn take(&self, entries: Vec<ledger::Entry>) -> Vec<OutcomeRow> {
        let with_id = |entry: ledger::Entry| {
            let id = entry.signed.transfer.id();
            (entry, id)
        };
        let entries: Vec<_> = entries.into_iter().map(with_id).collect();
        let ids: Vec<TransferId> = entries.iter().map(|(_, id)| *id).collect();
        let telemetry = &self.shared().telemetry;
        ids.iter().take(FOLLOWED_A_REQUEST_MAX).for_each(|id| telemetry.follow(|| *id));
        let taken = self.handle.submit_all(entries).await;
        let row = |(id, taken): (TransferId, Result<(), Failure>)| match taken {
            Ok(()) => {
                let entry = self.shared().board.get(&id);
                let on_its_way = OutcomeRow::submitted(id);
                entry.map_or(on_its_way, |entry| OutcomeRow::of(self.shared(), &entry))
            }
            Err(failure) => OutcomeRow::refused(Some(id), &failure),
        };
        ids.into_iter().zip(taken).map(row).collect()
    }

    /// What is known of a transfer at its end, or when the time is over or the server ends. A
    /// transfer that was not sent to this node is looked for in the store until then.
    async fn ended(&self, id: TransferId, time: Duration) -> Result<Option<Entry>, super::Problem> {
        let until = Instant::now() + time;
        let mut stopping = self.stopping.clone();
        let board = &self.shared().board;
        let on_board = tokio::select! {
            entry = board.wait(id, time) => entry,
            () = super::stopped(&mut stopping) => board.get(&id),
        };
        // One that did not end well here may have become final through another validator.
        if let Some(entry) = on_board
            && (entry.status == Status::Final || !self.shared().store.is_final(&id))
        {
            return Ok(Some(entry));
        }
        while !self.shared().store.is_final(&id) {
            let next = (Instant::now() + LOOK_EVERY).min(until);
            let is_over = Instant::now() >= until || *stopping.borrow();
            if is_over {
                return Ok(None);
            }
            tokio::time::sleep_until(next).await;
            if let Some(entry) = board.get(&id) {
                return Ok(Some(entry));
            }
        }
        let receipt = self.blocking(move |handle| handle.receipt(&id)).await??;
        Ok(receipt.map(|receipt| Entry::of_receipt(id, &receipt)))
    }
}
