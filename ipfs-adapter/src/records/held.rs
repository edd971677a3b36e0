//! What the mutex of the records guards: index, peers, filter of own keys, what waits for the log,
//! and the counters. Every method is short and does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{Multiaddr, PeerId};

use super::{
    Answer, Hit, PENDING_BYTES_MAX, PROVIDERS_PER_KEY_MAX, RENEWAL_PART, Statistics, Stored,
    chunk::Group,
    index::{Index, Slot},
    own::Own,
    peers::Peers,
};
use crate::{ContentId, Provider};

pub(super) struct Held {
    /// The budget: keys; twice as many records; half as many records of one peer.
    pub records_max: usize,
    /// Who this node is, and where.
    pub me: Provider,
    pub own: Own,
    pub index: Index,
    pub peers: Peers,
    /// What waits for the log; `None` when there is no log.
    pub pending: Option<Pending>,
    pub statistics: Statistics,
}

/// Groups that wait for the log.
#[derive(Default)]
pub(super) struct Pending {
    pub groups: Vec<Group>,
    /// About what they take, at most [`PENDING_BYTES_MAX`].
    bytes: usize,
}

/// One peer's announcement.
pub(super) struct Offer<'a> {
    pub peer: PeerId,
    pub addresses: &'a [Multiaddr],
    /// Unix seconds.
    pub expires: u32,
}

impl Held {
    /// The live providers of the keys; those of which `own` says so are this node's.
    pub fn find(
        &mut self,
        now: u64,
        keys: &[ContentId],
        own: &BTreeSet<usize>,
        providers_max: usize,
    ) -> Answer {
        let mut answer = Answer::default();
        // By peer's number; this node has none.
        let mut places: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            let me = own.contains(&at).then_some(None);
            let row = self.index.row(key);
            if me.is_none() && row.is_none() {
                continue;
            }
            let slots = row.map_or_else(Vec::new, |row| self.prune(row, now, None));
            let named = me.into_iter().chain(slots.iter().map(|slot| Some(slot.peer)));
            let place = |number: Option<u32>| {
                *places.entry(number).or_insert_with(|| {
                    let provider = number.map_or(&self.me, |number| self.peers.provider(number));
                    answer.providers.push(provider.clone());
                    answer.providers.len() - 1
                })
            };
            let providers: Vec<usize> = named.take(providers_max).map(place).collect();
            if !providers.is_empty() {
                answer.hits.push(Hit { key: at, providers });
            }
        }
        answer
    }

    /// Stores a peer's records; `stored[i]` is for `keys[i]`.
    pub fn provide(
        &mut self,
        now: u64,
        offer: &Offer<'_>,
        keys: &[ContentId],
        own: &BTreeSet<usize>,
    ) -> Vec<Stored> {
        let Some(peer) = self.peers.intern(offer.peer, offer.addresses) else {
            self.statistics.refused += count(keys.len());
            return vec![Stored::Refused; keys.len()];
        };
        let (mut stored, mut to_log) = (Vec::with_capacity(keys.len()), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            let slot = Slot { peer: peer.number, expires: offer.expires };
            let (became, is_to_log) =
                if own.contains(&at) { (Stored::Own, false) } else { self.store(now, key, slot) };
            stored.push(became);
            if is_to_log {
                to_log.push(*key);
            }
        }
        let refused = stored.iter().filter(|stored| **stored == Stored::Refused).count();
        self.statistics.refused += count(refused);
        if self.peers.records(peer.number) > 0 && (peer.is_changed || !to_log.is_empty()) {
            self.log(false, peer.number, offer.expires, to_log);
        }
        self.peers.forget_unused(peer.number);
        stored
    }

    /// One record, and whether the log has to learn of it.
    fn store(&mut self, now: u64, key: &ContentId, slot: Slot) -> (Stored, bool) {
        let row = self.index.row(key);
        let mut slots = row.map_or_else(Vec::new, |row| self.prune(row, now, Some(slot.peer)));
        if let Some(held) = slots.iter_mut().find(|held| held.peer == slot.peer) {
            let gain = u64::from(slot.expires.saturating_sub(held.expires));
            let is_worth_it = gain > u64::from(slot.expires).saturating_sub(now) / RENEWAL_PART;
            if is_worth_it {
                held.expires = slot.expires;
                self.index.set(row.expect("a row was found"), &slots);
            }
            return (Stored::Known, is_worth_it);
        }
        if slots.len() >= PROVIDERS_PER_KEY_MAX || !self.has_room(slot.peer) {
            return (Stored::Refused, false);
        }
        if let Some(row) = row.filter(|_| !slots.is_empty()) {
            slots.push(slot);
            self.index.set(row, &slots);
        } else if self.index.len() >= self.records_max || !self.index.insert(key, slot) {
            return (Stored::Refused, false);
        }
        self.peers.hold(slot.peer);
        (Stored::New, true)
    }

    fn has_room(&self, peer: u32) -> bool {
        self.index.records() < 2 * self.records_max
            && self.peers.records(peer) < self.records_max.div_ceil(2)
    }

    pub fn remove(&mut self, key: &ContentId, peer: &PeerId) {
        let (Some(row), Some(number)) = (self.index.row(key), self.peers.number(peer)) else {
            return;
        };
        let held: Vec<Slot> = self.index.slots(row).collect();
        let kept: Vec<Slot> = held.iter().filter(|slot| slot.peer != number).copied().collect();
        if kept.len() < held.len() {
            self.log(true, number, 0, vec![*key]);
            self.index.set(row, &kept);
            self.peers.release(number, None);
        }
    }

    /// Drops all records of a key.
    pub fn drop_key(&mut self, key: &ContentId) {
        if let Some(row) = self.index.row(key) {
            // Nothing is live at the end of time.
            self.prune(row, u64::MAX, None);
        }
    }

    /// Looks at the next rows of the walk around the index; returns how many records had expired.
    pub fn sweep(&mut self, now: u64, count_max: usize) -> usize {
        let before = self.index.records();
        for _ in 0..count_max.min(self.index.rows()) {
            if let Some(row) = self.index.next_row() {
                self.prune(row, now, None);
            }
        }
        before - self.index.records()
    }

    /// Drops what has expired from a row and returns the rest; a row without any is free. The peer
    /// `kept` stays, even without records.
    fn prune(&mut self, row: u32, now: u64, kept: Option<u32>) -> Vec<Slot> {
        let held: Vec<Slot> = self.index.slots(row).collect();
        let live: Vec<Slot> = held.iter().filter(|slot| slot.is_live(now)).copied().collect();
        if live.len() < held.len() {
            self.index.set(row, &live);
            for slot in held.iter().filter(|slot| !slot.is_live(now)) {
                self.peers.release(slot.peer, kept);
            }
        }
        live
    }

    /// The live records of one page of the index, for the new log; `None` behind the last page.
    pub fn page(&self, now: u64, page: usize) -> Option<Vec<Group>> {
        let mut keys: BTreeMap<Slot, Vec<ContentId>> = BTreeMap::new();
        for (key, row) in self.index.page(page)? {
            for slot in self.index.slots(row).filter(|slot| slot.is_live(now)) {
                keys.entry(slot).or_default().push(key);
            }
        }
        let mut last = None;
        let group = |(slot, keys): (Slot, Vec<ContentId>)| {
            let mut provider = self.peers.provider(slot.peer).clone();
            // Once a page is enough: a group without addresses changes none.
            if last.replace(slot.peer) == Some(slot.peer) {
                provider.addresses.clear();
            }
            Group { is_removal: false, provider, expires: slot.expires, keys }
        };
        Some(keys.into_iter().map(group).collect())
    }

    fn log(&mut self, is_removal: bool, peer: u32, expires: u32, keys: Vec<ContentId>) {
        let Some(pending) = &mut self.pending else { return };
        let provider = self.peers.provider(peer);
        if !pending.push(is_removal, provider, expires, &keys) {
            self.statistics.unpersisted += count(keys.len());
        }
    }
}

impl Pending {
    /// Whether there was room.
    fn push(
        &mut self,
        is_removal: bool,
        provider: &Provider,
        expires: u32,
        keys: &[ContentId],
    ) -> bool {
        let joins = self.groups.last().is_some_and(|last| {
            last.is_removal == is_removal && last.expires == expires && last.provider == *provider
        });
        let addresses: usize = provider.addresses.iter().map(|address| address.len()).sum();
        let front = if joins { 0 } else { size_of::<Group>() + addresses };
        let bytes = front + size_of_val(keys);
        if self.bytes + bytes > PENDING_BYTES_MAX {
            return false;
        }
        self.bytes += bytes;
        match self.groups.last_mut().filter(|_| joins) {
            Some(last) => last.keys.extend_from_slice(keys),
            None => {
                let (provider, keys) = (provider.clone(), keys.to_vec());
                self.groups.push(Group { is_removal, provider, expires, keys });
            }
        }
        true
    }
}

pub(super) fn count(count: usize) -> u64 {
    u64::try_from(count).expect("usize fits into 64 bits")
}
