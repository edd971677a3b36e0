//! The link to one member: one connection at a time, the newest authenticated one.
//!
//! The dialer and the listener hand over established connections; the link's task runs one session
//! after the other. A session is three tasks that end when their connection does: frames in, frames
//! out, requests in. When one of them ends, the connection is closed and the others follow.

pub use super::link_error::{CloseReason, LinkError};

use super::frame::{FrameReader, gather};
use super::limits::{FRAME_BYTES_MAX, WAITING_FRAME_KIB, WAITING_KIB_MAX};
use super::{Inbound, Shared, request};
use crate::multicast::Outbox;
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{Connection, SendStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// A connection whose peer is known and has accepted us too, with both streams of frames.
pub(super) struct Established {
    connection: Connection,
    outgoing: SendStream,
    incoming: FrameReader,
}

/// Opens our stream of frames with an empty frame and waits for the peer's. A TLS client is done
/// before the server has seen its certificate; the empty frame tells it that it was accepted. The
/// caller sets the deadline.
pub(super) async fn establish(
    shared: &Shared,
    connection: Connection,
) -> Result<Established, LinkError> {
    let mut outgoing = connection.open_uni().await?;
    // Votes before replies.
    outgoing.set_priority(1).map_err(|_| LinkError::StreamBroken)?;
    outgoing.write_all_chunks(&mut gather(&[Bytes::new()])).await?;
    let incoming = connection.accept_uni().await?;
    let mut incoming = FrameReader::new(incoming, shared.timings.frame);
    match incoming.next(0).await? {
        Some(_) => Ok(Established { connection, outgoing, incoming }),
        None => Err(LinkError::StreamBroken),
    }
}

/// Datagram bytes of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
}

/// What others want to know about a link.
///
/// Written by [`Link::went_up`], [`Link::went_down`], [`Link::failed`] and the health task.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// The connection of the session under way.
    pub(super) connection: Option<Connection>,
    /// Why there is none.
    pub(super) error: Option<LinkError>,
    pub(super) heard_at: Option<Instant>,
    /// Datagrams received on this connection when last looked at.
    pub(super) datagrams: u64,
    pub(super) rtt_us: u64,
    /// Of former connections.
    pub(super) past: Traffic,
    /// Of this one, when last looked at.
    pub(super) current: Traffic,
}

impl LinkState {
    /// Whether something was heard from the peer within `within` before `now`, on a link that is
    /// up.
    pub(super) fn is_heard(&self, now: Instant, within: Duration) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) <= within;
        self.connection.is_some() && self.heard_at.is_some_and(is_recent)
    }

    /// Reads the connection's counters.
    pub(super) fn look(&mut self, now: Instant) {
        let Some(connection) = &self.connection else { return };
        let stats = connection.stats();
        if stats.udp_rx.datagrams != self.datagrams {
            self.datagrams = stats.udp_rx.datagrams;
            self.heard_at = Some(now);
        }
        self.rtt_us = u64::try_from(stats.path.rtt.as_micros()).unwrap_or(u64::MAX);
        self.current =
            Traffic { sent_bytes: stats.udp_tx.bytes, received_bytes: stats.udp_rx.bytes };
    }
}

/// The link to one member, shared by its tasks and by those who ask about it.
pub(super) struct Link {
    pub(super) member: u16,
    pub(super) name: String,
    pub(super) outbox: Arc<Outbox>,
    /// Where it listens, as we were told last.
    pub(super) address: watch::Sender<Option<SocketAddr>>,
    /// Where the connection that we dialled last goes; none on the side that is dialled.
    dialled: Mutex<Option<SocketAddr>>,
    /// One permit for each of our requests under way.
    pub(super) requests: Semaphore,
    /// KiB of its frames that may wait for the validator.
    waiting: Arc<Semaphore>,
    pub(super) state: Mutex<LinkState>,
    /// The newest connection that no session has taken yet.
    offered: Mutex<Option<Established>>,
    offer: Notify,
    /// Wakes the dialer: the link ended, its peer fell silent, or its address is known.
    pub(super) redial: Notify,
}

impl Link {
    pub(super) fn new(
        member: u16,
        name: String,
        outbox: Arc<Outbox>,
        address: Option<SocketAddr>,
    ) -> Self {
        Self {
            member,
            name,
            outbox,
            address: watch::Sender::new(address),
            dialled: Mutex::default(),
            requests: Semaphore::new(super::limits::REQUESTS_PER_PEER_MAX),
            waiting: Arc::new(Semaphore::new(WAITING_KIB_MAX)),
            state: Mutex::default(),
            offered: Mutex::default(),
            offer: Notify::new(),
            redial: Notify::new(),
        }
    }

    /// Notes where the member listens.
    pub(super) fn set_address(&self, address: SocketAddr) {
        let is_new = |known: &mut Option<SocketAddr>| known.replace(address) != Some(address);
        self.address.send_if_modified(is_new);
        self.redial.notify_one();
    }

    /// Hands over a connection that we dialled.
    pub(super) fn offer_dialled(&self, address: SocketAddr, established: Established) {
        *self.dialled.lock() = Some(address);
        self.offer(established);
    }

    /// Hands over a new connection. The one under way, or one not yet taken, gives way.
    pub(super) fn offer(&self, established: Established) {
        let former = self.offered.lock().replace(established);
        if let Some(former) = former {
            former.connection.close(CloseReason::Replaced.code(), b"");
        }
        self.offer.notify_one();
    }

    /// Waits until a connection is offered. For the link's task only.
    async fn has_offer(&self) {
        while self.offered.lock().is_none() {
            self.offer.notified().await;
        }
    }

    /// Whether nothing is up, nothing is on its way up, what is up has not been heard for `stale`,
    /// or it goes where the member no longer is.
    pub(super) fn needs_dial(&self, stale: Duration) -> bool {
        let is_silent =
            self.offered.lock().is_none() && !self.state.lock().is_heard(Instant::now(), stale);
        is_silent || self.dialled.lock().is_some_and(|at| Some(at) != *self.address.borrow())
    }

    /// Notes why no connection could be made, unless one is up.
    pub(super) fn failed(&self, error: LinkError) {
        let mut state = self.state.lock();
        if state.connection.is_none() && state.error.as_ref() != Some(&error) {
            tracing::warn!(member = self.member, name = %self.name, %error, "no link");
            state.error = Some(error);
        }
    }

    fn went_up(&self, connection: &Connection) {
        let mut state = self.state.lock();
        state.connection = Some(connection.clone());
        state.error = None;
        state.heard_at = Some(Instant::now());
        state.datagrams = connection.stats().udp_rx.datagrams;
        drop(state);
        self.outbox.open();
        tracing::info!(member = self.member, name = %self.name, "link up");
    }

    fn went_down(&self, error: LinkError) {
        self.outbox.close();
        let mut state = self.state.lock();
        state.look(Instant::now());
        state.connection = None;
        let ended = std::mem::take(&mut state.current);
        state.past.sent_bytes += ended.sent_bytes;
        state.past.received_bytes += ended.received_bytes;
        tracing::info!(member = self.member, name = %self.name, %error, "link down");
        state.error = Some(error);
        drop(state);
        self.redial.notify_one();
    }
}

/// Runs the link's sessions until the transport closes.
pub(super) async fn run(shared: Arc<Shared>, link: Arc<Link>) {
    loop {
        tokio::select! {
            biased;
            () = shared.is_closing() => return,
            () = link.has_offer() => {}
        }
        let established = link.offered.lock().take();
        if let Some(established) = established {
            session(&shared, &link, established).await;
        }
    }
}

/// One connection's life. Down is told if and only if Up was, and when all its tasks have ended.
async fn session(shared: &Arc<Shared>, link: &Arc<Link>, established: Established) {
    let Established { connection, outgoing, incoming } = established;
    link.went_up(&connection);
    let mut tasks: JoinSet<LinkError> = JoinSet::new();
    let mut is_up_told = false;
    let error = tokio::select! {
        biased;
        () = shared.is_closing() => LinkError::Closed,
        () = link.has_offer() => LinkError::Replaced,
        error = connection.closed() => error.into(),
        is_told = tell(shared, Inbound::Up { member: link.member }) => {
            is_up_told = is_told;
            tasks.spawn(write(link.outbox.clone(), outgoing, connection.clone()));
            tasks.spawn(read(shared.clone(), link.clone(), incoming, connection.clone()));
            tasks.spawn(request::serve(shared.clone(), link.member, connection.clone()));
            tokio::select! {
                biased;
                () = shared.is_closing() => LinkError::Closed,
                Some(ended) = tasks.join_next() => joined(ended),
                () = link.has_offer() => LinkError::Replaced,
            }
        }
    };
    connection.close(error.close_reason().code(), b"");
    link.went_down(error);
    while let Some(ended) = tasks.join_next().await {
        joined(ended);
    }
    if is_up_told {
        tokio::select! {
            biased;
            _ = tell(shared, Inbound::Down { member: link.member }) => {}
            () = shared.is_closing() => {}
        }
    }
}

/// A task's result; its panic goes on in the caller, nothing is swallowed.
pub(super) fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Hands something to the validator, and says whether it still listens. Waits while it is busy,
/// which stops reading from this one peer and nobody else.
pub(super) async fn tell(shared: &Shared, event: Inbound) -> bool {
    shared.inbound.send(event).await.is_ok()
}

/// A frame with its share of what may wait for the validator, which is free again when the last
/// reference to the bytes goes.
struct Waiting {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Link {
    /// Waits until one more frame of this peer may wait for the validator.
    async fn let_wait(&self, bytes: Bytes) -> Bytes {
        let kib = WAITING_FRAME_KIB + bytes.len() / 1_024;
        let kib = u32::try_from(kib).expect("frames are limited far below 2^32");
        let share = self.waiting.clone().acquire_many_owned(kib).await;
        let share = share.expect("the semaphore is never closed");
        Bytes::from_owner(Waiting { bytes, _share: share })
    }
}

/// Reads frames until the link ends.
async fn read(
    shared: Arc<Shared>,
    link: Arc<Link>,
    mut incoming: FrameReader,
    connection: Connection,
) -> LinkError {
    loop {
        let bytes = match incoming.next(FRAME_BYTES_MAX).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return LinkError::StreamBroken,
            Err(error) => return error.into(),
        };
        let from = link.member;
        let telling = async {
            let bytes = link.let_wait(bytes).await;
            tell(&shared, Inbound::Frame { from, bytes }).await
        };
        let is_told = tokio::select! {
            is_told = telling => is_told,
            error = connection.closed() => return error.into(),
        };
        if !is_told {
            return LinkError::Closed;
        }
    }
}

/// Writes what the outbox holds until the link ends.
async fn write(outbox: Arc<Outbox>, mut outgoing: SendStream, connection: Connection) -> LinkError {
    loop {
        let frames = tokio::select! {
            frames = outbox.take() => frames,
            error = connection.closed() => return error.into(),
        };
        if let Err(error) = outgoing.write_all_chunks(&mut gather(&frames)).await {
            outbox.count_dropped(frames.len());
            return error.into();
        }
    }
}
