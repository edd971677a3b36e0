//! What the rest of the node calls: everything is a message to the thread "otel", by a queue that
//! nobody waits for. What it has no room for is dropped and counted.

use super::export::{self, Exporter};
use super::settings::{Sampler, Settings};
use super::told::{Answered, Begun, Span, Told};
use crate::config::NodeConfig;
use crate::error::Failure;
use crate::metrics::{Metrics, SpanCounters};
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use consensus::{Applied, Batch, Message, Proposal, TransferReport};
use ledger::{BatchId, Network, Phase, TransferId};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What waits for the thread at most, some 150 bytes each: a second of a busy node. What comes then
/// is dropped and counted.
pub(super) const TOLD_MAX: usize = 16_384;
/// How long the end waits for the collector.
const STOP_TIME: Duration = Duration::from_millis(1_500);

tokio::task_local! {
    /// Of the request that the task serves now, where its client traces.
    static CLIENT: Option<SpanContext>;
}

/// The way to the thread; none where traces are off.
#[derive(Clone, Default)]
pub struct Telemetry {
    line: Option<Arc<Line>>,
}

struct Line {
    told: mpsc::Sender<Told>,
    sampler: Sampler,
    counters: SpanCounters,
    /// Transfers of clients that trace, under way.
    followed: Arc<AtomicUsize>,
}

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub struct Mark(Instant);

impl From<Instant> for Mark {
    fn from(at: Instant) -> Self {
        Self(at)
    }
}

/// The thread, to be ended.
pub struct Exporting {
    thread: Option<(std::thread::JoinHandle<()>, oneshot::Sender<()>)>,
}

/// Starts the thread where the environment or the file names a collector.
///
/// # Errors
/// `config` for what can't be done.
pub fn start(
    config: &NodeConfig,
    network: &Arc<Network>,
    metrics: &Metrics,
) -> Result<(Telemetry, Exporting), Failure> {
    let settings = Settings::new(&config.telemetry, |name| std::env::var(name).ok())?;
    let Some(settings) = settings else {
        return Ok((Telemetry::default(), Exporting { thread: None }));
    };
    let (told, heard) = mpsc::channel(TOLD_MAX);
    let followed = Arc::<AtomicUsize>::default();
    let sampler = settings.sampler;
    let telemetry = Telemetry::new(told, sampler, metrics.spans.clone(), followed.clone());
    let exporter = Exporter {
        name: config.name.clone(),
        network: network.clone(),
        counters: metrics.spans.clone(),
        followed,
        settings,
    };
    // Without a user's name and password, which a URL may have.
    let collector = exporter.settings.endpoint.rsplit('@').next();
    tracing::info!(collector, "traces are exported");
    let thread = export::spawn(exporter, heard)?;
    Ok((telemetry, Exporting { thread: Some(thread) }))
}

impl Exporting {
    /// Exports what there is and ends the thread, within [`STOP_TIME`] and a little.
    pub async fn stop(self) {
        let Some((thread, stop)) = self.thread else { return };
        if stop.send(()).is_err() {
            tracing::warn!("the thread of the traces had ended before");
        }
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        let joined = tokio::time::timeout(STOP_TIME, joined).await;
        if !matches!(joined, Ok(Ok(true))) {
            tracing::warn!("the thread of the traces did not end in time");
        }
    }
}

impl Telemetry {
    /// Tells it there.
    pub(super) fn new(
        told: mpsc::Sender<Told>,
        sampler: Sampler,
        counters: SpanCounters,
        followed: Arc<AtomicUsize>,
    ) -> Self {
        Self { line: Some(Arc::new(Line { told, sampler, counters, followed })) }
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(Instant::now())
    }

    /// A batch is looked at; `own` when this node proposes it.
    pub fn begun(&self, proposal: &Arc<Proposal>, own: Option<&Arc<Batch>>) {
        let Some(line) = &self.line else { return };
        let is_followed = line.followed.load(Ordering::Relaxed) > 0;
        let ids = own.filter(|_| is_followed).map_or_else(Vec::new, |own| own.ids().to_vec());
        let begun = Begun {
            id: proposal.claimed,
            proposer: proposal.proposer,
            transfers: proposal.entries.len(),
            round: proposal.entries.iter().map(|entry| entry.round).max().unwrap_or(0),
            is_own: own.is_some(),
            ids,
        };
        self.tell(|at| Told::Begun { begun: Box::new(begun), at });
    }

    /// A stage of a batch has ended.
    pub fn stage(&self, batch: BatchId, name: &'static str, began: impl Into<Mark>) {
        let Mark(began) = began.into();
        self.tell(|ended| Told::Stage { batch, name, span: Span { began, ended } });
    }

    /// A message that waited for the journal leaves; only votes are told.
    pub fn voted(&self, message: &Message, held: Mark) {
        if let Message::Answer(answer) = message
            && answer.vote.is_some()
        {
            let (batch, phase) = (answer.batch, answer.phase);
            let span = |ended| Span { began: held.0, ended };
            self.tell(|ended| Told::Voted { batch, phase, span: span(ended) });
        }
    }

    /// A certificate has been acted upon.
    pub fn certified(&self, batch: BatchId, phase: Phase, began: Mark) {
        let span = |ended| Span { began: began.0, ended };
        self.tell(|ended| Told::Certified { batch, phase, span: span(ended) });
    }

    /// Transfers were applied.
    pub fn applied(&self, applied: &[Applied]) {
        for of_batch in applied.chunk_by(|a, b| a.batch == b.batch) {
            self.tell(|at| Told::Applied { batch: of_batch[0].batch, at });
        }
    }

    /// A transfer has ended here; `started` is the node's start.
    pub fn transfer(&self, report: &TransferReport, started: Instant) {
        let Some(line) = &self.line else { return };
        if line.followed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let outcome = crate::error::outcome_code(&report.outcome).map_or("final", |code| code.slug);
        let (id, stages) = (report.id, report.stages);
        let began = started + Duration::from_micros(report.admitted_us);
        self.tell(|_| Told::Transfer { id, outcome, stages, began });
    }

    /// A transfer of the request that is served now: its client gets spans of it, if it traces.
    pub fn follow(&self, id: impl FnOnce() -> TransferId) {
        let Some(line) = &self.line else { return };
        let client = CLIENT.try_with(Clone::clone).ok().flatten();
        if let Some(request) = client {
            line.followed.fetch_add(1, Ordering::Relaxed);
            let id = id();
            if !self.tell(|_| Told::Followed { id, request }) {
                line.followed.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// A request has come. Its client's span is the parent, where `traceparent` names one.
    pub fn request(&self, request: &Request) -> RequestSpan {
        let Some(line) = &self.line else { return RequestSpan(None) };
        let headers = HeaderExtractor(request.headers());
        let client = TraceContextPropagator::new().extract(&headers);
        let client = client.has_active_span().then(|| client.span().span_context().clone());
        let trace = client.as_ref().map(SpanContext::trace_id);
        let trace = trace.unwrap_or_else(|| TraceId::from(rand::random::<u128>()));
        if !line.sampler.takes(trace, client.as_ref()) {
            return RequestSpan(None);
        }
        let context = context(trace, SpanId::from(rand::random::<u64>()));
        RequestSpan(Some(Box::new(Open {
            telemetry: self.clone(),
            context,
            parent: client.map(|client| client.span_id()),
            method: known(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            began: Instant::now(),
        })))
    }

    /// Whether it was taken.
    fn tell(&self, told: impl FnOnce(Instant) -> Told) -> bool {
        let Some(line) = &self.line else { return false };
        let is_taken = line.told.try_send(told(Instant::now())).is_ok();
        if !is_taken {
            line.counters.dropped(1);
        }
        is_taken
    }
}

/// A span of ours, which is sampled. What a client says in `tracestate` goes no further: it may be
/// 16 kB, and nothing here reads it.
pub(super) fn context(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// A method's name, `_OTHER` for what is none of HTTP's own (OpenTelemetry's conventions): a client
/// may send one of any length.
fn known(method: &Method) -> &'static str {
    let all = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    let names =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER"];
    names[all.iter().position(|one| one == method).unwrap_or(all.len())]
}

/// A request under way; empty where it is not exported.
pub struct RequestSpan(Option<Box<Open>>);

struct Open {
    telemetry: Telemetry,
    context: SpanContext,
    parent: Option<SpanId>,
    method: &'static str,
    route: Option<MatchedPath>,
    began: Instant,
}

impl RequestSpan {
    /// Runs what serves the request.
    pub async fn scope<T>(&self, serving: impl Future<Output = T>) -> T {
        let client = self.0.as_ref().filter(|open| open.parent.is_some());
        CLIENT.scope(client.map(|open| open.context.clone()), serving).await
    }

    /// It was answered.
    pub fn end(self, status: StatusCode, id: &str) {
        let Some(open) = self.0 else { return };
        let Open { telemetry, context, parent, method, route, began } = *open;
        let id = id.to_string();
        telemetry.tell(|ended| {
            let span = Span { began, ended };
            Told::Request(Box::new(Answered { context, parent, span, method, route, status, id }))
        });
    }
}
