//! The records as libp2p-kad's store: ordinary Kademlia answers from the same index as the batched
//! protocol, and what ordinary peers announce is found by both.
//!
//! It keeps no value records: nothing here reads them, and anyone could fill the store with them.
//! It lists nothing as provided, so that Kademlia does not republish one key at a time; the node
//! announces its pins in batches. Own records come from the pin set, never from
//! `Kademlia::start_providing`, which is acknowledged.
//!
//! Its methods are called within the swarm's loop; a look-up of an own key may touch the disk.

use std::{
    borrow::Cow,
    iter,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use libp2p::{
    PeerId,
    kad::{
        ProviderRecord, Record, RecordKey,
        store::{Error, RecordStore, Result},
    },
};

use super::{PROVIDERS_PER_KEY_MAX, Records, Stored, TTL_SECONDS_MAX};
use crate::{ContentId, Provider};

/// What a sha2-256 multihash begins with: its code and its length (multiformats/multicodec).
const SHA2_256_FRONT: [u8; 2] = [0x12, 0x20];

/// A [`RecordStore`] over shared [`Records`].
pub struct KadRecords {
    records: Arc<Records>,
    /// Unix seconds.
    now: fn() -> u64,
}

impl KadRecords {
    /// By the system's clock.
    pub fn new(records: Arc<Records>) -> Self {
        Self::with_clock(records, unix_seconds)
    }

    /// By another clock, for simulations: unix seconds.
    pub fn with_clock(records: Arc<Records>, now: fn() -> u64) -> Self {
        Self { records, now }
    }

    /// As [`RecordStore::add_provider`], and tells what became of it; `None` for a key that is no
    /// sha2-256 multihash. What is [`Stored::New`] makes cached misses of the key old.
    pub fn offer(&self, record: &ProviderRecord) -> Option<(ContentId, Stored)> {
        let key = content_id(&record.key)?;
        let ttl_seconds = record.expires.map_or(TTL_SECONDS_MAX, |expires| {
            let left = expires.saturating_duration_since(Instant::now()).as_secs();
            u32::try_from(left).unwrap_or(TTL_SECONDS_MAX)
        });
        let provider = Provider { peer: record.provider, addresses: record.addresses.clone() };
        let stored = self.records.provide((self.now)(), &provider, ttl_seconds, &[key]);
        stored.first().map(|stored| (key, *stored))
    }
}

impl RecordStore for KadRecords {
    type RecordsIter<'a> = iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = iter::Empty<Cow<'a, ProviderRecord>>;

    /// Always none.
    fn get(&self, _key: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    /// Always refused.
    fn put(&mut self, _record: Record) -> Result<()> {
        Err(Error::ValueTooLarge)
    }

    fn remove(&mut self, _key: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        iter::empty()
    }

    /// Refused over a limit, and for keys that are no sha2-256 multihash.
    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        match self.offer(&record) {
            Some((_, stored)) if stored.is_acknowledged() => Ok(()),
            Some(_) | None => Err(Error::MaxProvidedKeys),
        }
    }

    /// The live ones, this node first; so none bears a time of expiry.
    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let Some(id) = content_id(key) else { return Vec::new() };
        let answer = self.records.find((self.now)(), &[id], PROVIDERS_PER_KEY_MAX);
        let record = |provider: Provider| {
            ProviderRecord::new(key.clone(), provider.peer, provider.addresses)
        };
        answer.providers.into_iter().map(record).collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, peer: &PeerId) {
        if let Some(id) = content_id(key) {
            self.records.remove(&id, peer);
        }
    }
}

/// The digest of a key of Kademlia, whose form is a multihash.
fn content_id(key: &RecordKey) -> Option<ContentId> {
    let digest = key.as_ref().strip_prefix(&SHA2_256_FRONT)?;
    digest.try_into().ok().map(ContentId::from_digest)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
