//! Which peer is asked next, and when a second one is: response times and failures of one get.
//!
//! Without I/O and without a clock: the time is an argument. A peer is in one of three ranks:
//!
//! * good: asked first, the one with the shortest expected wait before the others;
//! * sunk: silent while a request waits longer than it should, failed last time, or refused three
//!   times running. Asked only for what the good ones did not give; one chunk lifts it again;
//! * out: it sent wrong bytes. Never asked again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use libp2p::PeerId;
use tokio::time::Instant;

use super::{ChunkConfig, PeerStatistics};
use crate::FetchError;

/// The most peers of one get; more bring nothing (providers of a key are capped at 20 as well).
pub(crate) const PEER_COUNT_MAX: usize = 32;
/// Response times that are remembered for each peer, and of all together.
const SAMPLE_COUNT_MAX: usize = 64;
/// Below so many, their 95th percentile means nothing.
const SAMPLE_COUNT_MIN: usize = 8;
/// A second peer is asked at the earliest then: on a fast network a few milliseconds more are no
/// reason to fetch twice.
pub(crate) const SECOND_DELAY_MIN: Duration = Duration::from_millis(50);
/// Refusals in a row ("don't have", "busy") after which a peer sinks.
const REFUSAL_COUNT_MAX: u32 = 3;
/// The weight of the newest response time is one in so many.
const MEAN_WEIGHT: u32 = 8;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The chunk, of so many bytes, verified.
    Chunk {
        bytes: u64,
    },
    Failed(FetchError),
    /// Nobody waits any more: another peer was faster, or the chunk's time is over.
    Dropped,
}

/// Names a request between `start` and `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) peer: PeerId,
    pub(crate) since: Instant,
    /// What the peer had answered before.
    answers: u64,
}

pub(crate) struct Schedule {
    peers: BTreeMap<PeerId, Peer>,
    /// Response times of all peers.
    samples: Samples,
    prefer_fast_peers: bool,
    peer_timeout: Duration,
}

struct Peer {
    /// Place in the source's list.
    order: usize,
    statistics: PeerStatistics,
    samples: Samples,
    /// When the requests that wait were sent. At most one for each chunk under way.
    waiting: Vec<Instant>,
    /// Anything it said, chunks and refusals.
    answers: u64,
    refusals: u32,
    is_sunk: bool,
    is_out: bool,
}

#[derive(Default)]
struct Samples(VecDeque<Duration>);

impl Samples {
    fn add(&mut self, sample: Duration) {
        if self.0.len() == SAMPLE_COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// The 95th percentile, from eight samples on.
    fn slow(&self) -> Option<Duration> {
        if self.0.len() < SAMPLE_COUNT_MIN {
            return None;
        }
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort();
        sorted.get((sorted.len() * 95).div_ceil(100) - 1).copied()
    }
}

impl Schedule {
    pub(crate) fn new(config: &ChunkConfig) -> Self {
        Self {
            peers: BTreeMap::new(),
            samples: Samples::default(),
            prefer_fast_peers: config.prefer_fast_peers,
            peer_timeout: config.peer_timeout(),
        }
    }

    /// Takes the source's list, best first, up to [`PEER_COUNT_MAX`].
    pub(crate) fn add_peers(&mut self, peers: Vec<PeerId>) {
        for peer in peers {
            if self.peers.len() == PEER_COUNT_MAX {
                return;
            }
            let order = self.peers.len();
            self.peers.entry(peer).or_insert_with(|| Peer::new(peer, order));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// The peer to ask for a chunk that those in `asked` did not give.
    pub(crate) fn choose(&self, asked: &BTreeSet<PeerId>, now: Instant) -> Option<PeerId> {
        self.best(asked, now).map(|(_is_sunk, peer)| peer)
    }

    /// The peer to ask beside one that is slow: a good one or nobody.
    pub(crate) fn choose_second(&self, asked: &BTreeSet<PeerId>, now: Instant) -> Option<PeerId> {
        self.best(asked, now).filter(|(is_sunk, _)| !is_sunk).map(|(_, peer)| peer)
    }

    /// How long to wait for this peer before a second one is asked.
    pub(crate) fn second_delay(&self, peer: PeerId) -> Duration {
        let own = self.peers.get(&peer).and_then(|peer| peer.samples.slow());
        let slow = own.or_else(|| self.samples.slow()).unwrap_or(self.peer_timeout);
        slow.max(SECOND_DELAY_MIN).min(self.peer_timeout)
    }

    pub(crate) fn start(&mut self, peer: PeerId, now: Instant) -> Request {
        let held = self.peer(peer);
        held.statistics.requests += 1;
        held.waiting.push(now);
        Request { peer, since: now, answers: held.answers }
    }

    pub(crate) fn end(&mut self, request: Request, ending: Ending, now: Instant) {
        let elapsed = now.duration_since(request.since);
        let is_late = elapsed >= self.second_delay(request.peer);
        if let Ending::Chunk { .. } = ending {
            self.samples.add(elapsed);
        }
        let peer = self.peer(request.peer);
        if let Some(index) = peer.waiting.iter().position(|since| *since == request.since) {
            peer.waiting.swap_remove(index);
        }
        match ending {
            Ending::Chunk { bytes } => {
                peer.answers += 1;
                (peer.is_sunk, peer.refusals) = (false, 0);
                peer.statistics.chunks += 1;
                peer.statistics.bytes += bytes;
                peer.samples.add(elapsed);
                peer.weigh(elapsed);
            }
            Ending::Failed(error) => {
                peer.statistics.failures += 1;
                peer.fail(error);
            }
            Ending::Dropped => {
                // Whoever has said something meanwhile is slow, whoever has not is stalled.
                let is_silent = peer.answers == request.answers;
                peer.is_sunk |= is_late && is_silent;
                peer.statistics.failures += u64::from(is_late);
                if peer.statistics.mean.is_none_or(|mean| elapsed > mean) {
                    peer.weigh(elapsed);
                }
            }
        }
    }

    /// Best first, as the source said.
    pub(crate) fn statistics(&self) -> Vec<PeerStatistics> {
        let mut peers: Vec<&Peer> = self.peers.values().collect();
        peers.sort_by_key(|peer| peer.order);
        peers.iter().map(|peer| peer.statistics).collect()
    }

    fn peer(&mut self, peer: PeerId) -> &mut Peer {
        self.peers.get_mut(&peer).expect("only peers of this schedule are asked, none is removed")
    }

    /// Whether it is sunk, and who.
    fn best(&self, asked: &BTreeSet<PeerId>, now: Instant) -> Option<(bool, PeerId)> {
        let fastest = self.peers.values().filter_map(|peer| peer.statistics.mean).min();
        let rank = |(id, peer): (&PeerId, &Peer)| {
            let late = self.second_delay(*id);
            let is_overdue = peer.waiting.iter().any(|since| now.duration_since(*since) >= late);
            let count = u32::try_from(peer.waiting.len()).unwrap_or(u32::MAX);
            // Who is not known yet is taken for as fast as the best, so that it is tried.
            let mean = peer.statistics.mean.or(fastest).filter(|_| self.prefer_fast_peers);
            let wait = mean.unwrap_or_default().saturating_mul(count.saturating_add(1));
            let turn = if self.prefer_fast_peers { 0 } else { peer.statistics.requests };
            (peer.is_sunk || is_overdue, wait, turn, count, peer.order, *id)
        };
        let open = self.peers.iter().filter(|(id, peer)| !peer.is_out && !asked.contains(id));
        open.map(rank).min().map(|(is_sunk, .., id)| (is_sunk, id))
    }
}

impl Peer {
    fn new(peer: PeerId, order: usize) -> Self {
        let statistics =
            PeerStatistics { peer, chunks: 0, bytes: 0, requests: 0, failures: 0, mean: None };
        Self {
            order,
            statistics,
            samples: Samples::default(),
            waiting: Vec::new(),
            answers: 0,
            refusals: 0,
            is_sunk: false,
            is_out: false,
        }
    }

    fn fail(&mut self, error: FetchError) {
        match error {
            FetchError::DontHave | FetchError::Busy => {
                self.answers += 1;
                self.refusals = self.refusals.saturating_add(1);
                self.is_sunk |= self.refusals >= REFUSAL_COUNT_MAX;
            }
            FetchError::Timeout { .. } | FetchError::Unreachable | FetchError::TooLarge { .. } => {
                self.is_sunk = true;
            }
            FetchError::Corrupt => self.is_out = true,
            FetchError::Closed => {}
        }
    }

    fn weigh(&mut self, elapsed: Duration) {
        let mean = &mut self.statistics.mean;
        *mean = Some(mean.map_or(elapsed, |mean| {
            (mean.saturating_mul(MEAN_WEIGHT - 1).saturating_add(elapsed)) / MEAN_WEIGHT
        }));
    }
}

#[cfg(test)]
mod tests;
