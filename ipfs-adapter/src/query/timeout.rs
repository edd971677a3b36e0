//! How long to wait for a peer, learnt from how long it took before (RFC 6298), how long to wait
//! before asking again, and the set of things that wait for a time. The clock is an argument.
//!
//! What is measured is from handing a message out to its reply; time in a queue of ours is left
//! out, or the timeout would grow with our own load.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rand::{RngExt, rngs::StdRng};

/// No timeout is shorter: a scheduler's hiccup is no dead peer.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(250);
/// No timeout is longer: nobody waits for one peer that long.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// Before anything was measured (RFC 6298, 2.1).
pub const TIMEOUT_INITIAL: Duration = Duration::from_secs(1);
/// No second peer is asked sooner because the first is slow.
pub const HEDGE_MIN: Duration = Duration::from_millis(2);
/// How often a peer that failed is asked again for the same.
pub const RETRIES_MAX: u8 = 3;
/// The longest pause before the first retry; doubled for each further one.
pub const BACKOFF_BASE: Duration = Duration::from_millis(50);

/// The kinds of messages whose times have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A look-up with providers in its reply.
    Hit,
    /// A look-up without.
    Miss,
    /// An announcement.
    Announce,
}

/// Smoothed round-trip time of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    /// SRTT and RTTVAR; none before the first sample.
    smoothed: Option<(Duration, Duration)>,
    /// How often the timeout is doubled.
    doublings: u32,
}

/// The round-trip times of one peer, or of all, by class.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrips {
    hit: Estimate,
    miss: Estimate,
    announce: Estimate,
}

impl Estimate {
    /// RFC 6298, 2.2 and 2.3, with alpha = 1/8 and beta = 1/4.
    fn sample(&mut self, took: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2),
            Some((mean, deviation)) => {
                let error = mean.abs_diff(took);
                (mean * 7 / 8 + took / 8, deviation * 3 / 4 + error / 4)
            }
        });
        self.doublings = 0;
    }

    fn timeout(&self) -> Option<Duration> {
        let (mean, deviation) = self.smoothed?;
        Some(doubled((mean + deviation * 4).clamp(TIMEOUT_MIN, TIMEOUT_MAX), self.doublings))
    }
}

/// RFC 6298, 5.5; 2.5 for the bound.
fn doubled(timeout: Duration, doublings: u32) -> Duration {
    let factor = 2_u32.saturating_pow(doublings);
    timeout.saturating_mul(factor).min(TIMEOUT_MAX)
}

impl RoundTrips {
    /// A reply came after so long.
    pub fn sample(&mut self, class: Class, took: Duration) {
        match class {
            Class::Hit => self.hit.sample(took),
            Class::Miss => self.miss.sample(took),
            Class::Announce => self.announce.sample(took),
        }
    }

    /// No reply came: the next wait is twice as long.
    pub fn back_off(&mut self, is_announce: bool) {
        let doubled = |estimate: &mut Estimate| {
            estimate.doublings = estimate.doublings.saturating_add(1);
        };
        if is_announce {
            doubled(&mut self.announce);
        } else {
            doubled(&mut self.hit);
            doubled(&mut self.miss);
        }
    }

    /// How long to wait; `others` speaks for a peer of which nothing is known. Of a look-up nobody
    /// knows beforehand whether it is a hit, so the longer of the two.
    pub fn timeout(&self, is_announce: bool, others: &RoundTrips) -> Duration {
        let own = |trips: &RoundTrips| match is_announce {
            true => trips.announce.timeout(),
            false => trips.hit.timeout().max(trips.miss.timeout()),
        };
        let doublings = if is_announce { self.announce.doublings } else { self.miss.doublings };
        let of_others = || match is_announce {
            true => others.announce.smoothed.map(|_| Estimate { doublings: 0, ..others.announce }),
            false => [others.hit, others.miss]
                .into_iter()
                .filter(|estimate| estimate.smoothed.is_some())
                .map(|estimate| Estimate { doublings: 0, ..estimate })
                .max_by_key(Estimate::timeout),
        };
        own(self).unwrap_or_else(|| {
            let first = of_others().and_then(|estimate| estimate.timeout());
            doubled(first.unwrap_or(TIMEOUT_INITIAL), doublings)
        })
    }

    /// After this long a reply is slower than about nineteen in twenty (SRTT + 2 RTTVAR).
    pub fn hedge(&self, others: &RoundTrips) -> Duration {
        let of = |trips: &RoundTrips| {
            let estimates = [trips.hit, trips.miss];
            estimates.into_iter().filter_map(|estimate| estimate.smoothed).max()
        };
        let known = of(self).or_else(|| of(others));
        known.map_or(TIMEOUT_MIN, |(mean, deviation)| mean + deviation * 2).max(HEDGE_MIN)
    }

    /// The smoothed round-trip time of look-ups, or of announcements where there were no others.
    pub fn smoothed(&self) -> Option<Duration> {
        let mean = |estimate: Estimate| estimate.smoothed.map(|(mean, _)| mean);
        mean(self.miss).or(mean(self.hit)).or(mean(self.announce))
    }
}

/// The pause before retry number `retry` (from 0): anything up to 50 ms, 100 ms, 200 ms. Full
/// jitter, so that those who failed together do not come back together.
pub fn backoff(retry: u8, rng: &mut StdRng) -> Duration {
    let longest = BACKOFF_BASE.saturating_mul(2_u32.saturating_pow(u32::from(retry)));
    longest.mul_f64(rng.random_range(0.0..=1.0))
}

/// What waits for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The deadline of a query.
    Query(u64),
    /// The timeout of a message to a peer.
    Request(u32),
    /// A hedge or a retry of a look-up.
    Flight(u64),
    /// A retry of an announcement.
    Announcing(u64),
    /// The deadline of an announcement, then the end of its work in the background.
    Announcement(u64),
    /// The look for askers who are gone.
    Sweep,
}

/// Everything that waits for a time, soonest first. Bounded by what it belongs to: each query,
/// message, look-up and announcement has at most one entry.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Puts a timer where there was none.
    pub fn add(&mut self, at: Instant, timer: Timer) {
        self.set.insert((at, timer));
    }

    /// Takes one away before its time.
    pub fn remove(&mut self, at: Instant, timer: Timer) {
        self.set.remove(&(at, timer));
    }

    /// Moves one; `slot` is where its owner keeps its time.
    pub fn set(&mut self, slot: &mut Option<Instant>, at: Option<Instant>, timer: Timer) {
        if *slot == at {
            return;
        }
        if let Some(old) = *slot {
            self.remove(old, timer);
        }
        if let Some(new) = at {
            self.add(new, timer);
        }
        *slot = at;
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// The next one, if it is due.
    pub fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, _) = self.set.first()?;
        if *at > now { None } else { self.set.pop_first().map(|(_, timer)| timer) }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.set.len()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_first_sample_follows_the_rfc() {
        let mut trips = RoundTrips::default();
        let none = RoundTrips::default();
        assert_eq!(trips.timeout(false, &none), TIMEOUT_INITIAL);
        trips.sample(Class::Miss, ms(800));
        assert_eq!(trips.timeout(false, &none), ms(800 + 4 * 400));
        assert_eq!(trips.smoothed(), Some(ms(800)));
        trips.sample(Class::Miss, ms(400));
        // SRTT = 7/8 * 800 + 1/8 * 400; RTTVAR = 3/4 * 400 + 1/4 * 400.
        assert_eq!(trips.timeout(false, &none), ms(750 + 4 * 400));
    }

    #[test]
    fn timeouts_stay_within_their_bounds() {
        let none = RoundTrips::default();
        let mut trips = RoundTrips::default();
        trips.sample(Class::Hit, Duration::ZERO);
        assert_eq!(trips.timeout(false, &none), TIMEOUT_MIN);
        for _ in 0..100 {
            trips.back_off(false);
        }
        assert_eq!(trips.timeout(false, &none), TIMEOUT_MAX);
        trips.sample(Class::Hit, Duration::from_secs(3_600));
        assert_eq!(trips.timeout(false, &none), TIMEOUT_MAX);
    }

    #[test]
    fn a_timeout_doubles_the_next_and_a_reply_ends_that() {
        let none = RoundTrips::default();
        let mut trips = RoundTrips::default();
        trips.back_off(false);
        assert_eq!(trips.timeout(false, &none), 2 * TIMEOUT_INITIAL);
        assert_eq!(trips.timeout(true, &none), TIMEOUT_INITIAL, "another class");
        trips.sample(Class::Miss, ms(100));
        trips.back_off(false);
        assert_eq!(trips.timeout(false, &none), 2 * ms(300));
        trips.sample(Class::Miss, ms(100));
        assert_eq!(trips.timeout(false, &none), ms(100) + 4 * ms(75) / 2);
    }

    #[test]
    fn an_unknown_peer_is_taken_for_one_like_the_others() {
        let mut others = RoundTrips::default();
        others.sample(Class::Hit, ms(1_000));
        others.sample(Class::Miss, ms(100));
        assert_eq!(RoundTrips::default().timeout(false, &others), ms(3_000));
        assert_eq!(RoundTrips::default().hedge(&others), ms(2_000));
    }

    #[test]
    fn pauses_have_full_jitter_within_their_bounds() {
        let mut rng = StdRng::seed_from_u64(7);
        for (retry, longest) in [(0, ms(50)), (1, ms(100)), (2, ms(200))] {
            let pauses: Vec<_> = (0..1_000).map(|_| backoff(retry, &mut rng)).collect();
            assert!(pauses.iter().all(|pause| *pause <= longest));
            assert!(pauses.iter().any(|pause| *pause < longest / 10), "not only the late half");
            assert!(pauses.iter().any(|pause| *pause > longest * 9 / 10));
        }
    }

    #[test]
    fn timers_come_in_order_and_only_when_due() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let mut slot = None;
        timers.set(&mut slot, Some(start + ms(5)), Timer::Flight(1));
        timers.add(start + ms(2), Timer::Query(1));
        timers.set(&mut slot, Some(start + ms(1)), Timer::Flight(1));
        assert_eq!((timers.len(), timers.next()), (2, Some(start + ms(1))));
        assert_eq!(timers.pop(start), None);
        assert_eq!(timers.pop(start + ms(2)), Some(Timer::Flight(1)));
        assert_eq!(timers.pop(start + ms(2)), Some(Timer::Query(1)));
        assert_eq!(timers.pop(start + ms(9)), None);
    }
}
