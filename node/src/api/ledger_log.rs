//! The applied log: batches, and the evidence beside it.

use super::answer::{held_document, not_found, ok};
use super::input::{In, Params};
use super::limits::{BATCHES_PAGE, EVIDENCE_PAGE, EVIDENCE_PAGE_BYTES_MAX};
use super::{Answered, Api};
use crate::view::{BatchDocument, BatchesDocument, EvidenceDocument};
use axum::extract::State;
use ledger::BatchId;

/// `GET /v1/batches`.
pub(super) async fn batches(State(api): State<Api>, params: Params) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(BATCHES_PAGE)?);
    let read = move |handle: &crate::Handle| BatchesDocument::of(&handle.shared, after, limit);
    Ok(ok(&api.blocking(read).await??))
}

/// `GET /v1/batches/{id}`.
pub(super) async fn batch(State(api): State<Api>, In(id): In<BatchId>, params: Params) -> Answered {
    params.only(&[])?;
    let read = move |handle: &crate::Handle| {
        let found = handle.batch(&id)?;
        Ok::<_, crate::store::StoreError>(found.map(|b| BatchDocument::of(&handle.shared, &b)))
    };
    let found = api.blocking(read).await??;
    Ok(ok(&found.ok_or_else(|| not_found(format!("batch {id}")))?))
}

/// `GET /v1/evidence`.
pub(super) async fn evidence(State(api): State<Api>, params: Params) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(EVIDENCE_PAGE)?);
    let read = move |handle: &crate::Handle| {
        EvidenceDocument::of(&handle.shared, after, limit, EVIDENCE_PAGE_BYTES_MAX)
    };
    Ok(held_document(&api.answer_kib, &api.blocking(read).await?)?)
}
