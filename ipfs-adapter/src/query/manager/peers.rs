//! The peers that speak the batched protocol: where they lie in the keyspace, what waits to be
//! asked of them, and how they did so far. Also the scores of those who are not connected.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use libp2p::PeerId;
use sha2::{Digest, Sha256};

use super::super::{metrics::PeerScore, score::Score, timeout::RoundTrips};
use crate::ContentId;

/// Scores kept of peers that are not connected; the one that was touched longest ago goes first.
/// About 1 MB.
pub const ABSENT_SCORES_MAX: usize = 4_096;
/// Connected peers that are considered; more are left out. A look-up compares a key with each.
pub const PEERS_MAX: usize = 1_024;

/// A connected peer's number; never used twice.
pub(in crate::query) type Slot = u32;

/// A connected peer.
#[derive(Debug)]
pub(in crate::query) struct Peer {
    pub id: PeerId,
    /// The first half of sha2-256 of its id, big endian: its place in Kademlia's keyspace. Two
    /// peers that share 128 bits do not occur.
    point: u128,
    pub score: Score,
    pub trips: RoundTrips,
    /// Look-ups that wait for a free message, oldest first.
    pub asks: BTreeSet<u64>,
    /// Announcements that wait for one, oldest first.
    pub announces: BTreeSet<u64>,
    /// Messages under way; at most `REQUESTS_PER_PEER_MAX`.
    pub in_flight: Vec<u32>,
    /// Whether the last message was a look-up: the two kinds take turns.
    pub asked_last: bool,
}

/// All of them.
#[derive(Debug)]
pub(in crate::query) struct Peers {
    by_id: BTreeMap<PeerId, Slot>,
    slots: BTreeMap<Slot, Peer>,
    /// Peers with something that waits and a message free.
    ready: BTreeSet<Slot>,
    absent: BTreeMap<PeerId, (u64, Score)>,
    touches: u64,
    slots_given: Slot,
    in_flight_max: usize,
    /// Round-trip times of all, for peers of which nothing is known.
    pub trips: RoundTrips,
    /// Memory of `nearest`, used again.
    distances: Vec<(u128, Slot)>,
}

/// The Kademlia key of some bytes, its first half.
fn point(bytes: &[u8]) -> u128 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let half = digest.first_chunk().expect("32 bytes have a first half");
    u128::from_be_bytes(*half)
}

/// A key's place in the keyspace: that of its multihash (0x12, 0x20, digest).
fn key_point(key: &ContentId) -> u128 {
    let mut multihash = [0; 34];
    multihash[..2].copy_from_slice(&[0x12, 0x20]);
    multihash[2..].copy_from_slice(key.digest());
    point(&multihash)
}

impl Peers {
    pub fn new(in_flight_max: usize) -> Self {
        Self {
            by_id: BTreeMap::new(),
            slots: BTreeMap::new(),
            ready: BTreeSet::new(),
            absent: BTreeMap::new(),
            touches: 0,
            slots_given: 0,
            in_flight_max,
            trips: RoundTrips::default(),
            distances: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Those that are connected and not in `wanted`.
    pub fn missing(&self, wanted: &BTreeSet<PeerId>) -> Vec<PeerId> {
        self.by_id.keys().filter(|id| !wanted.contains(id)).copied().collect()
    }

    pub fn connect(&mut self, id: PeerId) {
        if self.by_id.contains_key(&id) || self.by_id.len() >= PEERS_MAX {
            return;
        }
        let mut score = self.absent.remove(&id).map(|(_, score)| score).unwrap_or_default();
        score.connect();
        self.slots_given = self.slots_given.checked_add(1).expect("2^32 connections take years");
        self.by_id.insert(id, self.slots_given);
        let peer = Peer {
            id,
            point: point(&id.to_bytes()),
            score,
            trips: RoundTrips::default(),
            asks: BTreeSet::new(),
            announces: BTreeSet::new(),
            in_flight: Vec::new(),
            asked_last: false,
        };
        self.slots.insert(self.slots_given, peer);
    }

    /// Takes a peer out; what waited for it and was under way is in what returns.
    pub fn disconnect(&mut self, id: &PeerId) -> Option<(Slot, Peer)> {
        let slot = self.by_id.remove(id)?;
        let peer = self.slots.remove(&slot).expect("both maps have the same peers");
        self.ready.remove(&slot);
        self.keep_absent(*id, peer.score);
        Some((slot, peer))
    }

    pub fn peer(&self, slot: Slot) -> Option<&Peer> {
        self.slots.get(&slot)
    }

    pub fn peer_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.slots.get_mut(&slot)
    }

    /// The replicas of a key: at most `count` peers, nearest first by the Kademlia metric, then in
    /// the order of their numbers, so that equal sets look equal. Cost: one hash and one pass over
    /// the peers, if there are more than `count`.
    pub fn nearest(&mut self, key: &ContentId, count: usize) -> Vec<Slot> {
        if self.slots.len() <= count {
            return self.slots.keys().copied().collect();
        }
        let key = key_point(key);
        self.distances.clear();
        self.distances.extend(self.slots.iter().map(|(slot, peer)| (peer.point ^ key, *slot)));
        if let Some(last) = count.checked_sub(1) {
            self.distances.select_nth_unstable(last);
        }
        let mut nearest: Vec<_> = self.distances[..count].iter().map(|(_, slot)| *slot).collect();
        nearest.sort_unstable();
        nearest
    }

    /// Puts a look-up (or announcement) into the peer's queue.
    pub fn enqueue(&mut self, slot: Slot, flight: u64, is_announce: bool) {
        let Some(peer) = self.slots.get_mut(&slot) else { return };
        if is_announce {
            peer.announces.insert(flight)
        } else {
            peer.asks.insert(flight)
        };
        self.settle(slot);
    }

    /// Takes it out again.
    pub fn dequeue(&mut self, slot: Slot, flight: u64, is_announce: bool) {
        let Some(peer) = self.slots.get_mut(&slot) else { return };
        if is_announce {
            peer.announces.remove(&flight)
        } else {
            peer.asks.remove(&flight)
        };
        self.settle(slot);
    }

    /// Empties the queue of a peer that is not asked any more.
    pub fn drain(&mut self, slot: Slot) -> (BTreeSet<u64>, BTreeSet<u64>) {
        self.ready.remove(&slot);
        let Some(peer) = self.slots.get_mut(&slot) else { return Default::default() };
        (std::mem::take(&mut peer.asks), std::mem::take(&mut peer.announces))
    }

    /// A peer that can be sent to now, and whether it should be an announcement.
    pub fn next_ready(&self) -> Option<(Slot, bool)> {
        let slot = *self.ready.first()?;
        let peer = self.slots.get(&slot).expect("who is ready is connected");
        let is_announce = !peer.announces.is_empty() && (peer.asked_last || peer.asks.is_empty());
        Some((slot, is_announce))
    }

    /// A message is under way.
    pub fn sent(&mut self, slot: Slot, request: u32, is_announce: bool) {
        let Some(peer) = self.slots.get_mut(&slot) else { return };
        peer.in_flight.push(request);
        peer.asked_last = !is_announce;
        self.settle(slot);
    }

    /// A message came to its end.
    pub fn returned(&mut self, slot: Slot, request: u32) {
        let Some(peer) = self.slots.get_mut(&slot) else { return };
        peer.in_flight.retain(|other| *other != request);
        self.settle(slot);
    }

    /// The invariant of `ready`; called wherever a queue or `in_flight` changed.
    fn settle(&mut self, slot: Slot) {
        let Some(peer) = self.slots.get(&slot) else { return };
        let waits = !peer.asks.is_empty() || !peer.announces.is_empty();
        if waits && peer.in_flight.len() < self.in_flight_max {
            self.ready.insert(slot);
        } else {
            self.ready.remove(&slot);
        }
    }

    /// A reply came after so long.
    pub fn replied(&mut self, slot: Slot, class: super::super::timeout::Class, took: Duration) {
        self.trips.sample(class, took);
        if let Some(peer) = self.slots.get_mut(&slot) {
            peer.trips.sample(class, took);
            peer.score.succeed(took);
        }
    }

    /// How long to wait for its reply.
    pub fn timeout(&self, slot: Slot, is_announce: bool) -> Duration {
        let own = self.slots.get(&slot).map(|peer| peer.trips).unwrap_or_default();
        own.timeout(is_announce, &self.trips)
    }

    /// When its reply would be slow.
    pub fn hedge_at(&self, slot: Slot, now: Instant) -> Instant {
        let own = self.slots.get(&slot).map(|peer| peer.trips).unwrap_or_default();
        now + own.hedge(&self.trips)
    }

    /// Changes a peer's score, connected or not. Returns its number if it sank by that.
    pub fn judge(&mut self, id: &PeerId, change: impl FnOnce(&mut Score)) -> Option<Slot> {
        if let Some(slot) = self.by_id.get(id) {
            let peer = self.slots.get_mut(slot).expect("both maps have the same peers");
            let was_sunk = peer.score.is_sunk();
            change(&mut peer.score);
            return (!was_sunk && peer.score.is_sunk()).then_some(*slot);
        }
        let mut score = self.absent.get(id).map(|(_, score)| *score).unwrap_or_default();
        change(&mut score);
        self.keep_absent(*id, score);
        None
    }

    /// Whether what it says is not believed.
    pub fn is_sunk(&self, id: &PeerId) -> bool {
        match self.by_id.get(id) {
            Some(slot) => self.slots.get(slot).is_some_and(|peer| peer.score.is_sunk()),
            None => self.absent.get(id).is_some_and(|(_, score)| score.is_sunk()),
        }
    }

    /// Ranks a peer for being asked; none when it is sunk or gone.
    pub fn rank(&self, slot: Slot) -> Option<(f64, f64)> {
        let score = &self.slots.get(&slot)?.score;
        (!score.is_sunk()).then(|| (score.rank(), score.value()))
    }

    pub fn scores(&self) -> Vec<PeerScore> {
        let one = |peer: &Peer| PeerScore {
            peer: peer.id,
            score: peer.score.value(),
            is_sunk: peer.score.is_sunk(),
            srtt_us: peer
                .trips
                .smoothed()
                .map_or(0, |mean| u64::try_from(mean.as_micros()).unwrap_or(u64::MAX)),
            in_flight: peer.in_flight.len(),
            replies: peer.score.replies,
            failures: peer.score.failures,
        };
        self.slots.values().map(one).collect()
    }

    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.slots.values().map(|peer| peer.asks.len() + peer.announces.len()).sum()
    }

    #[cfg(test)]
    pub fn absent_count(&self) -> usize {
        self.absent.len()
    }

    fn keep_absent(&mut self, id: PeerId, score: Score) {
        self.touches += 1;
        self.absent.insert(id, (self.touches, score));
        if self.absent.len() > ABSENT_SCORES_MAX {
            // The quarter that was touched longest ago goes at once, so that this pass is rare.
            let limit = u64::try_from(ABSENT_SCORES_MAX / 4 * 3).expect("a small constant");
            let oldest = self.touches.saturating_sub(limit);
            self.absent.retain(|_, (touched, _)| *touched > oldest);
        }
    }
}
