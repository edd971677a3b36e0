//! Bitswap 1.2.0: blocks from and for other IPFS nodes (specs.ipfs.tech/bitswap-protocol).
//!
//! ```text
//!  fetch, have ─Command─▶ hub ─Event─▶ link: one task a peer ─▶ outbound: one stream
//!  notify ────broadcast────────────────▶ │  wants (ours)   ◀── readers: the peer's streams
//!                                        └▶ wantlist (theirs) ─▶ answer: the block store
//! ```
//!
//! * A block is believed because its hash is wanted: [`ContentId`] of the bytes that came must be
//!   one that this node asked this peer for. Others are dropped and counted.
//! * Messages go over streams that each side opens itself; one outbound stream a peer is kept, and
//!   inbound ones stay open as long as the peer likes (Kubo from 0.37 on insists).
//! * Calls made while a message is being written go out in the next one, together.
//! * Every queue, map and buffer has a bound in `limits.rs`; a peer beyond one is refused, never
//!   waited for.
//!
//! What it does *not* do: it finds no providers, chooses no peers, stores no fetched block and
//! verifies no links between blocks. It knows no ledger and keeps no debt ratios.

mod answer;
mod counters;
mod error;
mod frame;
mod hub;
mod limits;
mod link;
pub mod message;
mod outbound;
mod protobuf;
mod wantlist;
mod wants;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use libp2p::{PeerId, StreamProtocol};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, broadcast, mpsc, oneshot},
    time::timeout,
};

pub use self::{
    counters::BitswapStats,
    error::{AlreadyRunning, FetchError},
    limits::{BitswapLimits, MESSAGE_BYTES_MAX},
    protobuf::Malformed,
};
use self::{
    counters::Counters,
    hub::{Command, Hub},
    limits::{EVENTS_WAITING_MAX, NOTICES_WAITING_MAX},
    link::Event,
};
use crate::{Blocks, Content, ContentId, swarm::streams::Control};

/// The protocol's name on the wire.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");

/// The handle; cheap to clone. When the last one is dropped, everything ends.
#[derive(Clone)]
pub struct Bitswap {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What all tasks need.
struct Shared {
    limits: BitswapLimits,
    blocks: Arc<dyn Blocks>,
    control: Control,
    counters: Counters,
    /// Ids that were put.
    notices: broadcast::Sender<ContentId>,
    /// Bytes of big messages that are read or handled.
    inbound: Arc<Semaphore>,
    /// Bytes of blocks that are read and not yet sent.
    outbound: Arc<Semaphore>,
    /// Look-ups in the block store at once.
    reads: Arc<Semaphore>,
    /// Of peers that have a task: bounded as those are.
    response_times: Mutex<BTreeMap<PeerId, Duration>>,
}

impl Bitswap {
    /// Starts on a swarm's streams. The future is the whole machinery: spawn it on a tokio
    /// runtime with time; nothing happens without it, and dropping it ends all calls with
    /// [`FetchError::Closed`].
    ///
    /// # Errors
    /// [`AlreadyRunning`] when the swarm's streams of this protocol are taken.
    pub fn start(
        control: Control,
        blocks: Arc<dyn Blocks>,
        limits: BitswapLimits,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), AlreadyRunning> {
        let incoming = control.accept(PROTOCOL).map_err(|_| AlreadyRunning)?;
        let limits = limits.clamped();
        let shared = Arc::new(Shared {
            limits,
            blocks,
            control,
            counters: Counters::default(),
            notices: broadcast::channel(NOTICES_WAITING_MAX).0,
            inbound: Arc::new(Semaphore::new(limits.inbound_bytes_max)),
            outbound: Arc::new(Semaphore::new(limits.outbound_bytes_max)),
            reads: Arc::new(Semaphore::new(limits.reads_max)),
            response_times: Mutex::default(),
        });
        let (commands, waiting) = mpsc::channel(EVENTS_WAITING_MAX);
        let hub = Hub::new(Arc::clone(&shared), waiting, incoming);
        Ok((Self { commands, shared }, hub.run()))
    }

    /// A block from one peer, verified; dials the peer if its address is known to the swarm.
    /// Calls for one id share one request. Dropping the future takes the want back.
    ///
    /// # Errors
    /// See [`FetchError`]; at the latest after `deadline`.
    pub async fn fetch(
        &self,
        peer: PeerId,
        id: ContentId,
        deadline: Duration,
    ) -> Result<Content, FetchError> {
        let (reply, answer) = oneshot::channel();
        let call = async {
            self.send(peer, Event::Fetch { id, reply }).await?;
            answer.await.unwrap_or(Err(FetchError::Closed))
        };
        within(deadline, call).await
    }

    /// Whether a peer holds these: `held[i]` is for `ids[i]`. It is the peer's word, unproven.
    ///
    /// # Errors
    /// See [`FetchError`]; one error ends the whole call, [`FetchError::Busy`] also when there are
    /// more ids than [`BitswapLimits::wants_max`].
    pub async fn have(
        &self,
        peer: PeerId,
        ids: Vec<ContentId>,
        deadline: Duration,
    ) -> Result<Vec<bool>, FetchError> {
        let count = ids.len();
        if count > self.shared.limits.wants_max {
            return Err(FetchError::Busy);
        }
        let (to, mut answers) = mpsc::channel(count.max(1));
        let call = async {
            self.send(peer, Event::Have { ids, to }).await?;
            let mut held = vec![false; count];
            for _ in 0..count {
                let (index, is_held) = answers.recv().await.ok_or(FetchError::Closed)?;
                held[index] = is_held?;
            }
            Ok(held)
        };
        within(deadline, call).await
    }

    /// A block was put: peers that wait for it get it. Never waits.
    pub fn notify(&self, id: ContentId) {
        // Without a receiver there is no peer, and so nobody who waits.
        drop(self.shared.notices.send(id));
    }

    /// What has happened so far.
    pub fn stats(&self) -> BitswapStats {
        self.shared.counters.stats()
    }

    /// How long a peer's latest answer took; `None` when it has not answered lately.
    pub fn response_time(&self, peer: &PeerId) -> Option<Duration> {
        self.shared.response_times.lock().get(peer).copied()
    }

    async fn send(&self, peer: PeerId, event: Event) -> Result<(), FetchError> {
        let sent = self.commands.send(Command { peer, event }).await;
        sent.map_err(|_| FetchError::Closed)
    }
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    let after_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    timeout(deadline, call).await.unwrap_or(Err(FetchError::Timeout { after_ms }))
}

#[cfg(test)]
mod tests;
