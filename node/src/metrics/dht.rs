//! The figures of `GET /v1/dht` as metrics, `quorate_dht_…`: copied when they are asked for. No
//! label has a value per peer; that is what the document is for.

use crate::view::DhtDocument;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;

/// Name, what it says, where it is found: what only grows.
type Count = (&'static str, &'static str, fn(&DhtDocument) -> u64);
/// The same of what goes up and down.
type Level = (&'static str, &'static str, fn(&DhtDocument) -> u64);

const COUNTS: [Count; 18] = [
    ("dht_queries", "Queries begun", |d| d.queries.queries),
    ("dht_keys", "Keys of queries", |d| d.queries.keys),
    ("dht_hits", "Keys that ended with providers", |d| d.queries.hits),
    ("dht_misses", "Keys that ended complete and without providers", |d| d.queries.misses),
    ("dht_incomplete", "Keys of which nothing is known", |d| d.queries.incomplete),
    ("dht_requests", "Messages to peers", |d| d.queries.requests),
    ("dht_failures", "Messages that came to nothing", |d| d.queries.failures),
    ("dht_timeouts", "Messages not answered in time", |d| d.queries.timeouts),
    ("dht_retries", "Peers asked again", |d| d.queries.retries),
    ("dht_hedges", "Further peers asked because one was slow", |d| d.queries.hedges),
    ("dht_cache_hits", "Keys answered from the cache", |d| d.queries.cache_hits),
    ("dht_lookups", "Plain Kademlia look-ups", |d| d.queries.lookups),
    ("dht_announced", "Keys announced", |d| d.queries.announced),
    ("dht_records_refused", "Records of others that were refused", |d| d.records.refused),
    ("dht_bitswap_sent_bytes", "Bytes of blocks sent", |d| d.bitswap.bytes_sent),
    ("dht_bitswap_received_bytes", "Bytes of wanted blocks", |d| d.bitswap.bytes_received),
    ("dht_bitswap_unwanted", "Blocks that nobody wanted", |d| d.bitswap.unwanted),
    ("dht_bitswap_malformed", "Broken messages", |d| d.bitswap.malformed),
];

const LEVELS: [Level; 13] = [
    ("dht_connected_peers", "Peers connected", |d| size(d.connected.len())),
    ("dht_batch_peers", "Connected peers with the batched protocol", |d| size(d.batch_peers)),
    ("dht_table_peers", "Peers in Kademlia's table", |d| size(d.table)),
    ("dht_queries_in_flight", "Queries under way", |d| size(d.queries.queries_in_flight)),
    ("dht_success_permille", "Answered messages", |d| d.queries.success_permille),
    ("dht_query_p50_microseconds", "Half of the queries", |d| d.queries.p50_us),
    ("dht_query_p95_microseconds", "95 of 100 queries", |d| d.queries.p95_us),
    ("dht_query_p99_microseconds", "99 of 100 queries", |d| d.queries.p99_us),
    ("dht_record_keys", "Keys of others whose providers are kept", |d| size(d.records.keys)),
    ("dht_own_keys", "Keys that this node provides", |d| size(d.records.own)),
    ("dht_content_blocks", "Blocks held", |d| d.content.blocks),
    ("dht_content_bytes", "Their bytes", |d| d.content.bytes),
    ("dht_content_bytes_max", "The quota", |d| d.content.bytes_max),
];

fn size(count: usize) -> u64 {
    u64::try_from(count).expect("no machine counts beyond 2^64")
}

/// One metric for each row of the tables.
#[derive(Default)]
pub(super) struct DhtMetrics {
    counts: Vec<Counter>,
    levels: Vec<Gauge>,
}

impl DhtMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut metrics = Self::default();
        for (name, help, _) in COUNTS {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            metrics.counts.push(counter);
        }
        for (name, help, _) in LEVELS {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            metrics.levels.push(gauge);
        }
        metrics
    }

    pub(super) fn set(&self, found: &DhtDocument) {
        for (counter, (_, _, value)) in self.counts.iter().zip(COUNTS) {
            counter.inner().store(value(found), Ordering::Relaxed);
        }
        for (gauge, (_, _, value)) in self.levels.iter().zip(LEVELS) {
            gauge.set(i64::try_from(value(found)).unwrap_or(i64::MAX));
        }
    }
}
