//! A member that breaks what the transport promises to others: it fills queues, opens and resets
//! streams, drips, and sends what was never agreed on.

use super::*;
use crate::transport::limits::{WAITING_FRAME_KIB, WAITING_KIB_MAX};

#[tokio::test]
async fn frames_of_one_peer_that_wait_for_the_validator_are_bounded_in_bytes() {
    let nodes = [
        Node::start(config(0, 3)),
        Node::start(config(1, 3)),
        Node::start_with_room(config(2, 3), 1_024),
    ];
    introduce(&nodes);
    let [flooding, honest, mut busy] = nodes;
    flooding.until_up(2).await;
    honest.until_up(2).await;
    let frame = Bytes::from(vec![7; 1024 * 1024]);
    let most = WAITING_KIB_MAX / (1_024 + WAITING_FRAME_KIB);
    let transport = flooding.transport.clone();
    let flood = tokio::spawn(async move {
        loop {
            if transport.send(2, frame.clone()) != Sent::Queued {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    until("all that may wait does", || busy.inbound.len() >= most).await;
    // Nobody takes any of it: no more comes in, however long it is offered.
    let more = async { until("more waits", || busy.inbound.len() > most + 4).await };
    assert!(tokio::time::timeout(Duration::from_millis(500), more).await.is_err());
    // Another member's frame has at most that much in front of it.
    let waiting = busy.inbound.len();
    assert_eq!(honest.transport.send(2, Bytes::from_static(b"a vote")), Sent::Queued);
    until("it waits, too", || busy.inbound.len() > waiting).await;
    let mut before = 0;
    loop {
        match busy.frame().await {
            (1, bytes) => break assert_eq!(bytes, Bytes::from_static(b"a vote")),
            (from, _) => before += usize::from(from == 0),
        }
    }
    assert!(before <= most + 1, "{before} frames were in front");
    flood.abort();
    close([flooding, honest, busy]).await;
}

#[tokio::test]
async fn a_share_is_free_again_when_its_frame_is_taken() {
    let mut nodes = committee(2).await;
    let (mut taking, sending) = (nodes.remove(1), nodes.remove(0));
    let frame = Bytes::from(vec![7; FRAME_BYTES_MAX]);
    for _ in 0..5 {
        assert_eq!(sending.transport.send(1, frame.clone()), Sent::Queued);
        let (_, bytes) = taking.frame().await;
        assert_eq!(bytes.len(), FRAME_BYTES_MAX);
    }
    close([sending, taking]).await;
}

/// A member that is not ours, linked to member 1.
async fn linked() -> (Node, Fake, quinn::Connection, (quinn::SendStream, quinn::RecvStream)) {
    let timings = Timings {
        frame: Patience { grace: Duration::from_millis(200), rate_bytes_min: 1 << 20 },
        ..Timings::default()
    };
    let node = Node::start(TransportConfig { timings, ..config(1, 2) });
    let fake = Fake::new(0, 2);
    let (connection, outgoing, incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    node.until_up(0).await;
    (node, fake, connection, (outgoing, incoming))
}

/// Still answers a request of the fake member.
async fn still_serves(node: &mut Node, connection: &quinn::Connection) {
    let (mut outgoing, mut incoming) =
        within("a free stream", connection.open_bi()).await.expect("a stream");
    outgoing.write_all(b"\x05\0\0\0alive").await.expect("open");
    outgoing.finish().expect("open");
    loop {
        match node.event().await {
            Inbound::Request { bytes, reply, .. } if bytes[..] == b"alive"[..] => {
                break reply.send(bytes).expect("it is awaited");
            }
            _ => {}
        }
    }
    let answer = within("the reply", incoming.read_to_end(100)).await.expect("a reply");
    assert_eq!(answer, b"\x05\0\0\0alive");
}

#[tokio::test]
async fn a_frame_of_four_gigabytes_ends_the_link_before_anything_is_allocated() {
    let (mut node, _fake, connection, (mut outgoing, _incoming)) = linked().await;
    outgoing.write_all(&u32::MAX.to_le_bytes()).await.expect("the link is up");
    assert_eq!(node.down().await, 0);
    let bytes = usize::try_from(u32::MAX).expect("64 bits");
    let error = LinkError::FrameTooLarge { bytes, max: FRAME_BYTES_MAX };
    assert_eq!(node.peer(0).error, Some(error));
    drop(connection);
    close([node]).await;
}

#[tokio::test]
async fn hundreds_of_requests_that_are_begun_and_reset_leave_no_trace() {
    let (mut node, _fake, connection, _frames) = linked().await;
    for number in 0..400u32 {
        let (mut outgoing, mut incoming) =
            within("a stream", connection.open_bi()).await.expect("a stream");
        outgoing.write_all(&(1u32 << 19).to_le_bytes()).await.expect("open");
        outgoing.write_all(&[7; 100]).await.expect("open");
        outgoing.reset(number.into()).expect("open");
        incoming.stop(number.into()).expect("open");
    }
    still_serves(&mut node, &connection).await;
    close([node]).await;
}

#[tokio::test]
async fn a_reply_that_is_never_read_is_given_up_and_its_place_is_free_again() {
    let (mut node, _fake, connection, _frames) = linked().await;
    let mut unread = Vec::new();
    for _ in 0..REQUESTS_PER_PEER_MAX {
        let (mut outgoing, incoming) =
            within("a stream", connection.open_bi()).await.expect("a stream");
        outgoing.write_all(b"\x01\0\0\0?").await.expect("open");
        outgoing.finish().expect("open");
        let reply = loop {
            if let Inbound::Request { reply, .. } = node.event().await {
                break reply;
            }
        };
        reply.send(Bytes::from(vec![1; REPLY_BYTES_MAX])).expect("it is awaited");
        unread.push(incoming);
    }
    // Nothing of them is read, and one more is taken all the same.
    let (mut outgoing, _late) =
        within("a free stream", connection.open_bi()).await.expect("a stream");
    outgoing.write_all(b"\x04\0\0\0more").await.expect("open");
    outgoing.finish().expect("open");
    loop {
        if let Inbound::Request { bytes, .. } = node.event().await {
            break assert_eq!(bytes[..], b"more"[..]);
        }
    }
    // An answer fits the link's window again once what fills it is given up here, too.
    drop(unread);
    still_serves(&mut node, &connection).await;
    close([node]).await;
}

#[tokio::test]
async fn datagrams_are_not_spoken() {
    let (mut node, _fake, connection, _frames) = linked().await;
    // Neither end has them: the other one is made of the same settings.
    let sent = connection.send_datagram(Bytes::from_static(b"hello"));
    assert_eq!(sent, Err(quinn::SendDatagramError::Disabled));
    assert_eq!(connection.max_datagram_size(), None);
    still_serves(&mut node, &connection).await;
    close([node]).await;
}
