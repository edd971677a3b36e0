//! The records as Kademlia sees them.

use std::time::{Duration, Instant};

use libp2p::kad::{
    ProviderRecord, Record, RecordKey,
    store::{Error, RecordStore},
};

use super::*;
use crate::Pin;

fn kad_key(key: &ContentId) -> RecordKey {
    RecordKey::from([&[0x12, 0x20][..], key.digest()].concat())
}

fn record(key: u64, provider: &Provider) -> ProviderRecord {
    let Provider { peer, addresses } = provider.clone();
    ProviderRecord::new(kad_key(&super::key(key)), peer, addresses)
}

fn named(records: Vec<ProviderRecord>) -> Vec<Provider> {
    let named =
        |record: ProviderRecord| Provider { peer: record.provider, addresses: record.addresses };
    records.into_iter().map(named).collect()
}

#[test]
fn what_kademlia_stores_is_what_it_and_the_batch_find() {
    let pins = Arc::new(Memory::new(0));
    pins.pin(&[Pin { id: key(1), label: Label::default() }]).expect("memory works");
    let records = Arc::new(with_pins(4, pins));
    let mut store = KadRecords::with_clock(records.clone(), || NOW);
    assert!(store.add_provider(record(2, &peer(1))).is_ok());
    assert_eq!(store.offer(&record(2, &peer(1))).map(|(_, stored)| stored), Some(Stored::Known));
    assert!(store.add_provider(record(1, &peer(ME))).is_ok(), "start_providing");
    assert_eq!(named(store.providers(&kad_key(&key(1)))), [peer(ME)]);
    assert_eq!(named(store.providers(&kad_key(&key(2)))), [peer(1)]);
    assert_eq!(providers(&records, NOW, key(2)), [peer(1)]);
    assert!(store.providers(&kad_key(&key(3))).is_empty());
    store.remove_provider(&kad_key(&key(2)), &peer(1).peer);
    assert!(store.providers(&kad_key(&key(2))).is_empty());
    let stored: Vec<bool> =
        (10..13).map(|key| store.add_provider(record(key, &peer(1))).is_ok()).collect();
    assert_eq!(stored, [true, true, false], "half of the budget");
    assert_eq!(store.provided().count(), 0);
}

#[test]
fn records_live_as_long_as_kademlia_says() {
    let records = Arc::new(records(100));
    let store = KadRecords::with_clock(records.clone(), || NOW);
    let mut short = record(1, &peer(1));
    short.expires = Some(Instant::now() + Duration::from_secs(1_000));
    assert_eq!(store.offer(&short).map(|(_, stored)| stored), Some(Stored::New));
    assert_eq!(store.offer(&record(2, &peer(1))).map(|(_, stored)| stored), Some(Stored::New));
    assert_eq!(providers(&records, NOW + 900, key(1)).len(), 1);
    assert_eq!(providers(&records, NOW + 1_000, key(1)).len(), 0);
    assert_eq!(providers(&records, NOW + u64::from(TTL_SECONDS_MAX) - 1, key(2)).len(), 1);
}

#[test]
fn foreign_keys_and_values_are_kept_out() {
    let mut store = KadRecords::new(Arc::new(records(100)));
    let digest = [7; 32];
    let foreign = [
        vec![],
        vec![0x12],
        vec![0x12, 0x20],
        digest.to_vec(),
        [&[0x13, 0x20][..], &digest].concat(),
        [&[0x12, 0x1f][..], &digest[1..]].concat(),
        [&[0x12, 0x20][..], &digest, &[0]].concat(),
    ];
    for bytes in foreign {
        let key = RecordKey::from(bytes);
        let record = ProviderRecord::new(key.clone(), peer(1).peer, vec![]);
        assert!(matches!(store.add_provider(record), Err(Error::MaxProvidedKeys)));
        assert!(store.providers(&key).is_empty());
        store.remove_provider(&key, &peer(1).peer);
    }
    let value = Record::new(kad_key(&key(1)), vec![1]);
    assert!(matches!(store.put(value), Err(Error::ValueTooLarge)));
    assert!(store.get(&kad_key(&key(1))).is_none());
    store.remove(&kad_key(&key(1)));
    assert_eq!(store.records().count(), 0);
}
