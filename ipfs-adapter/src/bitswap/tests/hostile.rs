//! Peers that lie, flood, stall or die.

use std::{cell::Cell, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{AsyncWriteExt, future::join_all};

use super::network::{Bare, LONG, Node, ended, say, soon, until, want, wants};
use crate::{
    BLOCK_BYTES_MAX, BitswapLimits, ContentId, FetchError,
    bitswap::{
        limits::{BATCH_BYTES_MAX, WANTS_MAX},
        message::{Block, Message, prefix_of},
    },
};

fn blocks(blocks: Vec<Block>) -> Message {
    Message { blocks, ..Message::default() }
}

/// A block whose prefix is right and whose bytes are these.
fn claimed(bytes: &[u8]) -> Block {
    Block { prefix: prefix_of(ContentId::of(b"")), data: Bytes::copy_from_slice(bytes) }
}

#[tokio::test]
async fn a_wrong_block_is_never_taken() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(b"right"), LONG);
    let serve = async {
        let mut asked = bare.accept().await;
        bare.hear(&mut asked).await;
        let mut out = bare.open(&node).await;
        let mut odd = claimed(b"right");
        odd.prefix = Bytes::from_static(&[1, 0x71, 0x12, 32]);
        say(&mut out, &blocks(vec![claimed(b"wrong"), odd, claimed(b"unasked")])).await;
        until("they are counted", || node.bitswap.stats().unwanted == 3).await;
        say(&mut out, &blocks(vec![claimed(b"right")])).await;
        out
    };
    let (fetched, _out) = tokio::join!(fetch, serve);
    assert_eq!(fetched.map(|content| content.into_bytes()), Ok(b"right".to_vec()));
}

#[tokio::test]
async fn a_block_over_the_limit_is_refused() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let large = vec![1; BLOCK_BYTES_MAX + 1];
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(&large), LONG);
    let serve = async {
        let mut out = bare.open(&node).await;
        bare.accept().await;
        say(&mut out, &blocks(vec![claimed(&large)])).await;
        out
    };
    let (fetched, _out) = tokio::join!(fetch, serve);
    assert_eq!(fetched, Err(FetchError::TooLarge { bytes: BLOCK_BYTES_MAX + 1 }));
}

/// What the fetch ends with when the peer writes these bytes, and its stream with them.
async fn check_nonsense(bytes: &[u8]) {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(b"wanted"), LONG);
    let serve = async {
        let _asked = bare.accept().await;
        let mut out = bare.open(&node).await;
        out.write_all(bytes).await.expect("the stream takes it");
        out.flush().await.expect("the stream takes it");
        ended(&mut out).await;
    };
    let (fetched, ()) = tokio::join!(fetch, serve);
    assert_eq!(fetched, Err(FetchError::Corrupt), "{bytes:?}");
    assert_eq!(node.bitswap.stats().malformed, 1);
    // The peer may begin again.
    let mut out = bare.open(&node).await;
    let id = node.put(b"held".to_vec());
    say(&mut out, &wants(vec![want(id, true)])).await;
    let mut answers = bare.accept().await;
    assert_eq!(bare.hear(&mut answers).await.blocks.len(), 1);
}

#[tokio::test]
async fn an_oversized_message_is_refused_unread() {
    check_nonsense(&[0x81, 0x80, 0x80, 0x02]).await; // 4 MiB + 1, and not a byte of them
    check_nonsense(&[0xff, 0xff, 0xff, 0xff, 0x7f]).await;
}

#[tokio::test]
async fn a_malformed_message_ends_the_stream() {
    check_nonsense(&[3, 0x0a, 9, 9]).await;
}

#[tokio::test]
async fn a_flood_of_wants_is_bounded() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let mut out = bare.open(&node).await;
    let flood = |round: u32| {
        let id = |number: u32| ContentId::of(&(round * 2_000 + number).to_be_bytes());
        wants((0..2_000).map(|number| want(id(number), false)).collect())
    };
    for round in 0..3 {
        say(&mut out, &flood(round)).await;
    }
    let refused = 6_000 - u64::try_from(WANTS_MAX).expect("small");
    until("wants are refused", || node.bitswap.stats().refused == refused).await;
    // Another peer does not notice.
    let honest = Node::new(BitswapLimits::default()).await;
    honest.peer.dial(&node.peer.address).await;
    let id = node.put(b"held".to_vec());
    assert!(soon(honest.fetch(&node.peer, id)).await.is_ok());
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_two_batches_at_most() {
    let write_deadline = Duration::from_millis(200);
    let limits = BitswapLimits { write_deadline, ..BitswapLimits::default() };
    let node = Node::new(limits).await;
    let mut bare = Bare::beside(&node).await;
    let entries: Vec<_> =
        (0..60).map(|byte| want(node.put(vec![byte; BLOCK_BYTES_MAX]), true)).collect();
    let mut out = bare.open(&node).await;
    say(&mut out, &wants(entries)).await;
    let _unread = bare.accept().await;
    let room = Arc::clone(&node.bitswap.shared.outbound);
    let taken = || limits.outbound_bytes_max - room.available_permits();
    let taken_max = Cell::new(0);
    until("the peer is given up", || {
        taken_max.set(taken_max.get().max(taken()));
        node.bitswap.stats().unsent == 1
    })
    .await;
    assert_eq!(taken(), 0, "the room is given back");
    let taken_max = taken_max.get();
    assert!((1..=2 * BATCH_BYTES_MAX).contains(&taken_max), "{taken_max}");
    assert!(node.bitswap.stats().blocks_sent < 60);
}

#[tokio::test]
async fn a_peer_that_dies_ends_its_fetches() {
    let node = Node::new(BitswapLimits::default()).await;
    let bare = Bare::beside(&node).await;
    let peer = bare.peer.id;
    let ids = (0..10_u8).map(|byte| ContentId::of(&[byte]));
    let fetches = join_all(ids.map(|id| node.bitswap.fetch(peer, id, LONG)));
    let die = async {
        let mut bare = bare;
        let mut asked = bare.accept().await;
        bare.hear(&mut asked).await;
        // Half a message, then death.
        let mut out = bare.open(&node).await;
        out.write_all(&[100, 0x1a]).await.expect("the stream takes it");
        out.flush().await.expect("the stream takes it");
        drop((asked, out, bare));
    };
    let (fetched, ()) = tokio::join!(fetches, die);
    assert_eq!(fetched, vec![Err(FetchError::Unreachable); 10]);
}

#[tokio::test]
async fn a_peer_that_is_nowhere_is_unreachable() {
    let node = Node::new(BitswapLimits::default()).await;
    let nowhere = libp2p::PeerId::random();
    let fetched = node.bitswap.fetch(nowhere, ContentId::of(b"a"), LONG).await;
    assert_eq!(fetched, Err(FetchError::Unreachable));
    let have = node.bitswap.have(nowhere, vec![ContentId::of(b"a")], LONG).await;
    assert_eq!(have, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_opened_again() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(b"right"), LONG);
    let serve = async {
        drop(bare.accept().await);
        let mut asked = bare.accept().await;
        assert_eq!(bare.hear(&mut asked).await.entries.len(), 1);
        let mut out = bare.open(&node).await;
        say(&mut out, &blocks(vec![claimed(b"right")])).await;
        (asked, out)
    };
    let (fetched, _streams) = tokio::join!(fetch, serve);
    assert!(fetched.is_ok());
}

#[tokio::test]
async fn a_peer_that_closes_its_half_is_still_asked() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let fetch = node.bitswap.fetch(bare.peer.id, ContentId::of(b"right"), LONG);
    let serve = async {
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut asked = bare.accept().await;
            asked.close().await.expect("the stream is open");
            streams.push(asked);
        }
        let last = streams.last_mut().expect("three");
        assert_eq!(bare.hear(last).await.entries.len(), 1);
        let mut out = bare.open(&node).await;
        say(&mut out, &blocks(vec![claimed(b"right")])).await;
        (streams, out)
    };
    let (fetched, _streams) = tokio::join!(fetch, serve);
    assert!(fetched.is_ok());
}

#[tokio::test]
async fn streams_over_the_limit_are_dropped() {
    let node = Node::new(BitswapLimits::default()).await;
    let mut bare = Bare::beside(&node).await;
    let id = node.put(b"held".to_vec());
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = bare.open(&node).await;
        say(&mut stream, &wants(vec![want(id, true)])).await;
        streams.push(stream);
        let count = streams.len();
        until("each is served", || {
            node.bitswap.stats().blocks_sent == u64::try_from(count).expect("small")
        })
        .await;
    }
    let mut over = bare.open(&node).await;
    over.flush().await.expect("the stream is open");
    drop(over.write_all(&[0]).await);
    drop(over.flush().await);
    ended(&mut over).await;
    assert_eq!(node.bitswap.stats().refused, 1);
}

#[tokio::test]
async fn peers_over_the_limit_are_refused() {
    let limits = BitswapLimits { peers_max: 1, ..BitswapLimits::default() };
    let node = Node::new(limits).await;
    let id = node.put(b"held".to_vec());
    let (mut first, mut second) = (Bare::beside(&node).await, Bare::beside(&node).await);
    let mut held = first.open(&node).await;
    say(&mut held, &wants(vec![want(id, true)])).await;
    let mut answers = first.accept().await;
    first.hear(&mut answers).await;
    let mut over = second.open(&node).await;
    drop(over.write_all(&[0]).await);
    drop(over.flush().await);
    ended(&mut over).await;
    assert_eq!(node.bitswap.stats().refused, 1);
    // Own calls have as many places again: one is left.
    let short = Duration::from_millis(50);
    let one = node.bitswap.fetch(second.peer.id, ContentId::of(b"a"), short).await;
    assert_eq!(one, Err(FetchError::Timeout { after_ms: 50 }));
    let two = node.bitswap.fetch(libp2p::PeerId::random(), ContentId::of(b"a"), LONG).await;
    assert_eq!(two, Err(FetchError::Busy));
}

#[tokio::test]
async fn calls_over_the_limit_are_refused() {
    let node = Node::new(BitswapLimits::default()).await;
    let bare = Bare::beside(&node).await;
    let deadline = Duration::from_millis(500);
    let ids = (0..3_000_u32).map(|number| ContentId::of(&number.to_be_bytes()));
    let fetches = ids.map(|id| node.bitswap.fetch(bare.peer.id, id, deadline));
    let fetched = soon(join_all(fetches)).await;
    let count = |error| fetched.iter().filter(|fetched| **fetched == Err(error)).count();
    let waited = count(FetchError::Timeout { after_ms: 500 });
    assert!((1..=WANTS_MAX).contains(&waited), "{waited}");
    assert_eq!(waited + count(FetchError::Busy), 3_000);
}
