//! The HTTP API of a node: routes, and what every request passes on its way.
//!
//! ```text
//!  TCP ─▶ serve: connections, header time ─▶ gate: id, Host, requests in flight, time ─▶ route
//!  route ─▶ body: bytes ─▶ Handle ─▶ view ─▶ answer
//! ```
//!
//! Everything is bounded by [`limits`]. It runs on a thread of its own; what reads the disk or many
//! tokens goes to a few blocking threads. Nothing here decides anything about transfers: `Handle`
//! does.

mod accounts;
mod answer;
mod body;
mod content;
mod events;
mod explorer;
mod gate;
mod hosting;
mod inbox;
mod input;
mod ledger_log;
pub mod limits;
mod openapi;
mod recoveries;
mod request_id;
mod serve;
mod status;
mod transfers;

use crate::error::{Failure, INTERNAL};
use crate::handle::{Handle, Shared};
use answer::Problem;
use axum::Router;
use axum::routing::{get, post, put};
use gate::Gate;
use limits::{
    ANSWERS_KIB_MAX, BODIES_KIB_MAX, EVENT_STREAMS_MAX, INBOX_STREAMS_MAX, STORE_READS_MAX,
};
use request_id::RequestId;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

pub use hosting::serve_wallet;
pub use serve::{Service, serve};

/// What the routes share. Cheap to clone.
#[derive(Clone)]
struct Api {
    handle: Handle,
    /// What every request passes.
    gate: Gate,
    /// KiB of bodies in memory; a body beyond is refused as overloaded.
    body_kib: Arc<Semaphore>,
    /// KiB of long answers not yet written; one beyond is refused as overloaded.
    answer_kib: Arc<Semaphore>,
    /// Streams of events; one beyond is refused as overloaded.
    event_streams: Arc<Semaphore>,
    /// Streams of deliveries; one beyond is refused as overloaded.
    inbox_streams: Arc<Semaphore>,
    /// Blocking reads; one beyond waits for its turn, no longer than its request may take.
    store_reads: Arc<Semaphore>,
    /// Becomes true when the server ends.
    stopping: watch::Receiver<bool>,
}

impl Api {
    fn new(handle: Handle, stopping: watch::Receiver<bool>) -> Self {
        let gate = Gate::new(handle.shared.api_address, &handle.shared.config.api.hosts);
        Self {
            handle,
            gate,
            body_kib: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
            answer_kib: Arc::new(Semaphore::new(ANSWERS_KIB_MAX)),
            event_streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            inbox_streams: Arc::new(Semaphore::new(INBOX_STREAMS_MAX)),
            store_reads: Arc::new(Semaphore::new(STORE_READS_MAX)),
            stopping,
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Runs what reads the disk, or many tokens, on a blocking thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Handle) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = self.store_reads.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let handle = self.handle.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&handle);
            drop(permit);
            done
        });
        done.await.map_err(|error| {
            let request = RequestId::current();
            let request = request.as_ref().map(RequestId::as_str);
            tracing::error!(request, %error, "a read for the API ended early");
            Failure::new(INTERNAL, "the node failed to read its state; nothing was changed")
                .help("look at the node's log: quorate-testnet logs")
        })
    }

    fn router(self) -> Router {
        let gate = self.gate.clone();
        Router::new()
            .route("/", get(explorer::page))
            .route("/explorer/{file}", get(explorer::file))
            .route("/openapi.json", get(openapi::document))
            .route("/metrics", get(status::metrics))
            .route("/v1/health/live", get(status::live))
            .route("/v1/health/ready", get(status::ready))
            .route("/v1/node", get(status::node))
            .route("/v1/network", get(status::network))
            .route("/v1/validators", get(status::validators))
            .route("/v1/supply", get(status::supply))
            .route("/v1/transfers", post(transfers::submit))
            .route("/v1/transfers/batch", post(transfers::submit_batch))
            .route("/v1/transfers/{id}", get(transfers::transfer))
            .route("/v1/recoveries", post(recoveries::recover))
            .route("/v1/recoveries/entries", post(recoveries::propose))
            .route("/v1/receipts/{id}", get(transfers::receipt))
            .route("/v1/receipts/fetch", post(inbox::fetch))
            .route("/v1/inbox/{did}", get(inbox::page))
            .route("/v1/inbox/{did}/stream", get(inbox::stream))
            .route("/v1/inbox/stream", post(inbox::stream_of_many))
            .route("/v1/batches", get(ledger_log::batches))
            .route("/v1/batches/{id}", get(ledger_log::batch))
            .route("/v1/evidence", get(ledger_log::evidence))
            .route("/v1/accounts/{did}", get(accounts::balance))
            .route("/v1/accounts/{did}/tokens", get(accounts::tokens))
            .route("/v1/tokens/{id}", get(accounts::token))
            .route("/v1/tokens/{id}/history", get(accounts::history))
            .route("/v1/content", put(content::put))
            .route("/v1/content/{cid}", get(content::get))
            .route("/v1/content/{cid}/stat", get(content::stat))
            .route("/v1/content/{cid}/pin", post(content::pin))
            .route("/v1/dht", get(content::dht))
            .route("/v1/events", get(events::stream))
            .fallback(answer::no_such_route)
            .method_not_allowed_fallback(answer::no_such_method)
            .layer(axum::middleware::from_fn_with_state(gate, gate::pass))
            .with_state(self)
    }
}

/// Waits until the server ends.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone says the same.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// What a route gives.
type Answered = Result<axum::response::Response, Problem>;

#[cfg(test)]
pub(crate) mod tests;
