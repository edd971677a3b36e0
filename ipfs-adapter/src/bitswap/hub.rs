//! The one task that takes inbound streams and calls, and gives them to the peers' tasks.
//!
//! It never waits for anyone: inbound streams that pile up are closed. It owns the peers' tasks:
//! they end when it does.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use libp2p::PeerId;
use tokio::{
    select,
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
};

use super::{
    Shared,
    error::FetchError,
    limits::EVENTS_WAITING_MAX,
    link::{Event, Link},
};
use crate::swarm::streams::IncomingStreams;

/// A call of this node.
pub(super) struct Command {
    pub peer: PeerId,
    pub event: Event,
}

/// The task's state.
pub(super) struct Hub {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    incoming: IncomingStreams,
    links: JoinSet<(PeerId, Vec<Event>)>,
    /// At most twice `peers_max`.
    senders: BTreeMap<PeerId, mpsc::Sender<Event>>,
}

impl Hub {
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        incoming: IncomingStreams,
    ) -> Self {
        let (links, senders) = (JoinSet::new(), BTreeMap::new());
        Self { shared, commands, incoming, links, senders }
    }

    /// Runs until the last handle is dropped; dropping the future ends everything at once.
    pub(super) async fn run(mut self) {
        loop {
            select! {
                command = self.commands.recv() => match command {
                    Some(Command { peer, event }) => self.route(peer, event),
                    None => return,
                },
                stream = self.incoming.next() => match stream {
                    Some((peer, stream)) => self.route(peer, Event::Stream(stream)),
                    None => return,
                },
                Some(ended) = self.links.join_next() => match ended {
                    Ok((peer, left)) => {
                        self.forget_closed(peer);
                        // What came in the instant of the end goes to the next task.
                        left.into_iter().for_each(|event| self.route(peer, event));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a peer's Bitswap task has failed");
                        self.senders.retain(|_, sender| !sender.is_closed());
                    }
                },
            }
        }
    }

    fn route(&mut self, peer: PeerId, event: Event) {
        let event = match self.senders.get(&peer) {
            None => event,
            Some(sender) => match sender.try_send(event) {
                Ok(()) => return,
                Err(TrySendError::Full(event)) => return self.refuse(event),
                Err(TrySendError::Closed(event)) => event,
            },
        };
        let peers_max = self.shared.limits.peers_max;
        let is_own = !matches!(event, Event::Stream(_));
        if self.links.len() >= if is_own { 2 * peers_max } else { peers_max } {
            return self.refuse(event);
        }
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        sender.try_send(event).expect("a new channel has room");
        self.links.spawn(Link::new(peer, Arc::clone(&self.shared), events).run());
        self.senders.insert(peer, sender);
    }

    /// A later task of the same peer may have taken the place already.
    fn forget_closed(&mut self, peer: PeerId) {
        if self.senders.get(&peer).is_some_and(mpsc::Sender::is_closed) {
            self.senders.remove(&peer);
        }
    }

    fn refuse(&self, event: Event) {
        self.shared.counters.refused.add(1);
        event.refuse(FetchError::Busy);
    }
}
