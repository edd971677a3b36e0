//! Peers in virtual time around one manager.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures::FutureExt;
use libp2p::{PeerId, identity::Keypair};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::oneshot;

use super::super::{Action, Config, Failure, Manager};
use crate::{ContentId, FindOptions, FindOutcome, IpfsError, Provided, Provider, Query, QueryId};

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Answers after `latency` and up to `jitter` more.
    Live { latency: Duration, jitter: Duration },
    /// Refuses the connection.
    Dead,
    /// Takes messages and never answers.
    Hung,
    /// Answers with keys that nobody asked for.
    Liar,
    /// Says no to everything.
    Refusing,
    /// Answers look-ups, but keeps no record.
    Full,
}

#[derive(Debug)]
enum Event {
    Found { request: u32, peer: PeerId, hits: Vec<(u32, Vec<Provider>)> },
    Stored { request: u32, peer: PeerId, stored: Vec<bool> },
    Failed { request: u32, peer: PeerId, failure: Failure },
    LookedUp { key: ContentId },
    Provided { key: ContentId },
}

/// The network, its clock and what it saw.
pub struct Network {
    pub now: Instant,
    pub start: Instant,
    pub manager: Manager,
    pub natures: BTreeMap<PeerId, Nature>,
    /// Who has said that it provides what.
    pub records: BTreeMap<ContentId, Vec<Provider>>,
    /// Everything the manager wanted, with the time.
    pub actions: Vec<(Instant, Action)>,
    /// What plain Kademlia reports: replies, failures, time.
    pub walk: (u16, u16, Duration),
    pub stopped: BTreeSet<ContentId>,
    /// Peers that answer but have no records.
    pub forgetful: BTreeSet<PeerId>,
    events: BTreeMap<(Instant, u64), Event>,
    rng: StdRng,
    numbers: u64,
}

/// The id of the peer of this number.
pub fn peer(number: u8) -> PeerId {
    let pair = Keypair::ed25519_from_bytes([number; 32]).expect("any 32 bytes are a secret");
    pair.public().to_peer_id()
}

pub fn provider(number: u8) -> Provider {
    Provider { peer: peer(number), addresses: vec![] }
}

impl Network {
    pub fn new(natures: &[Nature]) -> Self {
        Self::with(Config::default(), natures)
    }

    pub fn with(config: Config, natures: &[Nature]) -> Self {
        let start = Instant::now();
        let manager = Manager::new(config, StdRng::seed_from_u64(1));
        let natures = (1..).zip(natures).map(|(number, nature)| (peer(number), *nature)).collect();
        let mut network = Self {
            now: start,
            start,
            manager,
            natures,
            records: BTreeMap::new(),
            actions: Vec::new(),
            walk: (20, 0, Duration::from_millis(5)),
            stopped: BTreeSet::new(),
            forgetful: BTreeSet::new(),
            events: BTreeMap::new(),
            rng: StdRng::seed_from_u64(2),
            numbers: 0,
        };
        network.connect();
        network
    }

    /// All peers are connected.
    pub fn connect(&mut self) {
        let peers: Vec<_> = self.natures.keys().copied().collect();
        self.manager.set_peers(self.now, &peers);
    }

    pub fn find(&mut self, keys: &[ContentId], options: FindOptions) -> Result<Query, IpfsError> {
        self.numbers += 1;
        let (query, reporter) = Query::new(QueryId(self.numbers));
        self.manager.find(self.now, keys, options, reporter)?;
        Ok(query)
    }

    /// Runs one query to its end.
    pub fn ask(&mut self, keys: &[ContentId], options: FindOptions) -> FindOutcome {
        let query = self.find(keys, options).expect("there is room");
        self.run_while(|manager| manager.metrics().queries_in_flight > 0);
        outcome(query)
    }

    pub fn announce(&mut self, keys: &[ContentId]) -> oneshot::Receiver<Provided> {
        let (reply, receiver) = oneshot::channel();
        self.manager.announce(self.now, keys, reply).expect("there is room");
        receiver
    }

    /// Runs until nothing is left to happen.
    pub fn settle(&mut self) {
        self.run_while(|_| true);
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    pub fn run_while(&mut self, goes_on: impl Fn(&Manager) -> bool) {
        let end = self.now + Duration::from_secs(3_600);
        while goes_on(&self.manager) && self.step(end) {}
    }

    /// Messages of look-ups, by peer.
    pub fn asked(&self, peer: &PeerId) -> usize {
        let is_meant = |action: &Action| match action {
            Action::Ask { peer: to, .. } => to == peer,
            _ => false,
        };
        self.count(is_meant)
    }

    pub fn count(&self, is_meant: impl Fn(&Action) -> bool) -> usize {
        self.actions.iter().filter(|(_, action)| is_meant(action)).count()
    }

    /// Does what the manager wants, then what happens next, at the latest at `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.act();
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let next = event.into_iter().chain(self.manager.next_deadline()).min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        let due: Vec<_> = self.events.keys().filter(|(at, _)| *at <= self.now).copied().collect();
        for at in due {
            let event = self.events.remove(&at).expect("it is due");
            self.deliver(event);
        }
        self.manager.tick(self.now);
        self.act();
        true
    }

    pub fn act(&mut self) {
        while let Some(action) = self.manager.poll(self.now) {
            self.actions.push((self.now, action.clone()));
            match action {
                Action::Ask { request, peer, keys, .. } => self.take_ask(request, peer, &keys),
                Action::Announce { request, peer, keys, .. } => {
                    self.take_announce(request, peer, keys.len());
                }
                Action::Lookup { key } => self.schedule(self.walk.2, Event::LookedUp { key }),
                Action::StopLookup { key } => {
                    self.stopped.insert(key);
                    self.events.retain(|_, event| {
                        !matches!(event, Event::LookedUp { key: other } if *other == key)
                    });
                }
                Action::StartProviding { key } => {
                    self.schedule(self.walk.2, Event::Provided { key });
                }
                Action::Evict { .. } => {}
            }
        }
    }

    fn take_ask(&mut self, request: u32, peer: PeerId, keys: &[ContentId]) {
        let Some(delay) = self.delay(request, peer) else { return };
        if self.natures[&peer] == Nature::Liar {
            let hits = vec![(u32::MAX, vec![provider(99)])];
            return self.schedule(delay, Event::Found { request, peer, hits });
        }
        let keys = if self.forgetful.contains(&peer) { &[] } else { keys };
        let found = (0..).zip(keys).filter_map(|(at, key)| Some((at, self.records.get(key)?)));
        let hits = found.map(|(at, providers)| (at, providers.clone())).collect();
        self.schedule(delay, Event::Found { request, peer, hits });
    }

    fn take_announce(&mut self, request: u32, peer: PeerId, count: usize) {
        let Some(delay) = self.delay(request, peer) else { return };
        let stored = match self.natures[&peer] {
            Nature::Liar => vec![true; count + 1],
            Nature::Full => vec![false; count],
            _ => vec![true; count],
        };
        self.schedule(delay, Event::Stored { request, peer, stored });
    }

    /// When the answer comes, if one comes; failures are arranged here.
    fn delay(&mut self, request: u32, peer: PeerId) -> Option<Duration> {
        let tiny = Duration::from_millis(1);
        match self.natures[&peer] {
            Nature::Live { latency, jitter } => {
                Some(latency + jitter.mul_f64(self.rng.random_range(0.0..=1.0)))
            }
            Nature::Hung => None,
            Nature::Dead | Nature::Refusing => {
                let is_dead = self.natures[&peer] == Nature::Dead;
                let failure = if is_dead { Failure::Closed } else { Failure::Refused };
                self.schedule(tiny, Event::Failed { request, peer, failure });
                None
            }
            Nature::Liar | Nature::Full => Some(tiny),
        }
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.numbers += 1;
        self.events.insert((self.now + delay, self.numbers), event);
    }

    fn deliver(&mut self, event: Event) {
        let (manager, now) = (&mut self.manager, self.now);
        match event {
            Event::Found { request, peer, hits } => manager.found(now, request, &peer, &hits),
            Event::Stored { request, peer, stored } => {
                manager.stored(now, request, &peer, &stored);
            }
            Event::Failed { request, peer, failure } => {
                manager.failed(now, request, &peer, failure);
            }
            Event::LookedUp { key } => {
                let providers = self.records.get(&key).cloned().unwrap_or_default();
                manager.lookup_progress(now, &key, &providers);
                manager.lookup_ended(now, &key, self.walk.0, self.walk.1);
            }
            Event::Provided { key } => manager.providing_ended(&key, true),
        }
    }
}

/// The outcome of a query that has ended.
pub fn outcome(query: Query) -> FindOutcome {
    query.outcome().now_or_never().expect("it has ended").expect("the manager lives")
}
