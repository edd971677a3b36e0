//! Peers that keep to the protocol.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;

use super::network::{Bare, LONG, Node, Peer, pair, say, soon, until, want, wants};
use crate::{
    AlreadyRunning, BLOCK_BYTES_MAX, Bitswap, BitswapLimits, Content, ContentId, FetchError,
    Memory,
    bitswap::{
        limits::NOTICES_WAITING_MAX,
        message::{Block, Entry, Message, Presence, WantKind, prefix_of},
    },
};

fn block(content: &[u8]) -> Block {
    let data = Bytes::copy_from_slice(content);
    Block { prefix: prefix_of(ContentId::of(content)), data }
}

#[tokio::test]
async fn blocks_are_fetched_over_quic_both_ways() {
    let (first, second) = pair().await;
    for bytes in [vec![], vec![1; 3], vec![2; BLOCK_BYTES_MAX]] {
        let id = second.put(bytes.clone());
        assert_eq!(soon(first.fetch(&second.peer, id)).await, Ok(Content::of(bytes).expect("ok")));
    }
    let id = first.put(b"the other way".to_vec());
    assert!(soon(second.fetch(&first.peer, id)).await.is_ok());
    until("sent blocks are counted", || first.bitswap.stats().blocks_sent == 1).await;
    let stats = first.bitswap.stats();
    assert_eq!((stats.blocks_received, stats.unwanted, stats.refused), (3, 0, 0));
    assert_eq!(stats.bytes_received, crate::blockstore::size_of(&[0; BLOCK_BYTES_MAX + 3]));
    assert!(first.bitswap.response_time(&second.peer.id).is_some());
    assert!(first.bitswap.response_time(&first.peer.id).is_none());
}

#[tokio::test]
async fn blocks_are_fetched_over_tcp() {
    let limits = BitswapLimits::default();
    let first = Node::over(Peer::tcp().await, limits);
    let second = Node::over(Peer::tcp().await, limits);
    first.peer.dial(&second.peer.address).await;
    let ids: Vec<ContentId> = (0..8).map(|byte| second.put(vec![byte; 400_000])).collect();
    let fetched = join_all(ids.iter().map(|id| first.fetch(&second.peer, *id)));
    assert!(soon(fetched).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn who_does_not_hold_it_says_so() {
    let (first, second) = pair().await;
    let absent = ContentId::of(b"absent");
    assert_eq!(soon(first.fetch(&second.peer, absent)).await, Err(FetchError::DontHave));
    let (small, large) = (second.put(b"small".to_vec()), second.put(vec![0; 5_000]));
    let ids = vec![small, absent, large, small];
    let held = first.bitswap.have(second.peer.id, ids, LONG).await;
    assert_eq!(held, Ok(vec![true, false, true, true]));
    assert_eq!(first.bitswap.have(second.peer.id, vec![], LONG).await, Ok(vec![]));
    let id = first.put(b"absent".to_vec());
    assert_eq!(id, absent);
    assert!(soon(second.fetch(&first.peer, absent)).await.is_ok());
}

#[tokio::test]
async fn two_hundred_fetches_of_two_peers_complete() {
    let (first, second) = pair().await;
    let third = Node::new(BitswapLimits::default()).await;
    first.peer.dial(&third.peer.address).await;
    let fetches = (0..200_u32).map(|number| {
        let from = if number % 2 == 0 { &second } else { &third };
        let id = from.put(number.to_be_bytes().repeat(20_000));
        first.fetch(&from.peer, id)
    });
    assert!(soon(join_all(fetches)).await.iter().all(Result::is_ok));
    assert_eq!(first.bitswap.stats().blocks_received, 200);
    assert_eq!(first.bitswap.stats().unwanted, 0);
}

#[tokio::test]
async fn an_absent_block_is_served_when_it_is_put() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let mut out = bare.open(&node).await;
    let (late, held) = (ContentId::of(b"late"), node.put(b"held".to_vec()));
    // The second want's answer shows that the first has been looked up, too.
    say(&mut out, &wants(vec![want(late, false), want(held, false)])).await;
    let mut answers = bare.accept().await;
    assert_eq!(bare.hear(&mut answers).await.blocks, [block(b"held")]);
    node.put(b"late".to_vec());
    node.bitswap.notify(late);
    assert_eq!(bare.hear(&mut answers).await.blocks, [block(b"late")]);
}

#[tokio::test]
async fn blocks_put_all_at_once_are_all_served() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let mut out = bare.open(&node).await;
    let contents: Vec<[u8; 4]> = (0..600_u32).map(u32::to_be_bytes).collect();
    let ids = contents.iter().map(|content| ContentId::of(content));
    let mut entries: Vec<Entry> = ids.map(|id| want(id, false)).collect();
    entries.push(want(node.put(b"held".to_vec()), false));
    say(&mut out, &wants(entries)).await;
    let mut answers = bare.accept().await;
    assert_eq!(bare.hear(&mut answers).await.blocks, [block(b"held")]);
    // More notices than wait for a peer's task, which can't run in between.
    assert!(contents.len() > 2 * NOTICES_WAITING_MAX);
    contents.iter().for_each(|content| node.bitswap.notify(node.put(*content)));
    let mut served = Vec::new();
    while served.len() < contents.len() {
        let blocks = bare.hear(&mut answers).await.blocks;
        served.extend(blocks.into_iter().map(|block| block.data.to_vec()));
    }
    served.sort();
    assert_eq!(served, contents);
}

#[tokio::test]
async fn a_stream_carries_many_messages_in_both_roles() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let mut out = bare.open(&node).await;
    let first = node.put(b"first".to_vec());
    say(&mut out, &wants(vec![want(first, true)])).await;
    let mut answers = bare.accept().await;
    assert_eq!(bare.hear(&mut answers).await.blocks, [block(b"first")]);
    for round in 0..20_u8 {
        let id = node.put([round]);
        say(&mut out, &wants(vec![want(id, true)])).await;
        assert_eq!(bare.hear(&mut answers).await.blocks, [block(&[round])]);
    }
    // The node's own want comes on the stream of its answers.
    let wanted = ContentId::of(b"of the peer");
    let serve = async {
        assert_eq!(bare.hear(&mut answers).await.entries, [want(wanted, true)]);
        let blocks = vec![block(b"of the peer")];
        say(&mut out, &Message { blocks, ..Message::default() }).await;
    };
    let (fetched, ()) = tokio::join!(node.fetch(&bare.peer, wanted), serve);
    assert!(fetched.is_ok());
}

#[tokio::test]
async fn an_answer_on_our_own_stream_counts() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(b"here"), LONG);
    let serve = async {
        let mut stream = bare.accept().await;
        bare.hear(&mut stream).await;
        say(&mut stream, &Message { blocks: vec![block(b"here")], ..Message::default() }).await;
        stream
    };
    let (fetched, _stream) = tokio::join!(fetch, serve);
    assert!(fetched.is_ok());
}

#[tokio::test]
async fn calls_made_together_go_out_together_and_once() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let peer = bare.peer.id;
    let contents: Vec<[u8; 1]> = (0..50_u8).map(|byte| [byte]).collect();
    let twice = contents.iter().chain(&contents);
    let fetches =
        join_all(twice.map(|content| node.bitswap.fetch(peer, ContentId::of(content), LONG)));
    let serve = async {
        let mut asked = bare.accept().await;
        let (mut message_count, mut entry_count) = (0, 0);
        while entry_count < 50 {
            entry_count += bare.hear(&mut asked).await.entries.len();
            message_count += 1;
        }
        assert_eq!(entry_count, 50, "each id once");
        assert!(message_count <= 3, "{message_count} messages");
        let mut out = bare.open(&node).await;
        let blocks = contents.iter().map(|content| block(content)).collect();
        say(&mut out, &Message { blocks, ..Message::default() }).await;
        out
    };
    let (fetched, _out) = tokio::join!(fetches, serve);
    assert!(fetched.iter().all(Result::is_ok));
    assert_eq!(node.bitswap.stats().blocks_received, 50);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let id = ContentId::of(b"slow");
    let deadline = Duration::from_millis(30);
    let fetched = node.bitswap.fetch(bare.peer.id, id, deadline).await;
    assert_eq!(fetched, Err(FetchError::Timeout { after_ms: 30 }));
    let mut asked = bare.accept().await;
    let mut entries = Vec::new();
    while entries.len() < 2 {
        entries.extend(bare.hear(&mut asked).await.entries);
    }
    let cancel = Entry { is_cancel: true, ..want(id, false) };
    assert_eq!(entries, [want(id, true), cancel]);
}

#[tokio::test]
async fn foreign_kinds_are_answered_beside_the_rest() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let held = node.put(vec![7; 2_000]);
    let mut foreign = held.to_bytes();
    foreign[1] = 0x71; // dag-cbor
    let foreign = Entry { cid: Bytes::from(foreign), ..want(held, true) };
    let have = Entry { kind: WantKind::Have, ..want(held, true) };
    let mut out = bare.open(&node).await;
    say(&mut out, &wants(vec![foreign.clone(), have])).await;
    let mut answers = bare.accept().await;
    let mut presences = Vec::new();
    while presences.len() < 2 {
        presences.extend(bare.hear(&mut answers).await.presences);
    }
    let held = Presence { cid: Bytes::from(held.to_bytes()), is_held: true };
    assert_eq!(presences, [Presence { cid: foreign.cid, is_held: false }, held]);
}

#[tokio::test]
async fn it_starts_once_and_ends_for_good() {
    let Node { mut peer, bitswap, .. } = Node::new(BitswapLimits::default()).await;
    let store = Arc::new(Memory::new(1));
    let again = Bitswap::start(peer.control.clone(), store, BitswapLimits::default());
    assert!(matches!(again, Err(AlreadyRunning)));
    let too_many = vec![ContentId::of(b"a"); 1_025];
    assert_eq!(bitswap.have(peer.id, too_many, LONG).await, Err(FetchError::Busy));
    peer.tasks.shutdown().await;
    let fetched = bitswap.fetch(peer.id, ContentId::of(b"a"), LONG).await;
    assert_eq!(fetched, Err(FetchError::Closed));
}

#[tokio::test]
async fn a_task_without_work_ends_and_another_takes_its_place() {
    let limits = BitswapLimits { idle: Duration::from_millis(1), ..BitswapLimits::default() };
    let (first, second) = (Node::new(limits).await, Node::new(limits).await);
    first.peer.dial(&second.peer.address).await;
    for round in 0..2_u8 {
        let id = second.put([round]);
        assert!(soon(first.fetch(&second.peer, id)).await.is_ok());
        // Forgotten at the end of the task.
        let peer = &second.peer.id;
        until("the task ends", || first.bitswap.response_time(peer).is_none()).await;
    }
}
