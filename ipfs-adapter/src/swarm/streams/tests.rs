//! Streams between real swarms on loopback: many at once, none lost, none too many.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future::join_all};
use libp2p::{Swarm, SwarmBuilder, swarm::SwarmEvent};
use tokio::{task::JoinSet, time::timeout};

use super::*;

const ONE: StreamProtocol = StreamProtocol::new("/test/one");
const OTHER: StreamProtocol = StreamProtocol::new("/test/other");
/// Whatever takes longer has failed.
const LONG: Duration = Duration::from_secs(20);

/// A swarm of nothing but streams.
async fn swarm() -> (Swarm<Streams>, Multiaddr, Control) {
    let builder = SwarmBuilder::with_new_identity().with_tokio().with_quic();
    let builder = builder.with_behaviour(|_| Streams::new()).expect("no error in there");
    let patient = |config: libp2p::swarm::Config| config.with_idle_connection_timeout(LONG);
    let mut swarm = builder.with_swarm_config(patient).build();
    let listen = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address");
    swarm.listen_on(listen).expect("loopback is there");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            let control = swarm.behaviour().new_control();
            return (swarm, address, control);
        }
    }
}

/// So many peers connected to the one whose swarm, control and id come first; all but the first
/// run already.
async fn star(
    count: usize,
    tasks: &mut JoinSet<()>,
) -> (Swarm<Streams>, Control, PeerId, Vec<Control>) {
    let (mut middle, address, control) = swarm().await;
    let id = *middle.local_peer_id();
    let mut others = Vec::new();
    for _ in 0..count {
        let (mut other, _, control) = swarm().await;
        other.dial(address.clone()).expect("a sound address");
        tasks.spawn(async move {
            loop {
                other.select_next_some().await;
            }
        });
        while !matches!(middle.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {
        }
        others.push(control);
    }
    (middle, control, id, others)
}

fn run(mut swarm: Swarm<Streams>, tasks: &mut JoinSet<()>) {
    tasks.spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
}

/// Whether a byte comes on the stream; none when it was closed.
async fn lives(opened: Opened) -> bool {
    let Ok(mut stream) = opened else { return false };
    // Sent with the stream's name, which otherwise waits for the first write.
    let sent = stream.write_all(b"?").await.is_ok() && stream.flush().await.is_ok();
    sent && stream.read_exact(&mut [0]).await.is_ok()
}

#[tokio::test]
async fn streams_that_come_together_all_arrive() {
    let mut tasks = JoinSet::new();
    let (middle, control, id, others) = star(8, &mut tasks).await;
    let mut incoming = control.accept(ONE).expect("nobody else takes it");
    assert_eq!(control.accept(ONE).err(), Some(AlreadyAccepted));
    run(middle, &mut tasks);
    let opened = others.iter().flat_map(|control| (0..8).map(|_| control.open_stream(id, ONE)));
    let opened = opened.map(async |opened| lives(opened.await).await);
    let answer = async {
        let mut held = Vec::new();
        for _ in 0..64 {
            let (_, mut stream) = incoming.next().await.expect("the swarm runs");
            stream.write_all(b"!").await.expect("the peer is there");
            stream.flush().await.expect("the peer is there");
            held.push(stream);
        }
        held
    };
    let both = futures::future::join(join_all(opened), answer);
    let (lives, _held) = timeout(LONG, both).await.expect("it should not take so long");
    assert!(lives.into_iter().all(|lives| lives));
}

#[tokio::test]
async fn beyond_the_brim_they_are_closed() {
    let mut tasks = JoinSet::new();
    let (middle, control, id, others) = star(3, &mut tasks).await;
    let mut incoming = control.accept(ONE).expect("nobody else takes it");
    run(middle, &mut tasks);
    let mut waiting = Vec::new();
    let mut closed = 0;
    while closed == 0 {
        // In rounds, because QUIC and the handler have limits of their own.
        let round = others.iter().map(|control| control.open_stream(id, ONE));
        for opened in timeout(LONG, join_all(round)).await.expect("in time") {
            let mut stream = opened.expect("the peer speaks it");
            let brief = Duration::from_millis(if waiting.len() < WAITING_MAX { 0 } else { 500 });
            let ended = timeout(brief, stream.read(&mut [0])).await;
            closed += usize::from(ended.is_ok());
            waiting.push(stream);
        }
        assert!(waiting.len() <= WAITING_MAX + others.len(), "nothing is closed");
    }
    for _ in 0..WAITING_MAX {
        assert!(timeout(LONG, incoming.next()).await.is_ok_and(|next| next.is_some()));
    }
}

#[tokio::test]
async fn what_is_not_to_be_had_is_said() {
    let mut tasks = JoinSet::new();
    let (middle, control, id, others) = star(1, &mut tasks).await;
    let _incoming = control.accept(ONE).expect("nobody else takes it");
    run(middle, &mut tasks);
    let mut stream = others[0].open_stream(id, OTHER).await;
    assert_eq!(stream.as_ref().err(), Some(&OpenError::Unsupported { protocol: OTHER }));
    stream = others[0].open_stream(PeerId::random(), ONE).await;
    assert_eq!(stream.as_ref().err(), Some(&OpenError::NotConnected));
    drop(tasks);
    stream = timeout(LONG, others[0].open_stream(id, ONE)).await.expect("in time");
    assert_eq!(stream.err(), Some(OpenError::NotConnected));
}
