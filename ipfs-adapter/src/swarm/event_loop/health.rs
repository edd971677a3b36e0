//! What time brings: dials of the pool, the table's refresh, write-behind.
//!
//! A node that has lost all its peers dials the whole pool with short pauses, so that it is back
//! within 5 s of their return; one that has peers takes its time.

use std::time::{Duration, Instant};

use super::EventLoop;
use crate::swarm::{pool, serve::unix_seconds};

/// Pauses between dials of a pool peer, when contact is lost and otherwise.
const LOST_PAUSE_MAX: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// How often the table is looked at (row D8: every 15 s).
const CHECK: Duration = Duration::from_secs(15);
/// A table that has just changed is refreshed soon, but not for every change.
const REFRESH: Duration = Duration::from_millis(200);
/// Below this many peers the table is refreshed at every check.
const TABLE_LOW: usize = 20;
/// How often records and pool are written behind.
const WRITE: Duration = Duration::from_secs(1);
/// Records looked at for expiry each time.
const SWEEP_COUNT: usize = 4_096;
/// Since when nobody can be asked until queries stop waiting for somebody.
const LONELY: Duration = Duration::from_secs(2);
/// After the first contact others are met through it. Queries wait until none has come for so
/// long, or they would take the word of the first peer for that of all.
const QUIET: Duration = Duration::from_millis(300);
/// The longest that they wait for that.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// How often the rest of this is looked at.
const TICK: Duration = Duration::from_millis(50);

const _: () = assert!(QUIET.as_millis() > REFRESH.as_millis(), "the refresh brings the others");

/// When what is due.
#[derive(Debug)]
pub(super) struct Health {
    next_check: Instant,
    next_write: Instant,
    refresh_at: Option<Instant>,
    /// Since when there has been nobody to ask.
    lonely_since: Option<Instant>,
    contact: Contact,
    next_tick: Instant,
}

/// Whether there is somebody to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    None,
    /// Since when, and when the newest peer came.
    New(Instant, Instant),
    Settled,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_check: now + CHECK,
            next_write: now + WRITE,
            refresh_at: None,
            lonely_since: Some(now),
            contact: Contact::None,
            next_tick: now,
        }
    }

    /// The next tick comes at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.next_tick = now;
    }

    /// A peer to be asked came or went.
    pub(super) fn peers_changed(&mut self, now: Instant) {
        if let Contact::New(since, _) = self.contact {
            self.contact = Contact::New(since, now);
        }
        self.hurry(now);
    }

    /// Whether queries may go out: those whom they should reach have been met.
    pub(super) fn is_settled(&self) -> bool {
        self.contact == Contact::Settled
    }

    fn note_contact(&mut self, now: Instant, has_server: bool) {
        self.lonely_since = match (has_server, self.lonely_since) {
            (true, _) => None,
            (false, since) => since.or(Some(now)),
        };
        self.contact = match (has_server, self.contact) {
            (false, _) => Contact::None,
            (true, Contact::None) => Contact::New(now, now),
            (true, Contact::New(since, newest)) => {
                let is_settled = now >= newest + QUIET || now >= since + SETTLE_MAX;
                if is_settled { Contact::Settled } else { Contact::New(since, newest) }
            }
            (true, Contact::Settled) => Contact::Settled,
        };
    }

    /// Somebody came or went.
    pub(super) fn table_changed(&mut self) {
        if self.refresh_at.is_none() {
            self.refresh_at = Some(Instant::now() + REFRESH);
        }
    }
}

impl EventLoop {
    pub(super) fn tick(&mut self, now: Instant) {
        if now < self.health.next_tick {
            return;
        }
        self.health.next_tick = now + TICK;
        while self.tasks.try_join_next().is_some() {}
        let has_server = self.peers.values().any(|met| met.is_server || met.speaks_batch);
        self.health.note_contact(now, has_server);
        self.let_out(now);
        self.dial_pool(now, if has_server { PAUSE_MAX } else { LOST_PAUSE_MAX });
        if self.health.next_check <= now {
            self.health.next_check = now + CHECK;
            let kad = &mut self.swarm.behaviour_mut().kad;
            let table: usize = kad.kbuckets().map(|bucket| bucket.num_entries()).sum();
            if table < TABLE_LOW {
                self.refresh();
            }
            self.records.sweep(unix_seconds(), SWEEP_COUNT);
        }
        if self.health.refresh_at.is_some_and(|at| at <= now) {
            self.health.refresh_at = None;
            self.refresh();
        }
        if self.health.next_write <= now {
            self.health.next_write = now + WRITE;
            let records = self.records.clone();
            let pool = self.pool.take_text();
            self.tasks.spawn_blocking(move || write(&records, pool));
        }
    }

    fn dial_pool(&mut self, now: Instant, pause_max: Duration) {
        let own = *self.swarm.local_peer_id();
        let peers = &self.peers;
        let is_there = |peer: &libp2p::PeerId| peers.contains_key(peer) || *peer == own;
        for (peer, addresses) in self.pool.due(now, pause_max, is_there) {
            match peer {
                Some(peer) => self.dial(peer, addresses),
                None => self.dial_nameless(addresses),
            }
        }
    }

    /// Whether there has been nobody to ask for a while.
    pub(super) fn is_lonely(&self, now: Instant) -> bool {
        self.health.lonely_since.is_some_and(|since| now.duration_since(since) >= LONELY)
    }

    /// Looks for peers near this node, and so fills the table.
    fn refresh(&mut self) {
        // Without any peer there is nothing to start from; the pool is being dialled.
        if let Err(error) = self.swarm.behaviour_mut().kad.bootstrap() {
            tracing::trace!(%error, "no refresh of the table");
        }
    }

    fn dial_nameless(&mut self, addresses: Vec<libp2p::Multiaddr>) {
        for address in addresses {
            if let Err(error) = self.swarm.dial(address.clone()) {
                tracing::debug!(%address, %error, "not dialled");
            }
        }
    }

    /// Writes what is left, at the end.
    pub(super) async fn write_behind(&mut self) {
        let (records, pool) = (self.records.clone(), self.pool.take_text());
        let written = tokio::task::spawn_blocking(move || write(&records, pool)).await;
        if written.is_err() {
            tracing::warn!("records were not written at the end");
        }
    }
}

fn write(records: &crate::records::Records, pool: Option<(std::path::PathBuf, String)>) {
    records.flush(unix_seconds());
    if let Some((path, text)) = pool
        && let Err(error) = pool::write(&path, &text)
    {
        tracing::warn!(path = %path.display(), %error, "met peers are not remembered");
    }
}
