//! How the node stands, copied when the metrics are asked for: its health, what is under way, its
//! peers, its process. The only label is a member's name, of which a committee has few.

use crate::handle::Shared;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// Name, what it says, where it is found.
type Level = (&'static str, &'static str, fn(&Shared) -> u64);

const LEVELS: [Level; 10] = [
    ("ready", "1 while it is caught up, votes and reaches a quorum", |s| u64::from(s.is_ready())),
    ("failed", "1 when it does not vote until its operator acts", |s| {
        u64::from(s.why_silent().is_some())
    }),
    ("reachable_weight", "Vote weight heard from lately, its own included", |s| {
        s.reachable_weight().0
    }),
    ("quorum_weight", "Vote weight that is enough", |s| s.reachable_weight().1),
    ("open_transfers", "Clients' transfers under way", |s| size(s.load().0)),
    ("locks", "Token states that have a lock or a promise", |s| {
        size(s.validator.read().locks().count())
    }),
    ("lag_transfers", "Transfers that the foremost peer has applied and this node has not", lag),
    ("evidence", "Proofs kept that a key signed two of a kind", |s| size(s.store.evidence_count())),
    ("process_resident_bytes", "Memory of the process", |_| resident_bytes()),
    ("process_open_files", "Open files and connections", |_| open_files()),
];

fn size(count: usize) -> u64 {
    u64::try_from(count).expect("no machine counts beyond 2^64")
}

fn lag(shared: &Shared) -> u64 {
    let own = shared.validator.read().tips().applied();
    let peers = shared.peers.read();
    let highest = peers.iter().filter(|peer| peer.is_reachable).map(|peer| peer.applied).max();
    highest.unwrap_or(0).saturating_sub(own)
}

/// `VmRSS` of `/proc/self/status` (proc(5)); 0 where that is not told.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| size(files.count()))
}

type Peer = [(&'static str, String); 1];

/// One metric for each row of the table, and those of each peer.
#[derive(Default)]
pub(super) struct Levels {
    levels: Vec<Gauge>,
    peer_up: Family<Peer, Gauge>,
    peer_round_trip: Family<Peer, Gauge<f64, AtomicU64>>,
    peer_applied: Family<Peer, Gauge>,
}

impl Levels {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut metrics = Self::default();
        for (name, help, _) in LEVELS {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            metrics.levels.push(gauge);
        }
        registry.register("peer_up", "1 while a peer was heard from", metrics.peer_up.clone());
        let help = "Round trip to a peer";
        registry.register("peer_round_trip_seconds", help, metrics.peer_round_trip.clone());
        let help = "Transfers that a peer says it has applied";
        registry.register("peer_applied_transfers", help, metrics.peer_applied.clone());
        metrics
    }

    pub(super) fn set(&self, shared: &Shared) {
        for (gauge, (_, _, value)) in self.levels.iter().zip(LEVELS) {
            gauge.set(i64::try_from(value(shared)).unwrap_or(i64::MAX));
        }
        for peer in shared.peers.read().iter() {
            let label: Peer = [("peer", peer.name.to_string())];
            self.peer_up.get_or_create(&label).set(i64::from(peer.is_reachable));
            let round_trip = super::seconds(peer.rtt_us);
            self.peer_round_trip.get_or_create(&label).set(round_trip);
            let applied = i64::try_from(peer.applied).unwrap_or(i64::MAX);
            self.peer_applied.get_or_create(&label).set(applied);
        }
    }
}
