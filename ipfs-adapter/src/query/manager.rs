//! The query manager: who is asked for what, when, and what that means. It has no socket, no
//! timer and no task: events and the time go in, [`Action`]s come out.
//!
//! ```text
//!  find, announce ──▶ cache ─▶ single flight ─▶ flights (keys with the same R nearest peers)
//!                                                  │ best-scored first, hedge, retry
//!  set_peers, peer_gone ──▶ peers ◀── queues ◀─────┘
//!                             │ a slot is free: all that waits goes out as one message
//!  poll ◀── Ask, Announce, Lookup, StopLookup, StartProviding, Evict
//!  found, stored, failed, lookup_progress, lookup_ended, tick ──▶ answers ─▶ Reporter
//! ```
//!
//! Per key and peer a look-up costs nothing of its own while the keys of a query have the same
//! replicas: replies are counted per flight, and only keys with providers are touched one by one.
//! Per key there is one entry in the single-flight map and one in the cache.
//!
//! | file | what |
//! |---|---|
//! | `manager/find` | a query comes in |
//! | `manager/flight` | keys under way together, and how queries end |
//! | `manager/replicas` | states of a key's replicas; quorums |
//! | `manager/request` | messages, replies, failures |
//! | `manager/peers` | distances, queues, scores |
//! | `manager/lookup` | plain Kademlia, where no batch peer covers a key |
//! | `announce` | "I provide these" |
//!
//! The caller polls until there is nothing after each event, and calls `tick` at `next_deadline`.

mod find;
pub(super) mod flight;
mod lookup;
pub(super) mod peers;
pub(super) mod replicas;
mod request;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::PeerId;
use rand::rngs::StdRng;

pub use self::peers::{ABSENT_SCORES_MAX, PEERS_MAX};
use self::{
    flight::{Flight, QueryState},
    lookup::Pool,
    peers::Peers,
    request::Request,
};
use super::{
    announce::{Announcement, Announcing},
    cache::{Cache, NEGATIVE_TTL, POSITIVE_TTL},
    metrics::{PeerScore, QueryMetrics, Totals},
    preset::Preset,
    score::Score,
    timeout::{Timer, Timers},
};
use crate::ContentId;

/// Queries under way; beyond it the asker is refused.
pub const QUERIES_MAX: usize = 10_000;
/// Keys of all queries under way (and as many announced ones); beyond it the asker is refused. At
/// about 150 bytes a key that is 40 MB.
pub const KEYS_MAX: usize = 262_144;
/// Providers of a key that are kept, as in Kademlia's own records.
pub const PROVIDERS_MAX: usize = 20;
/// Replicas of a key: Kademlia's k.
pub const REPLICATION: usize = 20;
/// No query runs longer, whatever it asks for.
pub const DEADLINE_MAX: Duration = Duration::from_secs(600);
/// How often askers who left are looked for.
pub const SWEEP_EVERY: Duration = Duration::from_millis(50);

const _: () = assert!(KEYS_MAX >= crate::KEYS_PER_QUERY_MAX);
const _: () = assert!(REPLICATION < 255, "acknowledgements are counted in a byte");

/// How the manager works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What it is tuned for.
    pub preset: Preset,
    /// R: each key's nearest peers that are asked and told, at most [`REPLICATION`].
    pub replication: usize,
    /// How long found providers are believed; at most ten minutes.
    pub positive_ttl: Duration,
    /// How long "nobody" is believed; at most ten minutes.
    pub negative_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: Preset::default(),
            replication: REPLICATION,
            positive_ttl: POSITIVE_TTL,
            negative_ttl: NEGATIVE_TTL,
        }
    }
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer who provides these keys; then `found` or `failed`.
    Ask {
        /// Names the message; unique among those under way.
        request: u32,
        /// Whom.
        peer: PeerId,
        /// At most [`KEYS_PER_QUERY_MAX`](crate::KEYS_PER_QUERY_MAX), distinct as a rule.
        keys: Arc<[ContentId]>,
        /// Providers of a key that are enough.
        providers_max: usize,
        /// After this long the manager takes it for lost by itself.
        timeout: Duration,
    },
    /// Tell a peer that this node provides these keys; then `stored` or `failed`.
    Announce {
        /// Names the message; unique among those under way.
        request: u32,
        /// Whom.
        peer: PeerId,
        /// At most [`KEYS_PER_QUERY_MAX`](crate::KEYS_PER_QUERY_MAX).
        keys: Arc<[ContentId]>,
        /// After this long the manager takes it for lost by itself.
        timeout: Duration,
    },
    /// Look a key up by plain Kademlia; `lookup_progress` and, always, `lookup_ended`.
    Lookup {
        /// Which.
        key: ContentId,
    },
    /// Nobody waits for that look-up any more; `lookup_ended` is not to follow, because the same
    /// key may be looked up anew.
    StopLookup {
        /// Which.
        key: ContentId,
    },
    /// Announce a key by plain Kademlia; then, always, `providing_ended`.
    StartProviding {
        /// Which.
        key: ContentId,
    },
    /// This peer hangs: take it out of the routing table and leave it alone for a while.
    Evict {
        /// Whom.
        peer: PeerId,
    },
}

/// Why a message came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No reply in time.
    Timeout,
    /// The connection or stream broke.
    Closed,
    /// The peer said no.
    Refused,
    /// Its reply makes no sense.
    Lied,
}

/// The manager; what it does stands on the module.
#[derive(Debug)]
pub struct Manager {
    pub(super) config: Config,
    rng: StdRng,
    /// Numbers of queries, flights and announcements; never used twice.
    numbers: u64,
    request_numbers: u32,
    queries: BTreeMap<u64, QueryState>,
    flights: BTreeMap<u64, Flight>,
    /// The newest look-up of each key: flight and index. Nothing walks it.
    in_flight: HashMap<ContentId, (u64, u32)>,
    requests: BTreeMap<u32, Request>,
    lookups: Pool,
    keys_in_flight: usize,
    sweeps_at: Option<Instant>,
    cache: Cache,
    pub(super) announcements: BTreeMap<u64, Announcement>,
    pub(super) announcing: BTreeMap<u64, Announcing>,
    pub(super) providings: Pool,
    pub(super) keys_announced: usize,
    pub(super) peers: Peers,
    pub(super) timers: Timers,
    pub(super) totals: Totals,
    /// Bounded by what is under way: a stop for each look-up, an eviction for each peer.
    actions: VecDeque<Action>,
}

impl Manager {
    /// `rng` is for the jitter of retries.
    pub fn new(mut config: Config, rng: StdRng) -> Self {
        config.replication = config.replication.clamp(1, REPLICATION);
        Self {
            rng,
            numbers: 0,
            request_numbers: 0,
            queries: BTreeMap::new(),
            flights: BTreeMap::new(),
            in_flight: HashMap::new(),
            requests: BTreeMap::new(),
            lookups: Pool::new(config.preset.lookups()),
            keys_in_flight: 0,
            sweeps_at: None,
            cache: Cache::new(config.positive_ttl, config.negative_ttl),
            announcements: BTreeMap::new(),
            announcing: BTreeMap::new(),
            providings: Pool::new(config.preset.lookups()),
            keys_announced: 0,
            peers: Peers::new(config.preset.requests_per_peer()),
            timers: Timers::default(),
            totals: Totals::default(),
            actions: VecDeque::new(),
            config,
        }
    }

    /// The connected peers that speak the batched protocol; of those who are missing now, what is
    /// in flight fails. What is beyond [`PEERS_MAX`] is left out.
    pub fn set_peers(&mut self, now: Instant, peers: &[PeerId]) {
        let wanted: BTreeSet<PeerId> = peers.iter().copied().collect();
        for gone in self.peers.missing(&wanted) {
            self.peer_gone(now, &gone);
        }
        wanted.into_iter().for_each(|peer| self.peers.connect(peer));
    }

    /// The next thing to do; call it until there is none. `now` is when it is handed out: response
    /// times and timeouts count from here.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        while let Some((slot, is_announce)) = self.peers.next_ready() {
            let action = match is_announce {
                true => self.send_announce(now, slot),
                false => self.send_ask(now, slot),
            };
            if action.is_some() {
                return action;
            }
        }
        if let Some(key) = self.lookups.start() {
            self.totals.lookups += 1;
            return Some(Action::Lookup { key });
        }
        let providing = self.providings.start().map(|key| Action::StartProviding { key });
        providing.or_else(|| self.actions.pop_front())
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Query(id) => self.end_query(now, id, true),
                Timer::Request(number) => self.time_out(now, number),
                Timer::Flight(id) => self.flight_due(now, id),
                Timer::Announcing(id) => self.announcing_due(now, id),
                Timer::Announcement(id) => self.announcement_due(now, id),
                Timer::Sweep => self.sweep(now),
            }
        }
    }

    /// When `tick` has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Forgets what is known of a key, because somebody provides it now: cached answers, and
    /// answers under way that may be older (these still reach those who wait for them).
    pub fn invalidate(&mut self, key: &ContentId) {
        self.cache.invalidate(key);
        self.in_flight.remove(key);
    }

    /// A peer's word was worthless: it named itself or others as providers and there was no proof.
    pub fn penalize(&mut self, now: Instant, peer: &PeerId) {
        if let Some(slot) = self.peers.judge(peer, Score::penalize) {
            self.drain(now, slot);
        }
    }

    /// A peer's word was proven true.
    pub fn reward(&mut self, peer: &PeerId) {
        let sunk = self.peers.judge(peer, Score::reward);
        debug_assert!(sunk.is_none(), "nobody sinks by a reward");
    }

    /// Whether a peer is not asked at present, because it failed or lied.
    pub fn is_sunk(&self, peer: &PeerId) -> bool {
        self.peers.is_sunk(peer)
    }

    /// What queries did, and what is under way.
    pub fn metrics(&self) -> QueryMetrics {
        QueryMetrics {
            queries_in_flight: self.queries.len(),
            keys_in_flight: self.keys_in_flight,
            requests_in_flight: self.requests.len(),
            lookups_in_flight: self.lookups.active_count(),
            cached: self.cache.len(),
            ..self.totals.snapshot()
        }
    }

    /// What is known of each connected peer, in the order of their coming.
    pub fn peers(&self) -> Vec<PeerScore> {
        self.peers.scores()
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn flight_due(&mut self, now: Instant, id: u64) {
        if let Some(flight) = self.flights.get_mut(&id) {
            flight.wakes_at = None;
        }
        self.check(now, id);
    }

    /// Ends the queries of askers who left.
    fn sweep(&mut self, now: Instant) {
        self.sweeps_at = None;
        let gone: Vec<u64> = self
            .queries
            .iter()
            .filter(|(_, query)| query.reporter.is_gone())
            .map(|(id, _)| *id)
            .collect();
        gone.into_iter().for_each(|id| self.cancel_query(now, id));
        if !self.queries.is_empty() {
            self.timers.set(&mut self.sweeps_at, Some(now + SWEEP_EVERY), Timer::Sweep);
        }
    }
}

#[cfg(test)]
mod tests;
