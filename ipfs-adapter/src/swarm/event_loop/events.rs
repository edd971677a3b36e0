//! What the swarm tells: who comes and goes, who speaks what, what Kademlia has found.

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId,
    core::Endpoint,
    identify, kad,
    kad::{InboundRequest, ProviderRecord, QueryResult},
    swarm::{ConnectionId, DialError, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use tokio::sync::oneshot;

use super::{CONNECTS_MAX, EventLoop, Met};
use crate::{
    Provider,
    records::Stored,
    swarm::{
        PROVIDERS,
        behaviour::{BehaviourEvent, is_private},
        gate, pool,
    },
};

impl EventLoop {
    pub(super) fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                self.peers.entry(peer_id).or_default();
                self.swarm.behaviour_mut().gate.open(&peer_id);
                if endpoint.is_dialer() {
                    let (address, _) = pool::split(endpoint.get_remote_address().clone());
                    self.pool.named(peer_id, &address);
                }
                self.end_connects(&peer_id, true);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.lost(peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.dial_failed(peer, &error);
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                self.set_own_addresses();
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.identified(peer_id, info),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result,
                stats,
                step,
            })) => self.kad_progressed(id, result, &stats, step.last),
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::InboundRequest {
                request: InboundRequest::AddProvider { record: Some(record) },
            })) => self.kad_announced(&record),
            _ => {}
        }
    }

    /// Somebody announces by plain Kademlia, which has checked that it speaks for itself.
    fn kad_announced(&mut self, record: &ProviderRecord) {
        let stored = self.swarm.behaviour_mut().kad.store_mut().offer(record);
        if let Some((key, Stored::New)) = stored {
            self.manager.invalidate(&key);
        }
    }

    /// Own addresses go to the records: Kademlia hands them out with our own.
    pub(super) fn set_own_addresses(&mut self) {
        let addresses: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        for address in &addresses {
            self.swarm.add_external_address(address.clone());
        }
        self.records.set_own_addresses(&addresses);
    }

    fn identified(&mut self, peer: PeerId, info: identify::Info) {
        let addresses = self.usable(info.listen_addrs);
        let is_server =
            info.protocols.iter().any(|name| name.as_ref() == self.settings.kad_protocol);
        let speaks_batch = info.protocols.contains(&PROVIDERS);
        // Nobody is helped by a server that does not answer.
        let enters = is_server && !self.manager.is_sunk(&peer);
        let old = self.peers.get(&peer);
        let is_news = old.is_none_or(|met| {
            (met.is_server, met.addresses.as_slice()) != (is_server, addresses.as_slice())
        });
        let old = old.map_or_else(Vec::new, |met| met.addresses.clone());
        self.enter(peer, &old, if enters { &addresses } else { &[] });
        if is_news && enters {
            self.pool.met(peer, addresses.clone());
            self.health.table_changed();
        }
        let Some(met) = self.peers.get_mut(&peer) else { return };
        let had_batch = met.speaks_batch;
        *met = Met { addresses, speaks_batch, is_server };
        if had_batch != speaks_batch {
            self.peers_changed();
        }
    }

    /// Puts a server into the table, or takes it out when there are no `addresses`. Those that it
    /// does not name any more go: Kademlia itself would keep all that it ever named.
    fn enter(&mut self, peer: PeerId, old: &[Multiaddr], addresses: &[Multiaddr]) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        if addresses.is_empty() {
            kad.remove_peer(&peer);
            return;
        }
        for address in addresses {
            kad.add_address(&peer, address.clone());
        }
        for address in old.iter().filter(|address| !addresses.contains(address)) {
            kad.remove_address(&peer, address);
        }
    }

    pub(super) fn peers_changed(&mut self) {
        let batch = self.peers.iter().filter(|(_, met)| met.speaks_batch);
        let batch: Vec<PeerId> = batch.map(|(peer, _)| *peer).collect();
        self.manager.set_peers(Instant::now(), &batch);
        self.health.peers_changed(Instant::now());
    }

    fn lost(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.links.remove(&peer);
        self.swarm.behaviour_mut().kad.remove_peer(&peer);
        self.fail_requests(&peer, None);
        self.peers_changed();
        self.health.table_changed();
    }

    fn dial_failed(&mut self, peer: PeerId, error: &DialError) {
        self.end_connects(&peer, false);
        let is_our_choice =
            matches!(error, DialError::Denied { .. } | DialError::DialPeerConditionFalse(_));
        if is_our_choice || self.peers.contains_key(&peer) {
            return;
        }
        tracing::debug!(%peer, %error, "a peer can't be reached");
        self.hold_back(peer);
    }

    /// Out of the table, and not dialled for a while.
    pub(super) fn hold_back(&mut self, peer: PeerId) {
        let is_pool = self.pool.has(&peer);
        let pause_max = if is_pool { gate::POOL_PAUSE_MAX } else { gate::PAUSE_MAX };
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kad.remove_peer(&peer);
        behaviour.gate.close(peer, Instant::now(), pause_max);
    }

    pub(super) fn connect(&mut self, provider: Provider, reply: oneshot::Sender<bool>) {
        let Provider { peer, mut addresses } = provider;
        let count: usize = self.connects.values().map(Vec::len).sum();
        if self.peers.contains_key(&peer) || count >= CONNECTS_MAX {
            answer(reply, self.peers.contains_key(&peer));
            return;
        }
        addresses.retain(|address| self.settings.allow_private || !is_private(address));
        addresses.truncate(pool::ADDRESSES_MAX);
        self.connects.entry(peer).or_default().push(reply);
        self.dial(peer, addresses);
    }

    /// Dials unless it is connected or being dialled.
    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let options = DialOpts::peer_id(peer).addresses(addresses);
        let options = options.extend_addresses_through_behaviour().build();
        if let Err(error) = self.swarm.dial(options)
            && !matches!(error, DialError::DialPeerConditionFalse(_))
        {
            tracing::debug!(%peer, %error, "not dialled");
            self.end_connects(&peer, false);
        }
    }

    fn end_connects(&mut self, peer: &PeerId, is_connected: bool) {
        for reply in self.connects.remove(peer).unwrap_or_default() {
            answer(reply, is_connected);
        }
    }

    fn kad_progressed(
        &mut self,
        id: kad::QueryId,
        result: QueryResult,
        stats: &kad::QueryStats,
        is_last: bool,
    ) {
        let now = Instant::now();
        if let Some(key) = self.providings.get(&id).copied() {
            if is_last {
                self.providings.remove(&id);
                // Kademlia's announcements have no reply; that they were sent is all it knows.
                // Without a peer nobody was told at all.
                let is_told = stats.num_successes() > 0;
                self.manager.providing_ended(&key, is_told && result_is_ok(&result));
            }
            return;
        }
        let Some(lookup) = self.lookups.get(&id) else { return };
        let key = lookup.key;
        if let QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders {
            providers, ..
        })) = result
            && !providers.is_empty()
            && !lookup.is_ended
        {
            let providers: Vec<Provider> = providers
                .into_iter()
                .map(|peer| Provider { peer, addresses: self.addresses_of(&peer) })
                .collect();
            self.manager.lookup_progress(now, &key, &providers);
        }
        if is_last {
            let is_ended = self.lookups.remove(&id).is_some_and(|lookup| lookup.is_ended);
            if !is_ended {
                let count = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
                let (replies, failures) = (stats.num_successes(), stats.num_failures());
                self.manager.lookup_ended(now, &key, count(replies), count(failures));
            }
        }
    }

    /// Where a provider is that a look-up has just found. Kademlia's event names only peers; the
    /// records' addresses stay in the running look-up, which tells them to whoever wants to dial.
    fn addresses_of(&mut self, peer: &PeerId) -> Vec<Multiaddr> {
        if let Some(met) = self.peers.get(peer)
            && !met.addresses.is_empty()
        {
            return met.addresses.clone();
        }
        let kad = &mut self.swarm.behaviour_mut().kad;
        // Kademlia looks at the peer alone; no connection bears this number.
        let none = ConnectionId::new_unchecked(usize::MAX);
        let told = kad.handle_pending_outbound_connection(none, Some(*peer), &[], Endpoint::Dialer);
        self.usable(told.unwrap_or_default())
    }

    /// Addresses that others tell, without the peer's name, as many as are kept.
    fn usable(&self, mut addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        addresses.retain(|address| self.settings.allow_private || !is_private(address));
        addresses.truncate(pool::ADDRESSES_MAX);
        addresses.into_iter().map(|address| pool::split(address).0).collect()
    }
}

fn answer(reply: oneshot::Sender<bool>, is_connected: bool) {
    if reply.send(is_connected).is_err() {
        tracing::trace!("nobody waits for that connection any more");
    }
}

fn result_is_ok(result: &QueryResult) -> bool {
    matches!(result, QueryResult::StartProviding(Ok(_)))
}
