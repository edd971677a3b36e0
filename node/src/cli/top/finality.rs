//! How long transfers took from admission to the durable Commit certificate, from the histogram
//! `quorate_stage_seconds{stage="total"}` of the nodes' metrics.

use std::collections::BTreeMap;
use std::time::Duration;

/// The lines that count.
const BUCKET: &str = "quorate_stage_seconds_bucket{";
/// Their stage.
const STAGE: &str = "stage=\"total\"";
/// Buckets that are read at most; ours have 17.
const BUCKETS_MAX: usize = 64;

/// Transfers by the upper bound of their bucket, µs; `u64::MAX` for those above all bounds. Not
/// cumulative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Buckets(BTreeMap<u64, u64>);

impl Buckets {
    /// From the text of `GET /metrics`.
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix(BUCKET));
        let rows = lines.filter(|line| line.contains(STAGE)).filter_map(row);
        let cumulative: BTreeMap<u64, u64> = rows.take(BUCKETS_MAX).collect();
        let mut below = 0;
        let alone = cumulative.into_iter().map(|(bound, count)| {
            let own = count.saturating_sub(below);
            below = count;
            (bound, own)
        });
        Self(alone.collect())
    }

    /// What came since `before`; all of it when the node has started anew.
    pub(super) fn since(&self, before: &Self) -> Self {
        let of = |buckets: &Self, bound: &u64| buckets.0.get(bound).copied().unwrap_or(0);
        let is_new = self.0.keys().any(|bound| of(self, bound) < of(before, bound));
        if is_new {
            return self.clone();
        }
        Self(self.0.iter().map(|(bound, count)| (*bound, count - of(before, bound))).collect())
    }

    /// Adds another's transfers.
    pub(super) fn add(&mut self, other: &Self) {
        for (bound, count) in &other.0 {
            let sum = self.0.entry(*bound).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// How many transfers there are.
    pub(super) fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A time, µs, that `percent` of the transfers did not exceed, between the bounds of its
    /// bucket as if they lay evenly there. `u64::MAX` above all bounds, `None` without a transfer.
    pub(super) fn quantile(&self, percent: u64) -> Option<u64> {
        let wanted = u128::from(self.count()) * u128::from(percent);
        let (mut below, mut lower) = (0u128, 0u64);
        for (upper, count) in &self.0 {
            let with = below + u128::from(*count) * 100;
            if *count > 0 && with >= wanted {
                if *upper == u64::MAX {
                    return Some(u64::MAX);
                }
                let width = u128::from(upper - lower);
                // What a node tells may be anything.
                let part = width.checked_mul(wanted.saturating_sub(below));
                let part = part.map_or(width, |part| part / (with - below));
                return Some(lower + u64::try_from(part).unwrap_or(0));
            }
            (below, lower) = (with, *upper);
        }
        None
    }
}

/// `le="0.1",stage="total"} 7` as 100,000 µs and 7; `+Inf` as the greatest number.
fn row(line: &str) -> Option<(u64, u64)> {
    let (labels, value) = line.split_once("} ")?;
    let (_, bound) = labels.split_once("le=\"")?;
    let (bound, _) = bound.split_once('"')?;
    let bound = match bound {
        "+Inf" => u64::MAX,
        bound => {
            let time = Duration::try_from_secs_f64(bound.parse().ok()?).ok()?;
            u64::try_from(time.as_micros()).ok()?
        }
    };
    // An exemplar or a time may follow.
    let value = value.split_whitespace().next()?;
    Some((bound, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(rows: &[(u64, u64)]) -> Buckets {
        Buckets(rows.iter().copied().collect())
    }

    #[test]
    fn buckets_are_read_from_what_a_node_writes() {
        let metrics = crate::metrics::Metrics::default();
        for (total, count) in [(700, 2), (2_500, 1), (60_000_000, 1)] {
            let report = consensus::TransferReport {
                id: ledger::TransferId::default(),
                outcome: consensus::Outcome::Final,
                round: 0,
                stages: consensus::Stages { admit: 1, total, ..Default::default() },
                lock: Vec::new(),
                commit: Vec::new(),
                admitted_us: 0,
            };
            (0..count).for_each(|_| metrics.ended(&report));
        }
        let found = Buckets::read(&metrics.text());
        let filled: Vec<(u64, u64)> =
            found.0.iter().filter(|(_, count)| **count > 0).map(|(b, c)| (*b, *c)).collect();
        assert_eq!(filled, [(1_000, 2), (3_000, 1), (u64::MAX, 1)]);
        assert_eq!(found.count(), 4);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let found = buckets(&[(1_000, 50), (2_000, 50), (3_000, 0), (u64::MAX, 0)]);
        assert_eq!(found.quantile(50), Some(1_000));
        assert_eq!(found.quantile(75), Some(1_500));
        assert_eq!(found.quantile(100), Some(2_000));
        assert_eq!(buckets(&[(1_000, 1), (u64::MAX, 99)]).quantile(99), Some(u64::MAX));
        assert_eq!(buckets(&[(1_000, 0)]).quantile(50), None);
        let huge = buckets(&[(1, u64::MAX), (u64::MAX - 1, u64::MAX)]);
        assert!(huge.quantile(99).is_some(), "no overflow");
        let wide = buckets(&[(u64::MAX - 1, u64::MAX)]);
        assert_eq!(wide.quantile(50), Some(u64::MAX - 1), "no overflow");
    }

    #[test]
    fn only_what_came_since_counts_and_all_after_a_start() {
        let (before, after) = (buckets(&[(10, 4), (20, 1)]), buckets(&[(10, 6), (20, 1)]));
        assert_eq!(after.since(&before), buckets(&[(10, 2), (20, 0)]));
        assert_eq!(before.since(&after), before, "it has started anew");
    }

    #[test]
    fn what_is_no_bucket_is_left_out() {
        let text = "quorate_stage_seconds_bucket{stage=\"total\"} 1\n\
                    quorate_stage_seconds_bucket{le=\"-1\",stage=\"total\"} 1\n\
                    quorate_stage_seconds_bucket{le=\"x\",stage=\"total\"} 1\n\
                    quorate_stage_seconds_bucket{le=\"0.1\",stage=\"lock\"} 1\n\
                    quorate_stage_seconds_bucket{le=\"0.1\",stage=\"total\"} -1\n\
                    quorate_stage_seconds_bucket{le=\"0.2\",stage=\"total\"} 3 # {} 1 2\n";
        assert_eq!(Buckets::read(text), buckets(&[(200_000, 3)]));
    }
}
