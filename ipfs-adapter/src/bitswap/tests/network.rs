//! Swarms in this process: nodes with Bitswap, and bare peers that speak by hand.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{StreamExt, io::AsyncReadExt};
use libp2p::{
    Multiaddr, PeerId, Stream, SwarmBuilder, noise,
    swarm::{Config, Swarm, SwarmEvent},
    tcp, yamux,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Blocks, Content, ContentId, Memory,
    bitswap::{
        Bitswap, BitswapLimits, PROTOCOL,
        frame::{self, Budget},
        limits::MESSAGE_BYTES_MAX,
        message::{Entry, Message, WantKind},
    },
    swarm::streams::{Control, IncomingStreams, Streams},
};

/// Whatever takes longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(20);

type Dial = (Multiaddr, oneshot::Sender<()>);

/// A swarm that runs by itself; dropping it is the peer's sudden death.
pub(super) struct Peer {
    pub id: PeerId,
    pub address: Multiaddr,
    pub control: Control,
    dials: mpsc::Sender<Dial>,
    pub tasks: JoinSet<()>,
}

impl Peer {
    pub(super) async fn quic() -> Self {
        let builder = SwarmBuilder::with_new_identity().with_tokio().with_quic();
        let swarm = builder.with_behaviour(|_| Streams::new());
        let swarm = swarm.expect("no error in there").with_swarm_config(patient).build();
        Self::start(swarm, "/ip4/127.0.0.1/udp/0/quic-v1").await
    }

    pub(super) async fn tcp() -> Self {
        let builder = SwarmBuilder::with_new_identity().with_tokio();
        let transport = tcp::Config::default().nodelay(true);
        let swarm = builder.with_tcp(transport, noise::Config::new, yamux::Config::default);
        let swarm = swarm.expect("noise has keys");
        let swarm = swarm.with_behaviour(|_| Streams::new());
        let swarm = swarm.expect("no error in there").with_swarm_config(patient).build();
        Self::start(swarm, "/ip4/127.0.0.1/tcp/0").await
    }

    async fn start(mut swarm: Swarm<Streams>, address: &str) -> Self {
        let (id, control) = (*swarm.local_peer_id(), swarm.behaviour().new_control());
        swarm.listen_on(address.parse().expect("an address")).expect("loopback is there");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let (dials, asked) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(swarm, asked));
        Self { id, address, control, dials, tasks }
    }

    /// Connects; returns when this side is connected.
    pub(super) async fn dial(&self, address: &Multiaddr) {
        let (done, connected) = oneshot::channel();
        self.dials.send((address.clone(), done)).await.expect("the swarm runs");
        soon(connected).await.expect("the swarm runs");
    }
}

fn patient(config: Config) -> Config {
    config.with_idle_connection_timeout(Duration::from_secs(600))
}

async fn run(mut swarm: Swarm<Streams>, mut asked: mpsc::Receiver<Dial>) {
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::ConnectionEstablished { endpoint, .. } = event
                    && endpoint.is_dialer()
                {
                    for done in waiting.drain(..) {
                        let done: oneshot::Sender<()> = done;
                        done.send(()).expect("the test waits for it");
                    }
                }
            }
            Some((address, done)) = asked.recv() => {
                waiting.push(done);
                swarm.dial(address).expect("a sound address");
            }
        }
    }
}

/// A peer with this crate's Bitswap and a store in memory.
pub(super) struct Node {
    pub peer: Peer,
    pub bitswap: Bitswap,
    pub store: Arc<Memory>,
}

impl Node {
    pub(super) async fn new(limits: BitswapLimits) -> Self {
        Self::over(Peer::quic().await, limits)
    }

    pub(super) fn over(mut peer: Peer, limits: BitswapLimits) -> Self {
        let store = Arc::new(Memory::new(1 << 30));
        let blocks = Arc::clone(&store);
        let started = Bitswap::start(peer.control.clone(), blocks, limits);
        let (bitswap, task) = started.expect("nothing else runs there");
        peer.tasks.spawn(task);
        Self { peer, bitswap, store }
    }

    /// Stores bytes without a word to anybody.
    pub(super) fn put(&self, bytes: impl Into<Vec<u8>>) -> ContentId {
        let content = Content::of(bytes).expect("small enough");
        self.store.put(&content).expect("room");
        content.id()
    }

    pub(super) async fn fetch(
        &self,
        from: &Peer,
        id: ContentId,
    ) -> Result<Content, crate::FetchError> {
        self.bitswap.fetch(from.id, id, LONG).await
    }
}

/// Two connected nodes.
pub(super) async fn pair() -> (Node, Node) {
    let limits = BitswapLimits::default();
    let (first, second) = (Node::new(limits).await, Node::new(limits).await);
    first.peer.dial(&second.peer.address).await;
    (first, second)
}

/// A peer that speaks by hand.
pub(super) struct Bare {
    pub peer: Peer,
    pub incoming: IncomingStreams,
    budget: Budget,
}

impl Bare {
    /// Connected to the node.
    pub(super) async fn beside(node: &Node) -> Self {
        let peer = Peer::quic().await;
        let incoming = peer.control.accept(PROTOCOL).expect("nothing else runs there");
        peer.dial(&node.peer.address).await;
        let budget = Budget::within(&Arc::new(Semaphore::new(MESSAGE_BYTES_MAX)));
        Self { peer, incoming, budget }
    }

    /// A stream to the node.
    pub(super) async fn open(&mut self, node: &Node) -> Stream {
        soon(self.peer.control.open_stream(node.peer.id, PROTOCOL)).await.expect("a stream")
    }

    /// The next stream of the node.
    pub(super) async fn accept(&mut self) -> Stream {
        soon(self.incoming.next()).await.expect("the swarm runs").1
    }

    /// The next message on a stream.
    pub(super) async fn hear(&self, stream: &mut Stream) -> Message {
        let frame = soon(frame::read(stream, &self.budget, LONG)).await;
        let frame = frame.expect("a sound message").expect("the stream is open");
        Message::decode(&frame.bytes).expect("a sound message")
    }
}

pub(super) async fn say(stream: &mut Stream, message: &Message) {
    soon(frame::write(stream, &message.encode())).await.expect("the stream takes it");
}

/// Waits until the other side has closed or reset the stream.
pub(super) async fn ended(stream: &mut Stream) {
    let mut byte = [0];
    let read = soon(stream.read(&mut byte)).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

pub(super) fn want(id: ContentId, send_dont_have: bool) -> Entry {
    let cid = bytes::Bytes::from(id.to_bytes());
    Entry { cid, is_cancel: false, kind: WantKind::Block, send_dont_have }
}

pub(super) fn wants(entries: Vec<Entry>) -> Message {
    Message { entries, ..Message::default() }
}

/// The value, or a failed test.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it should not take so long")
}

/// Waits for a condition that nobody announces.
pub(super) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LONG, "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}
