//! The thread "otel": takes what is told, and sends spans to the collector, one request at a time.
//! A collector that does not answer makes spans be dropped and counted, nothing else.

use super::assembler::Assembler;
use super::settings::Settings;
use super::told::Told;
use crate::error::{CONFIG, Failure};
use crate::metrics::SpanCounters;
use ledger::Network;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Spans that wait for the collector, some 500 bytes each. More are dropped and counted.
const SPANS_MAX: usize = 8_192;
/// Spans of one request.
const REQUEST_SPANS_MAX: usize = 512;
/// How often spans are sent, if there are any.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a request may take.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// The same at the end.
const LAST_TIME: Duration = Duration::from_millis(1_000);

/// What the thread works with.
pub(super) struct Exporter {
    pub(super) name: String,
    pub(super) network: Arc<Network>,
    pub(super) counters: SpanCounters,
    pub(super) followed: Arc<AtomicUsize>,
    pub(super) settings: Settings,
}

/// The thread and what ends it.
type Started = (JoinHandle<()>, oneshot::Sender<()>);

/// Starts the thread.
///
/// # Errors
/// `config` for what the exporter's own variables want and it can't; when there is no thread.
pub(super) fn spawn(exporter: Exporter, told: mpsc::Receiver<Told>) -> Result<Started, Failure> {
    let failed = |error: String| {
        Failure::new(CONFIG, format!("traces can't be exported: {error}; the node was not started"))
    };
    let mut otlp = SpanExporter::builder()
        .with_http()
        .with_endpoint(&exporter.settings.endpoint)
        .with_timeout(REQUEST_TIME)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    otlp.set_resource(&resource(&exporter));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let (stop, stopped) = oneshot::channel();
    let run = move || runtime.block_on(run(exporter, Arc::new(otlp), told, stopped));
    let thread = std::thread::Builder::new().name("otel".into()).spawn(run);
    Ok((thread.map_err(|error| failed(error.to_string()))?, stop))
}

/// What all spans of this node have: its service and its name.
fn resource(exporter: &Exporter) -> Resource {
    let of_environment = Resource::builder().build();
    let service = of_environment.get(&Key::from_static_str("service.name"));
    let service = service.map(|name| name.to_string());
    let service = service.filter(|name| !name.starts_with("unknown_service"));
    Resource::builder()
        .with_service_name(service.unwrap_or_else(|| "quorate".into()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", exporter.name.clone()))
        .with_attribute(KeyValue::new("quorate.network", exporter.network.id.to_string()))
        .build()
}

async fn run(
    exporter: Exporter,
    otlp: Arc<SpanExporter>,
    mut told: mpsc::Receiver<Told>,
    mut stopped: oneshot::Receiver<()>,
) {
    let Exporter { network, counters, followed, settings, .. } = exporter;
    let mut assembler = Assembler::new(network, settings.sampler, followed);
    let mut spans: Vec<SpanData> = Vec::new();
    let mut sending = JoinSet::new();
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut is_due = spans.len() >= REQUEST_SPANS_MAX;
        tokio::select! {
            _ = &mut stopped => break,
            heard = told.recv() => match heard {
                Some(heard) => assembler.take(heard, &mut spans),
                None => break,
            },
            _ = sending.join_next(), if !sending.is_empty() => {}
            _ = ticks.tick() => {
                assembler.tick(Instant::now(), &mut spans);
                is_due = !spans.is_empty();
            }
        }
        if spans.len() > SPANS_MAX {
            // The oldest stay: what they belong to is on its way.
            counters.dropped(spans.len() - SPANS_MAX);
            spans.truncate(SPANS_MAX);
        }
        if is_due && sending.is_empty() {
            let batch = spans.drain(..spans.len().min(REQUEST_SPANS_MAX)).collect();
            sending.spawn(send(otlp.clone(), batch, counters.clone()));
        }
    }
    while let Ok(heard) = told.try_recv() {
        assembler.take(heard, &mut spans);
    }
    assembler.end(&mut spans);
    counters.dropped(spans.len().saturating_sub(SPANS_MAX));
    spans.truncate(SPANS_MAX);
    let last = async {
        while sending.join_next().await.is_some() {}
        while !spans.is_empty() {
            let batch = spans.drain(..spans.len().min(REQUEST_SPANS_MAX)).collect();
            send(otlp.clone(), batch, counters.clone()).await;
        }
    };
    if tokio::time::timeout(LAST_TIME, last).await.is_err() {
        tracing::warn!("the collector of the traces does not answer; the last are lost");
    }
}

/// Sends spans; whatever comes of it is counted.
async fn send(otlp: Arc<SpanExporter>, spans: Vec<SpanData>, counters: SpanCounters) {
    let count = spans.len();
    match tokio::time::timeout(REQUEST_TIME, otlp.export(spans)).await {
        Ok(Ok(())) => counters.exported(count),
        Ok(Err(error)) => {
            counters.failed(count);
            tracing::debug!(%error, count, "spans were not taken");
        }
        Err(_) => {
            counters.failed(count);
            tracing::debug!(count, "spans were not taken in time");
        }
    }
}
