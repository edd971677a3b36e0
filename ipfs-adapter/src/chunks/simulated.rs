//! Peers that hold files, with delays and faults, on the runtime's clock (paused in tests), and a
//! count of everything that they were asked.

use std::{collections::BTreeMap, time::Duration};

use futures::future::BoxFuture;
use libp2p::{PeerId, identity::Keypair};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::BlockSource;
use crate::{
    Blocks, Content, ContentId, FetchError, Memory,
    dag::{Layout, build},
};

/// Far over all tests' content.
const QUOTA: u64 = 1 << 30;

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers after so long.
    Sound(Duration),
    /// Answers so many requests after so long, then is gone.
    Mortal(Duration, u64),
    /// Answers the first so many requests with "busy", then soundly.
    Busy(u64),
    /// Never answers.
    Stalled,
    /// Sends other bytes under their own name.
    Lies,
    /// Has nothing.
    Lacks,
    /// Says that this node has stopped.
    Stopped,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// Now, and the most so far.
    at_once: usize,
    pub(crate) at_once_max: usize,
}

/// All peers hold the same blocks.
pub(crate) struct Simulated {
    pub(crate) held: Memory,
    peers: BTreeMap<PeerId, Manner>,
    order: Vec<PeerId>,
    holders: Result<(), FetchError>,
    total: Mutex<Seen>,
    seen: Mutex<BTreeMap<PeerId, Seen>>,
    asked: Mutex<BTreeMap<ContentId, u64>>,
}

/// The peer of this number.
pub(crate) fn peer(number: u8) -> PeerId {
    let key = Keypair::ed25519_from_bytes([number + 1; 32]).expect("32 bytes are a key");
    key.public().to_peer_id()
}

impl Simulated {
    /// Peers 0, 1, … with these manners, best first.
    pub(crate) fn new(manners: &[Manner]) -> Self {
        let order: Vec<PeerId> = (0..manners.len())
            .map(|number| peer(u8::try_from(number).expect("few peers")))
            .collect();
        Self {
            held: Memory::new(QUOTA),
            peers: order.iter().copied().zip(manners.iter().copied()).collect(),
            order,
            holders: Ok(()),
            total: Mutex::default(),
            seen: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// With peers that cannot be found.
    pub(crate) fn hidden(error: FetchError) -> Self {
        Self { holders: Err(error), ..Self::new(&[]) }
    }

    /// The peers hold this file.
    pub(crate) fn with_file(self, bytes: &[u8], layout: Layout) -> (Self, ContentId) {
        let emit = |block: Content| {
            self.held.put(&block).expect("the quota is far");
            Ok::<(), std::io::Error>(())
        };
        let (root, _bytes) = build(bytes, layout, emit).expect("nothing fails");
        (self, root)
    }

    pub(crate) fn total(&self) -> Seen {
        *self.total.lock()
    }

    /// What the peer of this number was asked.
    pub(crate) fn seen(&self, number: u8) -> Seen {
        self.seen.lock().get(&peer(number)).copied().unwrap_or_default()
    }

    /// How often each block was asked for.
    pub(crate) fn asked(&self) -> BTreeMap<ContentId, u64> {
        self.asked.lock().clone()
    }

    async fn answer(&self, manner: Manner, id: ContentId) -> Result<Content, FetchError> {
        let found = || self.held.get(id).expect("memory works").ok_or(FetchError::DontHave);
        let requests = self.total().requests;
        match manner {
            Manner::Sound(delay) => sleep(delay).await,
            Manner::Mortal(_, answers) if requests > answers => {
                return Err(FetchError::Unreachable);
            }
            Manner::Mortal(delay, _) => sleep(delay).await,
            Manner::Busy(refusals) if requests <= refusals => return Err(FetchError::Busy),
            Manner::Busy(_) => {}
            Manner::Stalled => std::future::pending::<()>().await,
            Manner::Lies => {
                let mut bytes = found()?.into_bytes();
                bytes[0] ^= 1;
                return Ok(Content::of_codec(id.codec(), bytes).expect("as long as before"));
            }
            Manner::Lacks => return Err(FetchError::DontHave),
            Manner::Stopped => return Err(FetchError::Closed),
        }
        found()
    }
}

/// Counts a request as long as it is under way.
struct Counted<'a>(&'a Simulated, PeerId);

impl Counted<'_> {
    fn each(&self, change: fn(&mut Seen)) {
        change(&mut self.0.total.lock());
        change(self.0.seen.lock().entry(self.1).or_default());
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.each(|seen| seen.at_once -= 1);
    }
}

impl BlockSource for Simulated {
    fn holders(&self, _root: ContentId) -> BoxFuture<'_, Result<Vec<PeerId>, FetchError>> {
        Box::pin(async { self.holders.map(|()| self.order.clone()) })
    }

    fn fetch(
        &self,
        peer: PeerId,
        id: ContentId,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<Content, FetchError>> {
        Box::pin(async move {
            let counted = Counted(self, peer);
            counted.each(|seen| {
                seen.requests += 1;
                seen.at_once += 1;
                seen.at_once_max = seen.at_once_max.max(seen.at_once);
            });
            *self.asked.lock().entry(id).or_default() += 1;
            self.answer(self.peers[&peer], id).await
        })
    }
}
