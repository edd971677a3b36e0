//! Members that are slow, silent or break the rules of frames.

use super::*;

/// Short enough for a test, long enough for a busy machine.
const PATIENCE: Patience =
    Patience { grace: Duration::from_millis(300), rate_bytes_min: 1024 * 1024 };

fn impatient(own: u16, count: u16) -> TransportConfig {
    let timings = Timings { frame: PATIENCE, ..Timings::default() };
    TransportConfig { timings, ..config(own, count) }
}

#[tokio::test]
async fn a_peer_that_never_reads_delays_nobody_and_its_drops_are_counted() {
    let nodes = [
        Node::start(config(0, 3)),
        Node::start_with_room(config(1, 3), 1),
        Node::start(config(2, 3)),
    ];
    introduce(&nodes);
    let [sender, slow, mut quick] = nodes;
    sender.until_up(1).await;
    sender.until_up(2).await;
    let frame = Bytes::from(vec![1; 1024 * 1024]);
    let mut arrived = 0;
    // More than the queue and both ends' windows hold.
    for _ in 0..80 {
        assert_eq!(sender.transport.send(2, frame.clone()), Sent::Queued);
        if sender.transport.send(1, frame.clone()) == Sent::Full {
            assert!(sender.peer(1).dropped > 0);
        }
        let (from, bytes) = quick.frame().await;
        assert_eq!((from, bytes.len()), (0, frame.len()));
        arrived += 1;
    }
    assert_eq!(arrived, 80);
    assert!(sender.peer(1).dropped > 0);
    assert_eq!(sender.peer(2).dropped, 0);
    assert!(sender.peer(1).is_up, "slow is not down: {:?}", sender.peer(1));
    close([sender, slow, quick]).await;
}

/// Member 0, not ours, writes `bytes` to member 2 and leaves the stream open; the link ends with
/// `error`, and member 1's link doesn't notice.
async fn ends_the_link(bytes: &[u8], error: LinkError) {
    let nodes = [Node::start(impatient(1, 3)), Node::start(impatient(2, 3))];
    nodes[0].transport.set_address(2, nodes[1].address());
    let [honest, mut node] = nodes;
    honest.until_up(2).await;
    let fake = Fake::new(0, 3);
    let (connection, mut outgoing, _incoming) =
        fake.link(2, node.address()).await.expect("an admitted member");
    node.until_up(0).await;
    outgoing.write_all(bytes).await.expect("the link is up");
    let told = LinkError::from(within("the link's end", connection.closed()).await);
    assert_eq!(told, LinkError::ClosedByPeer(CloseReason::Misbehaved));
    assert_eq!(node.down().await, 0);
    assert_eq!(node.peer(0).error, Some(error));
    assert_eq!(honest.transport.send(2, Bytes::from_static(b"well")), Sent::Queued);
    assert_eq!(node.frame().await, (1, Bytes::from_static(b"well")));
    close([honest, node]).await;
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_its_link_alone() {
    let claim = u32::try_from(FRAME_BYTES_MAX + 1).expect("small").to_le_bytes();
    let error = LinkError::FrameTooLarge { bytes: FRAME_BYTES_MAX + 1, max: FRAME_BYTES_MAX };
    ends_the_link(&claim, error).await;
}

#[tokio::test]
async fn a_half_open_frame_ends_its_link_alone() {
    ends_the_link(b"\x64\0\0\0begun", LinkError::FrameTooSlow { received: 5 }).await;
}

#[tokio::test]
async fn a_half_open_header_ends_its_link_alone() {
    ends_the_link(b"\x64\0", LinkError::FrameTooSlow { received: 2 }).await;
}

#[tokio::test]
async fn a_frame_that_drips_ends_its_link() {
    let mut node = Node::start(impatient(1, 2));
    let fake = Fake::new(0, 2);
    let (connection, mut outgoing, _incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    node.until_up(0).await;
    outgoing.write_all(&1000u32.to_le_bytes()).await.expect("the link is up");
    let begun = Instant::now();
    let drip = async {
        let mut drops = tokio::time::interval(Duration::from_millis(20));
        loop {
            drops.tick().await;
            if outgoing.write_all(b".").await.is_err() {
                return;
            }
        }
    };
    within("the link's end", drip).await;
    assert!(begun.elapsed() >= PATIENCE.grace);
    assert_eq!(node.down().await, 0);
    let error = node.peer(0).error;
    assert!(matches!(error, Some(LinkError::FrameTooSlow { .. })), "{error:?}");
    drop(connection);
    close([node]).await;
}

#[tokio::test]
async fn a_stream_that_ends_ends_its_link() {
    let mut node = Node::start(config(1, 2));
    let fake = Fake::new(0, 2);
    let (_connection, mut outgoing, _incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    outgoing.finish().expect("open");
    assert_eq!(node.down().await, 0);
    assert_eq!(node.peer(0).error, Some(LinkError::StreamBroken));
    close([node]).await;
}

#[tokio::test]
async fn a_peer_has_one_stream_of_frames() {
    let node = Node::start(config(1, 2));
    let fake = Fake::new(0, 2);
    let (connection, _outgoing, _incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    let second = tokio::time::timeout(Duration::from_millis(200), connection.open_uni()).await;
    assert!(second.is_err(), "QUIC holds the second stream back");
    close([node]).await;
}

#[tokio::test]
async fn a_stream_that_begins_with_a_frame_is_no_link() {
    let node = Node::start(config(1, 2));
    let fake = Fake::new(0, 2);
    let connection =
        fake.dial_as(1, node.address(), &tls::alpn()).await.expect("an admitted member");
    let mut outgoing = connection.open_uni().await.expect("a stream");
    outgoing.write_all(b"\x01\0\0\0x").await.expect("the link is up");
    within("the link's end", connection.closed()).await;
    until("it is counted", || node.transport.refused() == 1).await;
    assert!(!node.peer(0).is_up);
    close([node]).await;
}
