//! What queries did, in numbers: totals, what is under way, latencies. Nothing here decides.

use std::time::Duration;

use libp2p::PeerId;
use serde::Serialize;

/// Buckets of the histogram: four for each doubling of microseconds, up to 2^30 us (18 minutes).
const BUCKETS: usize = 4 * 30;

/// Durations in buckets whose width grows with the value; an error of at most a quarter.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// The value below which this share of all lies, in microseconds, by interpolation within a
    /// bucket; 0 when there are none. `percent` is 0 to 100.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        let rank = (self.total * percent.min(100)).div_ceil(100).max(1);
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            if below + count >= rank {
                let (low, high) = (lower_bound(index), lower_bound(index + 1));
                return low + (high - low) * (rank - below) / count;
            }
            below += count;
        }
        0
    }
}

/// The two bits after the leading one choose among a doubling's four buckets.
fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return usize::try_from(micros).expect("it is below 4");
    }
    let exponent = micros.ilog2();
    let quarter = (micros >> (exponent - 2)) & 3;
    let index = u64::from(exponent - 1) * 4 + quarter;
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

fn lower_bound(index: usize) -> u64 {
    let index = u64::try_from(index).expect("there are few buckets");
    if index < 4 { index } else { (4 + index % 4) << (index / 4 - 1) }
}

/// Counters since the start, the manager's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub queries: u64,
    pub keys: u64,
    pub hits: u64,
    pub misses: u64,
    pub incomplete: u64,
    pub cancelled: u64,
    pub requests: u64,
    pub replies: u64,
    pub failures: u64,
    pub timeouts: u64,
    pub retries: u64,
    pub hedges: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub lookups: u64,
    pub announced: u64,
    pub latency: Histogram,
}

/// What queries did since the start, and what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueryMetrics {
    /// Queries that have begun.
    pub queries: u64,
    /// Their keys.
    pub keys: u64,
    /// Keys that ended with providers.
    pub hits: u64,
    /// Keys that ended complete and without.
    pub misses: u64,
    /// Keys of which nothing is known at their end.
    pub incomplete: u64,
    /// Queries whose asker left.
    pub cancelled: u64,
    /// Messages to peers.
    pub requests: u64,
    /// Messages that were answered.
    pub replies: u64,
    /// Messages that came to nothing.
    pub failures: u64,
    /// Messages that were not answered in time.
    pub timeouts: u64,
    /// Times that a peer that failed was asked again for the same keys.
    pub retries: u64,
    /// Times that a further peer was asked because one was slow.
    pub hedges: u64,
    /// Keys answered from the cache.
    pub cache_hits: u64,
    /// Keys looked for in the cache in vain.
    pub cache_misses: u64,
    /// Plain Kademlia look-ups.
    pub lookups: u64,
    /// Keys that were announced.
    pub announced: u64,
    /// Answered messages of all that ended, in permille.
    pub success_permille: u64,
    /// Queries under way.
    pub queries_in_flight: usize,
    /// Their keys.
    pub keys_in_flight: usize,
    /// Messages under way.
    pub requests_in_flight: usize,
    /// Plain Kademlia look-ups under way.
    pub lookups_in_flight: usize,
    /// Answers in the cache.
    pub cached: usize,
    /// Half of the queries took at most so long.
    pub p50_us: u64,
    /// 95 of 100.
    pub p95_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
}

/// What is known of one connected peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerScore {
    /// Who.
    #[serde(serialize_with = "as_text")]
    pub peer: PeerId,
    /// 0 to 1; under [`SCORE_FLOOR`](super::score::SCORE_FLOOR) it is not asked.
    pub score: f64,
    /// Whether it is not asked at present.
    pub is_sunk: bool,
    /// Smoothed round-trip time in microseconds; 0 before the first reply.
    pub srtt_us: u64,
    /// Messages to it under way.
    pub in_flight: usize,
    /// Messages it answered.
    pub replies: u64,
    /// Messages it did not answer, or not well.
    pub failures: u64,
}

fn as_text<S: serde::Serializer>(peer: &PeerId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(peer)
}

impl Totals {
    /// With everything that is counted here filled in.
    pub fn snapshot(&self) -> QueryMetrics {
        let ended = self.replies + self.failures;
        QueryMetrics {
            queries: self.queries,
            keys: self.keys,
            hits: self.hits,
            misses: self.misses,
            incomplete: self.incomplete,
            cancelled: self.cancelled,
            requests: self.requests,
            replies: self.replies,
            failures: self.failures,
            timeouts: self.timeouts,
            retries: self.retries,
            hedges: self.hedges,
            cache_hits: self.cache_hits,
            cache_misses: self.cache_misses,
            lookups: self.lookups,
            announced: self.announced,
            success_permille: (self.replies * 1_000).checked_div(ended).unwrap_or(1_000),
            p50_us: self.latency.percentile_us(50),
            p95_us: self.latency.percentile_us(95),
            p99_us: self.latency.percentile_us(99),
            ..QueryMetrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket() {
        for micros in (0..5_000).chain([123_456, 10_000_000]) {
            let index = bucket(micros);
            assert!(lower_bound(index) <= micros, "{micros}");
            assert!(micros < lower_bound(index + 1), "{micros}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_right_within_a_quarter() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile_us(50), 0);
        (1..=10_000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        for percent in [1, 50, 95, 99, 100] {
            let (found, exact) = (histogram.percentile_us(percent), percent * 100);
            assert!(found.abs_diff(exact) * 4 <= exact, "{percent}: {found} for {exact}");
        }
    }
}
