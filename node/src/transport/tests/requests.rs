//! Questions and answers.

use super::*;

/// The next request and the way back.
async fn request(node: &mut Node) -> (u16, Bytes, ReplyHandle) {
    loop {
        if let Inbound::Request { from, bytes, reply } = node.event().await {
            return (from, bytes, reply);
        }
    }
}

#[tokio::test]
async fn a_request_is_answered_in_both_directions() {
    let mut nodes = committee(2).await;
    for (asking, answering) in [(0, 1), (1, 0)] {
        let transport = nodes[asking].transport.clone();
        let member = u16::try_from(answering).expect("small");
        let asked = transport.request(member, Bytes::from_static(b"why?"), SOON);
        let answer = async {
            let (from, bytes, reply) = request(&mut nodes[answering]).await;
            assert_eq!((usize::from(from), &bytes[..]), (asking, &b"why?"[..]));
            reply.send(Bytes::from_static(b"because")).expect("it is awaited");
        };
        let (reply, ()) = tokio::join!(asked, answer);
        assert_eq!(reply, Ok(Bytes::from_static(b"because")));
    }
    close(nodes).await;
}

#[tokio::test]
async fn the_largest_request_and_reply_pass_and_larger_ones_do_not() {
    let mut nodes = committee(2).await;
    let transport = nodes[0].transport.clone();
    let largest = Bytes::from(vec![1; REQUEST_BYTES_MAX]);
    let answer = async {
        let (_, bytes, reply) = request(&mut nodes[1]).await;
        assert_eq!(bytes.len(), REQUEST_BYTES_MAX);
        reply.send(Bytes::from(vec![2; REPLY_BYTES_MAX])).expect("it is awaited");
        let (_, _, reply) = request(&mut nodes[1]).await;
        reply.send(Bytes::from(vec![2; REPLY_BYTES_MAX + 1]))
    };
    let ask = async {
        let reply = transport.request(1, largest, SOON).await.expect("a reply");
        assert_eq!(reply.len(), REPLY_BYTES_MAX);
        transport.request(1, Bytes::new(), SOON).await
    };
    let (refused, too_large) = tokio::join!(ask, answer);
    let bytes = REPLY_BYTES_MAX + 1;
    assert_eq!(too_large, Err(ReplyError::TooLarge { bytes, max: REPLY_BYTES_MAX }));
    assert_eq!(refused, Err(RequestError::Refused));
    let bytes = REQUEST_BYTES_MAX + 1;
    let sent = transport.request(1, Bytes::from(vec![1; bytes]), SOON).await;
    assert_eq!(sent, Err(RequestError::TooLarge { bytes, max: REQUEST_BYTES_MAX }));
    close(nodes).await;
}

#[tokio::test]
async fn a_request_ends_at_its_deadline_and_the_other_side_knows() {
    let mut nodes = committee(2).await;
    let transport = nodes[0].transport.clone();
    let asked = transport.request(1, Bytes::from_static(b"?"), Duration::from_millis(100)).await;
    assert_eq!(asked, Err(RequestError::Deadline));
    let (_, _, reply) = request(&mut nodes[1]).await;
    until("the answer is not awaited", || reply.is_gone()).await;
    assert_eq!(reply.send(Bytes::new()), Err(ReplyError::Gone));
    close(nodes).await;
}

#[tokio::test]
async fn a_dropped_handle_is_a_refusal_and_so_is_silence() {
    let mut nodes = committee(2).await;
    let transport = nodes[0].transport.clone();
    let asked = transport.request(1, Bytes::from_static(b"?"), SOON);
    let refuse = async { drop(request(&mut nodes[1]).await) };
    assert_eq!(tokio::join!(asked, refuse).0, Err(RequestError::Refused));
    close(nodes).await;

    let timings = Timings { serve: Duration::from_millis(100), ..Timings::default() };
    let busy = Node::start(TransportConfig { timings, ..config(1, 2) });
    let nodes = [Node::start(config(0, 2)), busy];
    introduce(&nodes);
    nodes[0].until_up(1).await;
    let asked = nodes[0].transport.request(1, Bytes::from_static(b"?"), SOON).await;
    assert_eq!(asked, Err(RequestError::Refused));
    close(nodes).await;
}

#[tokio::test]
async fn one_request_more_than_allowed_is_refused_at_once() {
    let mut nodes = committee(2).await;
    let mut asking = JoinSet::new();
    for _ in 0..REQUESTS_PER_PEER_MAX {
        let transport = nodes[0].transport.clone();
        asking.spawn(async move { transport.request(1, Bytes::from_static(b"?"), SOON).await });
    }
    let mut handles = Vec::new();
    for _ in 0..REQUESTS_PER_PEER_MAX {
        handles.push(request(&mut nodes[1]).await.2);
    }
    let more = nodes[0].transport.request(1, Bytes::from_static(b"?"), SOON).await;
    assert_eq!(more, Err(RequestError::TooMany { max: REQUESTS_PER_PEER_MAX }));
    for handle in handles {
        handle.send(Bytes::from_static(b"!")).expect("it is awaited");
    }
    while let Some(reply) = asking.join_next().await {
        assert_eq!(reply.expect("no panic"), Ok(Bytes::from_static(b"!")));
    }
    close(nodes).await;
}

#[tokio::test]
async fn without_a_link_there_is_no_request() {
    let node = Node::start(config(0, 2));
    for member in [0, 1, 2] {
        let asked = node.transport.request(member, Bytes::new(), SOON).await;
        assert_eq!(asked, Err(RequestError::Down { member }));
    }
    close([node]).await;
}

#[tokio::test]
async fn a_request_on_a_link_that_breaks_is_lost() {
    let mut nodes = committee(2).await;
    let answering = nodes.pop().expect("two");
    let asked = nodes[0].transport.request(1, Bytes::from_static(b"?"), SOON);
    let stop = async {
        let mut answering = answering;
        let _handle = request(&mut answering).await;
        answering.transport.close().await;
    };
    let (asked, ()) = tokio::join!(asked, stop);
    assert!(matches!(asked, Err(RequestError::Lost(_) | RequestError::Refused)), "{asked:?}");
    close(nodes).await;
}

/// A member that is not ours answers every request with `answer` and leaves the stream open.
async fn answered_with(answer: &'static [u8]) -> Result<Bytes, RequestError> {
    let timings = Timings {
        frame: Patience { grace: Duration::from_millis(200), rate_bytes_min: 1 << 20 },
        ..Timings::default()
    };
    let node = Node::start(TransportConfig { timings, ..config(1, 2) });
    let fake = Fake::new(0, 2);
    let (connection, _outgoing, _incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    node.until_up(0).await;
    let asked = node.transport.request(0, Bytes::from_static(b"?"), SOON);
    let mut streams = Vec::new();
    let respond = async {
        let (mut outgoing, incoming) = connection.accept_bi().await.expect("a request");
        outgoing.write_all(answer).await.expect("open");
        streams.push((outgoing, incoming));
    };
    let (asked, ()) = tokio::join!(asked, respond);
    close([node]).await;
    asked
}

#[tokio::test]
async fn a_reply_above_the_limit_or_half_open_is_no_reply() {
    let bytes = REPLY_BYTES_MAX + 1;
    let too_large = RequestError::ReplyTooLarge { bytes, max: REPLY_BYTES_MAX };
    assert_eq!(answered_with(&[1, 0, 0, 1]).await, Err(too_large));
    assert_eq!(answered_with(&[9, 0, 0, 0, 1]).await, Err(RequestError::Refused));
}

#[tokio::test]
async fn a_half_open_request_is_given_up_and_costs_no_link() {
    let timings = Timings {
        frame: Patience { grace: Duration::from_millis(100), rate_bytes_min: 1 << 24 },
        ..Timings::default()
    };
    let mut node = Node::start(TransportConfig { timings, ..config(1, 2) });
    let fake = Fake::new(0, 2);
    let (connection, _outgoing, _incoming) =
        fake.link(1, node.address()).await.expect("an admitted member");
    let mut half_open = Vec::new();
    for _ in 0..REQUESTS_PER_PEER_MAX {
        let (mut outgoing, incoming) = connection.open_bi().await.expect("a stream");
        outgoing.write_all(b"\x09\0\0\0ha").await.expect("open");
        half_open.push((outgoing, incoming));
    }
    let more = tokio::time::timeout(Duration::from_millis(20), connection.open_bi()).await;
    assert!(more.is_err(), "QUIC holds the stream above the limit back");
    for (outgoing, mut incoming) in half_open {
        let read = within("the refusal", incoming.read_to_end(10)).await;
        assert!(matches!(read, Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(_)))));
        drop(outgoing);
    }
    let (mut outgoing, mut incoming) =
        within("a free stream", connection.open_bi()).await.expect("a stream");
    outgoing.write_all(b"\x02\0\0\0ok").await.expect("open");
    outgoing.finish().expect("open");
    let (from, bytes, reply) = request(&mut node).await;
    assert_eq!((from, &bytes[..]), (0, &b"ok"[..]));
    reply.send(Bytes::from_static(b"yes")).expect("it is awaited");
    let answer = within("the reply", incoming.read_to_end(100)).await.expect("a reply");
    assert_eq!(answer, b"\x03\0\0\0yes");
    close([node]).await;
}
