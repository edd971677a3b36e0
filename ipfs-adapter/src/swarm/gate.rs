//! The dial gate: a peer that could not be reached is not dialled again for a while, so that a
//! look-up fails over at once instead of waiting for a handshake that never comes
//! (`shared/IPFS.md`: 10 dead peers of 50 cost 5 s on every look-up without it).
//!
//! Only our own dials are held back. The peer may dial us at any time, and that opens the gate.

use std::{
    collections::HashMap,
    convert::Infallible,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

/// The first pause after a failed dial.
pub const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause for a peer of the bootstrap pool: who comes back is found within 5 s.
pub const POOL_PAUSE_MAX: Duration = Duration::from_secs(3);
/// The longest pause for anybody else.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Peers held back at once. When it is full, those whose pause is over are forgotten, then others.
pub const HELD_MAX: usize = 4_096;

/// The dial was held back: the peer did not answer a moment ago.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer did not answer a moment ago and is not dialled yet")]
pub struct Quarantined;

#[derive(Debug)]
struct Held {
    until: Instant,
    pause: Duration,
}

/// Who is not dialled for the moment.
#[derive(Debug, Default)]
pub struct Gate {
    held: HashMap<PeerId, Held>,
}

impl Gate {
    /// A dial has failed, or the peer hangs: hold it back, twice as long as the last time.
    pub fn close(&mut self, peer: PeerId, now: Instant, pause_max: Duration) {
        if self.held.len() >= HELD_MAX && !self.held.contains_key(&peer) {
            self.held.retain(|_, held| held.until > now);
            let oldest = self.held.iter().min_by_key(|(_, held)| held.until);
            if let Some(peer) = oldest.map(|(peer, _)| *peer)
                && self.held.len() >= HELD_MAX
            {
                self.held.remove(&peer);
            }
        }
        let last = self.held.get(&peer).map(|held| held.pause);
        let pause = last.map_or(PAUSE_MIN, |last| last * 2).min(pause_max);
        self.held.insert(peer, Held { until: now + pause, pause });
    }

    /// The peer has been reached.
    pub fn open(&mut self, peer: &PeerId) {
        self.held.remove(peer);
    }

    /// Whether a dial would be held back.
    pub fn is_closed(&self, peer: &PeerId, now: Instant) -> bool {
        self.held.get(peer).is_some_and(|held| held.until > now)
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: Option<PeerId>,
        _addresses: &[Multiaddr],
        _endpoint: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        match peer {
            Some(peer) if self.is_closed(&peer, Instant::now()) => {
                Err(ConnectionDenied::new(Quarantined))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _id: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _id: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _endpoint: Endpoint,
        _port: PortUse,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
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
    ) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_end() {
        let (mut gate, peer, start) = (Gate::default(), PeerId::random(), Instant::now());
        for pause_ms in [500, 1_000, 2_000, 3_000, 3_000] {
            gate.close(peer, start, POOL_PAUSE_MAX);
            let end = start + Duration::from_millis(pause_ms);
            assert!(gate.is_closed(&peer, end - Duration::from_millis(1)));
            assert!(!gate.is_closed(&peer, end));
        }
        gate.open(&peer);
        assert!(!gate.is_closed(&peer, start));
        gate.close(peer, start, POOL_PAUSE_MAX);
        assert!(!gate.is_closed(&peer, start + PAUSE_MIN), "the count begins anew");
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        for _ in 0..HELD_MAX + 10 {
            gate.close(PeerId::random(), now, PAUSE_MAX);
        }
        assert_eq!(gate.held.len(), HELD_MAX);
    }
}
