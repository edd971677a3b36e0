//! Where a node stands when it is asked: figures of [`Shared`] and of the machine, copied for each
//! `GET /metrics`. What is counted as it happens stands in `metrics`.

use super::seconds;
use crate::handle::Shared;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A member of the committee by name: as many values as the committee has members.
type PeerLabels = [(&'static str, String); 1];
/// A time in seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// The figures.
#[derive(Default)]
pub(super) struct Standing {
    ready: Gauge,
    failed: Gauge,
    reachable: Gauge,
    quorum: Gauge,
    behind: Gauge,
    evidence: Gauge,
    open: Gauge,
    locks: Gauge,
    uptime: Gauge,
    resident: Gauge,
    free: Gauge,
    syncs: Counter,
    sync_time: Counter<f64, AtomicU64>,
    peer_up: Family<PeerLabels, Gauge>,
    peer_rtt: Family<PeerLabels, Seconds>,
}

impl Standing {
    pub(super) fn register(r: &mut Registry) -> Self {
        let new = Self::default();
        r.register("ready", "1 while this node takes transfers", new.ready.clone());
        let help = "1 when this node does not vote until an operator acts";
        r.register("failed", help, new.failed.clone());
        let help = "Vote weight heard from lately, this node's included";
        r.register("reachable_weight", help, new.reachable.clone());
        r.register("quorum_weight", "Vote weight that is enough", new.quorum.clone());
        let help = "Final transfers that others have and this node has not applied";
        r.register("behind_transfers", help, new.behind.clone());
        r.register("open_transfers", "Clients' transfers under way", new.open.clone());
        let help = "Token states that have a lock or a promise";
        r.register("locks", help, new.locks.clone());
        r.register("evidence", "Proofs kept that keys misbehaved", new.evidence.clone());
        r.register("uptime_seconds", "Time since the start", new.uptime.clone());
        r.register("resident_memory_bytes", "Memory of the process", new.resident.clone());
        let help = "Room on the disk that holds the node's home";
        r.register("home_free_bytes", help, new.free.clone());
        r.register("journal_syncs", "Syncs of records to the disk", new.syncs.clone());
        r.register("journal_sync_seconds", "Time that they took", new.sync_time.clone());
        let help = "1 while this member is heard from";
        r.register("peer_up", help, new.peer_up.clone());
        r.register("peer_rtt_seconds", "Round trip to this member", new.peer_rtt.clone());
        new
    }

    pub(super) fn set(&self, shared: &Shared) {
        let (reachable, quorum) = shared.reachable_weight();
        self.ready.set(i64::from(shared.is_ready()));
        self.failed.set(i64::from(shared.why_silent().is_some()));
        self.reachable.set(level(reachable));
        self.quorum.set(level(quorum));
        let lag = *shared.lag.read();
        let behind = lag.map_or(0, |lag| lag.target.saturating_sub(lag.applied));
        self.behind.set(level(behind));
        self.evidence.set(i64::try_from(shared.store.evidence_count()).unwrap_or(i64::MAX));
        self.open.set(i64::try_from(shared.load().0).unwrap_or(i64::MAX));
        let locks = shared.validator.read().locks().count();
        self.locks.set(i64::try_from(locks).unwrap_or(i64::MAX));
        self.uptime.set(level(shared.started.elapsed().as_secs()));
        // Where the system does not say, the figure stays as it was.
        if let Some(bytes) = resident_bytes() {
            self.resident.set(level(bytes));
        }
        if let Some(bytes) = free_bytes(&shared.config.home) {
            self.free.set(level(bytes));
        }
        let (syncs, time) = shared.store.journal().syncs();
        self.syncs.inner().store(syncs, Ordering::Relaxed);
        self.sync_time.inner().store(time.as_secs_f64().to_bits(), Ordering::Relaxed);
        for peer in shared.peers.read().iter() {
            let labels = [("peer", peer.name.to_string())];
            self.peer_up.get_or_create(&labels).set(i64::from(peer.is_reachable));
            self.peer_rtt.get_or_create(&labels).set(seconds(peer.rtt_us));
        }
    }
}

fn level(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Memory that this process holds, as proc(5) says; `None` where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Bytes that the node may still write.
fn free_bytes(home: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(home).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_much_memory_and_room_there_is() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 4096));
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(free_bytes(Path::new("/no/such/folder")), None);
    }
}
