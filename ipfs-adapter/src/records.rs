//! Who provides what: an index in memory with a log behind it. Never a scan, never an eviction.
//!
//! ```text
//!  batch::answer ─┐                      ┌─ own keys: filter of prefixes ─▶ Pins (sled, exact)
//!  KadRecords ────┼─▶ Records (a mutex) ─┤
//!  the swarm ─────┘       │              └─ others' keys: rows of 48 bytes, peers once
//!                         └─ pending (bounded) ─flush()─▶ records.log, off the swarm's thread
//! ```
//!
//! * A key is a multihash: the digest alone. Which codec a CID has does not matter here.
//! * **Own keys** are the pin set; nothing of it is stored a second time. Records of others for
//!   such keys are acknowledged but not kept, and dropped when a key becomes our own: we name
//!   ourselves, every other provider names itself at its other replicas and when it is asked, and a
//!   state that all validators pin would otherwise be stored by each of them for all of them.
//! * **Budget**: so many keys, twice as many records, half as many of one peer, so that no single
//!   flooder takes the room of the others. Over it: [`Stored::Refused`]. Many peers together can
//!   fill it, until their records expire.
//! * **Time** comes in as unix seconds, so that it survives restarts.
//! * A record is a hint that nobody has checked. Losing one costs an announcement, so the log is
//!   not synced, and a full disk stops the log and not the node. It may also bring back, after a
//!   restart, others' records of a key that was our own for a while; they are true until they
//!   expire.
//!
//! It opens no socket and announces nothing. Cost: one look-up in a hash map per miss and about
//! 75 bytes of memory per key; an own key that is asked for takes one look-up in the pin set, which
//! may touch the disk.

mod answer;
mod chunk;
mod held;
mod index;
mod kad;
mod log;
mod own;
mod peers;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;

pub use answer::{Answer, Hit};
pub use kad::KadRecords;
pub use peers::PEERS_MAX;

use self::{
    chunk::Group,
    held::{Held, Offer, Pending, count},
    index::Index,
    log::Log,
    own::Own,
    peers::Peers,
};
use crate::{ContentId, Pins, Provider, StoreError, encoding::bounded};

/// The most providers of one key, first come first: K of go-libp2p-kad-dht and of libp2p-kad.
pub const PROVIDERS_PER_KEY_MAX: usize = 20;
/// The longest that a record lives, and how long one without a time of its own does: 48 h, as in
/// the IPFS DHT (specs/kad-dht, provider record expiration).
pub const TTL_SECONDS_MAX: u32 = 48 * 3_600;
/// The shortest; less than the time between two announcements would only make work.
pub const TTL_SECONDS_MIN: u32 = 60;
/// The keys of the budget where nothing else is configured; about 40 MB.
pub const RECORDS_MAX_DEFAULT: usize = 500_000;
/// The most that can be configured: rows are numbered by 32 bits; 800 MB.
pub const RECORDS_MAX_MAX: usize = 10_000_000;
/// What may wait for the log, about 130,000 records; more are kept in memory only.
pub const PENDING_BYTES_MAX: usize = 4 << 20;

/// A renewal that gains less than this part of a record's time is not written down, neither in
/// memory nor in the log: who announces over and over costs no disk.
const RENEWAL_PART: u64 = 16;
/// Rows that are looked at for room when the budget is used up.
const SWEEP_COUNT: usize = 1_024;

const LOG_NAME: &str = "records.log";

/// How the records are kept.
#[derive(Clone, Debug)]
pub struct RecordsConfig {
    /// This node.
    pub own: PeerId,
    /// The budget in keys, at most [`RECORDS_MAX_MAX`]; see [`RECORDS_MAX_DEFAULT`].
    pub records_max: usize,
    /// Where `records.log` is; it must exist. `None`: in memory only.
    pub folder: Option<PathBuf>,
}

/// What became of one announced key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Kept, and the peer was no provider of the key before: what said that there is none is old.
    New,
    /// Kept already; renewed.
    Known,
    /// It is our own key: acknowledged, not kept.
    Own,
    /// Over a limit: of the budget, of the peer, or of the key's providers.
    Refused,
}

impl Stored {
    /// Whether the announcer may count this node among those that know.
    pub fn is_acknowledged(self) -> bool {
        self != Stored::Refused
    }
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Others' keys that are held, expired ones that were not yet removed with them.
    pub keys: usize,
    /// Pairs of such a key and a provider.
    pub providers: usize,
    /// Distinct providers.
    pub peers: usize,
    /// Own keys, as far as the filter tells (distinct prefixes).
    pub own: usize,
    /// Records that were refused.
    pub refused: u64,
    /// Records that were written to the log; rewriting it does not count.
    pub persisted: u64,
    /// Records that the log did not take: too many at once, or it has stopped.
    pub unpersisted: u64,
    /// Damaged stretches of the log that were skipped at the start.
    pub corrupt_chunks: u64,
    /// Own keys that the pin set could not look up.
    pub pins_failed: u64,
    /// Whether a failed disk has stopped the log.
    pub is_log_stopped: bool,
}

/// The provider records of this node; share it in an `Arc`.
pub struct Records {
    pins: Arc<dyn Pins>,
    held: Mutex<Held>,
    /// `None`: in memory only, or stopped. Locked before `held` where both are.
    log: Mutex<Option<Log>>,
}

impl Records {
    /// Walks the pin set and reads the log; both may take seconds, so call it from a blocking
    /// thread. `now`: unix seconds, as everywhere here.
    ///
    /// # Errors
    /// The pin set's or the log's disk. A damaged log is none: see
    /// [`Statistics::corrupt_chunks`].
    pub fn open(config: &RecordsConfig, pins: Arc<dyn Pins>, now: u64) -> Result<Self, StoreError> {
        let held = Held {
            records_max: config.records_max.min(RECORDS_MAX_MAX),
            me: Provider { peer: config.own, addresses: Vec::new() },
            own: Own::load(&*pins)?,
            index: Index::default(),
            peers: Peers::default(),
            pending: None,
            statistics: Statistics::default(),
        };
        let records = Records { pins, held: Mutex::new(held), log: Mutex::new(None) };
        if let Some(folder) = &config.folder {
            let load = |group| records.load(now, group);
            let opened = Log::open(&folder.join(LOG_NAME), load);
            let (log, corrupt) = opened.map_err(|error| StoreError::Disk(error.kind()))?;
            if corrupt > 0 {
                tracing::warn!(corrupt, "parts of the provider records' log are damaged");
            }
            *records.log.lock() = Some(log);
            let mut held = records.held.lock();
            held.statistics = Statistics { corrupt_chunks: corrupt, ..Statistics::default() };
            held.pending = Some(Pending::default());
        }
        Ok(records)
    }

    /// Where this node can be dialled; what is over the limits is left out.
    pub fn set_own_addresses(&self, addresses: &[Multiaddr]) {
        self.held.lock().me.addresses = bounded(addresses);
    }

    /// Who this node is and where it can be dialled, as its answers say.
    pub fn own(&self) -> Provider {
        self.held.lock().me.clone()
    }

    /// To be called when keys were pinned (before or after, but before they are announced).
    pub fn add_own(&self, keys: &[ContentId]) {
        let mut held = self.held.lock();
        for key in keys {
            held.own.add(key);
            held.drop_key(key);
        }
    }

    /// To be called after keys were unpinned. Cost: one row of the pin set each.
    pub fn remove_own(&self, keys: &[ContentId]) {
        for key in keys {
            // First out, then the look: a pin that is set meanwhile is seen by one of the two.
            self.held.lock().own.remove(key);
            if own::has_prefix(&*self.pins, key) {
                self.held.lock().own.add(key);
            }
        }
    }

    /// The live providers of each key, at most `providers_max` a key, this node first.
    pub fn find(&self, now: u64, keys: &[ContentId], providers_max: usize) -> Answer {
        let own = self.own_of(keys);
        self.held.lock().find(now, keys, &own, providers_max.min(PROVIDERS_PER_KEY_MAX))
    }

    /// A peer says that it provides keys for so many seconds (bounded by [`TTL_SECONDS_MIN`] and
    /// [`TTL_SECONDS_MAX`]): `stored[i]` is for `keys[i]`. No addresses leave those that are known.
    pub fn provide(
        &self,
        now: u64,
        provider: &Provider,
        ttl_seconds: u32,
        keys: &[ContentId],
    ) -> Vec<Stored> {
        let ttl = u64::from(ttl_seconds.clamp(TTL_SECONDS_MIN, TTL_SECONDS_MAX));
        let expires = u32::try_from(now.saturating_add(ttl)).unwrap_or(u32::MAX);
        self.offer(now, provider, expires, keys)
    }

    /// A peer does not provide a key any more.
    pub fn remove(&self, key: &ContentId, peer: &PeerId) {
        self.held.lock().remove(key, peer);
    }

    /// Looks for expired records among the next `count_max` keys of a walk around all; returns how
    /// many it removed. Call it every second or so.
    pub fn sweep(&self, now: u64, count_max: usize) -> usize {
        self.held.lock().sweep(now, count_max)
    }

    /// Writes what waits to the log, and the log anew when it has grown. It blocks on the disk:
    /// call it every second or so from a blocking thread. A failure stops the log, says so once,
    /// and leaves the memory as it is.
    pub fn flush(&self, now: u64) {
        let mut log = self.log.lock();
        let Some(open) = log.as_mut() else { return };
        let pending = self.held.lock().pending.as_mut().map(std::mem::take).unwrap_or_default();
        let records = count(pending.groups.iter().map(|group| group.keys.len()).sum());
        let mut written = Ok(());
        if !pending.groups.is_empty() {
            written = open.append(&pending.groups);
        }
        let is_appended = written.is_ok();
        if is_appended && open.wants_rewriting() {
            // What is announced meanwhile waits in `pending` and comes behind.
            written = open.rewrite((0..).map_while(|page| self.held.lock().page(now, page)));
        }
        let mut held = self.held.lock();
        if is_appended {
            held.statistics.persisted += records;
        } else {
            held.statistics.unpersisted += records;
        }
        if let Err(error) = written {
            tracing::warn!(%error, "the provider records' log has stopped; memory goes on");
            held.statistics.is_log_stopped = true;
            held.pending = None;
            *log = None;
        }
    }

    /// The figures of now.
    pub fn statistics(&self) -> Statistics {
        let held = self.held.lock();
        Statistics {
            keys: held.index.len(),
            providers: held.index.records(),
            peers: held.peers.len(),
            own: held.own.len(),
            ..held.statistics
        }
    }

    fn offer(
        &self,
        now: u64,
        provider: &Provider,
        expires: u32,
        keys: &[ContentId],
    ) -> Vec<Stored> {
        let own = self.own_of(keys);
        let mut held = self.held.lock();
        if provider.peer == held.me.peer {
            return vec![Stored::Own; keys.len()];
        }
        if held.index.len() + keys.len() > held.records_max {
            held.sweep(now, SWEEP_COUNT);
        }
        let Provider { peer, addresses } = provider;
        held.provide(now, &Offer { peer: *peer, addresses, expires }, keys, &own)
    }

    /// One group of the log, at the start.
    fn load(&self, now: u64, group: Group) {
        if group.is_removal {
            group.keys.iter().for_each(|key| self.remove(key, &group.provider.peer));
            return;
        }
        // What has expired still tells newer addresses.
        let keys = if u64::from(group.expires) > now { group.keys } else { Vec::new() };
        self.offer(now, &group.provider, group.expires, &keys);
    }

    /// The indices of the keys that are our own. The pin set is asked without a lock held, so a
    /// key may become our own meanwhile; a record of another that is then kept does no harm.
    fn own_of(&self, keys: &[ContentId]) -> BTreeSet<usize> {
        let held = self.held.lock();
        let may_be: Vec<usize> =
            (0..keys.len()).filter(|at| held.own.may_hold(&keys[*at])).collect();
        drop(held);
        let asked: Vec<ContentId> = may_be.iter().map(|at| keys[*at]).collect();
        let (are_own, failed) = own::are_own(&*self.pins, &asked);
        if failed > 0 {
            self.held.lock().statistics.pins_failed += count(failed);
        }
        may_be.into_iter().zip(are_own).filter(|(_, is_own)| *is_own).map(|(at, _)| at).collect()
    }
}
