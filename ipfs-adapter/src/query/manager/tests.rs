//! The manager against a simulated network: time is a number, latencies come from a seed.

mod announce;
mod behaviour;
mod limits;
mod network;
mod random;
mod speed;

use std::time::Duration;

use self::network::{Nature, Network};
use super::*;
use crate::{Completion, FindOptions, KeyAnswer, query::score::PROBE_EVERY};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn key(number: u64) -> ContentId {
    ContentId::of(&number.to_be_bytes())
}

fn keys(range: std::ops::Range<u64>) -> Vec<ContentId> {
    range.map(key).collect()
}

/// As before a vote: fresh answers, all replicas at once.
fn strict() -> FindOptions {
    FindOptions {
        deadline: Duration::from_secs(10),
        completion: Completion::Quorum,
        providers_max: 20,
        use_cache: false,
    }
}

/// As anybody asks.
fn plain() -> FindOptions {
    Preset::Balanced.options()
}

fn live(latency_ms: u64) -> Nature {
    Nature::Live { latency: ms(latency_ms), jitter: ms(latency_ms / 2) }
}

impl Manager {
    /// Nothing of any query, message or announcement is left.
    fn assert_empty(&self) {
        assert!(self.queries.is_empty());
        assert!(self.flights.is_empty());
        assert!(self.in_flight.is_empty());
        assert!(self.requests.is_empty());
        assert!(self.announcements.is_empty());
        assert!(self.announcing.is_empty());
        assert!(self.actions.is_empty());
        for pool in [&self.lookups, &self.providings] {
            assert_eq!((pool.active_count(), pool.waiting_count()), (0, 0));
        }
        assert_eq!((self.keys_in_flight, self.keys_announced), (0, 0));
        assert_eq!(self.peers.waiting(), 0);
        assert_eq!(self.timers.len(), 0);
        assert!(self.peers().iter().all(|peer| peer.in_flight == 0));
    }
}
