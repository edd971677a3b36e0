//! A run second by second: how much became final, and how long it took.

use super::latency::{Latencies, Percentiles};
use std::time::Duration;

/// Seconds that are told apart; what comes later is in the sums alone.
const SECONDS_MAX: usize = 7_200;

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Transfers that became final in it.
    pub is_final: u64,
    /// Their latencies, µs.
    pub latency: Percentiles,
}

/// The seconds of a run, from its start.
#[derive(Clone, Debug, Default)]
pub struct Series {
    seconds: Vec<Second>,
    current: Latencies,
}

impl Series {
    /// A transfer became final, so long after the start.
    pub fn push(&mut self, at: Duration, latency: Duration) {
        let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX).min(SECONDS_MAX);
        while self.seconds.len() < second {
            self.end_second();
        }
        if second < SECONDS_MAX {
            self.current.push(latency);
        }
    }

    fn end_second(&mut self) {
        let (is_final, latency) = (self.current.count(), self.current.percentiles());
        self.seconds.push(Second { is_final, latency });
        self.current.clear();
    }

    /// The whole seconds of a run that took `duration`.
    pub fn whole(mut self, duration: Duration) -> Vec<Second> {
        let count = usize::try_from(duration.as_secs()).unwrap_or(usize::MAX).min(SECONDS_MAX);
        while self.seconds.len() < count {
            self.end_second();
        }
        self.seconds.truncate(count);
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_anything_are_there_and_what_is_late_costs_nothing() {
        let ms = Duration::from_millis;
        let mut series = Series::default();
        for (at, latency) in [(100, 5), (900, 7), (2_500, 9), (u64::MAX, 1)] {
            series.push(ms(at), ms(latency));
        }
        let finals = |seconds: &[Second]| seconds.iter().map(|s| s.is_final).collect::<Vec<_>>();
        assert_eq!(finals(&series.clone().whole(ms(4_999))), [2, 0, 1, 0]);
        assert_eq!(finals(&series.clone().whole(ms(999))), [0_u64; 0]);
        assert_eq!(series.whole(Duration::MAX).len(), SECONDS_MAX);
    }
}
