//! Bursts of streams between two swarms on loopback.

use std::time::Duration;

use futures::{AsyncReadExt, StreamExt};
use libp2p::{
    PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::{task::JoinSet, time::timeout};

use super::{Acceptor, Inbound, IncomingStreams, Taken};

const LONG: Duration = Duration::from_secs(20);
const NAME: StreamProtocol = StreamProtocol::new("/test/1");

#[derive(Default, NetworkBehaviour)]
struct Streams {
    outbound: libp2p_stream::Behaviour,
    inbound: Inbound,
}

/// A server and a client that is connected to it.
struct Pair {
    acceptor: Acceptor,
    server: PeerId,
    client: libp2p_stream::Control,
    _tasks: JoinSet<()>,
}

fn swarm() -> Swarm<Streams> {
    let builder = SwarmBuilder::with_new_identity().with_tokio();
    let transport = tcp::Config::default().nodelay(true);
    let swarm = builder.with_tcp(transport, noise::Config::new, yamux::Config::default);
    let swarm = swarm.expect("noise has keys").with_behaviour(|_| Streams::default());
    let swarm = swarm.expect("no error in there");
    swarm.with_swarm_config(|config| config.with_idle_connection_timeout(LONG)).build()
}

async fn run(mut swarm: Swarm<Streams>) {
    loop {
        swarm.select_next_some().await;
    }
}

impl Pair {
    async fn new() -> Self {
        let (mut server, mut client) = (swarm(), swarm());
        server.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("loopback");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = server.select_next_some().await {
                break address;
            }
        };
        let (id, acceptor) = (*server.local_peer_id(), server.behaviour().inbound.acceptor());
        let mut tasks = JoinSet::new();
        tasks.spawn(run(server));
        client.dial(address).expect("a sound address");
        while !client.is_connected(&id) {
            client.select_next_some().await;
        }
        let control = client.behaviour().outbound.new_control();
        tasks.spawn(run(client));
        Self { acceptor, server: id, client: control, _tasks: tasks }
    }

    async fn open(&mut self) -> Stream {
        let opened = timeout(LONG, self.client.open_stream(self.server, NAME)).await;
        opened.expect("in time").expect("it is served")
    }
}

async fn next(incoming: &mut IncomingStreams) -> Stream {
    timeout(LONG, incoming.next()).await.expect("in time").expect("the swarm runs").1
}

#[tokio::test]
async fn streams_that_come_together_all_wait() {
    let mut pair = Pair::new().await;
    let mut incoming = pair.acceptor.accept(NAME).expect("nobody else serves it");
    let mut opened = Vec::new();
    for _ in 0..100 {
        opened.push(pair.open().await);
    }
    for _ in 0..100 {
        next(&mut incoming).await;
    }
}

#[tokio::test]
async fn the_newest_is_dropped_when_too_many_wait() {
    let mut pair = Pair::new().await;
    let mut incoming = pair.acceptor.accept_up_to(NAME, 4).expect("nobody else serves it");
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(pair.open().await);
    }
    let mut byte = [0];
    let newest = opened.last_mut().expect("five are open");
    let read = timeout(LONG, newest.read(&mut byte)).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "it is closed or reset: {read:?}");
    for _ in 0..4 {
        next(&mut incoming).await;
    }
    // There is room again.
    let _stream = pair.open().await;
    next(&mut incoming).await;
}

#[tokio::test]
async fn a_protocol_is_served_once_and_as_long_as_somebody_takes() {
    let mut pair = Pair::new().await;
    let incoming = pair.acceptor.accept(NAME).expect("nobody else serves it");
    assert_eq!(pair.acceptor.accept(NAME).err(), Some(Taken));
    drop(incoming);
    let refused = timeout(LONG, pair.client.open_stream(pair.server, NAME)).await;
    refused.expect("in time").expect_err("nobody serves it");
    let mut again = pair.acceptor.accept(NAME).expect("the last one has gone");
    let _stream = pair.open().await;
    next(&mut again).await;
}
