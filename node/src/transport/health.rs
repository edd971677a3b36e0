//! Who is there: a task that looks at every link's counters, and what others may ask about it.
//!
//! Heard means any datagram of the connection, so an idle peer is heard by its keep-alives. The
//! answers are as old as one round of the task.

use super::Shared;
use super::link::{Link, LinkError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// What is known about one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its index in the committee.
    pub member: u16,
    /// Its name in the configuration.
    pub name: String,
    /// Whether there is a connection. A peer that has just crashed is still up and no more
    /// [`super::Transport::reachable`].
    pub is_up: bool,
    /// Where its connection goes, while there is one.
    pub remote: Option<SocketAddr>,
    /// How long ago it was last heard, in milliseconds; none if never. Exact to one poll interval.
    pub heard_ago_ms: Option<u64>,
    /// Smoothed round-trip time of the last connection, in microseconds; 0 before the first.
    pub rtt_us: u64,
    /// UDP payload bytes sent since the start, over all connections.
    pub sent_bytes: u64,
    /// UDP payload bytes received since the start, over all connections.
    pub received_bytes: u64,
    /// Messages dropped since the start because its queue was full or its link down.
    pub dropped: u64,
    /// Why there is no connection; none while there is one.
    pub error: Option<LinkError>,
}

/// Looks at every link until the transport closes, and wakes the dialers of those that fell silent.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut ticks = interval(shared.timings.poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shared.is_closing() => return,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        for link in shared.links() {
            let mut state = link.state.lock();
            state.look(now);
            if state.connection.is_some() && !state.is_heard(now, shared.timings.stale) {
                link.redial.notify_one();
            }
        }
    }
}

/// The status of the peer behind `link`.
pub(super) fn status(link: &Link) -> PeerStatus {
    let state = link.state.lock();
    let ago = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    PeerStatus {
        member: link.member,
        name: link.name.clone(),
        is_up: state.connection.is_some(),
        remote: state.connection.as_ref().map(quinn::Connection::remote_address),
        heard_ago_ms: state.heard_at.map(ago),
        rtt_us: state.rtt_us,
        sent_bytes: state.past.sent_bytes + state.current.sent_bytes,
        received_bytes: state.past.received_bytes + state.current.received_bytes,
        dropped: link.outbox.dropped(),
        error: state.error.clone(),
    }
}

/// Whether the peer was heard within `within` before now.
pub(super) fn is_heard(link: &Link, within: Duration) -> bool {
    link.state.lock().is_heard(Instant::now(), within)
}
