//! The index: what is kept, what is refused, and every bound filled past its brim. The log behind
//! it: `log`. Kademlia's view of it: `store`.

mod log;
mod store;

use std::path::Path;

use super::*;
use crate::{LIST_COUNT_MAX, Label, Memory, Pin, PinError};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const HOUR: u32 = 3_600;

pub(super) fn key(seed: u64) -> ContentId {
    ContentId::of(&seed.to_be_bytes())
}

pub(super) fn keys(seeds: std::ops::Range<u64>) -> Vec<ContentId> {
    seeds.map(key).collect()
}

/// A peer with an inlined key of 32 bytes and one address.
pub(super) fn peer(seed: u64) -> Provider {
    let id = [&[0, 32][..], ContentId::of(&seed.to_le_bytes()).digest()].concat();
    let peer = PeerId::from_bytes(&id).expect("an identity multihash of 32 bytes");
    let address = format!("/ip4/10.0.0.1/udp/{}/quic-v1", seed % 65_536);
    Provider { peer, addresses: vec![address.parse().expect("an address")] }
}

/// Our own seed.
pub(super) const ME: u64 = u64::MAX;

pub(super) fn config(records_max: usize, folder: Option<&Path>) -> RecordsConfig {
    RecordsConfig { own: peer(ME).peer, records_max, folder: folder.map(Path::to_path_buf) }
}

/// In memory, with this budget and nothing pinned.
pub(super) fn records(records_max: usize) -> Records {
    with_pins(records_max, Arc::new(Memory::new(0)))
}

fn with_pins(records_max: usize, pins: Arc<dyn Pins>) -> Records {
    let records = Records::open(&config(records_max, None), pins, NOW).expect("memory works");
    records.set_own_addresses(&peer(ME).addresses);
    records
}

fn pin(id: ContentId) -> Pin {
    Pin { id, label: Label::default() }
}

/// The live providers of a key.
pub(super) fn providers(records: &Records, now: u64, key: ContentId) -> Vec<Provider> {
    let answer = records.find(now, &[key], PROVIDERS_PER_KEY_MAX);
    let found = answer.by_key(1).remove(0);
    found.expect("an answer of the index leaves nothing out")
}

#[test]
fn what_is_provided_is_found_until_it_expires() {
    let records = records(100);
    let (alice, bob) = (peer(1), peer(2));
    assert_eq!(records.provide(NOW, &alice, HOUR, &keys(0..2)), [Stored::New; 2]);
    let both = [Stored::Known, Stored::New];
    assert_eq!(records.provide(NOW, &alice, HOUR, &keys(1..3)), both);
    assert_eq!(records.provide(NOW, &bob, 2 * HOUR, &[key(1)]), [Stored::New]);
    let answer = records.find(NOW, &keys(0..5), 20);
    let hit = |key, providers: &[usize]| Hit { key, providers: providers.to_vec() };
    assert_eq!(answer.providers, [alice.clone(), bob.clone()]);
    assert_eq!(answer.hits, [hit(0, &[0]), hit(1, &[0, 1]), hit(2, &[0])]);
    assert_eq!(records.find(NOW, &[key(1)], 1).providers, std::slice::from_ref(&alice));
    let end = NOW + u64::from(HOUR);
    assert_eq!(providers(&records, end - 1, key(1)), [alice, bob.clone()]);
    assert_eq!(providers(&records, end, key(1)), [bob]);
    assert_eq!(providers(&records, end, key(0)), []);
    let Statistics { keys, providers, peers, .. } = records.statistics();
    assert_eq!((keys, providers, peers), (2, 2, 2), "key 2 was not looked at");
}

#[test]
fn time_is_bounded_and_renewed() {
    let records = records(100);
    records.provide(NOW, &peer(1), u32::MAX, &[key(1)]);
    records.provide(NOW, &peer(1), 0, &[key(2)]);
    let longest = NOW + u64::from(TTL_SECONDS_MAX);
    assert_eq!(providers(&records, longest - 1, key(1)).len(), 1);
    assert_eq!(providers(&records, NOW + u64::from(TTL_SECONDS_MIN) - 1, key(2)).len(), 1);
    assert_eq!(providers(&records, NOW + u64::from(TTL_SECONDS_MIN), key(2)).len(), 0);
    let later = NOW + u64::from(TTL_SECONDS_MAX / 2);
    assert_eq!(records.provide(later, &peer(1), u32::MAX, &[key(1)]), [Stored::Known]);
    assert_eq!(providers(&records, longest, key(1)).len(), 1);
    assert_eq!(records.provide(later, &peer(1), 0, &[key(1)]), [Stored::Known]);
    assert_eq!(providers(&records, longest, key(1)).len(), 1, "a renewal shortens nothing");
}

#[test]
fn addresses_are_bounded_and_renewed() {
    let records = records(100);
    let mut alice = peer(1);
    let long = "/dns4/".to_string() + &"a".repeat(ADDRESS_LONG) + "/tcp/1";
    alice.addresses = (0..20).flat_map(|seed| peer(seed).addresses).collect();
    alice.addresses.insert(0, long.parse().expect("a long address"));
    alice.addresses.insert(1, Multiaddr::empty());
    alice.addresses.insert(2, peer(0).addresses.remove(0));
    records.provide(NOW, &alice, HOUR, &[key(1)]);
    let kept: Vec<Multiaddr> = (0..8).flat_map(|seed| peer(seed).addresses).collect();
    assert_eq!(providers(&records, NOW, key(1))[0].addresses, kept);
    alice.addresses.clear();
    records.provide(NOW, &alice, HOUR, &[key(1)]);
    assert_eq!(providers(&records, NOW, key(1))[0].addresses, kept);
    alice.addresses = peer(9).addresses;
    records.provide(NOW, &alice, HOUR, &[key(1)]);
    assert_eq!(providers(&records, NOW, key(1)), [alice]);
    records.set_own_addresses(&[kept.clone(), kept.clone(), peer(9).addresses].concat());
    assert_eq!(records.own().addresses, kept);
}

const ADDRESS_LONG: usize = crate::encoding::ADDRESS_BYTES_MAX;

#[test]
fn a_key_has_so_many_providers_and_no_more() {
    let records = records(100);
    for seed in 0..20 {
        let ttl = if seed == 7 { HOUR } else { 2 * HOUR };
        assert_eq!(records.provide(NOW, &peer(seed), ttl, &[key(1)]), [Stored::New]);
    }
    assert_eq!(records.provide(NOW, &peer(20), HOUR, &[key(1)]), [Stored::Refused]);
    let first: Vec<Provider> = (0..20).map(peer).collect();
    assert_eq!(providers(&records, NOW, key(1)), first);
    let later = NOW + u64::from(HOUR);
    assert_eq!(records.provide(later, &peer(20), HOUR, &[key(1)]), [Stored::New]);
    assert_eq!(records.provide(later, &peer(7), HOUR, &[key(1)]), [Stored::Refused]);
    assert_eq!(providers(&records, later, key(1)).len(), PROVIDERS_PER_KEY_MAX);
    assert_eq!(records.statistics().refused, 2);
}

#[test]
fn over_the_budget_is_refused_and_nothing_is_evicted() {
    let records = records(100);
    records.provide(NOW, &peer(1), 2 * HOUR, &keys(0..50));
    records.provide(NOW, &peer(2), HOUR, &keys(50..100));
    let over = records.provide(NOW, &peer(3), HOUR, &keys(90..110));
    assert_eq!(over[..10], [Stored::New; 10], "keys that are held already");
    assert_eq!(over[10..], [Stored::Refused; 10]);
    assert_eq!(records.find(NOW, &keys(0..110), 20).hits.len(), 100);
    assert_eq!(records.statistics().keys, 100);
    let later = NOW + u64::from(HOUR);
    let stored = records.provide(later, &peer(3), HOUR, &keys(100..160));
    assert_eq!(stored[..50], [Stored::New; 50], "what has expired made room");
    assert_eq!(stored[50..], [Stored::Refused; 10]);
    assert_eq!(records.find(later, &keys(0..160), 20).hits.len(), 100);
}

#[test]
fn a_flooding_peer_leaves_room_for_the_others() {
    let records = records(1_000);
    let stored = records.provide(NOW, &peer(1), HOUR, &keys(0..4_096));
    assert_eq!(stored.iter().filter(|stored| **stored == Stored::New).count(), 500);
    assert_eq!(records.provide(NOW, &peer(1), HOUR, &keys(5_000..5_001)), [Stored::Refused]);
    assert_eq!(records.provide(NOW, &peer(2), HOUR, &keys(5_000..5_400)), [Stored::New; 400]);
    assert_eq!(records.statistics().refused, 3_597);
}

#[test]
fn records_are_at_most_twice_the_keys() {
    let records = records(100);
    for seed in 0..4 {
        let stored = records.provide(NOW, &peer(seed), HOUR, &keys(0..50));
        assert_eq!(stored, [Stored::New; 50]);
    }
    assert_eq!(records.provide(NOW, &peer(5), HOUR, &[key(0)]), [Stored::Refused]);
    assert_eq!(records.provide(NOW, &peer(5), HOUR, &[key(60)]), [Stored::Refused]);
    assert_eq!(records.provide(NOW, &peer(3), HOUR, &[key(0)]), [Stored::Known]);
}

#[test]
fn peers_without_records_are_forgotten_and_others_are_bounded() {
    let records = records(100_000);
    let count = u64::try_from(PEERS_MAX).expect("a small number");
    for seed in 0..count {
        records.provide(NOW, &peer(seed), HOUR, &[key(seed)]);
    }
    assert_eq!(records.statistics().peers, PEERS_MAX);
    assert_eq!(records.provide(NOW, &peer(count), HOUR, &[key(1)]), [Stored::Refused]);
    records.remove(&key(7), &peer(7).peer);
    records.remove(&key(8), &peer(7).peer);
    records.remove(&key(count), &peer(count).peer);
    assert_eq!(records.statistics().peers, PEERS_MAX - 1);
    assert_eq!(records.provide(NOW, &peer(count), HOUR, &[key(1)]), [Stored::New]);
    assert_eq!(providers(&records, NOW, key(1)), [peer(1), peer(count)]);
    assert_eq!(providers(&records, NOW, key(8)), [peer(8)]);
    records.sweep(NOW + u64::from(HOUR), usize::MAX);
    assert_eq!(records.statistics(), Statistics { refused: 1, ..Statistics::default() });
    let mut long = peer(1);
    let id = [&[0x12, 64][..], &[7; 64]].concat();
    long.peer = PeerId::from_bytes(&id).expect("libp2p takes it");
    assert_eq!(records.provide(NOW, &long, HOUR, &[key(1)]), [Stored::Refused]);
}

#[test]
fn a_sweep_looks_at_so_many_rows() {
    let records = records(100);
    records.provide(NOW, &peer(1), HOUR, &keys(0..50));
    records.provide(NOW, &peer(2), 2 * HOUR, &keys(50..100));
    let later = NOW + u64::from(HOUR);
    assert_eq!(records.sweep(NOW, 100), 0);
    assert_eq!(records.sweep(later, 30), 30);
    assert_eq!(records.sweep(later, 30), 20);
    assert_eq!(records.sweep(later, 1_000), 0);
    assert_eq!(records.statistics().keys, 50);
}

#[test]
fn own_keys_are_the_pin_set_and_nothing_else() {
    let pins = Arc::new(Memory::new(0));
    pins.pin(&keys(0..3).into_iter().map(pin).collect::<Vec<_>>()).expect("memory works");
    let records = with_pins(100, pins.clone());
    assert_eq!(records.statistics().own, 3);
    assert_eq!(providers(&records, NOW, key(1)), [peer(ME)]);
    assert_eq!(records.provide(NOW, &peer(1), HOUR, &[key(1)]), [Stored::Own]);
    assert_eq!(providers(&records, NOW, key(1)), [peer(ME)], "the other names itself");
    assert_eq!(records.provide(NOW, &peer(ME), HOUR, &[key(9)]), [Stored::Own]);
    assert_eq!(providers(&records, NOW, key(9)), []);

    records.provide(NOW, &peer(1), HOUR, &keys(5..7));
    pins.pin(&[pin(key(5))]).expect("memory works");
    records.add_own(&[key(5)]);
    let answer = records.find(NOW, &keys(5..7), 20);
    assert_eq!(answer.by_key(2), [Some(vec![peer(ME)]), Some(vec![peer(1)])]);
    assert_eq!((records.statistics().keys, records.statistics().own), (1, 4));

    pins.unpin(&[key(5)]).expect("memory works");
    assert_eq!(providers(&records, NOW, key(5)), [], "the pin set has the last word");
    records.remove_own(&[key(5)]);
    assert_eq!(records.statistics().own, 3);
}

/// A key with the first 8 bytes of another.
fn twin(key: &ContentId) -> ContentId {
    let mut digest = *key.digest();
    digest[8..].iter_mut().for_each(|byte| *byte ^= 0x55);
    ContentId::from_digest(digest)
}

#[test]
fn keys_with_one_prefix_are_told_apart() {
    let pins = Arc::new(Memory::new(0));
    let first = [key(1), ContentId::from_digest([0; 32]), ContentId::from_digest([0xff; 32])];
    pins.pin(&first.map(pin)).expect("memory works");
    let records = with_pins(100, pins.clone());
    for key in first {
        let twin = twin(&key);
        assert_eq!(providers(&records, NOW, twin), []);
        assert_eq!(records.provide(NOW, &peer(1), HOUR, &[twin]), [Stored::New]);
        assert_eq!(providers(&records, NOW, twin), [peer(1)]);
        pins.pin(&[pin(twin)]).expect("memory works");
        records.add_own(&[twin]);
        pins.unpin(&[key]).expect("memory works");
        records.remove_own(&[key]);
        assert_eq!(providers(&records, NOW, twin), [peer(ME)], "its prefix stays");
        pins.unpin(&[twin]).expect("memory works");
        records.remove_own(&[twin]);
    }
    assert_eq!(records.statistics().own, 0);
}

/// Pins of which some can't be read; with a store that fails altogether, if so said.
struct Damaged {
    sound: Memory,
    damaged: Vec<ContentId>,
    failed: Option<StoreError>,
}

impl Pins for Damaged {
    fn pin(&self, pins: &[Pin]) -> Result<(), PinError> {
        self.sound.pin(pins)
    }

    fn unpin(&self, ids: &[ContentId]) -> Result<(), PinError> {
        self.sound.unpin(ids)
    }

    fn labels(&self, ids: &[ContentId]) -> Result<Vec<Option<Label>>, PinError> {
        self.check(ids)?;
        self.sound.labels(ids)
    }

    fn list(&self, after: Option<ContentId>, count_max: usize) -> Result<Vec<Pin>, PinError> {
        let page = self.sound.list(after, count_max)?;
        self.check(&page.iter().map(|pin| pin.id).collect::<Vec<_>>())?;
        Ok(page)
    }
}

impl Damaged {
    fn check(&self, ids: &[ContentId]) -> Result<(), PinError> {
        if let Some(failed) = self.failed {
            return Err(PinError::Store(failed));
        }
        let damaged = ids.iter().find(|id| self.damaged.contains(id));
        damaged.map_or(Ok(()), |id| Err(PinError::Corrupt { id: *id }))
    }
}

#[test]
fn a_damaged_pin_is_a_pin() {
    let count = 2 * LIST_COUNT_MAX + 500;
    let mut all = keys(0..u64::try_from(count).expect("a small number"));
    all.sort();
    let sound = Memory::new(0);
    sound.pin(&all.iter().copied().map(pin).collect::<Vec<_>>()).expect("memory works");
    let damaged = vec![all[0], all[700], all[701], all[1_500], all[count - 1]];
    let records = with_pins(100, Arc::new(Damaged { sound, damaged, failed: None }));
    assert_eq!(records.statistics().own, count);
    assert_eq!(records.find(NOW, &all, 20).hits.len(), count);
    assert_eq!(records.statistics().pins_failed, 0);
}

#[test]
fn a_failed_pin_set_is_counted_and_says_nothing() {
    let failed = Some(StoreError::Damaged);
    let pins = Arc::new(Damaged { sound: Memory::new(0), damaged: vec![], failed });
    let opened = Records::open(&config(100, None), pins.clone(), NOW);
    assert_eq!(opened.err(), Some(StoreError::Damaged));
    let failing = Records { pins, ..records(100) };
    failing.add_own(&[key(1)]);
    assert_eq!(providers(&failing, NOW, key(1)), []);
    assert_eq!(failing.statistics().pins_failed, 1);
}

#[test]
fn the_table_of_an_answer_is_cut_so_that_few_keys_go_empty() {
    let hit = |key, providers: &[usize]| Hit { key, providers: providers.to_vec() };
    let hits = vec![hit(0, &[0, 1, 2]), hit(3, &[3, 1]), hit(4, &[4]), hit(6, &[1])];
    let answer = Answer { providers: (0..5).map(peer).collect(), hits };
    assert_eq!(answer.clone().fit(5), answer);
    let cut = answer.fit(3);
    assert_eq!(cut.providers, [0, 3, 4].map(peer));
    assert_eq!(cut.hits, [hit(0, &[0]), hit(3, &[1]), hit(4, &[2]), hit(6, &[])]);
    let by_key = cut.by_key(7);
    assert_eq!(by_key[0], Some(vec![peer(0)]));
    assert_eq!(by_key[1], Some(vec![]), "nobody has it");
    assert_eq!(by_key[6], None, "somebody has it, but there was no place");
}
