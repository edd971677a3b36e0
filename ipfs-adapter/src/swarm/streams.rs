//! Streams of our own protocols, opened and accepted outside the swarm's loop.
//!
//! ```text
//!  Control::open ─Ask, 1,024─▶ Streams ─one event─▶ Handler, one a connection ─▶ Stream
//!  Accepted ◀─256 a protocol─────────────────────── inbound, negotiated
//! ```
//!
//! * Whoever is not connected is not dialled: [`OpenError::NotConnected`] comes at once.
//! * Several streams of one connection are negotiated at the same time, so that a peer that hangs
//!   in one protocol does not hold up another.
//! * Inbound streams wait for their task; what is beyond [`WAITING_MAX`] is closed. The crate
//!   libp2p-stream keeps a single one: when 20 nodes opened theirs together, first requests were
//!   lost; and it never forgets the channel of a connection that has ended.

mod handler;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::channel::oneshot;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished,
    },
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use self::handler::{Handler, Open};

/// Inbound streams of one protocol that wait for their task: four peers' at their limits of
/// streams. More are closed.
pub const WAITING_MAX: usize = 256;
/// Streams to be opened that wait for the swarm; whoever comes then waits.
const ASKS_MAX: usize = 1_024;

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no connection, or it has ended meanwhile.
    #[error("the peer is not connected")]
    NotConnected,
    /// The peer does not speak it.
    #[error("the peer does not speak {protocol}")]
    Unsupported {
        /// What was asked for.
        protocol: StreamProtocol,
    },
    /// The peer hangs, or too many streams to it are being opened.
    #[error("no stream was opened in time")]
    Timeout,
}

/// The protocol has a task already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the protocol's streams are taken already")]
pub struct AlreadyAccepted;

/// What comes back for an [`Open`].
type Opened = Result<Stream, OpenError>;
/// A stream to this peer is wanted.
type Ask = (PeerId, Open);
type Inbound = mpsc::Sender<(PeerId, Stream)>;

/// The protocols that somebody takes the streams of; few, and set at the start.
#[derive(Debug, Default)]
struct Protocols(Mutex<HashMap<StreamProtocol, Inbound>>);

impl Protocols {
    fn names(&self) -> Vec<StreamProtocol> {
        let protocols = self.0.lock();
        let open = protocols.iter().filter(|(_, inbound)| !inbound.is_closed());
        open.map(|(name, _)| name.clone()).collect()
    }

    fn pass(&self, peer: PeerId, protocol: &StreamProtocol, stream: Stream) {
        let inbound = self.0.lock().get(protocol).cloned();
        if inbound.is_none_or(|inbound| inbound.try_send((peer, stream)).is_err()) {
            tracing::debug!(%peer, %protocol, "too many inbound streams; one is closed");
        }
    }
}

/// The behaviour; what it does stands on the module.
#[derive(Debug)]
pub struct Streams {
    protocols: Arc<Protocols>,
    asks: (mpsc::Sender<Ask>, mpsc::Receiver<Ask>),
    /// Oldest first. Bounded by the limits on connections.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams {
    /// Without any protocol so far.
    pub fn new() -> Self {
        let (protocols, asks) = (Arc::default(), mpsc::channel(ASKS_MAX));
        Self { protocols, asks, connections: HashMap::new() }
    }

    /// For tasks that open streams, or take those of others.
    pub fn new_control(&self) -> Control {
        Control { protocols: self.protocols.clone(), asks: self.asks.0.clone() }
    }

    fn handler(&self, peer: PeerId) -> Handler {
        Handler::new(peer, self.protocols.clone())
    }
}

/// Opens streams and takes those of others; cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    protocols: Arc<Protocols>,
    asks: mpsc::Sender<Ask>,
}

impl Control {
    /// A stream to a connected peer, over its newest connection.
    ///
    /// # Errors
    /// Every [`OpenError`], after 2 s at the latest.
    pub async fn open_stream(&self, peer: PeerId, protocol: StreamProtocol) -> Opened {
        let (reply, opened) = oneshot::channel();
        let ask = (peer, Open { protocol, reply });
        self.asks.send(ask).await.map_err(|_| OpenError::NotConnected)?;
        opened.await.unwrap_or(Err(OpenError::NotConnected))
    }

    /// Takes the streams that others open for this protocol.
    ///
    /// # Errors
    /// [`AlreadyAccepted`].
    pub fn accept(&self, protocol: StreamProtocol) -> Result<IncomingStreams, AlreadyAccepted> {
        let mut protocols = self.protocols.0.lock();
        if protocols.get(&protocol).is_some_and(|inbound| !inbound.is_closed()) {
            return Err(AlreadyAccepted);
        }
        let (inbound, streams) = mpsc::channel(WAITING_MAX);
        protocols.insert(protocol, inbound);
        Ok(IncomingStreams { streams })
    }
}

/// The streams that others open for one protocol. When it is dropped, the protocol is not spoken
/// any more.
#[derive(Debug)]
pub struct IncomingStreams {
    streams: mpsc::Receiver<(PeerId, Stream)>,
}

impl futures::Stream for IncomingStreams {
    type Item = (PeerId, Stream);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.streams.poll_recv(context)
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _endpoint: Endpoint,
        _port: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            }) => self.connections.entry(peer_id).or_default().push(connection_id),
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                let Some(ids) = self.connections.get_mut(&peer_id) else { return };
                ids.retain(|id| *id != connection_id);
                if ids.is_empty() {
                    self.connections.remove(&peer_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        while let Poll::Ready(Some((peer_id, open))) = self.asks.1.poll_recv(context) {
            match self.connections.get(&peer_id).and_then(|ids| ids.last()) {
                Some(id) => {
                    let handler = NotifyHandler::One(*id);
                    return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event: open });
                }
                None => open.end(Err(OpenError::NotConnected)),
            }
        }
        Poll::Pending
    }
}
