//! A real node and a real collector over TCP; and what happens when there is none, or no room.

mod collector;

use super::assembler::{Assembler, FOLLOWED_MAX, OPEN_MAX};
use super::batch::proposers_span;
use super::on::{TOLD_MAX, Telemetry};
use super::settings::{Sampler, Settings};
use super::told::{Begun, Span, Told};
use super::{TelemetryConfig, start};
use crate::api::tests::server::{PATIENCE, start_with, wait};
use crate::metrics::SpanCounters;
use collector::Collector;
use consensus::Stages;
use ledger::{BatchId, Canonical, Digest, Network, Phase, TransferId};
use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A client's span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn to(address: std::net::SocketAddr) -> TelemetryConfig {
    TelemetryConfig { endpoint: Some(format!("http://{address}")) }
}

fn always() -> Sampler {
    let config = to(([127, 0, 0, 1], 1).into());
    Settings::new(&config, |_| None).expect("good settings").expect("on").sampler
}

fn network() -> Arc<Network> {
    Arc::new(crate::api::tests::server::genesis(1).network().expect("a network"))
}

/// A batch of this number, of another member.
fn begun(number: u64) -> Box<Begun> {
    let mut digest = [1; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    let (id, ids) = (BatchId(Digest(digest)), Vec::new());
    Box::new(Begun { id, proposer: 0, transfers: 0, round: 0, is_own: false, ids })
}

fn client() -> SpanContext {
    super::on::context(TraceId::from(7), SpanId::from(7))
}

#[test]
fn a_payment_of_a_client_that_traces_comes_to_the_collector_as_trees() {
    let mut collector = Collector::start();
    let server = start_with(1, |config| config.telemetry = to(collector.address));
    let signed = server.moves(0, 2);
    let headers = format!(
        "content-type: application/octet-stream\r\nx-request-id: mine\r\n\
         traceparent: 00-{TRACE}-{PARENT}-01\r\n"
    );
    let path = "/v1/transfers?wait=final";
    let got = server.ask("POST", path, &headers, &signed.to_bytes());
    assert_eq!(got.status, 200);
    server.get("/v1/nowhere");
    collector.wait(&["batch", "POST /v1/transfers", "transfer", "GET"], PATIENCE);

    let request = collector.one("POST /v1/transfers");
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, PARENT));
    assert_eq!(request.kind, 2, "of a server");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/transfers"),
        ("http.response.status_code", "200"),
        ("quorate.request_id", "mine"),
    ] {
        assert_eq!(request.attributes[name], value);
    }
    assert_eq!(request.resource["service.name"], "quorate");
    assert_eq!(request.resource["service.instance.id"], "v0");
    assert_eq!(request.resource["quorate.network"], server.network.id.to_string());

    let transfer = collector.one("transfer");
    assert_eq!((&transfer.trace, &transfer.parent), (&request.trace, &request.id));
    assert_eq!(transfer.attributes["quorate.transfer"], signed.transfer.id().to_string());
    assert_eq!(transfer.attributes["quorate.outcome"], "final");
    assert!(collector.under(transfer).contains(&"lock"), "{:?}", collector.under(transfer));
    assert!(request.began <= transfer.began && transfer.began < transfer.ended);

    let batch = collector.one("batch");
    assert_eq!(batch.attributes["quorate.batch"][..32], batch.trace, "its trace is its own");
    assert_eq!(batch.parent, "", "this node has proposed it");
    assert_eq!(transfer.links, [(batch.trace.clone(), batch.id.clone())]);
    assert_eq!(batch.links, [(request.trace.clone(), request.id.clone())]);
    for (name, value) in [
        ("quorate.proposer", "v0"),
        ("quorate.transfers", "1"),
        ("quorate.round", "0"),
        ("quorate.outcome", "applied"),
    ] {
        assert_eq!(batch.attributes[name], value);
    }
    let mut stages = collector.under(batch);
    stages.sort_unstable();
    let expected = ["accept", "apply", "commit_journal_sync", "commit_votes", "lock"];
    assert_eq!(stages, [&expected[..], &["lock_journal_sync", "lock_votes"]].concat());
    for stage in collector.spans.iter().filter(|span| span.parent == batch.id) {
        assert!(batch.began <= stage.began && stage.began <= stage.ended, "{stage:?}");
        assert!(stage.ended <= batch.ended, "{stage:?}");
    }
    let other = collector.one("GET");
    assert!(other.parent.is_empty() && other.trace != TRACE, "it has no parent");
    let counters = &server.handle.shared.metrics.spans;
    wait("they are counted", || counters.of("exported") >= 4);
    assert_eq!((counters.of("failed"), counters.of("dropped")), (0, 0));
    let metrics = String::from_utf8(server.get("/metrics").body).expect("text");
    assert!(metrics.contains("quorate_spans_total{result=\"exported\"}"), "{metrics}");
}

#[test]
fn a_request_whose_client_is_not_sampled_is_not_exported() {
    let mut collector = Collector::start();
    let server = start_with(1, |config| config.telemetry = to(collector.address));
    let headers = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    server.ask("GET", "/v1/node", &headers, b"");
    server.get("/v1/network");
    collector.wait(&["GET /v1/network"], PATIENCE);
    assert!(collector.spans.iter().all(|span| span.name != "GET /v1/node"));
}

#[test]
fn a_collector_that_never_answers_holds_up_nothing() {
    // Connections are made, and nobody ever reads.
    let dead = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = dead.local_addr().expect("an address");
    let server = start_with(1, |config| config.telemetry = to(address));
    for index in 0..20 {
        assert_eq!(server.pay(&server.moves(index, 1))["status"], "final");
    }
    let (stopping, handle) = (Instant::now(), server.handle.clone());
    drop(server);
    assert!(stopping.elapsed() < Duration::from_secs(3), "{:?}", stopping.elapsed());
    assert_eq!(handle.shared.metrics.spans.of("exported"), 0);
}

#[test]
fn what_finds_no_room_is_dropped_and_counted_and_nobody_waits() {
    let (told, mut heard) = mpsc::channel(TOLD_MAX);
    let (counters, followed) = (SpanCounters::default(), Arc::<AtomicUsize>::default());
    let telemetry = Telemetry::new(told, always(), counters.clone(), followed);
    for _ in 0..TOLD_MAX + 5 {
        telemetry.stage(BatchId::default(), "hash", Instant::now());
    }
    assert_eq!(counters.of("dropped"), 5);
    heard.try_recv().expect("the first");
    telemetry.stage(BatchId::default(), "hash", Instant::now());
    assert_eq!(counters.of("dropped"), 5, "there was room again");
    drop(heard);
    telemetry.stage(BatchId::default(), "hash", Instant::now());
    assert_eq!(counters.of("dropped"), 6, "the thread is gone");
}

#[test]
fn batches_and_transfers_beyond_the_bounds_push_out_the_oldest() {
    let followed = Arc::<AtomicUsize>::default();
    let mut assembler = Assembler::new(network(), always(), followed.clone());
    let (at, mut spans) = (Instant::now(), Vec::new());
    let count = u64::try_from(OPEN_MAX).expect("small") + 3;
    for number in 0..count {
        let begun = begun(number);
        let span = Span { began: at, ended: at };
        let batch = begun.id;
        assembler.take(Told::Begun { begun, at }, &mut spans);
        assembler.take(Told::Voted { batch, phase: Phase::Lock, span }, &mut spans);
    }
    let roots = |spans: &[opentelemetry_sdk::trace::SpanData]| {
        spans.iter().filter(|span| span.name == "batch").count()
    };
    assert_eq!(roots(&spans), 3);
    let first = proposers_span(&begun(0).id);
    assert_eq!(spans[0].span_context.trace_id(), first.trace_id());
    assert_eq!(spans[0].parent_span_id, first.span_id(), "the proposer's span is the parent");
    assembler.tick(at + Duration::from_secs(60), &mut spans);
    assert_eq!(roots(&spans), OPEN_MAX + 3, "what never ends is exported as it stands");
    for number in 0..FOLLOWED_MAX + 9 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        followed.fetch_add(1, Ordering::Relaxed);
        let id = TransferId(Digest(digest));
        assembler.take(Told::Followed { id, request: client() }, &mut spans);
    }
    assert_eq!(followed.load(Ordering::Relaxed), FOLLOWED_MAX);
    let (id, outcome) = (TransferId::default(), "final");
    let before = spans.len();
    assembler
        .take(Told::Transfer { id, outcome, stages: Stages::default(), began: at }, &mut spans);
    assert_eq!(spans.len(), before, "the first was pushed out");
}

#[test]
fn a_batch_that_was_only_looked_at_is_not_exported() {
    let mut assembler = Assembler::new(network(), always(), Arc::default());
    let (at, mut spans) = (Instant::now(), Vec::new());
    let begun = begun(1);
    let (batch, span) = (begun.id, Span { began: at, ended: at });
    assembler.take(Told::Begun { begun, at }, &mut spans);
    assembler.take(Told::Stage { batch, name: "hash", span }, &mut spans);
    assembler.end(&mut spans);
    assert!(spans.is_empty(), "it has voted for nothing of it");
}

#[test]
fn a_configuration_that_can_not_be_is_told_at_the_start() {
    let text = "name=\"v0\"\nhome=\"h\"\ngenesis=\"g\"\nkey=\"k\"\npeers=\"p\"\n\
                [telemetry]\nendpoint=\"https://127.0.0.1:4318\"\n";
    let config: crate::NodeConfig = toml::from_str(text).expect("a file");
    let failed = start(&config, &network(), &crate::metrics::Metrics::default());
    let failure = failed.err().expect("no TLS");
    assert_eq!(failure.code, crate::error::CONFIG);
}
