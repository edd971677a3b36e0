//! Hand-made peers: a bare swarm with identify, streams and, if wanted, Kademlia. What they say on
//! the streams is each test's business.

#![allow(dead_code, reason = "several test programs use it, each a part")]

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures::StreamExt;
use ipfs_adapter::{
    ContentId, Multiaddr, PeerId,
    embedded::KAD_PROTOCOL,
    swarm::streams::{Control, Streams},
};
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, identify, kad,
    kad::store::MemoryStore,
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// What a peer of this kind speaks.
#[derive(NetworkBehaviour)]
pub struct Bare {
    kad: Toggle<kad::Behaviour<MemoryStore>>,
    identify: identify::Behaviour,
    streams: Streams,
}

/// A running peer; dropping it is its sudden death.
pub struct Foreign {
    pub peer: PeerId,
    /// `/p2p/…` at the end.
    pub address: Multiaddr,
    pub control: Control,
    asks: mpsc::Sender<Ask>,
    pub tasks: JoinSet<()>,
}

type Asked = Box<dyn FnOnce(&mut Swarm<Bare>) -> Option<(kad::QueryId, Reply)> + Send>;
type Reply = oneshot::Sender<BTreeSet<PeerId>>;

/// Something to be done with the swarm.
struct Ask(Asked);

/// A content's key as Kademlia has it.
pub fn kad_key(key: &ContentId) -> kad::RecordKey {
    kad::RecordKey::from([&[0x12, 0x20], key.digest().as_slice()].concat())
}

impl Foreign {
    /// One that listens; `with_kad`: it is a server of our network's DHT.
    pub async fn start(with_kad: bool) -> Self {
        let builder = SwarmBuilder::with_new_identity().with_tokio().with_quic();
        let behaviour = |key: &libp2p::identity::Keypair| {
            let peer = key.public().to_peer_id();
            let mut config = kad::Config::new(StreamProtocol::new(KAD_PROTOCOL));
            config.set_substreams_timeout(Duration::from_secs(2));
            let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), config);
            kad.set_mode(Some(kad::Mode::Server));
            Bare {
                kad: with_kad.then_some(kad).into(),
                identify: identify::Behaviour::new(identify::Config::new(
                    "/foreign/1.0.0".into(),
                    key.public(),
                )),
                streams: Streams::new(),
            }
        };
        let builder = builder.with_behaviour(behaviour).expect("no error in there");
        let patient = |config: libp2p::swarm::Config| {
            config.with_idle_connection_timeout(Duration::from_secs(600))
        };
        let mut swarm = builder.with_swarm_config(patient).build();
        let listen = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address");
        swarm.listen_on(listen).expect("loopback is there");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        swarm.add_external_address(address.clone());
        let (peer, control) = (*swarm.local_peer_id(), swarm.behaviour().streams.new_control());
        let (asks, asked) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(swarm, asked));
        let address = address.with_p2p(peer).expect("no other peer in it");
        Self { peer, address, control, asks, tasks }
    }

    pub async fn dial(&self, address: &Multiaddr) {
        let address = address.clone();
        self.ask(move |swarm| swarm.dial(address).expect("a sound address")).await;
    }

    /// Does something with the swarm.
    pub async fn ask(&self, work: impl FnOnce(&mut Swarm<Bare>) + Send + 'static) {
        let ask = Ask(Box::new(|swarm| {
            work(swarm);
            None
        }));
        assert!(self.asks.send(ask).await.is_ok(), "it runs");
    }

    /// Announces by plain Kademlia; returns when that is under way.
    pub async fn provide(&self, key: ContentId) {
        self.ask(move |swarm| {
            let kad = swarm.behaviour_mut().kad.as_mut().expect("it speaks Kademlia");
            kad.start_providing(kad_key(&key)).expect("there is room");
        })
        .await;
    }

    /// Looks for providers by plain Kademlia.
    pub async fn providers(&self, key: ContentId) -> BTreeSet<PeerId> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask(Box::new(move |swarm| {
            let kad = swarm.behaviour_mut().kad.as_mut().expect("it speaks Kademlia");
            Some((kad.get_providers(kad_key(&key)), reply))
        }));
        assert!(self.asks.send(ask).await.is_ok(), "it runs");
        answer.await.expect("each look-up ends")
    }
}

async fn run(mut swarm: Swarm<Bare>, mut asked: mpsc::Receiver<Ask>) {
    let mut lookups: HashMap<kad::QueryId, (BTreeSet<PeerId>, Reply)> = HashMap::new();
    loop {
        tokio::select! {
            Some(Ask(work)) = asked.recv() => {
                if let Some((id, reply)) = work(&mut swarm) {
                    lookups.insert(id, (BTreeSet::new(), reply));
                }
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BareEvent::Identify(identify::Event::Received {
                    peer_id, info, ..
                })) => {
                    if let Some(kad) = swarm.behaviour_mut().kad.as_mut() {
                        for address in info.listen_addrs {
                            kad.add_address(&peer_id, address);
                        }
                    }
                }
                SwarmEvent::Behaviour(BareEvent::Kad(kad::Event::OutboundQueryProgressed {
                    id, result: kad::QueryResult::GetProviders(result), step, ..
                })) => {
                    if let Some((found, _)) = lookups.get_mut(&id)
                        && let Ok(kad::GetProvidersOk::FoundProviders { providers, .. }) = result
                    {
                        found.extend(providers);
                    }
                    if step.last && let Some((found, reply)) = lookups.remove(&id) {
                        // The test may have ended.
                        drop(reply.send(found));
                    }
                }
                _ => {}
            }
        }
    }
}
