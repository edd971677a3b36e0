//! How far a peer is trusted to answer: a moving average of its successes, and when it was last
//! given a chance. It sinks by failing, by hanging and at once by lying; a sunk peer is asked once
//! in a while, so that it can come back.

use std::time::{Duration, Instant};

/// Below it a peer is not asked and not believed to provide anything.
pub const SCORE_FLOOR: f64 = 0.3;
/// A sunk peer gets one message in this time.
pub const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Timeouts in a row after which a peer is to be taken out of the routing table.
pub const TIMEOUTS_TO_EVICT: u32 = 3;
/// Weight of the newest outcome in the averages.
const WEIGHT: f64 = 0.2;
/// Failing alone does not sink deeper: one reply and the peer is back.
const FAILURE_BOTTOM: f64 = 0.15;
/// What a provider without a proof loses; the fourth time it is under the floor.
const PENALTY: f64 = 0.2;

/// One peer's record.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Average of successes: 1 is a peer that always answers.
    success: f64,
    /// Average of its response time in seconds; 0 before the first.
    response_s: f64,
    /// Timeouts since its last reply; of messages that were under way together, one counts.
    timeouts_in_row: u32,
    last_timeout: Option<Instant>,
    last_probe: Option<Instant>,
    /// Replies so far.
    pub replies: u64,
    /// Failures so far, timeouts among them.
    pub failures: u64,
}

impl Default for Score {
    /// A new peer is innocent.
    fn default() -> Self {
        Self {
            success: 1.0,
            response_s: 0.0,
            timeouts_in_row: 0,
            last_timeout: None,
            last_probe: None,
            replies: 0,
            failures: 0,
        }
    }
}

impl Score {
    /// Between 0 and 1.
    pub fn value(&self) -> f64 {
        self.success
    }

    /// Whether it is not asked any more.
    pub fn is_sunk(&self) -> bool {
        self.success < SCORE_FLOOR || self.timeouts_in_row >= TIMEOUTS_TO_EVICT
    }

    /// Reliable first, then fast; greater is better.
    pub fn rank(&self) -> f64 {
        self.success / (0.001 + self.response_s)
    }

    /// It replied.
    pub fn succeed(&mut self, took: Duration) {
        self.replies += 1;
        self.timeouts_in_row = 0;
        self.last_timeout = None;
        self.success += WEIGHT * (1.0 - self.success);
        let took = took.as_secs_f64();
        let is_first = self.response_s == 0.0;
        self.response_s = if is_first { took } else { self.response_s * 0.8 + took * 0.2 };
    }

    /// It failed in another way than by silence.
    pub fn fail(&mut self) {
        self.failures += 1;
        let lower = self.success * (1.0 - WEIGHT);
        self.success = lower.max(FAILURE_BOTTOM.min(self.success));
    }

    /// It was silent about a message that was sent at `sent`. Returns whether it is now to be
    /// evicted; so it is once for each row of timeouts.
    pub fn time_out(&mut self, sent: Instant, now: Instant) -> bool {
        self.fail();
        if self.last_timeout.is_some_and(|last| sent < last) {
            return false;
        }
        self.last_timeout = Some(now);
        self.timeouts_in_row = self.timeouts_in_row.saturating_add(1);
        self.timeouts_in_row == TIMEOUTS_TO_EVICT
    }

    /// It said what can't be true.
    pub fn lie(&mut self) {
        self.failures += 1;
        self.success = 0.0;
    }

    /// The node found what it said to be worthless, such as a provider without a proof.
    pub fn penalize(&mut self) {
        self.success = (self.success - PENALTY).max(0.0);
    }

    /// The node found what it said to be true.
    pub fn reward(&mut self) {
        self.success += WEIGHT * (1.0 - self.success);
    }

    /// It came (back): whatever it did, it gets one message now.
    pub fn connect(&mut self) {
        self.last_probe = None;
        self.last_timeout = None;
    }

    /// Whether a sunk peer gets its one message now; the answer is noted.
    pub fn probe(&mut self, now: Instant) -> bool {
        let is_due = self.last_probe.is_none_or(|last| now >= last + PROBE_EVERY);
        if is_due {
            self.last_probe = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_always_fails_sinks_and_one_reply_brings_it_back() {
        let mut score = Score::default();
        for count in 0..100 {
            assert_eq!(score.is_sunk(), count >= 6, "{count}");
            score.fail();
        }
        assert!(score.value() >= FAILURE_BOTTOM);
        score.succeed(Duration::from_millis(1));
        assert!(!score.is_sunk());
    }

    #[test]
    fn a_liar_sinks_at_once_and_comes_back_later() {
        let mut score = Score::default();
        score.lie();
        assert!(score.is_sunk());
        score.succeed(Duration::from_millis(1));
        assert!(score.is_sunk());
        score.succeed(Duration::from_millis(1));
        assert!(!score.is_sunk());
    }

    #[test]
    fn timeouts_in_a_row_evict_once_and_one_burst_counts_once() {
        let mut now = Instant::now();
        let mut score = Score::default();
        let mut evictions = 0;
        for _ in 0..2 {
            let sent = now;
            now += Duration::from_secs(1);
            for _ in 0..2 {
                evictions += u32::from(score.time_out(sent, now));
            }
        }
        assert_eq!((evictions, score.is_sunk()), (0, false));
        for _ in 0..5 {
            evictions += u32::from(score.time_out(now, now + Duration::from_secs(1)));
            now += Duration::from_secs(1);
        }
        assert_eq!((evictions, score.is_sunk()), (1, true));
    }

    #[test]
    fn a_sunk_peer_gets_one_probe_in_thirty_seconds() {
        let start = Instant::now();
        let mut score = Score::default();
        let seconds: Vec<_> =
            (0..70).filter(|s| score.probe(start + Duration::from_secs(*s))).collect();
        assert_eq!(seconds, [0, 30, 60]);
        score.connect();
        assert!(score.probe(start + Duration::from_secs(70)));
    }

    #[test]
    fn fast_peers_rank_before_slow_ones_and_reliable_before_failing() {
        let peer = |took_ms, failures| {
            let mut score = Score::default();
            score.succeed(Duration::from_millis(took_ms));
            (0..failures).for_each(|_| score.fail());
            score.rank()
        };
        assert!(peer(5, 0) > peer(50, 0));
        assert!(peer(5, 0) > peer(5, 2));
    }

    #[test]
    fn penalties_sink_and_rewards_lift() {
        let mut score = Score::default();
        (0..3).for_each(|_| score.penalize());
        assert!(!score.is_sunk());
        score.penalize();
        assert!(score.is_sunk());
        score.reward();
        assert!(!score.is_sunk());
    }
}
