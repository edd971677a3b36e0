//! One connection's part: opens streams, and passes on those that the peer opens.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::channel::oneshot;
use libp2p::{
    PeerId, Stream, StreamProtocol,
    core::{InboundUpgrade, UpgradeInfo, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};

use super::{OpenError, Opened, Protocols};

/// Streams of one connection that are being opened at once: what one task each of look-ups, proofs
/// and Bitswap asks for, many times over. More are refused.
const OPENING_MAX: usize = 64;
/// How long the negotiation of a stream may take, either way.
const NEGOTIATION_MAX: Duration = Duration::from_secs(2);

/// A stream to be opened.
#[derive(Debug)]
pub struct Open {
    pub(super) protocol: StreamProtocol,
    pub(super) reply: oneshot::Sender<Opened>,
}

impl Open {
    pub(super) fn end(self, opened: Opened) {
        if self.reply.send(opened).is_err() {
            tracing::trace!("nobody waits for that stream any more");
        }
    }
}

/// What is accepted from the peer.
#[derive(Debug)]
pub struct Accepted(Vec<StreamProtocol>);

impl UpgradeInfo for Accepted {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Accepted {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

/// One connection's streams.
#[derive(Debug)]
pub struct Handler {
    peer: PeerId,
    protocols: Arc<Protocols>,
    /// Not yet asked for.
    waiting: VecDeque<Open>,
    /// Being negotiated.
    opening: usize,
}

impl Handler {
    pub(super) fn new(peer: PeerId, protocols: Arc<Protocols>) -> Self {
        Self { peer, protocols, waiting: VecDeque::new(), opening: 0 }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Infallible;
    type InboundProtocol = Accepted;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Open;

    fn listen_protocol(&self) -> SubstreamProtocol<Accepted> {
        let accepted = Accepted(self.protocols.names());
        SubstreamProtocol::new(accepted, ()).with_timeout(NEGOTIATION_MAX)
    }

    fn poll(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Open, Infallible>> {
        // `on_behaviour_event` is always followed by a poll.
        while let Some(open) = self.waiting.pop_front() {
            if open.reply.is_canceled() {
                continue;
            }
            self.opening += 1;
            let upgrade = ReadyUpgrade::new(open.protocol.clone());
            let protocol = SubstreamProtocol::new(upgrade, open).with_timeout(NEGOTIATION_MAX);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, open: Open) {
        if self.waiting.len() + self.opening >= OPENING_MAX {
            open.end(Err(OpenError::Timeout));
        } else {
            self.waiting.push_back(open);
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Accepted, ReadyUpgrade<StreamProtocol>, (), Open>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => self.protocols.pass(self.peer, &protocol, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: open,
            }) => {
                self.opening -= 1;
                open.end(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: open, error }) => {
                self.opening -= 1;
                let error = match error {
                    StreamUpgradeError::Timeout => OpenError::Timeout,
                    StreamUpgradeError::NegotiationFailed => {
                        OpenError::Unsupported { protocol: open.protocol.clone() }
                    }
                    StreamUpgradeError::Io(_) => OpenError::NotConnected,
                    StreamUpgradeError::Apply(never) => match never {},
                };
                open.end(Err(error));
            }
            _ => {}
        }
    }
}
