//! Latencies in bounded memory: all of them up to a bound, then a fair sample.

use std::time::Duration;

/// Latencies kept, 4 bytes each.
const KEPT_MAX: usize = 1 << 20;

/// Latencies of a run, µs.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    kept: Vec<u32>,
    seen: u64,
    max: u32,
}

/// Percentiles, µs; 0 when nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: u32,
    /// Nine of ten.
    pub p90: u32,
    /// Ninety-nine of a hundred.
    pub p99: u32,
    /// The longest, exactly.
    pub max: u32,
}

impl Latencies {
    /// Adds one. Past the bound it replaces a random one, so that each had the same chance to stay
    /// (Vitter's algorithm R).
    pub fn push(&mut self, latency: Duration) {
        let us = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.seen += 1;
        self.max = self.max.max(us);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(us);
            return;
        }
        let place = rand::random_range(0..self.seen);
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.kept.get_mut(place)) {
            *slot = us;
        }
    }

    /// The percentiles, nearest rank. O(n log n).
    pub fn percentiles(&self) -> Percentiles {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0)
        };
        Percentiles { p50: rank(50), p90: rank(90), p99: rank(99), max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), Percentiles { p50: 0, p90: 0, p99: 0, max: 0 });
        for us in (1..=1_000).rev() {
            latencies.push(Duration::from_micros(us));
        }
        let expected = Percentiles { p50: 500, p90: 900, p99: 990, max: 1_000 };
        assert_eq!(latencies.percentiles(), expected);
    }

    #[test]
    fn past_the_bound_a_sample_stays() {
        let mut latencies = Latencies::default();
        for _ in 0..=KEPT_MAX {
            latencies.push(Duration::from_micros(7));
        }
        latencies.push(Duration::from_secs(1));
        assert_eq!(latencies.kept.len(), KEPT_MAX);
        assert_eq!(latencies.percentiles().max, 1_000_000);
        assert_eq!(latencies.percentiles().p50, 7);
    }
}
