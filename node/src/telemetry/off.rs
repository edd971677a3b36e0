//! A build without traces: the calls of `on.rs`, doing nothing and taking no room.

use super::ENDPOINTS;
use crate::config::NodeConfig;
use crate::error::{CONFIG, Failure};
use crate::metrics::Metrics;
use axum::extract::Request;
use axum::http::StatusCode;
use consensus::{Applied, Batch, Message, Proposal, TransferReport};
use ledger::{BatchId, Network, Phase, TransferId};
use std::sync::Arc;
use std::time::Instant;

/// Nothing.
#[derive(Clone, Default)]
pub struct Telemetry(());

/// No point in time.
#[derive(Clone, Copy, Debug)]
pub struct Mark;

impl From<Instant> for Mark {
    fn from(_at: Instant) -> Self {
        Self
    }
}

/// A request that is not followed.
pub struct RequestSpan;

/// No thread.
pub struct Exporting;

/// Says that this build has no traces, where somebody wants them.
///
/// # Errors
/// `config` when the file wants traces. The environment, which may be there for other programs, is
/// told in the log.
pub fn start(
    config: &NodeConfig,
    _network: &Arc<Network>,
    _metrics: &Metrics,
) -> Result<(Telemetry, Exporting), Failure> {
    if config.telemetry.endpoint.is_some() {
        let what = "telemetry.endpoint asks for traces, and this build has none; the node was not \
                    started";
        return Err(Failure::new(CONFIG, what)
            .help("cargo build --release -p node --features otel")
            .help("or take telemetry.endpoint out of the configuration"));
    }
    if let Some(name) = ENDPOINTS.iter().find(|name| std::env::var_os(name).is_some()) {
        tracing::warn!(
            "{name} asks for traces, and this build has none: it lacks the feature otel"
        );
    }
    Ok((Telemetry(()), Exporting))
}

impl Exporting {
    /// Ends nothing.
    pub async fn stop(self) {}
}

impl Telemetry {
    /// No point in time.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark
    }

    /// A batch is looked at.
    #[inline]
    pub fn begun(&self, _proposal: &Arc<Proposal>, _own: Option<&Arc<Batch>>) {}

    /// A stage of a batch has ended.
    #[inline]
    pub fn stage(&self, _batch: BatchId, _name: &'static str, _began: impl Into<Mark>) {}

    /// Votes that waited for the journal leave.
    #[inline]
    pub fn voted(&self, _message: &Message, _held: Mark) {}

    /// A certificate has been acted upon.
    #[inline]
    pub fn certified(&self, _batch: BatchId, _phase: Phase, _began: Mark) {}

    /// Transfers were applied.
    #[inline]
    pub fn applied(&self, _applied: &[Applied]) {}

    /// A transfer has ended here.
    #[inline]
    pub fn transfer(&self, _report: &TransferReport, _started: Instant) {}

    /// A transfer of the request that is served now.
    #[inline]
    pub fn follow(&self, _id: impl FnOnce() -> TransferId) {}

    /// A request has come.
    #[inline]
    pub fn request(&self, _request: &Request) -> RequestSpan {
        RequestSpan
    }
}

impl RequestSpan {
    /// Runs what serves the request.
    pub async fn scope<T>(&self, serving: impl Future<Output = T>) -> T {
        serving.await
    }

    /// It was answered.
    #[inline]
    pub fn end(self, _status: StatusCode, _id: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_wants_traces_is_refused_by_a_build_without_them() {
        let text = "name=\"v0\"\nhome=\"h\"\ngenesis=\"g\"\nkey=\"k\"\npeers=\"p\"\n\
                    [telemetry]\nendpoint=\"http://127.0.0.1:4318\"\n";
        let config: NodeConfig = toml::from_str(text).expect("a file");
        let network = crate::api::tests::server::genesis(1).network().expect("a network");
        let failed = start(&config, &Arc::new(network), &Metrics::default());
        let failure = failed.err().expect("it has no traces");
        assert_eq!(failure.code, CONFIG);
        assert!(failure.help[0].contains("--features otel"), "{failure:?}");
    }

    #[test]
    fn a_build_without_traces_takes_no_room() {
        assert_eq!(size_of::<(Telemetry, Mark, RequestSpan)>(), 0);
    }
}
