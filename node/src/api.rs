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
use axum::Router;
use gate::Gate;
use limits::{
    ANSWERS_KIB_MAX, BODIES_KIB_MAX, EVENT_STREAMS_MAX, INBOX_STREAMS_MAX, STORE_READS_MAX,
};
use request_id::RequestId;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

pub use answer::{Problem, no_such_method, no_such_route, ok};
pub use explorer::Explorer;
pub use hosting::serve_wallet;
pub use serve::{Service, serve, serve_router};

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
        let shared = &handle.shared;
        let (hosts, telemetry) = (&shared.config.api.hosts, shared.telemetry.clone());
        let gate = Gate::new(shared.api_address, hosts, telemetry);
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
        let routes = openapi::ROUTES.iter();
        routes
            .fold(Router::new(), |router, route| router.route(route.path, (route.serve)()))
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
