//! Streams that peers open to us, by protocol: they wait in a queue until their taker has time.
//!
//! libp2p-stream opens our own streams, but is not used for these: it keeps one waiting stream a
//! protocol and drops the next. Peers that send each message on a stream of its own (Helia does)
//! lost every second one of two messages sent together, and so did peers that came together.
//!
//! What it does *not* do: it opens no streams, and reads none.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, UpgradeInfo, transport::PortUse, upgrade::DeniedUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, FullyNegotiatedInbound},
    },
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Streams of one protocol, over all peers, that wait for their taker: two of each connection that
/// there may be. Takers only hand them on, so a queue is full when this node is out of breath;
/// then the newest is dropped, which its peer sees as a reset.
pub const WAITING_MAX: usize = 1_024;

/// Protocols that are served, and where their streams go.
type Queues = Mutex<Vec<(StreamProtocol, mpsc::Sender<(PeerId, Stream)>)>>;

/// Somebody serves this protocol already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the protocol is served already")]
pub struct Taken;

/// Where whoever serves a protocol gets its streams. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Acceptor(Arc<Queues>);

impl Acceptor {
    /// From now on streams of this protocol go there; until that is dropped.
    ///
    /// # Errors
    /// [`Taken`].
    pub fn accept(&self, protocol: StreamProtocol) -> Result<IncomingStreams, Taken> {
        self.accept_up_to(protocol, WAITING_MAX)
    }

    fn accept_up_to(
        &self,
        protocol: StreamProtocol,
        waiting_max: usize,
    ) -> Result<IncomingStreams, Taken> {
        let mut queues = self.0.lock();
        queues.retain(|(_, queue)| !queue.is_closed());
        if queues.iter().any(|(name, _)| *name == protocol) {
            return Err(Taken);
        }
        let (queue, streams) = mpsc::channel(waiting_max);
        queues.push((protocol, queue));
        Ok(IncomingStreams(streams))
    }

    fn names(&self) -> Vec<StreamProtocol> {
        let queues = self.0.lock();
        let served = queues.iter().filter(|(_, queue)| !queue.is_closed());
        served.map(|(name, _)| name.clone()).collect()
    }

    fn pass(&self, peer: PeerId, protocol: &StreamProtocol, stream: Stream) {
        let queues = self.0.lock();
        let queue = queues.iter().find(|(name, _)| name == protocol);
        if queue.is_none_or(|(_, queue)| queue.try_send((peer, stream)).is_err()) {
            tracing::debug!(%peer, %protocol, "nobody takes its stream");
        }
    }
}

/// Streams of one protocol, in the order in which they came.
#[derive(Debug)]
pub struct IncomingStreams(mpsc::Receiver<(PeerId, Stream)>);

impl IncomingStreams {
    /// The next, and who has opened it; `None` when the swarm has ended.
    pub async fn next(&mut self) -> Option<(PeerId, Stream)> {
        self.0.recv().await
    }
}

/// The part of the swarm that takes them.
#[derive(Debug, Default)]
pub struct Inbound(Acceptor);

impl Inbound {
    /// For those who serve protocols.
    pub fn acceptor(&self) -> Acceptor {
        self.0.clone()
    }
}

impl NetworkBehaviour for Inbound {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler { peer, acceptor: self.acceptor() })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _endpoint: Endpoint,
        _port: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler { peer, acceptor: self.acceptor() })
    }

    fn on_swarm_event(&mut self, _event: FromSwarm<'_>) {}

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
        _context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// The same on one connection.
#[derive(Debug)]
pub struct Handler {
    peer: PeerId,
    acceptor: Acceptor,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Served;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Served> {
        SubstreamProtocol::new(Served(self.acceptor.names()), ())
    }

    fn poll(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Served, DeniedUpgrade>) {
        if let ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
            protocol: (protocol, stream),
            ..
        }) = event
        {
            self.acceptor.pass(self.peer, &protocol, stream);
        }
    }
}

/// The names that a new stream may have.
#[derive(Debug)]
pub struct Served(Vec<StreamProtocol>);

impl UpgradeInfo for Served {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Served {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

#[cfg(test)]
mod tests;
