//! What the query manager asks for, and what the links bring back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::{PeerId, kad};
use tokio::sync::oneshot;

use super::{EventLoop, Lookup, Sent};
use crate::{
    Answer, ContentId, Provided, Provider,
    batch::{PROVIDERS_MAX, Reply, Request},
    query::manager::{Action, Failure},
    records::{Hit, TTL_SECONDS_MAX},
    swarm::link::{End, Link, LinkEvent},
};

/// Requests remembered before those are forgotten that nobody waits for.
const REQUESTS_MAX: usize = 4_096;
/// Longer than the manager waits for any reply.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The Kademlia key of some content: the multihash of its id (IPFS' provider records).
pub(super) fn kad_key(key: &ContentId) -> kad::RecordKey {
    let mut multihash = vec![0x12, 0x20];
    multihash.extend(key.digest());
    kad::RecordKey::from(multihash)
}

impl EventLoop {
    /// Does everything that the manager has decided.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.manager.poll(Instant::now()) {
            match action {
                Action::Ask { request, peer, keys, providers_max, .. } => {
                    let providers_max = providers_max.min(PROVIDERS_MAX);
                    let providers_max = u8::try_from(providers_max).expect("it is below 256");
                    let keys = keys.to_vec();
                    let find = Request::Find { number: request, providers_max, keys };
                    self.send(peer, find);
                }
                Action::Announce { request, peer, keys, .. } => {
                    let addresses = self.records.own().addresses;
                    let (ttl_seconds, keys) = (TTL_SECONDS_MAX, keys.to_vec());
                    let provide =
                        Request::Provide { number: request, ttl_seconds, addresses, keys };
                    self.send(peer, provide);
                }
                Action::Lookup { key } => {
                    let id = self.swarm.behaviour_mut().kad.get_providers(kad_key(&key));
                    self.lookups.insert(id, Lookup { key, is_ended: false });
                }
                Action::StopLookup { key } => self.stop_lookup(&key),
                Action::StartProviding { key } => self.start_providing(key),
                Action::Evict { peer } => {
                    tracing::debug!(%peer, "a peer does not answer and is left out");
                    self.hold_back(peer);
                    if self.swarm.disconnect_peer_id(peer).is_err() {
                        tracing::debug!(%peer, "it was gone already");
                    }
                }
            }
        }
    }

    pub(super) fn announce(&mut self, keys: Vec<ContentId>, reply: oneshot::Sender<Provided>) {
        if let Err(error) = self.manager.announce(Instant::now(), &keys, reply) {
            tracing::debug!(%error, "an announcement was refused");
        }
    }

    fn start_providing(&mut self, key: ContentId) {
        match self.swarm.behaviour_mut().kad.start_providing(kad_key(&key)) {
            Ok(id) => {
                self.providings.insert(id, key);
            }
            Err(error) => {
                tracing::debug!(%key, %error, "not announced");
                self.manager.providing_ended(&key, false);
            }
        }
    }

    fn stop_lookup(&mut self, key: &ContentId) {
        let found = self.lookups.iter_mut().find(|(_, one)| one.key == *key && !one.is_ended);
        let Some((id, lookup)) = found else { return };
        lookup.is_ended = true;
        if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(id) {
            query.finish();
        }
    }

    fn send(&mut self, peer: PeerId, request: Request) {
        let link = self.links.entry(peer).or_insert_with(|| {
            self.link_number += 1;
            let (control, events) = (self.control.clone(), self.link_events.0.clone());
            Link::start(&mut self.tasks, control, peer, self.link_number, events)
        });
        let (number, providers_max) = match &request {
            Request::Find { number, providers_max, .. } => (*number, Some(*providers_max)),
            Request::Provide { number, .. } => (*number, None),
        };
        if link.send(Bytes::from(request.encode())) {
            let (link, late_at) = (link.number, Instant::now() + REQUEST_MAX);
            self.requests.insert(number, Sent { peer, link, providers_max, late_at });
        } else {
            self.links.remove(&peer);
            self.manager.failed(Instant::now(), number, &peer, Failure::Closed);
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Reply { peer, body } => self.reply(peer, &body),
            LinkEvent::Down { peer, number, why } => {
                if self.links.get(&peer).is_some_and(|link| link.number == number) {
                    self.links.remove(&peer);
                }
                if why == End::Unsupported
                    && let Some(met) = self.peers.get_mut(&peer)
                {
                    met.speaks_batch = false;
                    self.peers_changed();
                }
                if why == End::Lied {
                    self.manager.penalize(Instant::now(), &peer);
                }
                let is_lie = why == End::Lied;
                let failure = if is_lie { Failure::Lied } else { Failure::Closed };
                self.fail_all(&peer, Some(number), failure);
            }
        }
    }

    fn reply(&mut self, peer: PeerId, body: &[u8]) {
        let now = Instant::now();
        let reply = match Reply::decode(body) {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(%peer, %error, "a reply that is none");
                self.links.remove(&peer);
                self.fail_all(&peer, None, Failure::Lied);
                return;
            }
        };
        let number = reply.number();
        let Some(sent) = self.requests.get(&number).filter(|sent| sent.peer == peer) else {
            // Too late, or never asked.
            return;
        };
        let providers_max = sent.providers_max;
        self.requests.remove(&number);
        match (reply, providers_max) {
            (Reply::Found { answer, .. }, Some(most)) => match hits(&answer, usize::from(most)) {
                Some(hits) => self.manager.found(now, number, &peer, &hits),
                None => self.manager.failed(now, number, &peer, Failure::Lied),
            },
            (Reply::Stored { stored, .. }, None) => {
                self.manager.stored(now, number, &peer, &stored);
            }
            (Reply::Refused { .. }, _) => {
                self.manager.failed(now, number, &peer, Failure::Refused);
            }
            _ => self.manager.failed(now, number, &peer, Failure::Lied),
        }
    }

    /// Fails what is in flight to a peer, over one of its links or all.
    pub(super) fn fail_requests(&mut self, peer: &PeerId, link: Option<u64>) {
        self.fail_all(peer, link, Failure::Closed);
    }

    fn fail_all(&mut self, peer: &PeerId, link: Option<u64>, failure: Failure) {
        let is_meant = |sent: &Sent| sent.peer == *peer && link.is_none_or(|one| one == sent.link);
        let failed = self.requests.iter().filter(|(_, sent)| is_meant(sent));
        let mut failed: Vec<u32> = failed.map(|(number, _)| *number).collect();
        failed.sort_unstable();
        for number in failed {
            self.requests.remove(&number);
            self.manager.failed(Instant::now(), number, peer, failure);
        }
    }

    /// Forgets requests that the manager has given up long ago.
    pub(super) fn forget_late(&mut self) {
        let now = Instant::now();
        if self.requests.len() > REQUESTS_MAX {
            self.requests.retain(|_, sent| now < sent.late_at);
        }
    }
}

/// The hits of an answer as the manager takes them; `None` when a key has more providers than were
/// asked for.
fn hits(answer: &Answer, providers_max: usize) -> Option<Vec<(u32, Vec<Provider>)>> {
    let hit = |hit: &Hit| {
        let named = hit.providers.iter().map(|index| answer.providers[*index].clone());
        let index = u32::try_from(hit.key).expect("an index below 4,096");
        (hit.providers.len() <= providers_max).then(|| (index, named.collect()))
    };
    answer.hits.iter().map(hit).collect()
}
