//! Peers that use a node beyond their share: announcements, questions, streams, proofs. The node
//! keeps its bounds, and others are served meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use ipfs_adapter::{
    ContentId, Ipfs, Provider,
    batch::{KEYS_MAX, PROTOCOL, REPLY_BYTES_MAX, Reply, Request, Why, read_frame, write_frame},
    swarm::proof::{self, ANSWER_BYTES_MAX, ProofError, Proofs},
};
use libp2p::{Stream, StreamProtocol, identify};
use tempfile::TempDir;

use super::{
    foreign::{Foreign, kad_key},
    nodes::{Node, WAIT, config, find, keys, network, node, start, until},
};

const BATCH: StreamProtocol = StreamProtocol::new(PROTOCOL);

async fn beside(node: &Node) -> Foreign {
    let foreign = Foreign::start(true).await;
    foreign.dial(&node.address).await;
    let own = foreign.peer;
    until(node, |status| status.connected.contains(&own)).await;
    foreign
}

async fn open(foreign: &Foreign, node: &Node, protocol: StreamProtocol) -> Stream {
    let peer = node.embedded.records().own().peer;
    let begin = Instant::now();
    loop {
        match foreign.control.open_stream(peer, protocol.clone()).await {
            Ok(stream) => return stream,
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(10), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn call(stream: &mut Stream, request: &Request) -> Reply {
    write_frame(stream, &request.encode()).await.expect("the node reads");
    let body = read_frame(stream, REPLY_BYTES_MAX).await.expect("it answers");
    Reply::decode(&body.expect("the stream is open")).expect("it speaks the protocol")
}

#[tokio::test]
async fn who_announces_without_end_fills_only_its_share_and_is_refused() {
    let nodes = network(3).await;
    let flooder = beside(&nodes[0]).await;
    let mut stream = open(&flooder, &nodes[0], BATCH).await;
    let (mut stored_count, mut busy) = (0, 0);
    for number in 0..150_u32 {
        let keys = keys(&format!("flood {number}"), KEYS_MAX);
        let request = Request::Provide { number, ttl_seconds: 3_600, addresses: Vec::new(), keys };
        match call(&mut stream, &request).await {
            Reply::Stored { stored, .. } => {
                stored_count += stored.into_iter().filter(|is_stored| *is_stored).count();
            }
            Reply::Refused { why: Why::Busy, .. } => busy += 1,
            reply => panic!("{reply:?}"),
        }
    }
    println!("{stored_count} of {} stored, {busy} refused", 150 * KEYS_MAX);
    let statistics = nodes[0].embedded.records().statistics();
    // Of a budget of 100,000 keys a peer gets twice as many records, and half of those.
    assert!(stored_count <= 100_000 && statistics.keys <= 100_000, "{statistics:?}");
    assert!(statistics.refused > 0 || busy > 0);
    let provided = nodes[1].embedded.provide(keys("of another", 10)).await.expect("it runs");
    assert_eq!(provided.failed, 0, "{provided:?}");
    assert!(find(&nodes[2], &keys("of another", 10)).await.is_complete());
}

#[tokio::test]
async fn who_asks_beyond_its_share_is_refused_and_others_are_answered() {
    let nodes = network(3).await;
    let greedy = beside(&nodes[0]).await;
    let mut stream = open(&greedy, &nodes[0], BATCH).await;
    let asked = keys("many", KEYS_MAX);
    let begin = Instant::now();
    let mut busy = 0;
    for number in 0..2_000 {
        let request = Request::Find { number, providers_max: 1, keys: asked.clone() };
        let reply = call(&mut stream, &request).await;
        busy += usize::from(matches!(reply, Reply::Refused { why: Why::Busy, .. }));
        if busy > 10 {
            break;
        }
    }
    println!("refused {busy} times within {:?}", begin.elapsed());
    assert!(busy > 10);
    let outcome = find(&nodes[1], &keys("few", 10)).await;
    assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
    assert_eq!(outcome.answers[0].failures, 0);
}

#[tokio::test]
async fn hundreds_of_streams_of_one_peer_leave_room_for_others() {
    let nodes = network(3).await;
    let opener = beside(&nodes[0]).await;
    let peer = nodes[0].embedded.records().own().peer;
    let mut held = Vec::new();
    for _ in 0..300 {
        for protocol in [BATCH, proof::PROTOCOL, ipfs_adapter::BITSWAP_PROTOCOL] {
            let opened = opener.control.open_stream(peer, protocol);
            let opened = tokio::time::timeout(Duration::from_millis(50), opened).await;
            if let Ok(Ok(mut stream)) = opened {
                // Half a question, or half a frame.
                drop(stream.write_all(&[0]).await);
                drop(stream.flush().await);
                held.push(stream);
            }
        }
        if held.len() > 400 {
            break;
        }
    }
    println!("{} streams were opened", held.len());
    let outcome = find(&nodes[1], &keys("meanwhile", 100)).await;
    assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
    let own = nodes[0].embedded.info().await.expect("it runs");
    let provider = Provider { peer: own.peer, addresses: own.addresses };
    let (wanted, deadline) = (keys("k", 2), Duration::from_secs(3));
    let shown = nodes[1].embedded.ask_proofs(provider, &wanted, deadline).await;
    assert_eq!(shown, Ok(vec![None, None]), "the places for proofs are shared");
}

#[tokio::test]
async fn queries_are_answered_during_a_flood_of_kademlia_announcements() {
    let nodes = network(3).await;
    let flooder = beside(&nodes[0]).await;
    flooder
        .ask(|swarm| {
            let kad = swarm.behaviour_mut().kad.as_mut().expect("it speaks Kademlia");
            // Its own store takes 1,024, and each is a look-up of its own.
            for key in keys("kad flood", 300) {
                drop(kad.start_providing(kad_key(&key)));
            }
        })
        .await;
    let begin = Instant::now();
    let mut round = 0;
    while nodes[0].embedded.records().statistics().keys < 300 {
        round += 1;
        let outcome = find(&nodes[1], &keys(&format!("round {round}"), 50)).await;
        assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
        assert!(begin.elapsed() < WAIT, "{:?}", nodes[0].embedded.records().statistics());
    }
    println!("300 announcements by plain Kademlia in {:?}, {round} queries", begin.elapsed());
}

/// Proofs as large as may be.
struct Large;

impl Proofs for Large {
    fn proofs(&self, keys: &[ContentId], _bytes_max: usize) -> Vec<Option<Vec<u8>>> {
        // Two bytes before all, six before each.
        let room = ANSWER_BYTES_MAX - 2 - 6;
        keys.iter().map(|_| Some(vec![7; room])).collect()
    }
}

#[tokio::test]
async fn the_largest_proof_arrives_and_what_breaks_the_form_is_an_error() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let holder = start(config(&folder, &[]), folder, Arc::new(Large)).await;
    let asker = node(std::slice::from_ref(&holder.address)).await;
    let info = holder.embedded.info().await.expect("it runs");
    let provider = Provider { peer: info.peer, addresses: info.addresses };
    let deadline = Duration::from_secs(5);
    let shown = asker.embedded.ask_proofs(provider.clone(), &keys("large", 2), deadline).await;
    let shown = shown.expect("it answers");
    assert_eq!(shown[0].as_ref().map(Vec::len), Some(ANSWER_BYTES_MAX - 8));
    assert_eq!(shown[1], None, "the second did not fit");
    let count = proof::KEYS_MAX + 1;
    let refused = asker.embedded.ask_proofs(provider, &keys("many", count), deadline).await;
    assert_eq!(refused, Err(ProofError::TooManyKeys { count }));
}

/// Answers of a peer that breaks the form of proofs.
async fn check_answer(what: &str, bytes: Vec<u8>, closes: bool, expected: ProofError) {
    let asker = node(&[]).await;
    let mut liar = beside(&asker).await;
    let mut incoming = liar.control.accept(proof::PROTOCOL).expect("nobody else takes it");
    liar.tasks.spawn(async move {
        let mut held = Vec::new();
        while let Some((_, mut stream)) = incoming.next().await {
            drop(stream.read(&mut [0; 2]).await);
            drop(stream.write_all(&bytes).await);
            drop(stream.flush().await);
            if closes {
                drop(stream.close().await);
            }
            held.push(stream);
        }
    });
    let address = ipfs_adapter::swarm::pool::split(liar.address.clone()).0;
    let provider = Provider { peer: liar.peer, addresses: vec![address] };
    let deadline = Duration::from_secs(1);
    let begin = Instant::now();
    let shown = asker.embedded.ask_proofs(provider, &keys("proof", 3), deadline).await;
    assert_eq!(shown, Err(expected), "{what}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{what}");
}

#[tokio::test]
async fn answers_without_proof_are_typed_errors() {
    use ProofError::{Malformed, Timeout};
    check_answer("count", vec![0, 9], true, Malformed).await;
    check_answer("nothing", Vec::new(), true, Malformed).await;
    check_answer("length", b"\0\x01\0\0\xff\xff\xff\xffx".to_vec(), true, Malformed).await;
    check_answer("huge", vec![0; 2 * ANSWER_BYTES_MAX], true, Malformed).await;
    check_answer("half open", vec![0, 1, 0], false, Timeout).await;
}

#[tokio::test]
async fn who_changes_its_addresses_all_the_time_is_kept_within_bounds() {
    let nodes = network(3).await;
    let liar = beside(&nodes[0]).await;
    for port in 1..200_u16 {
        let own = nodes[0].embedded.records().own().peer;
        liar.ask(move |swarm| {
            for offset in 0..20_u16 {
                let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", port * 20 + offset);
                swarm.add_external_address(address.parse().expect("an address"));
            }
            let identify: &mut identify::Behaviour = swarm.behaviour_mut().identify();
            identify.push([own]);
        })
        .await;
    }
    // The others are served; on a busy machine not every question at once.
    let (begin, mut complete) = (Instant::now(), 0);
    while complete < 20 {
        let outcome = find(&nodes[1], &keys(&format!("at {:?}", begin.elapsed()), 50)).await;
        complete += usize::from(outcome.is_complete());
        assert!(begin.elapsed() < WAIT, "{complete} complete: {:?}", outcome.answers[0]);
    }
}
