//! The bootstrap pool: peers that are dialled at the start and whenever contact is lost. Those of
//! the configuration stay for ever; those that were met are remembered over restarts, newest first.
//!
//! On disk it is a text file of one address a line (`…/p2p/PEER`), replaced as a whole. It is a
//! hint: lines that make no sense are skipped, and losing the file costs only the memory.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// Peers remembered beside those of the configuration.
pub const REMEMBERED_MAX: usize = 64;
/// Peers that the configuration and the followed file may name.
pub const CONFIGURED_MAX: usize = 256;
/// Addresses kept of one peer.
pub const ADDRESSES_MAX: usize = 8;
/// The longest pool file that is read, bytes: 64 peers with 8 addresses of 128 bytes.
const FILE_BYTES_MAX: u64 = 64 * 8 * 128;

/// A peer to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its addresses, `/p2p/…` not included.
    pub addresses: Vec<Multiaddr>,
    is_configured: bool,
    /// Larger is newer.
    seen: u64,
    /// Not dialled before this.
    next_dial: Option<Instant>,
    pause: Duration,
}

/// All peers to dial.
#[derive(Debug)]
pub struct Pool {
    peers: BTreeMap<PeerId, Known>,
    /// Addresses of the configuration that name no peer.
    nameless: Vec<(Multiaddr, Option<Instant>)>,
    file: Option<PathBuf>,
    clock: u64,
    is_dirty: bool,
}

/// An address without its `/p2p/…` end, and the peer that it named.
pub fn split(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(other) => (address.with(other), None),
        None => (address, None),
    }
}

impl Pool {
    /// The pool of a node; reads what was remembered in `file`.
    pub fn open(configured: &[Multiaddr], file: Option<PathBuf>) -> Self {
        let mut pool =
            Self { peers: BTreeMap::new(), nameless: Vec::new(), file, clock: 0, is_dirty: false };
        let text = pool.file.as_ref().and_then(|path| {
            let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
            is_small.then(|| std::fs::read_to_string(path).ok()).flatten()
        });
        let lines = text.iter().flat_map(|text| text.lines());
        for address in lines.filter_map(|line| line.parse().ok()) {
            if let (address, Some(peer)) = split(address) {
                pool.met(peer, vec![address]);
            }
        }
        pool.is_dirty = false;
        configured.iter().for_each(|address| pool.configure(address.clone()));
        pool
    }

    /// Adds a peer of the configuration; it is dialled at the next look.
    pub fn configure(&mut self, address: Multiaddr) {
        if self.peers.len() + self.nameless.len() >= CONFIGURED_MAX + REMEMBERED_MAX {
            tracing::warn!(%address, "too many bootstrap peers; this one is left out");
            return;
        }
        match split(address) {
            (address, Some(peer)) => {
                let known = self.entry(peer);
                known.is_configured = true;
                if !known.addresses.contains(&address) {
                    // The newest configuration is the likeliest to be right.
                    known.addresses.insert(0, address);
                    known.addresses.truncate(ADDRESSES_MAX);
                    known.next_dial = None;
                    known.pause = Duration::ZERO;
                }
            }
            (address, None) if !self.nameless.iter().any(|(known, _)| *known == address) => {
                self.nameless.push((address, None));
            }
            _ => {}
        }
    }

    /// A peer of our kind was met: remember it.
    pub fn met(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if addresses.is_empty() {
            return;
        }
        self.clock += 1;
        let clock = self.clock;
        let known = self.entry(peer);
        known.seen = clock;
        let mut all = addresses;
        all.extend(known.addresses.drain(..).filter(|_| known.is_configured));
        all.dedup();
        all.truncate(ADDRESSES_MAX);
        known.addresses = all;
        self.is_dirty = true;
        let remembered = self.peers.iter().filter(|(_, known)| !known.is_configured);
        if remembered.clone().count() > REMEMBERED_MAX {
            let oldest = remembered.min_by_key(|(_, known)| known.seen).map(|(peer, _)| *peer);
            oldest.map(|peer| self.peers.remove(&peer));
        }
    }

    fn entry(&mut self, peer: PeerId) -> &mut Known {
        self.peers.entry(peer).or_insert_with(|| Known {
            addresses: Vec::new(),
            is_configured: false,
            seen: 0,
            next_dial: None,
            pause: Duration::ZERO,
        })
    }

    /// Whether this peer is in the pool.
    pub fn has(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    /// Whom to dial now, not counting those to whom `is_connected`. Each is named again only after
    /// its pause: `pause_max` at most, doubling from 250 ms.
    pub fn due(
        &mut self,
        now: Instant,
        pause_max: Duration,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<(Option<PeerId>, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, known) in &mut self.peers {
            if is_connected(peer) {
                known.next_dial = None;
                known.pause = Duration::ZERO;
            } else if known.next_dial.is_none_or(|next| next <= now) {
                known.pause = (known.pause * 2).clamp(Duration::from_millis(250), pause_max);
                known.next_dial = Some(now + known.pause);
                due.push((Some(*peer), known.addresses.clone()));
            }
        }
        for (address, next) in &mut self.nameless {
            if next.is_none_or(|next| next <= now) {
                *next = Some(now + pause_max);
                due.push((None, vec![address.clone()]));
            }
        }
        due
    }

    /// An address without a name has turned out to be this peer's.
    pub fn named(&mut self, peer: PeerId, address: &Multiaddr) {
        if let Some(place) = self.nameless.iter().position(|(known, _)| known == address) {
            self.nameless.swap_remove(place);
            self.configure(address.clone().with(Protocol::P2p(peer)));
        }
    }

    /// The file's new text when something is to be written, and its path.
    pub fn take_text(&mut self) -> Option<(PathBuf, String)> {
        let path = self.file.clone().filter(|_| self.is_dirty)?;
        self.is_dirty = false;
        let mut peers: Vec<_> = self.peers.iter().filter(|(_, known)| known.seen > 0).collect();
        peers.sort_by_key(|(_, known)| known.seen);
        let mut text = String::new();
        for (peer, known) in peers {
            for address in &known.addresses {
                text.push_str(&format!("{address}/p2p/{peer}\n"));
            }
        }
        Some((path, text))
    }
}

/// Replaces the file; blocks.
///
/// # Errors
/// What the operating system says.
pub fn write(path: &std::path::Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().expect("an address")
    }

    #[test]
    fn peers_are_remembered_over_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("peers");
        let (a, b) = (PeerId::random(), PeerId::random());
        let mut pool = Pool::open(&[], Some(path.clone()));
        pool.met(a, vec![address(1), address(2)]);
        pool.met(b, vec![address(3)]);
        let (to, text) = pool.take_text().expect("something was met");
        write(&to, &text).expect("it can be written");
        assert_eq!(pool.take_text(), None, "nothing new");
        std::fs::write(&path, text + "garbage\n/ip4/1.2.3.4/tcp/5\n").expect("it can be written");
        let mut again = Pool::open(&[], Some(path));
        let mut due = again.due(Instant::now(), PAUSE, |_| false);
        due.sort_by_key(|(peer, _)| *peer != Some(a));
        assert_eq!(due.len(), 2);
        assert_eq!(due[1], (Some(b), vec![address(3)]));
    }

    const PAUSE: Duration = Duration::from_secs(2);

    #[test]
    fn it_is_bounded_and_keeps_the_newest_and_the_configured() {
        let first = PeerId::random();
        let configured = address(9).with(Protocol::P2p(first));
        let mut pool = Pool::open(&[configured], None);
        for port in 0..200 {
            pool.met(PeerId::random(), vec![address(port)]);
        }
        assert_eq!(pool.peers.len(), REMEMBERED_MAX + 1);
        assert!(pool.has(&first));
        let seen = pool.peers.values().filter(|known| !known.is_configured).map(|known| known.seen);
        assert_eq!(seen.min(), Some(200 - 64 + 1));
    }

    #[test]
    fn dials_pause_and_stop_when_connected() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut pool = Pool::open(&[address(9).with(Protocol::P2p(peer))], None);
        let mut dials = Vec::new();
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            if !pool.due(now, PAUSE, |_| false).is_empty() {
                dials.push(ms);
            }
        }
        assert_eq!(dials, [0, 250, 750, 1_750, 3_750, 5_750, 7_750, 9_750]);
        assert!(pool.due(start + 10 * PAUSE, PAUSE, |_| true).is_empty());
    }

    #[test]
    fn an_address_without_a_name_gets_one() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut pool = Pool::open(&[address(7)], None);
        assert_eq!(pool.due(now, PAUSE, |_| false), [(None, vec![address(7)])]);
        assert!(pool.due(now, PAUSE, |_| false).is_empty());
        pool.named(peer, &address(7));
        assert_eq!(pool.due(now, PAUSE, |_| false), [(Some(peer), vec![address(7)])]);
    }
}
