//! A query comes in: what the cache knows is answered, what is under way is joined, and the rest
//! is put together by replicas and asked.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::Entry},
    time::Instant,
};

use super::{
    super::{Completion, FindOptions, KeyAnswer, Query, QueryId, Reporter, timeout::Timer},
    DEADLINE_MAX, KEYS_MAX, Manager, PROVIDERS_MAX, QUERIES_MAX, SWEEP_EVERY,
    flight::{Flight, QueryState, Waiter, place},
    peers::Slot,
    replicas::{Replicas, State, read_quorum},
};
use crate::{ContentId, IpfsError};

/// Keys of a new query with the same replicas.
struct Group {
    slots: Vec<Slot>,
    keys: Vec<ContentId>,
    /// Index in the group, index in the query.
    wanted: Vec<(u32, u32)>,
}

/// How the keys of a new query are found.
#[derive(Default)]
struct Plan {
    groups: Vec<Group>,
    /// Which group has these replicas, by number from 0.
    by_slots: BTreeMap<Vec<Slot>, usize>,
    /// Flights that were there already, with the keys that are wanted of them; none for those that
    /// would not do.
    joined: BTreeMap<u64, Option<Vec<(u32, u32)>>>,
}

impl Manager {
    /// Begins a query; its outcome goes to `reporter`. Keys may occur twice. Cost: for each key a
    /// few steps, and one hash and a pass over the peers if there are more of these than replicas.
    ///
    /// What is looked up already is shared; a query that must not use the cache shares only what
    /// was not asked of anybody yet, because a reply may be older than the query.
    ///
    /// # Errors
    /// [`IpfsError::TooManyKeys`], or [`IpfsError::Busy`] at the limits; then nothing was begun,
    /// and the reporter has told so.
    pub fn find(
        &mut self,
        now: Instant,
        keys: &[ContentId],
        mut options: FindOptions,
        reporter: Reporter,
    ) -> Result<QueryId, IpfsError> {
        if let Err(error) = self.check_room(keys) {
            reporter.refuse(error.clone());
            return Err(error);
        }
        options.providers_max = options.providers_max.clamp(1, PROVIDERS_MAX);
        let (id, public) = (self.next_number(), reporter.id());
        let deadline = now + options.deadline.min(DEADLINE_MAX);
        let mut query = QueryState {
            reporter,
            started: now,
            deadline,
            options,
            answers: vec![KeyAnswer::default(); keys.len()],
            open: keys.len(),
            expected: 0,
            got: 0,
            flights: Vec::new(),
        };
        self.totals.queries += 1;
        self.totals.keys += u64::try_from(keys.len()).expect("a query has few keys");
        self.keys_in_flight += keys.len();
        let mut plan = Plan::default();
        let first = self.numbers + 1;
        for (at, key) in (0_u32..).zip(keys) {
            if options.use_cache && self.answer_from_cache(now, key, (place(at), &mut query)) {
                continue;
            }
            self.place_key(key, at, (&mut plan, first), options.use_cache);
        }
        let joined: Vec<_> =
            plan.joined.into_iter().filter_map(|(id, wanted)| Some((id, wanted?))).collect();
        self.timers.add(deadline, Timer::Query(id));
        if self.sweeps_at.is_none() {
            self.timers.set(&mut self.sweeps_at, Some(now + SWEEP_EVERY), Timer::Sweep);
        }
        let mut flights = Vec::new();
        for group in plan.groups {
            flights.push(self.take_off(now, (id, &mut query), group));
        }
        for (flight, wanted) in joined {
            self.join((id, &mut query), flight, wanted);
            flights.push(flight);
        }
        query.flights.clone_from(&flights);
        let is_done = query.open == 0;
        self.queries.insert(id, query);
        if is_done {
            self.end_query(now, id, false);
        }
        flights.into_iter().for_each(|flight| self.check(now, flight));
        Ok(public)
    }

    fn check_room(&self, keys: &[ContentId]) -> Result<(), IpfsError> {
        Query::check_keys(keys)?;
        if self.queries.len() >= QUERIES_MAX {
            return Err(IpfsError::Busy { count: self.queries.len() });
        }
        if self.keys_in_flight + keys.len() > KEYS_MAX {
            return Err(IpfsError::Busy { count: self.keys_in_flight });
        }
        Ok(())
    }

    fn answer_from_cache(
        &mut self,
        now: Instant,
        key: &ContentId,
        (at, query): (usize, &mut QueryState),
    ) -> bool {
        let Some(mut answer) = self.cache.answer(key, now, query.options.providers_max) else {
            self.totals.cache_misses += 1;
            return false;
        };
        self.totals.cache_hits += 1;
        for provider in std::mem::take(&mut answer.providers) {
            if !self.peers.is_sunk(&provider.peer) {
                query.found(at, &provider);
            }
        }
        answer.providers = std::mem::take(&mut query.answers[at].providers);
        query.answers[at] = answer;
        query.open -= 1;
        true
    }

    /// Finds the flight for a key, or makes it part of a new one. `first` is the number that the
    /// first new flight will get.
    fn place_key(
        &mut self,
        key: &ContentId,
        at: u32,
        (plan, first): (&mut Plan, u64),
        use_cache: bool,
    ) {
        let entry = self.in_flight.entry(*key);
        if let Entry::Occupied(entry) = &entry {
            let (flight, index) = *entry.get();
            if let Some(own) = flight.checked_sub(first) {
                let own = usize::try_from(own).expect("a query has few flights");
                plan.groups[own].wanted.push((index, at));
                return;
            }
            let flights = &self.flights;
            let wanted = plan.joined.entry(flight).or_insert_with(|| {
                let flight_of = &flights[&flight];
                let is_fresh = flight_of.walks.is_none() && flight_of.replicas.is_fresh();
                let can_join = use_cache || is_fresh;
                can_join.then(Vec::new)
            });
            if let Some(wanted) = wanted {
                wanted.push((index, at));
                return;
            }
        }
        let number = if self.peers.len() <= self.config.replication && !plan.groups.is_empty() {
            0
        } else {
            let slots = self.peers.nearest(key, self.config.replication);
            let next = plan.groups.len();
            let number = *plan.by_slots.entry(slots.clone()).or_insert(next);
            if number == next {
                plan.groups.push(Group { slots, keys: Vec::new(), wanted: Vec::new() });
            }
            number
        };
        let group = &mut plan.groups[number];
        let index = u32::try_from(group.keys.len()).expect("a query has few keys");
        group.keys.push(*key);
        group.wanted.push((index, at));
        let flight = first + u64::try_from(number).expect("a query has few flights");
        entry.insert_entry((flight, index));
    }

    /// Makes a flight of a group. Returns its number.
    fn take_off(&mut self, now: Instant, (id, query): (u64, &mut QueryState), group: Group) -> u64 {
        let flight_id = self.next_number();
        let Group { slots, keys, mut wanted } = group;
        wanted.sort_unstable();
        let quorum = read_quorum(slots.len());
        let asks_all = asks_all(&query.options);
        let fan_out = (!asks_all).then(|| self.config.preset.fan_out().max(quorum));
        let (replicas, is_covered) = self.replicas(now, flight_id, &slots, fan_out);
        if !is_covered {
            for (index, key) in (0_u32..).zip(&keys) {
                self.lookups.add((flight_id, index), *key);
            }
        }
        query.expected += wanted.len() * if is_covered { slots.len() } else { 1 };
        let flight = Flight {
            quorum,
            replicas,
            walks: (!is_covered).then(|| vec![None; keys.len()]),
            keys: keys.into(),
            waiters: vec![Waiter { query: id, open: wanted.len(), keys: wanted }],
            unsure: BTreeSet::new(),
            providers: BTreeMap::new(),
            wakes_at: None,
        };
        self.flights.insert(flight_id, flight);
        flight_id
    }

    /// The replicas in the order in which they are to be asked: the best first, and so many that
    /// `wanted` replies are to be expected, or all. Also whether there is any that can be asked.
    fn replicas(
        &mut self,
        now: Instant,
        id: u64,
        slots: &[Slot],
        wanted: Option<usize>,
    ) -> (Replicas, bool) {
        let mut ranked: Vec<(f64, f64, Slot)> = Vec::with_capacity(slots.len());
        let mut sunk = Vec::new();
        for slot in slots {
            match self.peers.rank(*slot) {
                Some((rank, success)) => ranked.push((rank, success, *slot)),
                None => sunk.push(*slot),
            }
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let target = wanted.map_or(ranked.len(), |wanted| fan_out(&ranked, wanted));
        let is_covered = !ranked.is_empty();
        let mut states: Vec<_> =
            ranked.into_iter().map(|(_, _, slot)| (slot, State::Reserve)).collect();
        for slot in sunk {
            let peer = self.peers.peer_mut(slot).expect("replicas are connected");
            let is_probed = peer.score.probe(now);
            if is_probed {
                self.peers.enqueue(slot, id, false);
            }
            states.push((slot, if is_probed { State::Probed } else { State::Skipped }));
        }
        (Replicas::new(states, target), is_covered)
    }

    /// Adds a query to a flight that is under way.
    fn join(&mut self, (id, query): (u64, &mut QueryState), flight: u64, keys: Vec<(u32, u32)>) {
        let flight = self.flights.get_mut(&flight).expect("what is under way is kept");
        let mut waiter = Waiter { query: id, open: keys.len(), keys };
        waiter.keys.sort_unstable();
        if asks_all(&query.options) {
            flight.replicas.target = flight.replicas.len();
        }
        let is_walked = flight.walks.is_some();
        let replicas = if is_walked { 1 } else { flight.replicas.len() };
        query.expected += waiter.keys.len() * replicas;
        query.got += waiter.keys.len() * if is_walked { 0 } else { flight.replicas.replied };
        for (index, at) in &waiter.keys {
            let known = flight.providers.get(index).map_or(&[][..], Vec::as_slice);
            let mut is_closed =
                flight.walks.as_ref().is_some_and(|walks| walks[place(*index)].is_some());
            for provider in known {
                is_closed |= query.found(place(*at), provider);
            }
            waiter.open -= usize::from(is_closed);
            query.open -= usize::from(is_closed);
        }
        flight.waiters.push(waiter);
    }
}

/// Whether all replicas are asked at once: for checks before a vote (which must not use the
/// cache), and where all replies or a share of them are waited for.
fn asks_all(options: &FindOptions) -> bool {
    !options.use_cache || options.completion != Completion::Quorum
}

/// How many of these, best first, are asked so that `wanted` replies are to be expected.
fn fan_out(ranked: &[(f64, f64, Slot)], wanted: usize) -> usize {
    let wanted = f64::from(u32::try_from(wanted).expect("there are few replicas"));
    let sums = ranked.iter().scan(0.0, |sum, (_, success, _)| {
        *sum += success;
        Some(*sum)
    });
    // A little less will do, or one lost reply long ago would add a peer.
    let missing = sums.take_while(|sum| *sum < wanted - 0.25).count();
    (missing + 1).min(ranked.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fan_out_grows_as_peers_fail() {
        let check = |success: f64, expected| {
            let ranked: Vec<_> = (0..10).map(|slot| (1.0, success, slot)).collect();
            assert_eq!(fan_out(&ranked, 3), expected, "{success}");
        };
        check(1.0, 3);
        check(0.95, 3);
        check(0.7, 4);
        check(0.4, 7);
        check(0.1, 10);
        assert_eq!(fan_out(&[], 3), 0);
    }
}
