//! Counters and timings, in the Prometheus text format at `GET /metrics`. Base units, bounded
//! labels.

mod dht;
#[cfg(feature = "otel")]
mod spans;
mod standing;

use crate::error::outcome_code;
use crate::handle::Shared;
use crate::pipeline::dht_check::DhtMark;
use crate::view::DhtDocument;
use consensus::{Outcome, TransferReport};
use ipfs_adapter::Provided;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[cfg(feature = "otel")]
pub use spans::SpanCounters;
pub use standing::resident_bytes;

/// Upper bounds of the timing buckets, seconds: 50 µs to 10 s.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5,
    1.0, 5.0, 10.0,
];

type Labels = [(&'static str, &'static str); 1];

/// The node's metrics. Cloning shares them.
pub struct Metrics {
    registry: Registry,
    transfers: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    stages: Family<Labels, Histogram>,
    /// Batches applied.
    pub batches: Counter,
    /// Distinct transfers applied.
    pub applied: Gauge,
    /// Rules that peers broke.
    pub blamed: Counter,
    /// `Recover`s that were above what a member may pass on.
    pub recovers_dropped: Counter,
    /// Times the pipeline's stages took.
    pub pipeline: Family<Labels, Histogram>,
    /// Records appended to the journal.
    pub journal_records: Counter,
    /// Bytes appended to the journal.
    pub journal_bytes: Counter,
    /// Members heard from lately, this one included.
    pub reachable: Gauge,
    /// Transfers that wait for a batch.
    pub queued: Gauge,
    /// Index rows that only memory holds until the next checkpoint.
    pub index_rows: Gauge,
    /// Messages dropped because a peer's queue was full.
    pub dropped: Gauge,
    /// 1 while this node votes.
    pub voting: Gauge,
    /// Clients' transfers refused because too many were under way.
    pub overloaded: Counter,
    /// `Recover`s that reports were gathered for.
    pub recoveries: Counter,
    /// Orphaned batches proposed again.
    pub orphans: Counter,
    dht_checks: Family<Labels, Counter>,
    dht_proofs: Family<Labels, Counter>,
    announced: Family<Labels, Counter>,
    /// Spans of traces.
    #[cfg(feature = "otel")]
    pub spans: SpanCounters,
    dht: dht::DhtMetrics,
    standing: standing::Standing,
}

fn timing() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let new = fn_timing();
        let mut metrics = Self {
            registry: Registry::with_prefix("quorate"),
            transfers: Family::default(),
            failures: Family::default(),
            stages: new.0,
            batches: Counter::default(),
            applied: Gauge::default(),
            blamed: Counter::default(),
            recovers_dropped: Counter::default(),
            pipeline: new.1,
            journal_records: Counter::default(),
            journal_bytes: Counter::default(),
            reachable: Gauge::default(),
            queued: Gauge::default(),
            index_rows: Gauge::default(),
            dropped: Gauge::default(),
            voting: Gauge::default(),
            overloaded: Counter::default(),
            recoveries: Counter::default(),
            orphans: Counter::default(),
            dht_checks: Family::default(),
            dht_proofs: Family::default(),
            announced: Family::default(),
            #[cfg(feature = "otel")]
            spans: SpanCounters::default(),
            dht: dht::DhtMetrics::default(),
            standing: standing::Standing::default(),
        };
        metrics.register();
        metrics
    }
}

fn fn_timing() -> (Family<Labels, Histogram>, Family<Labels, Histogram>) {
    (Family::new_with_constructor(timing), Family::new_with_constructor(timing))
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("transfers", "Transfers ended at this proposer", self.transfers.clone());
        let help = "Transfers that ended at this proposer and are not final, by code";
        r.register("transfer_failures", help, self.failures.clone());
        r.register("stage_seconds", "Time of a transfer's stages", self.stages.clone());
        r.register("pipeline_seconds", "Time of the pipeline's stages", self.pipeline.clone());
        r.register("batches", "Batches applied", self.batches.clone());
        r.register("applied_transfers", "Distinct transfers applied", self.applied.clone());
        r.register("peer_faults", "Rules that peers broke", self.blamed.clone());
        let help = "Recovers above what a member may pass on";
        r.register("dropped_recovers", help, self.recovers_dropped.clone());
        r.register("journal_records", "Records appended", self.journal_records.clone());
        r.register("journal_bytes", "Bytes appended", self.journal_bytes.clone());
        r.register("reachable_validators", "Members heard from lately", self.reachable.clone());
        let rows = "Index rows that only memory holds";
        r.register("index_rows_in_memory", rows, self.index_rows.clone());
        r.register("queued_transfers", "Transfers that wait for a batch", self.queued.clone());
        let overloaded = "Transfers refused because too many were under way";
        r.register("overloaded_transfers", overloaded, self.overloaded.clone());
        r.register("dropped_messages", "Messages not sent to slow peers", self.dropped.clone());
        r.register("dht_checks", "Transfers checked with the DHT", self.dht_checks.clone());
        r.register("dht_proofs", "Providers asked for proofs", self.dht_proofs.clone());
        r.register("announced_keys", "Spent states announced", self.announced.clone());
        r.register(
            "recoveries",
            "Recovers that reports were gathered for",
            self.recoveries.clone(),
        );
        r.register("orphans", "Orphaned batches proposed again", self.orphans.clone());
        r.register("voting", "1 while this node votes", self.voting.clone());
        #[cfg(feature = "otel")]
        r.register("spans", "Spans of traces, by what came of them", self.spans.family());
        self.dht = dht::DhtMetrics::register(r);
        self.standing = standing::Standing::register(r);
    }

    /// Counts the end of a transfer and its stages.
    pub fn ended(&self, report: &TransferReport) {
        let outcome = match &report.outcome {
            Outcome::Final => "final",
            Outcome::Rejected(_) => "rejected",
            Outcome::Locked(_) => "locked",
            Outcome::Unknown => "unknown",
        };
        self.transfers.get_or_create(&[("outcome", outcome)]).inc();
        if let Some(code) = outcome_code(&report.outcome) {
            self.failures.get_or_create(&[("code", code.slug)]).inc();
            return;
        }
        let stages = &report.stages;
        for (stage, time_us) in [
            ("admit", stages.admit),
            ("batch_wait", stages.batch_wait),
            ("lock", stages.lock),
            ("commit", stages.commit),
            ("total", stages.total),
        ] {
            self.stages.get_or_create(&[("stage", stage)]).observe(seconds(time_us));
        }
    }

    /// Counts transfers that were checked with the DHT.
    pub fn dht_checked<'a>(&self, marks: impl Iterator<Item = &'a DhtMark>) {
        for mark in marks {
            self.dht_checks.get_or_create(&[("result", mark.word())]).inc();
        }
    }

    /// Counts a provider that was asked for proofs.
    pub fn proof_shown(&self, is_good: bool) {
        let result = if is_good { "valid" } else { "none" };
        self.dht_proofs.get_or_create(&[("result", result)]).inc();
    }

    /// Counts announced keys; `None`: the network could not be asked.
    pub fn announced(&self, keys: usize, provided: Option<&Provided>) {
        let count = |result, count: usize| {
            let count = u64::try_from(count).expect("a message's keys");
            self.announced.get_or_create(&[("result", result)]).inc_by(count);
        };
        let stored = provided.map_or(0, |provided| provided.stored.min(keys));
        count("stored", stored);
        count("failed", keys - stored);
    }

    /// Takes over the figures of the embedded IPFS node.
    pub fn dht(&self, found: &DhtDocument) {
        self.dht.set(found);
    }

    /// Takes over where the node stands now.
    pub fn standing(&self, shared: &Shared) {
        self.standing.set(shared);
    }

    /// Counts one pass of a stage of the pipeline.
    pub fn stage(&self, stage: &'static str, time: std::time::Duration) {
        self.pipeline.get_or_create(&[("stage", stage)]).observe(time.as_secs_f64());
    }

    /// The text for `GET /metrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

fn seconds(time_us: u64) -> f64 {
    std::time::Duration::from_micros(time_us).as_secs_f64()
}
