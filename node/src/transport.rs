//! QUIC between the members of a committee: authenticated links, frames in order, requests.
//!
//! ```text
//!                 ┌────────────── Transport ──────────────┐
//! send, send_all ─▶ Outbox (one per peer) ─▶ link: write ──┼─▶ uni stream ─▶ peer
//!                 │                          link: read  ◀─┼── uni stream ◀─ peer
//! Inbound ◀─ mpsc ┼───────────────────────── serve       ◀─┼── bi stream each request
//! request ────────┼────────────────────────────────────────┼─▶ bi stream each request
//!                 │ listener · dialer (per higher member) · health (every poll)
//!                 └────────────────────────────────────────┘
//! ```
//!
//! It moves bytes and knows nothing of consensus. Between two members there is one connection,
//! dialled by the lower index. Sending never waits, see [`crate::multicast`]. Receiving: when the
//! validator doesn't take from the `inbound` channel, reading from the peer whose frame is next
//! pauses, and QUIC holds back that peer alone once its stream window
//! ([`limits::STREAM_WINDOW_BYTES`]) is full; other peers' readers wait for their own turn in the
//! channel, which is fair (first come, first served). What waits there of one peer is bounded in
//! bytes, too ([`limits::WAITING_KIB_MAX`]).
//!
//! Everything runs on the caller's tokio runtime; all tasks belong to one root task, which
//! [`Transport::close`] joins and whose failure [`Transport::failed`] reports.

pub mod frame;
pub mod identity;
pub mod limits;
pub mod link;
mod link_error;
pub mod request;
pub mod settings;

mod dialer;
mod health;
mod listener;
mod tls;

use crate::multicast::{Multicast, Sent};
use bytes::Bytes;
use identity::{Admission, Identity};
use ledger::key::PublicKey;
use link::{CloseReason, Link};
use parking_lot::Mutex;
use quinn::Endpoint;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use frame::Patience;
pub use health::PeerStatus;
pub use identity::IdentityError;
pub use link::LinkError;
pub use request::{ReplyError, ReplyHandle, RequestError};
pub use settings::{Member, Timings, TransportConfig};

/// The version of what nodes say to each other; it is in the handshake (ALPN `quorate/2`).
pub const PROTOCOL_VERSION: u16 = 2;

/// What comes in. For each member the order is: `Up`, its frames, `Down`, and again; a request may
/// come a little before or after.
#[derive(Debug)]
pub enum Inbound {
    /// A link is up. What is sent from now on goes there.
    Up {
        /// To whom.
        member: u16,
    },
    /// A frame, at most [`limits::FRAME_BYTES_MAX`] bytes, in the order in which the peer sent it.
    Frame {
        /// Its sender.
        from: u16,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A question, at most [`limits::REQUEST_BYTES_MAX`] bytes.
    Request {
        /// Who asks.
        from: u16,
        /// Its bytes.
        bytes: Bytes,
        /// The way back.
        reply: ReplyHandle,
    },
    /// A link is down; the reason is in [`Transport::peers`].
    Down {
        /// To whom.
        member: u16,
    },
}

/// Why a transport does not start.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TransportError {
    /// The socket can't be had.
    #[error("can't listen on {address}: {kind}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// More members than [`limits::MEMBERS_MAX`], or a key twice.
    #[error("the committee has too many members or a key twice")]
    Committee,
    /// The own index is no member's, or that member has another key.
    #[error("our vote key is not that of member {own}")]
    NotOurKey {
        /// The own index.
        own: u16,
    },
    /// No transport key could be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// TLS refuses its settings.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// What the transport's tasks and its users share.
pub(crate) struct Shared {
    admission: Arc<Admission>,
    timings: Timings,
    endpoint: Endpoint,
    /// `links[i]` is to member `i`; there is none to ourselves.
    links: Vec<Option<Arc<Link>>>,
    inbound: mpsc::Sender<Inbound>,
    closing: watch::Sender<bool>,
    /// Connections refused: strangers, other versions, broken handshakes.
    refused: AtomicU64,
}

impl Shared {
    fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.iter().flatten()
    }

    fn link(&self, member: u16) -> Option<&Arc<Link>> {
        self.links.get(usize::from(member))?.as_ref()
    }

    /// Returns when the transport closes.
    async fn is_closing(&self) {
        let closing = self.closing.subscribe().wait_for(|is_closing| *is_closing).await.is_ok();
        assert!(closing, "the sender is in self");
    }
}

/// The links of one member to all others. All methods may be called from any thread.
pub struct Transport {
    shared: Arc<Shared>,
    multicast: Multicast,
    local_address: SocketAddr,
    failed: watch::Receiver<bool>,
    root: Mutex<Option<JoinHandle<()>>>,
}

impl Transport {
    /// Binds the socket, makes a transport key and starts to listen and dial. What comes in goes to
    /// `inbound`, whose capacity is the caller's choice. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`TransportError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        config: TransportConfig,
        inbound: mpsc::Sender<Inbound>,
    ) -> Result<Self, TransportError> {
        let admission = Arc::new(admission(&config)?);
        let identity = Identity::new(&admission, &config.keypair)?;
        let timings = config.timings;
        let (server, verifier) = tls::server(&identity, admission.clone(), &timings)?;
        let mut clients = Vec::new();
        let count = u16::try_from(config.members.len()).expect("at most MEMBERS_MAX");
        for member in config.own + 1..count {
            clients.push((member, tls::client(&identity, admission.clone(), member, &timings)?));
        }
        let cannot_listen = |error: std::io::Error| TransportError::Listen {
            address: config.listen,
            kind: error.kind(),
        };
        let socket = UdpSocket::bind(config.listen).map_err(cannot_listen)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(tls::endpoint(&config.keypair), Some(server), socket, runtime)
            .map_err(cannot_listen)?;
        let local_address = endpoint.local_addr().map_err(cannot_listen)?;

        let multicast = Multicast::new(count, config.own);
        let link = |(member, of): (u16, Member)| {
            let outbox = multicast.outbox(member)?.clone();
            Some(Arc::new(Link::new(member, of.name, outbox, of.address)))
        };
        let links = (0..).zip(config.members).map(link).collect();
        let (closing, _) = watch::channel(false);
        let refused = AtomicU64::new(0);
        let shared =
            Arc::new(Shared { admission, timings, endpoint, links, inbound, closing, refused });

        let mut tasks = JoinSet::new();
        tasks.spawn(listener::run(shared.clone(), verifier));
        tasks.spawn(health::run(shared.clone()));
        for link in shared.links() {
            tasks.spawn(link::run(shared.clone(), link.clone()));
        }
        for (member, (config, verifier)) in clients {
            let link = shared.link(member).expect("a higher member").clone();
            tasks.spawn(dialer::run(shared.clone(), link, config, verifier));
        }
        let (failing, failed) = watch::channel(false);
        let root = tokio::spawn(watch_over(shared.clone(), tasks, failing));
        Ok(Self { shared, multicast, local_address, failed, root: Mutex::new(Some(root)) })
    }

    /// Queues `message` for one member, see [`Multicast::send`].
    ///
    /// # Panics
    /// As [`Multicast::send`].
    pub fn send(&self, member: u16, message: Bytes) -> Sent {
        self.multicast.send(member, message)
    }

    /// Queues `message` for all other members, see [`Multicast::send_all`].
    ///
    /// # Panics
    /// As [`Multicast::send_all`].
    pub fn send_all(&self, message: Bytes) -> usize {
        self.multicast.send_all(message)
    }

    /// The queues alone, for who only sends.
    pub fn multicast(&self) -> Multicast {
        self.multicast.clone()
    }

    /// Asks `member` and waits for its reply, at most for `within`. At most
    /// [`limits::REQUESTS_PER_PEER_MAX`] requests to one member are under way; a further one is
    /// refused at once. Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(
        &self,
        member: u16,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, RequestError> {
        let link = self.shared.link(member).ok_or(RequestError::Down { member })?;
        let deadline = tokio::time::Instant::now() + within;
        request::ask(&self.shared, link, request, deadline).await
    }

    /// Every other member's status, by index.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.links().map(|link| health::status(link)).collect()
    }

    /// The other members whose link is up and that were heard within `within`, by index. A peer
    /// that is killed drops out after `within` and up to one poll interval; `within` should be at
    /// least twice the keep-alive interval.
    pub fn reachable(&self, within: Duration) -> Vec<u16> {
        let heard = self.shared.links().filter(|link| health::is_heard(link, within));
        heard.map(|link| link.member).collect()
    }

    /// Connections refused since the start: strangers, other versions, broken handshakes.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Where we listen; the port is known even when 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Says where `member` listens. A link that we dialled moves there: it is dialled anew, and the
    /// old connection goes when the new one is there; while the new address does not answer, the
    /// old one stays. Nothing happens for ourselves or nobody.
    pub fn set_address(&self, member: u16, address: SocketAddr) {
        if let Some(link) = self.shared.link(member) {
            link.set_address(address);
        }
    }

    /// Returns when a task of the transport has died, which only our own bug can cause: the node
    /// should stop. Otherwise it never returns, not even after closing.
    pub async fn failed(&self) {
        let mut failed = self.failed.clone();
        if failed.wait_for(|has_failed| *has_failed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Closes all links, joins all tasks and waits for the peers to know, at most for
    /// [`Timings::close`]. What is still queued is dropped and counted. Calling it again does
    /// nothing.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        let root = self.root.lock().take();
        if let Some(root) = root {
            link::joined(root.await);
        }
        self.shared.endpoint.close(CloseReason::Shutdown.code(), b"");
        let idle = self.shared.endpoint.wait_idle();
        if tokio::time::timeout(self.shared.timings.close, idle).await.is_err() {
            tracing::debug!("a peer did not acknowledge the end of its link");
        }
    }
}

impl Drop for Transport {
    /// Without [`Transport::close`] the tasks still end by themselves.
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
    }
}

/// Joins all tasks. They end when the transport closes; one that ends earlier has panicked, which
/// closes the transport.
async fn watch_over(shared: Arc<Shared>, mut tasks: JoinSet<()>, failing: watch::Sender<bool>) {
    while let Some(ended) = tasks.join_next().await {
        let is_early = !*shared.closing.borrow();
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the transport died");
            failing.send_replace(true);
        } else if is_early {
            tracing::error!("a task of the transport ended early");
            failing.send_replace(true);
        }
        shared.closing.send_replace(true);
    }
}

/// Checks the committee of a configuration.
fn admission(config: &TransportConfig) -> Result<Admission, TransportError> {
    let keys: Vec<PublicKey> = config.members.iter().map(|member| member.key).collect();
    let distinct: std::collections::BTreeSet<&PublicKey> = keys.iter().collect();
    if keys.len() > limits::MEMBERS_MAX || distinct.len() != keys.len() {
        return Err(TransportError::Committee);
    }
    if keys.get(usize::from(config.own)) != Some(&config.keypair.public()) {
        return Err(TransportError::NotOurKey { own: config.own });
    }
    Ok(Admission { network: config.network, epoch: config.epoch, members: keys, own: config.own })
}

#[cfg(test)]
mod tests;
