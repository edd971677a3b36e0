//! Messages to peers: put together from what waits, sent when there is a slot, and what their
//! replies, failures and silence do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::{
    super::timeout::{Class, Timer, backoff},
    Action, Failure, Manager,
    flight::place,
    peers::Slot,
};
use crate::{ContentId, KEYS_PER_QUERY_MAX, Provider};

/// A message under way.
#[derive(Debug)]
pub(in crate::query) struct Request {
    pub slot: Slot,
    pub peer: PeerId,
    pub is_announce: bool,
    /// Look-ups (or announcements) that it asks for, and where their keys begin.
    pub parts: Vec<(u64, u32)>,
    pub count: u32,
    pub sent: Instant,
    pub times_out: Instant,
}

/// What goes into one message: parts, and all their keys.
type Load = (Vec<(u64, u32)>, Arc<[ContentId]>);

impl Manager {
    /// Sends what waits for this peer, as much as fits into a message.
    pub(super) fn send_ask(&mut self, now: Instant, slot: Slot) -> Option<Action> {
        let waiting = &self.peers.peer(slot)?.asks;
        let waiting: Vec<u64> = waiting.iter().take(KEYS_PER_QUERY_MAX).copied().collect();
        let mut chosen = Vec::new();
        let (mut count, mut providers_max) = (0, 1);
        for id in waiting {
            self.cancel_gone(now, id);
            let Some(flight) = self.flights.get_mut(&id) else {
                self.peers.dequeue(slot, id, false);
                continue;
            };
            if count + flight.keys.len() > KEYS_PER_QUERY_MAX {
                break;
            }
            count += flight.keys.len();
            let wanted = flight.waiters.iter().map(|waiter| &self.queries[&waiter.query].options);
            let most = wanted.map(|options| options.providers_max).max().unwrap_or(1);
            providers_max = most.max(providers_max);
            flight.replicas.sent(slot, self.peers.hedge_at(slot, now));
            self.peers.dequeue(slot, id, false);
            let wakes_at = flight.replicas.wakes_at();
            self.timers.set(&mut flight.wakes_at, wakes_at, Timer::Flight(id));
            chosen.push((id, flight.keys.clone()));
        }
        if chosen.is_empty() {
            return None;
        }
        let (parts, keys) = load(chosen);
        let (request, peer, timeout) = self.dispatch(now, slot, (parts, keys.len()), false);
        Some(Action::Ask { request, peer, keys, providers_max, timeout })
    }

    /// Announces what waits for this peer, as much as fits into a message.
    pub(super) fn send_announce(&mut self, now: Instant, slot: Slot) -> Option<Action> {
        let waiting = &self.peers.peer(slot)?.announces;
        let waiting: Vec<u64> = waiting.iter().take(KEYS_PER_QUERY_MAX).copied().collect();
        let mut chosen = Vec::new();
        let mut count = 0;
        for id in waiting {
            let group = self.announcing.get_mut(&id).expect("who ends leaves the queues");
            if count + group.keys.len() > KEYS_PER_QUERY_MAX {
                break;
            }
            count += group.keys.len();
            group.replicas.sent(slot, self.peers.hedge_at(slot, now));
            self.peers.dequeue(slot, id, true);
            chosen.push((id, group.keys.clone()));
        }
        if chosen.is_empty() {
            return None;
        }
        let (parts, keys) = load(chosen);
        let (request, peer, timeout) = self.dispatch(now, slot, (parts, keys.len()), true);
        Some(Action::Announce { request, peer, keys, timeout })
    }

    /// Gives a message its number and its timeout.
    fn dispatch(
        &mut self,
        now: Instant,
        slot: Slot,
        (parts, count): (Vec<(u64, u32)>, usize),
        is_announce: bool,
    ) -> (u32, PeerId, Duration) {
        let peer = self.peers.peer(slot).expect("who is ready is connected").id;
        let timeout = self.peers.timeout(slot, is_announce);
        loop {
            self.request_numbers = self.request_numbers.wrapping_add(1);
            if !self.requests.contains_key(&self.request_numbers) {
                break;
            }
        }
        let number = self.request_numbers;
        let times_out = now + timeout;
        let count = u32::try_from(count).expect("a message has few keys");
        let request = Request { slot, peer, is_announce, parts, count, sent: now, times_out };
        self.requests.insert(number, request);
        self.timers.add(times_out, Timer::Request(number));
        self.peers.sent(slot, number, is_announce);
        self.totals.requests += 1;
        (number, peer, timeout)
    }

    /// Takes a message out, if it is under way to this peer and of this kind.
    fn take(&mut self, number: u32, peer: &PeerId, is_announce: Option<bool>) -> Option<Request> {
        let request = self.requests.get(&number)?;
        let is_kind = is_announce.is_none_or(|kind| kind == request.is_announce);
        if request.peer != *peer || !is_kind {
            return None;
        }
        let request = self.requests.remove(&number)?;
        self.timers.remove(request.times_out, Timer::Request(number));
        self.peers.returned(request.slot, number);
        Some(request)
    }

    /// A peer replied to an `Ask`: `hits` has the index of each key that has providers, and these;
    /// an empty list says that there are some which did not fit. A reply that is not (any more)
    /// waited for changes nothing. An index beyond the keys is a lie.
    pub fn found(
        &mut self,
        now: Instant,
        number: u32,
        peer: &PeerId,
        hits: &[(u32, Vec<Provider>)],
    ) {
        let asked = self.requests.get(&number).filter(|one| !one.is_announce);
        let Some(count) = asked.map(|request| request.count) else { return };
        if hits.iter().any(|(index, _)| *index >= count) {
            return self.failed(now, number, peer, Failure::Lied);
        }
        let Some(request) = self.take(number, peer, Some(false)) else { return };
        let class = if hits.is_empty() { Class::Miss } else { Class::Hit };
        let took = now.saturating_duration_since(request.sent);
        self.peers.replied(request.slot, class, took);
        self.totals.replies += 1;
        for (index, providers) in hits {
            let part = request.parts.partition_point(|(_, from)| from <= index);
            let (id, from) = request.parts[part - 1];
            if !providers.is_empty() {
                self.hit(id, index - from, providers);
            } else if let Some(flight) = self.flights.get_mut(&id) {
                flight.unsure.insert(index - from);
            }
        }
        for (id, _) in request.parts {
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            if flight.replicas.reply(request.slot) && flight.walks.is_none() {
                for waiter in &flight.waiters {
                    let query = self.queries.get_mut(&waiter.query).expect("its query lives");
                    query.got += waiter.keys.len();
                }
            }
            self.check(now, id);
        }
    }

    /// A peer replied to an `Announce`: `stored[i]` says whether it keeps the record of key i. A
    /// list of another length than the keys is a lie.
    pub fn stored(&mut self, now: Instant, number: u32, peer: &PeerId, stored: &[bool]) {
        let asked = self.requests.get(&number).filter(|one| one.is_announce);
        let Some(count) = asked.map(|request| place(request.count)) else { return };
        if stored.len() != count {
            return self.failed(now, number, peer, Failure::Lied);
        }
        let Some(request) = self.take(number, peer, Some(true)) else { return };
        let took = now.saturating_duration_since(request.sent);
        self.peers.replied(request.slot, Class::Announce, took);
        self.totals.replies += 1;
        for (id, from) in request.parts {
            self.acknowledge(now, id, request.slot, &stored[place(from)..]);
        }
    }

    /// A message came to nothing.
    pub fn failed(&mut self, now: Instant, number: u32, peer: &PeerId, failure: Failure) {
        let Some(request) = self.take(number, peer, None) else { return };
        let mut is_evicted = false;
        let sent = request.sent;
        let sunk = self.peers.judge(peer, |score| match failure {
            Failure::Timeout => is_evicted = score.time_out(sent, now),
            Failure::Closed | Failure::Refused => score.fail(),
            Failure::Lied => score.lie(),
        });
        self.totals.failures += 1;
        if failure == Failure::Timeout {
            self.totals.timeouts += 1;
            if let Some(peer) = self.peers.peer_mut(request.slot) {
                peer.trips.back_off(request.is_announce);
            }
        }
        if is_evicted {
            self.actions.push_back(Action::Evict { peer: *peer });
        }
        let is_worth_it = matches!(failure, Failure::Timeout | Failure::Closed);
        self.fail_parts(now, &request, is_worth_it && !self.peers.is_sunk(peer));
        if let Some(slot) = sunk {
            self.drain(now, slot);
        }
    }

    /// Notes a failure with everything that the message was for.
    fn fail_parts(&mut self, now: Instant, request: &Request, is_worth_it: bool) {
        for (id, _) in &request.parts {
            let replicas = match request.is_announce {
                true => self.announcing.get_mut(id).map(|group| &mut group.replicas),
                false => self.flights.get_mut(id).map(|flight| &mut flight.replicas),
            };
            let Some(replicas) = replicas else { continue };
            let retry = replicas.retry(request.slot).filter(|_| is_worth_it);
            let again = retry.map(|retry| now + backoff(retry, &mut self.rng));
            replicas.fail(request.slot, again);
            self.check_either(now, *id, request.is_announce);
        }
    }

    fn check_either(&mut self, now: Instant, id: u64, is_announce: bool) {
        if is_announce { self.check_announcing(now, id) } else { self.check(now, id) }
    }

    /// What waits for a peer that sank does not wait any more.
    pub(super) fn drain(&mut self, now: Instant, slot: Slot) {
        let (asks, announces) = self.peers.drain(slot);
        self.skip(now, slot, asks, false);
        self.skip(now, slot, announces, true);
    }

    fn skip(
        &mut self,
        now: Instant,
        slot: Slot,
        ids: impl IntoIterator<Item = u64>,
        is_announce: bool,
    ) {
        for id in ids {
            let replicas = match is_announce {
                true => self.announcing.get_mut(&id).map(|group| &mut group.replicas),
                false => self.flights.get_mut(&id).map(|flight| &mut flight.replicas),
            };
            if let Some(replicas) = replicas {
                replicas.skip(slot);
            }
            self.check_either(now, id, is_announce);
        }
    }

    /// A peer is gone, or does not speak the batched protocol any more: what is under way to it
    /// fails at once, without a mark against it.
    pub fn peer_gone(&mut self, now: Instant, peer: &PeerId) {
        let Some((slot, gone)) = self.peers.disconnect(peer) else { return };
        for number in gone.in_flight {
            let request = self.requests.remove(&number).expect("what is in flight is kept");
            self.timers.remove(request.times_out, Timer::Request(number));
            self.totals.failures += 1;
            self.fail_parts(now, &request, false);
        }
        self.skip(now, slot, gone.asks, false);
        self.skip(now, slot, gone.announces, true);
    }

    /// A message's time is over.
    pub(super) fn time_out(&mut self, now: Instant, number: u32) {
        let Some(peer) = self.requests.get(&number).map(|request| request.peer) else { return };
        self.failed(now, number, &peer, Failure::Timeout);
    }

    /// Ends the queries of a flight whose askers are gone.
    fn cancel_gone(&mut self, now: Instant, id: u64) {
        let Some(flight) = self.flights.get(&id) else { return };
        let queries = flight.waiters.iter().map(|waiter| waiter.query);
        let gone: Vec<_> = queries.filter(|query| self.queries[query].reporter.is_gone()).collect();
        gone.into_iter().for_each(|query| self.cancel_query(now, query));
    }
}

/// One list of keys; that of a single part is shared, not copied.
fn load(mut chosen: Vec<(u64, Arc<[ContentId]>)>) -> Load {
    if chosen.len() == 1
        && let Some((id, keys)) = chosen.pop()
    {
        return (vec![(id, 0)], keys);
    }
    let mut parts = Vec::with_capacity(chosen.len());
    let mut all = Vec::with_capacity(chosen.iter().map(|(_, keys)| keys.len()).sum());
    for (id, keys) in chosen {
        parts.push((id, u32::try_from(all.len()).expect("a message has few keys")));
        all.extend_from_slice(&keys);
    }
    (parts, all.into())
}
