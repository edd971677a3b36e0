//! The node and its network: health, committee, supply, metrics.

use super::answer::{bytes, document, ok};
use super::input::Params;
use super::limits::SUPPLY_PAGE;
use super::{Answered, Api};
use crate::view::{
    DhtDocument, DhtState, HealthDocument, NetworkDocument, NodeDocument, SupplyDocument,
    ValidatorsDocument,
};
use axum::extract::State;
use axum::http::StatusCode;

/// The type of metrics (OpenMetrics 1.0).
pub(super) const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /v1/health/live`: the process answers.
pub(super) async fn live(State(api): State<Api>) -> Answered {
    Ok(ok(&HealthDocument { ok: true, ..HealthDocument::of(api.shared()) }))
}

/// `GET /v1/health/ready`: caught up, voting and connected to a quorum; 503 when not.
pub(super) async fn ready(State(api): State<Api>) -> Answered {
    let health = HealthDocument::of(api.shared());
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(document(status, &health))
}

/// `GET /v1/node`.
pub(super) async fn node(State(api): State<Api>, params: Params) -> Answered {
    params.only(&[])?;
    let dht = Some(DhtState::of(api.shared()).await);
    Ok(ok(&NodeDocument { dht, ..NodeDocument::of(api.shared()) }))
}

/// `GET /v1/network`.
pub(super) async fn network(State(api): State<Api>, params: Params) -> Answered {
    params.only(&[])?;
    Ok(ok(&NetworkDocument::of(&api.shared().network)))
}

/// `GET /v1/validators`.
pub(super) async fn validators(State(api): State<Api>, params: Params) -> Answered {
    params.only(&[])?;
    Ok(ok(&ValidatorsDocument::of(api.shared())))
}

/// `GET /v1/supply`.
pub(super) async fn supply(State(api): State<Api>, params: Params) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(SUPPLY_PAGE)?);
    let read = move |handle: &crate::Handle| SupplyDocument::of(&handle.shared, after, limit);
    Ok(ok(&api.blocking(read).await?))
}

/// `GET /metrics`.
pub(super) async fn metrics(State(api): State<Api>) -> Answered {
    let shared = api.shared();
    // Without an answer of its loop the figures stay as they were.
    if let Some(ipfs) = &shared.ipfs
        && let Ok(found) = DhtDocument::of(Some(ipfs), "").await
    {
        shared.metrics.dht(&found);
    }
    shared.metrics.standing(shared);
    Ok(bytes(StatusCode::OK, METRICS_TYPE, shared.metrics.text()))
}
