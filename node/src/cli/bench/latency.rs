//! Latencies in bounded memory: three digits of each, up to an hour (Gil Tene's HdrHistogram).

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest that is told apart, µs: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Digits that are kept.
const DIGITS: u8 = 3;
/// Shares of the curve that plots show, of a million.
const CURVE: [u32; 10] =
    [0, 250_000, 500_000, 750_000, 900_000, 990_000, 999_000, 999_900, 999_990, 1_000_000];

/// Latencies of a run, µs.
#[derive(Clone, Debug)]
pub struct Latencies {
    kept: Histogram<u64>,
}

/// Percentiles, µs; 0 when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// Ninety-nine of a hundred.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let kept = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        Self { kept: kept.expect("bounds and digits that the crate takes") }
    }
}

impl Latencies {
    /// Adds one. What takes longer than an hour counts as an hour.
    pub fn push(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.kept.saturating_record(us);
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.kept.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.reset();
    }

    /// The percentiles, each right to three digits.
    pub fn percentiles(&self) -> Percentiles {
        let at = |percent| self.kept.value_at_percentile(percent);
        Percentiles { p50: at(50.0), p90: at(90.0), p99: at(99.0), max: self.kept.max() }
    }

    /// (share of a million, µs) of a curve that shows its tail, ascending.
    pub fn curve(&self) -> Vec<(u32, u64)> {
        let at = |share: u32| self.kept.value_at_quantile(f64::from(share) / 1_000_000.0);
        CURVE.iter().map(|share| (*share, at(*share))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_digits() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), Percentiles::default());
        for us in (1..=1_000).rev() {
            latencies.push(Duration::from_micros(us));
        }
        let expected = Percentiles { p50: 500, p90: 900, p99: 990, max: 1_000 };
        assert_eq!((latencies.percentiles(), latencies.count()), (expected, 1_000));
        let curve = latencies.curve();
        assert!(curve.is_sorted_by_key(|(_, us)| *us), "{curve:?}");
        latencies.clear();
        assert_eq!(latencies.count(), 0);
    }

    #[test]
    fn what_takes_for_ever_counts_as_an_hour() {
        let mut latencies = Latencies::default();
        latencies.push(Duration::MAX);
        latencies.push(Duration::ZERO);
        let max = latencies.percentiles().max;
        assert!((3_500_000_000..3_700_000_000).contains(&max), "{max}");
    }
}
