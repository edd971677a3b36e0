//! The API of a wallet node: what its addresses have, the receipts that prove it, and the way to
//! hand it receipts directly. Same documents as a validator's where there are such; same gate,
//! limits and server.

use super::answer::{bytes, document, held_document, not_found, ok};
use super::body::{self, malformed};
use super::gate::{self, Gate};
use super::inbox::list;
use super::input::{In, Params};
use super::limits::{
    ANSWERS_KIB_MAX, BATCH_BODY_BYTES_MAX, BODIES_KIB_MAX, EVIDENCE_PAGE, EVIDENCE_PAGE_BYTES_MAX,
    STORE_READS_MAX, TOKENS_PAGE,
};
use super::status::METRICS_TYPE;
use super::{Answered, answer, serve};
use crate::error::{Failure, INTERNAL, STORE_FAILED};
use crate::hosting::Hosting;
use crate::inbox::FETCH_MAX;
use crate::receive::Outcome;
use crate::telemetry::Telemetry;
use crate::view::hosting as view;
use crate::view::{NetworkDocument, ReceiptDocument};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use ledger::{Address, Canonical, Receipt, TokenId, TransferId};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Shortest receipt, canonical bytes.
const RECEIPT_BYTES_MIN: usize = 200;

/// What the routes share.
#[derive(Clone)]
struct WalletApi {
    hosting: Arc<Hosting>,
    /// KiB of bodies in memory; a body beyond is refused as overloaded.
    body_kib: Arc<Semaphore>,
    /// KiB of long answers not yet written; one beyond is refused as overloaded.
    answer_kib: Arc<Semaphore>,
    /// Blocking reads; one beyond waits for its turn.
    store_reads: Arc<Semaphore>,
}

/// Serves a wallet node's API on `listener` until `stop` is ready; all tasks have ended when it
/// returns.
pub async fn serve_wallet(
    hosting: Arc<Hosting>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let api = WalletApi {
        hosting,
        body_kib: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
        answer_kib: Arc::new(Semaphore::new(ANSWERS_KIB_MAX)),
        store_reads: Arc::new(Semaphore::new(STORE_READS_MAX)),
    };
    serve::serve_router(listener, stop, |_stopping| api.router()).await;
}

impl WalletApi {
    fn router(self) -> Router {
        let hosts = &self.hosting.config.api.hosts;
        // A wallet node has no traces: it neither proposes nor votes.
        let gate = Gate::new(self.hosting.api_address, hosts, Telemetry::default());
        Router::new()
            .route("/metrics", get(metrics))
            .route("/v1/health/live", get(live))
            .route("/v1/health/ready", get(ready))
            .route("/v1/node", get(node))
            .route("/v1/network", get(network))
            .route("/v1/accounts/{did}", get(balance))
            .route("/v1/accounts/{did}/tokens", get(tokens))
            .route("/v1/tokens/{id}", get(token))
            .route("/v1/receipts", axum::routing::post(deliver))
            .route("/v1/receipts/{id}", get(receipt))
            .route("/v1/evidence", get(evidence))
            .fallback(answer::no_such_route)
            .method_not_allowed_fallback(answer::no_such_method)
            .layer(axum::middleware::from_fn_with_state(gate, gate::pass))
            .with_state(self)
    }

    /// Runs what reads the disk, or many tokens, on a blocking thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hosting) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = self.store_reads.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let hosting = self.hosting.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&hosting);
            drop(permit);
            done
        });
        done.await.map_err(|error| Failure::new(INTERNAL, format!("a read ended early: {error}")))
    }

    /// Whether the address is hosted here.
    fn hosted(&self, address: &Address) -> Result<(), Failure> {
        if self.hosting.receiver.hosted().contains(address) {
            return Ok(());
        }
        Err(not_found(format!("address {address}: it hosts others"))
            .help("ask a validator, or add it to wallet.addresses and start the node again"))
    }
}

/// `GET /v1/health/live`: the process answers.
async fn live(State(api): State<WalletApi>) -> Answered {
    Ok(ok(&crate::view::HealthDocument { ok: true, ..view::health(&api.hosting) }))
}

/// `GET /v1/health/ready`: a drain from enough validators has ended; 503 before.
async fn ready(State(api): State<WalletApi>) -> Answered {
    let health = view::health(&api.hosting);
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(document(status, &health))
}

/// `GET /v1/node`.
async fn node(State(api): State<WalletApi>, params: Params) -> Answered {
    params.only(&[])?;
    Ok(ok(&view::node(&api.hosting)))
}

/// `GET /v1/network`.
async fn network(State(api): State<WalletApi>, params: Params) -> Answered {
    params.only(&[])?;
    Ok(ok(&NetworkDocument::of(&api.hosting.network)))
}

/// `GET /v1/accounts/{did}`.
async fn balance(
    State(api): State<WalletApi>,
    In(address): In<Address>,
    params: Params,
) -> Answered {
    params.only(&[])?;
    api.hosted(&address)?;
    Ok(ok(&api.blocking(move |hosting| view::balance(hosting, address)).await?))
}

/// `GET /v1/accounts/{did}/tokens`.
async fn tokens(
    State(api): State<WalletApi>,
    In(address): In<Address>,
    params: Params,
) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after::<TokenId>()?, params.limit(TOKENS_PAGE)?);
    api.hosted(&address)?;
    Ok(ok(&api.blocking(move |hosting| view::tokens(hosting, address, after, limit)).await?))
}

/// `GET /v1/tokens/{id}`.
async fn token(State(api): State<WalletApi>, In(id): In<TokenId>, params: Params) -> Answered {
    params.only(&[])?;
    let found = view::token(&api.hosting, id);
    Ok(ok(&found.ok_or_else(|| not_found(format!("token {id}")))?))
}

/// `GET /v1/receipts/{id}`: canonical bytes, or with `Accept: application/json` a receipt file.
async fn receipt(
    State(api): State<WalletApi>,
    In(id): In<TransferId>,
    params: Params,
    headers: HeaderMap,
) -> Answered {
    params.only(&[])?;
    let found = api.blocking(move |hosting| hosting.receiver.receipt(&id)).await?;
    let found = found.map_err(|error| {
        Failure::new(STORE_FAILED, format!("this node can't read what it received: {error}"))
            .help("ask a validator")
    })?;
    let found = found.ok_or_else(|| not_found(format!("receipt of transfer {id}")))?;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("application/json") {
        let file = ReceiptDocument::of(api.hosting.network.id, &found);
        return Ok(bytes(StatusCode::OK, "application/json", file.to_text()));
    }
    Ok(bytes(StatusCode::OK, "application/octet-stream", found.to_bytes()))
}

/// `GET /v1/evidence`: forks, each with both receipts.
async fn evidence(State(api): State<WalletApi>, params: Params) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(EVIDENCE_PAGE)?);
    let read =
        move |hosting: &Hosting| view::evidence(hosting, after, limit, EVIDENCE_PAGE_BYTES_MAX);
    Ok(held_document(&api.answer_kib, &api.blocking(read).await?)?)
}

/// `POST /v1/receipts`: a canonical list of receipts; one outcome each, in order.
async fn deliver(State(api): State<WalletApi>, params: Params, request: Request) -> Answered {
    params.only(&[])?;
    let body = body::read(&api.body_kib, request, BATCH_BODY_BYTES_MAX).await?;
    if body.is_json {
        return Err(malformed("receipts are sent as application/octet-stream").into());
    }
    let receipts = list::<Receipt>(&body.bytes, "receipts", FETCH_MAX, RECEIPT_BYTES_MIN)?;
    let ids: Vec<TransferId> =
        receipts.iter().map(|receipt| receipt.entry.signed.transfer.id()).collect();
    let outcomes = api.hosting.receive(receipts).await?;
    // Who shows a receipt may show an old one: the validators say what lives. They also have what
    // is missing.
    if outcomes.iter().any(|outcome| matches!(outcome, Outcome::New | Outcome::Gap(_))) {
        api.hosting.drain_wanted.notify_one();
    }
    let row = |(id, outcome): (TransferId, Outcome)| {
        let why = match &outcome {
            Outcome::Refused(error) => Some(error.to_string()),
            _ => None,
        };
        json!({"id": id, "outcome": view::word(&outcome), "why": why})
    };
    let outcomes: Vec<_> = ids.into_iter().zip(outcomes).map(row).collect();
    Ok(ok(&json!({"schema": "quorate.received/1", "ok": true, "outcomes": outcomes})))
}

/// `GET /metrics`.
async fn metrics(State(api): State<WalletApi>) -> Answered {
    Ok(bytes(StatusCode::OK, METRICS_TYPE, view::metrics(&api.hosting)))
}
