//! A flight: keys with the same replicas that are looked up together, for one query or several.
//! In the common case (few peers, fresh keys, no providers) it is the whole of a query, and a
//! peer's reply costs a handful of steps however many keys there are.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use super::{
    super::{Completion, FindOptions, FindOutcome, Found, KeyAnswer, Provider, Reporter},
    Action, Manager, PROVIDERS_MAX,
    lookup::Walk,
    peers::Peers,
    replicas::Replicas,
};
use crate::{
    ContentId,
    query::{metrics::Totals, timeout::Timer},
};

/// Keys with the same replicas.
#[derive(Debug)]
pub(in crate::query) struct Flight {
    pub keys: Arc<[ContentId]>,
    /// How many of the replicas must reply before "nobody" means something; 0 is never.
    pub quorum: usize,
    pub replicas: Replicas,
    /// By plain Kademlia: `walks[i]` is how key i ended. Otherwise none.
    pub walks: Option<Vec<Option<Walk>>>,
    pub waiters: Vec<Waiter>,
    /// Keys of which a peer said that there are providers, but not which: "nobody" is not proven.
    pub unsure: BTreeSet<u32>,
    /// By index of the key; only keys that have any.
    pub providers: BTreeMap<u32, Vec<Provider>>,
    /// Where its timer stands.
    pub wakes_at: Option<Instant>,
}

/// What a query wants of a flight.
#[derive(Debug)]
pub(in crate::query) struct Waiter {
    pub query: u64,
    /// Index in the flight, index in the query; sorted.
    pub keys: Vec<(u32, u32)>,
    /// How many of them are neither ended nor have providers enough.
    pub open: usize,
}

/// A query under way.
#[derive(Debug)]
pub(in crate::query) struct QueryState {
    pub reporter: Reporter,
    pub started: Instant,
    pub deadline: Instant,
    pub options: FindOptions,
    pub answers: Vec<KeyAnswer>,
    /// Keys that are neither ended nor have providers enough.
    pub open: usize,
    /// Replies, counted per key: wanted and arrived.
    pub expected: usize,
    pub got: usize,
    pub flights: Vec<u64>,
}

impl Waiter {
    /// The query's indices of a flight's key.
    pub fn indices(&self, index: u32) -> impl Iterator<Item = usize> + use<> {
        let from = self.keys.partition_point(|(own, _)| *own < index);
        let same: Vec<_> = self.keys[from..].iter().take_while(|(own, _)| *own == index).collect();
        let places: Vec<usize> = same.iter().map(|(_, at)| place(*at)).collect();
        places.into_iter()
    }
}

impl QueryState {
    /// Passes a provider on. Returns whether the key has enough by that.
    pub fn found(&mut self, index: usize, provider: &Provider) -> bool {
        let answer = &mut self.answers[index];
        if answer.providers.len() >= self.options.providers_max {
            return false;
        }
        answer.providers.push(provider.clone());
        let is_enough = answer.providers.len() == self.options.providers_max;
        self.reporter.found(Found { index, provider: provider.clone() });
        is_enough
    }

    /// Whether it need not wait any longer.
    pub fn is_done(&self) -> bool {
        let share = match self.options.completion {
            Completion::Share(percent) => {
                self.got * 100 >= self.expected * usize::from(percent.clamp(1, 100))
            }
            Completion::Quorum | Completion::All => false,
        };
        share || self.open == 0
    }
}

impl Flight {
    /// Whether "nobody" means something for this key.
    pub fn is_complete(&self, index: u32) -> bool {
        match &self.walks {
            Some(walks) => walks[place(index)].is_some_and(Walk::is_complete),
            None => {
                let is_quorate = self.quorum > 0 && self.replicas.replied >= self.quorum;
                is_quorate && !self.unsure.contains(&index)
            }
        }
    }

    /// Replies and failures of a key.
    fn counts(&self, index: u32, at_deadline: bool) -> (u16, u16) {
        if let Some(walks) = &self.walks {
            return walks[place(index)].map_or((0, 0), |walk| (walk.replies, walk.failures));
        }
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        (count(self.replicas.replied), count(self.replicas.failed(at_deadline)))
    }

    /// Writes what is known of a waiter's keys into its query's answers.
    fn fill(&self, waiter: &Waiter, answers: &mut [KeyAnswer], at_deadline: bool) {
        let whole = self.counts(0, at_deadline);
        for (index, at) in &waiter.keys {
            let is_walked = self.walks.is_some();
            let counts = if is_walked { self.counts(*index, at_deadline) } else { whole };
            let answer = &mut answers[place(*at)];
            (answer.replies, answer.failures) = counts;
            answer.is_complete = self.is_complete(*index);
        }
    }
}

/// An index as it is kept, for use in memory.
pub(in crate::query) fn place(index: u32) -> usize {
    usize::try_from(index).expect("memory is addressed with 32 bits at least")
}

/// Puts as many replicas into their peers' queues as are wanted now.
pub(in crate::query) fn ask_next(
    (peers, totals): (&mut Peers, &mut Totals),
    replicas: &mut Replicas,
    now: Instant,
    (id, is_announce): (u64, bool),
) {
    totals.hedges += replicas.wake(now);
    while let Some((slot, is_retry)) = replicas.next() {
        if peers.rank(slot).is_none() {
            replicas.skip(slot);
            continue;
        }
        totals.retries += u64::from(is_retry);
        replicas.queue(slot, peers.hedge_at(slot, now));
        peers.enqueue(slot, id, is_announce);
    }
}

impl Manager {
    /// Providers of one key have come. Returns whether every query that waits for it has enough.
    pub(super) fn hit(&mut self, id: u64, index: u32, providers: &[Provider]) -> bool {
        let Some(flight) = self.flights.get_mut(&id) else { return false };
        let at = usize::try_from(index).expect("an index fits");
        if flight.walks.as_ref().is_some_and(|walks| walks[at].is_some()) {
            // Its walk has ended and was counted; what comes now is for the next query.
            return false;
        }
        let known = flight.providers.entry(index).or_default();
        for provider in providers {
            if known.len() >= PROVIDERS_MAX {
                break;
            }
            let is_known = known.iter().any(|other| other.peer == provider.peer);
            if is_known || self.peers.is_sunk(&provider.peer) {
                continue;
            }
            known.push(provider.clone());
            for waiter in &mut flight.waiters {
                let query = self.queries.get_mut(&waiter.query).expect("a waiter's query lives");
                for at in waiter.indices(index) {
                    let is_enough = query.found(at, provider);
                    waiter.open -= usize::from(is_enough);
                    query.open -= usize::from(is_enough);
                }
            }
        }
        let count = known.len();
        if count == 0 {
            flight.providers.remove(&index);
        }
        let wanted = flight.waiters.iter().map(|waiter| &self.queries[&waiter.query].options);
        wanted.map(|options| options.providers_max).max().is_some_and(|most| count >= most)
    }

    /// Moves a flight on after anything happened to it: asks further replicas, closes waiters and
    /// ends queries that are done, drops the flight when nobody waits for it.
    pub(super) fn check(&mut self, now: Instant, id: u64) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if flight.walks.is_none() {
            let asks = (&mut self.peers, &mut self.totals);
            ask_next(asks, &mut flight.replicas, now, (id, false));
            let wakes_at = flight.replicas.wakes_at();
            self.timers.set(&mut flight.wakes_at, wakes_at, Timer::Flight(id));
        }
        let is_settled = match &flight.walks {
            Some(walks) => walks.iter().all(Option::is_some),
            None => flight.replicas.is_settled(),
        };
        let is_quorate = flight.quorum > 0 && flight.replicas.replied >= flight.quorum;
        let mut done = Vec::new();
        let mut waiters = std::mem::take(&mut flight.waiters);
        waiters.retain_mut(|waiter| {
            let query = self.queries.get_mut(&waiter.query).expect("a waiter's query lives");
            let is_enough = is_quorate && query.options.completion == Completion::Quorum;
            let closes = is_settled || (is_enough && flight.walks.is_none());
            if closes {
                flight.fill(waiter, &mut query.answers, false);
                query.open -= std::mem::take(&mut waiter.open);
            }
            if query.is_done() {
                done.push(waiter.query);
            }
            !closes
        });
        flight.waiters = waiters;
        let is_idle = flight.waiters.is_empty();
        for query in done {
            self.end_query(now, query, false);
        }
        if is_idle {
            self.drop_flight(now, id);
        }
    }

    /// Ends a query with what is known.
    pub(super) fn end_query(&mut self, now: Instant, id: u64, at_deadline: bool) {
        let Some(mut query) = self.remove_query(now, id, at_deadline) else { return };
        for answer in &mut query.answers {
            let totals = &mut self.totals;
            match (answer.providers.is_empty(), answer.is_complete) {
                (false, _) => totals.hits += 1,
                (true, true) => totals.misses += 1,
                (true, false) => totals.incomplete += 1,
            }
        }
        let elapsed = now.saturating_duration_since(query.started);
        self.totals.latency.add(elapsed);
        let id = query.reporter.id();
        let answers = query.answers;
        query.reporter.end(FindOutcome { id, answers, is_lagged: false, elapsed });
    }

    /// Ends a query whose asker is gone.
    pub(super) fn cancel_query(&mut self, now: Instant, id: u64) {
        self.totals.cancelled += u64::from(self.remove_query(now, id, false).is_some());
    }

    /// Takes a query out of everything that knows it.
    fn remove_query(&mut self, now: Instant, id: u64, at_deadline: bool) -> Option<QueryState> {
        let mut query = self.queries.remove(&id)?;
        self.timers.remove(query.deadline, Timer::Query(id));
        self.keys_in_flight -= query.answers.len();
        for flight_id in std::mem::take(&mut query.flights) {
            let Some(flight) = self.flights.get_mut(&flight_id) else { continue };
            let at = flight.waiters.iter().position(|waiter| waiter.query == id);
            let Some(at) = at else { continue };
            let waiter = flight.waiters.swap_remove(at);
            flight.fill(&waiter, &mut query.answers, at_deadline);
            if flight.waiters.is_empty() {
                self.drop_flight(now, flight_id);
            }
        }
        if self.queries.is_empty() {
            self.timers.set(&mut self.sweeps_at, None, Timer::Sweep);
        }
        Some(query)
    }

    /// Takes a flight out of everything that knows it; what it learnt goes to the cache, unless a
    /// key was invalidated or looked up anew since.
    fn drop_flight(&mut self, now: Instant, id: u64) {
        let Some(mut flight) = self.flights.remove(&id) else { return };
        self.timers.set(&mut flight.wakes_at, None, Timer::Flight(id));
        for slot in flight.replicas.queued() {
            self.peers.dequeue(slot, id, false);
        }
        for (index, key) in (0_u32..).zip(flight.keys.iter()) {
            if flight.walks.is_some() && self.lookups.leave((id, index), key) {
                self.actions.push_back(Action::StopLookup { key: *key });
            }
            let Entry::Occupied(entry) = self.in_flight.entry(*key) else { continue };
            if *entry.get() == (id, index) {
                entry.remove();
                let providers = flight.providers.get(&index).map_or(&[][..], Vec::as_slice);
                let known = (flight.counts(index, false).0, flight.is_complete(index));
                self.cache.insert(*key, providers, known, now);
            }
        }
    }
}
