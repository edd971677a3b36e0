//! The pinner: reads the applied log behind the node, pins what was spent under the id of the
//! transfer that spent it, and announces it.
//!
//! It has no queue. Its place in the applied log is a cursor on disk, so it can fall behind under
//! load, catches up afterwards, and goes on where it was after a restart; a vote never waits for
//! it. Pinning or announcing the same twice changes nothing, so the cursor may be too old, and it
//! is written only after the pins before it are on the disk.
//!
//! What peers did not acknowledge, and what they have forgotten, comes with the next sweep over all
//! pins, every `republish_hours`. A peer that has just come knows nothing: until it does, whoever
//! asks it hears "nobody" for a state that is spent. So a sweep follows soon when any comes.

use crate::handle::Shared;
use crate::ipfs::key_of;
use ipfs_adapter::embedded::Embedded;
use ipfs_adapter::{ContentId, Ipfs, KEYS_PER_QUERY_MAX, Label, PeerId, Pin, PinError, Pins};
use ledger::{TokenState, TransferId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often it looks for news when nobody tells of any.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after a group: under load the next one is larger, and messages are fewer.
const GATHER: Duration = Duration::from_millis(250);
/// How often the cursor is saved, at most: each time costs a sync.
const SAVE: Duration = Duration::from_secs(5);
/// A spender's id; no other label has this length.
const SPENDER_BYTES: usize = 32;
/// Pause after a line of the log that can't be read.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// Pause after an announcement that reached nobody; doubles up to the second.
const ALONE_MIN: Duration = Duration::from_millis(250);
const ALONE_MAX: Duration = Duration::from_secs(4);
/// How often the connected peers are looked at.
const PEERS_LOOK: Duration = Duration::from_millis(500);
/// Pause between two sweeps for newcomers. One takes a message and some ms per peer and 4,096 pins;
/// so few pins that they fit into one message need not wait.
const NEWCOMERS_PAUSE: Duration = Duration::from_secs(30);
/// How many times one group is announced before it is left to the sweep.
const TRIES_MAX: u32 = 5;

/// Announces what is spent, group by group.
pub struct Pinner {
    shared: Weak<Shared>,
    embedded: Arc<Embedded>,
    cursor_file: PathBuf,
    content: PathBuf,
    /// The next line of the applied log.
    cursor: u64,
    saved: (u64, Instant),
    /// Told when something was applied.
    news: Arc<Notify>,
    next_sweep: Instant,
    newcomers: Newcomers,
}

/// Peers that have come since the last sweep.
struct Newcomers {
    connected: BTreeSet<PeerId>,
    is_any: bool,
    next_look: Instant,
    /// No sweep for them before this.
    next_sweep: Instant,
}

/// What one look at the log gave.
struct Group {
    pins: Vec<Pin>,
    next: u64,
}

impl Pinner {
    /// A pinner that goes on from the cursor on disk.
    pub fn new(shared: Weak<Shared>, embedded: Arc<Embedded>) -> Self {
        let config = shared.upgrade().map(|shared| shared.config.clone());
        let news = shared.upgrade().map(|shared| shared.applied.clone()).unwrap_or_default();
        let home = config.as_ref().map_or_else(PathBuf::new, |config| config.home.join("ipfs"));
        // Beside the pins' own files: whoever removes these removes it, too.
        let cursor_file = home.join("content").join("pinned");
        let cursor = read_cursor(&cursor_file);
        let hours = config.map_or(12, |config| config.ipfs.republish_hours);
        let now = Instant::now();
        Self {
            shared,
            embedded,
            content: home.join("content").join("db"),
            cursor_file,
            cursor,
            saved: (cursor, now),
            news,
            next_sweep: now + Duration::from_secs(3_600) * hours.max(1),
            newcomers: Newcomers {
                connected: BTreeSet::new(),
                is_any: false,
                next_look: now,
                next_sweep: now,
            },
        }
    }

    /// Runs until the node ends.
    pub async fn run(mut self) {
        while let Some(shared) = self.shared.upgrade() {
            let group = self.read(&shared).await;
            drop(shared);
            let is_idle = group.pins.is_empty() && group.next == self.cursor;
            if !self.pin(group).await {
                tracing::error!("spent states are not announced any more; restart the node");
                return;
            }
            self.save().await;
            self.look_at_peers().await;
            let now = Instant::now();
            if now >= self.next_sweep || self.newcomers.is_due(now) {
                self.sweep().await;
            }
            if !is_idle {
                // What comes meanwhile is announced together.
                tokio::time::sleep(GATHER).await;
            } else {
                // Over time is a look without news.
                drop(tokio::time::timeout(LOOK, self.news.notified()).await);
            }
        }
    }

    /// Announces the pins again and again, and reads no log: where spent states are not announced,
    /// users' content is all that is pinned.
    pub async fn republish(mut self) {
        loop {
            tokio::time::sleep_until(self.next_sweep.into()).await;
            if self.shared.strong_count() == 0 {
                return;
            }
            self.sweep().await;
        }
    }

    /// The next lines of the applied log, up to a message full of spent states.
    async fn read(&self, shared: &Arc<Shared>) -> Group {
        let (shared, from) = (shared.clone(), self.cursor);
        if from >= shared.store.line_count() {
            return Group { pins: Vec::new(), next: from };
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut group = Group { pins: Vec::new(), next: from };
            while group.pins.len() < KEYS_PER_QUERY_MAX && group.next < shared.store.line_count() {
                match shared.store.spent_by(group.next) {
                    Ok(spent) => group.pins.extend(spent.iter().map(pin)),
                    Err(error) => {
                        let line = group.next;
                        tracing::error!(line, %error, "an applied line is unreadable for now");
                        return (group, true);
                    }
                }
                group.next += 1;
            }
            (group, false)
        });
        let nothing = Group { pins: Vec::new(), next: self.cursor };
        let (group, is_stuck) = read.await.unwrap_or((nothing, true));
        if is_stuck {
            tokio::time::sleep(READ_PAUSE).await;
        }
        group
    }

    /// Pins and announces a group; `false` when the pins' disk has failed.
    async fn pin(&mut self, group: Group) -> bool {
        if group.pins.is_empty() {
            self.cursor = group.next;
            return true;
        }
        let ids: Vec<ContentId> = group.pins.iter().map(|pin| pin.id).collect();
        let store = self.embedded.store().clone();
        let pinned = tokio::task::spawn_blocking(move || pin_all(&*store, &group.pins));
        match pinned.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "spent states can't be pinned");
                return false;
            }
            Err(_) => return false,
        }
        self.embedded.records().add_own(&ids);
        self.cursor = group.next;
        for keys in ids.chunks(KEYS_PER_QUERY_MAX) {
            self.announce(keys, TRIES_MAX).await;
        }
        true
    }

    async fn announce(&self, keys: &[ContentId], tries_max: u32) {
        let mut pause = ALONE_MIN;
        for _ in 0..tries_max {
            let provided = self.embedded.provide(keys.to_vec()).await;
            if let Some(shared) = self.shared.upgrade() {
                shared.metrics.announced(keys.len(), provided.as_ref().ok());
            }
            match provided {
                Ok(provided) if provided.stored > 0 || keys.is_empty() => return,
                Ok(_) => tokio::time::sleep(pause).await,
                Err(_) => return,
            }
            pause = (pause * 2).min(ALONE_MAX);
        }
    }

    async fn look_at_peers(&mut self) {
        let now = Instant::now();
        if now < self.newcomers.next_look {
            return;
        }
        self.newcomers.next_look = now + PEERS_LOOK;
        // Overloaded or stopped: the next look will tell.
        if let Ok(status) = self.embedded.status().await {
            self.newcomers.note(status.connected);
        }
    }

    /// Announces all pins again, in the order of their ids: neighbours go to the same peers.
    async fn sweep(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let hours = shared.config.ipfs.republish_hours.max(1);
        self.next_sweep = Instant::now() + Duration::from_secs(3_600) * hours;
        drop(shared);
        self.newcomers.is_any = false;
        let (mut after, mut count) = (None, 0);
        loop {
            let store = self.embedded.store().clone();
            let page = tokio::task::spawn_blocking(move || store.list(after, 1_000)).await;
            let page = match page {
                Ok(Ok(page)) => page,
                // A damaged pin is stepped over; its neighbours are not lost for it.
                Ok(Err(PinError::Corrupt { id })) => {
                    after = Some(id);
                    continue;
                }
                _ => break,
            };
            let ids: Vec<ContentId> = page.iter().map(|pin| pin.id).collect();
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            count += ids.len();
            self.announce(&ids, 1).await;
        }
        let pause = if count > KEYS_PER_QUERY_MAX { NEWCOMERS_PAUSE } else { PEERS_LOOK };
        self.newcomers.next_sweep = Instant::now() + pause;
    }

    async fn save(&mut self) {
        let (saved, at) = self.saved;
        if saved == self.cursor || at.elapsed() < SAVE {
            return;
        }
        self.saved = (self.cursor, Instant::now());
        let (store, cursor) = (self.embedded.store().clone(), self.cursor);
        let (content, file) = (self.content.clone(), self.cursor_file.clone());
        let written = tokio::task::spawn_blocking(move || {
            store.flush().map_err(std::io::Error::other)?;
            // sled's flush is no fsync (shared/TESTING.md).
            std::fs::File::open(&content)?.sync_data()?;
            write_cursor(&file, cursor)
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "the pinner's place is not saved; it will do work twice");
        }
    }
}

impl Newcomers {
    /// Who is connected now. One that comes back counts: it may have lost what it knew.
    fn note(&mut self, connected: Vec<PeerId>) {
        let connected: BTreeSet<PeerId> = connected.into_iter().collect();
        self.is_any |= connected.difference(&self.connected).next().is_some();
        self.connected = connected;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.is_any && now >= self.next_sweep
    }
}

fn pin((state, spender): &(TokenState, TransferId)) -> Pin {
    let label = Label::new(spender.bytes()).expect("32 bytes fit");
    Pin { id: key_of(state), label }
}

/// Pins what can be pinned. A state that is pinned under another transfer would be a double spend:
/// it is shouted about and left as it was.
fn pin_all(store: &dyn Pins, pins: &[Pin]) -> Result<(), PinError> {
    match store.pin(pins) {
        Err(PinError::Held { .. }) => {}
        other => return other,
    }
    for pin in pins {
        match store.pin(std::slice::from_ref(pin)) {
            // A user has stored a state's bytes as content: that it is spent matters more.
            Err(PinError::Held { id, held, .. }) if held.bytes().len() != SPENDER_BYTES => {
                store.unpin(&[id])?;
                store.pin(std::slice::from_ref(pin))?;
            }
            Err(PinError::Held { id, held, wanted }) => {
                tracing::error!(%id, %held, %wanted, "one state, two final transfers");
            }
            other => other?,
        }
    }
    Ok(())
}

/// 0 for a file that is missing or makes no sense: everything is pinned again, which changes
/// nothing.
fn read_cursor(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn write_cursor(path: &Path, cursor: u64) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, format!("{cursor}\n"))?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipfs_adapter::Memory;

    #[test]
    fn a_second_spender_changes_nothing_and_stops_nothing() {
        let store = Memory::new(0);
        let label = |byte| Label::new(&[byte; SPENDER_BYTES]).expect("short");
        let pin = |what: &[u8], why| Pin { id: ContentId::of(what), label: label(why) };
        let content = Label::new(b"content").expect("short");
        let users = Pin { id: ContentId::of(b"c"), label: content };
        assert_eq!(store.pin(&[users]), Ok(()));
        assert_eq!(pin_all(&store, &[pin(b"a", 1), pin(b"b", 1)]), Ok(()));
        assert_eq!(pin_all(&store, &[pin(b"a", 2), pin(b"c", 2)]), Ok(()));
        let labels = store.labels(&[b"a", b"b", b"c"].map(|bytes| ContentId::of(bytes)));
        let expected = [1, 1, 2].map(|byte| Some(label(byte)));
        assert_eq!(labels.as_deref(), Ok(&expected[..]), "content gives way to spent");
    }

    #[test]
    fn newcomers_are_noted_once_and_those_that_come_back_again() {
        let now = Instant::now();
        let mut newcomers = Newcomers {
            connected: BTreeSet::new(),
            is_any: false,
            next_look: now,
            next_sweep: now + NEWCOMERS_PAUSE,
        };
        let (a, b) = (PeerId::random(), PeerId::random());
        newcomers.note(vec![a, b]);
        assert!(!newcomers.is_due(now) && newcomers.is_due(now + NEWCOMERS_PAUSE));
        newcomers.is_any = false;
        newcomers.note(vec![b]);
        assert!(!newcomers.is_any, "nobody came");
        newcomers.note(vec![b, a]);
        assert!(newcomers.is_any);
    }

    #[test]
    fn the_cursor_comes_back_or_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pinned");
        assert_eq!(read_cursor(&path), 0);
        write_cursor(&path, 1_234).expect("it can be written");
        assert_eq!(read_cursor(&path), 1_234);
        std::fs::write(&path, "garbage").expect("it can be written");
        assert_eq!(read_cursor(&path), 0);
    }
}
