//! Links that work, break and come back.

use super::*;

fn numbered(number: u32) -> Bytes {
    Bytes::from(number.to_le_bytes().to_vec())
}

/// Sends `count` numbered frames to everybody and takes everybody's, in order.
async fn exchange(nodes: &mut [Node], count: u32) {
    for node in nodes.iter() {
        for number in 0..count {
            assert_eq!(node.transport.send_all(numbered(number)), node.transport.peers().len());
        }
    }
    let senders = nodes.len();
    for (own, node) in nodes.iter_mut().enumerate() {
        let mut next = vec![0; senders];
        let expected = (senders - 1) * usize::try_from(count).expect("small");
        for _ in 0..expected {
            let (from, bytes) = node.frame().await;
            let next = &mut next[usize::from(from)];
            assert_eq!(bytes, numbered(*next));
            *next += 1;
        }
        assert_eq!(next[own], 0);
    }
}

#[tokio::test]
async fn two_members_exchange_frames_in_order() {
    let mut nodes = committee(2).await;
    exchange(&mut nodes, 500).await;
    assert_eq!(nodes[0].peer(1).dropped, 0);
    assert_eq!(nodes[0].transport.reachable(Duration::from_secs(1)), [1]);
    until("bytes are counted", || nodes[0].peer(1).sent_bytes > 500).await;
    assert!(nodes[0].peer(1).rtt_us > 0);
    close(nodes).await;
}

#[tokio::test]
async fn seven_members_exchange_frames_in_order() {
    let mut nodes = committee(7).await;
    exchange(&mut nodes, 50).await;
    assert_eq!(nodes[3].transport.reachable(Duration::from_secs(1)), [0, 1, 2, 4, 5, 6]);
    close(nodes).await;
}

#[tokio::test]
async fn frames_of_all_sizes_arrive_whole() {
    let mut nodes = committee(2).await;
    let sizes = [0, 1, 4096, 4097, 300_000, 8 * 1024 * 1024, FRAME_BYTES_MAX, 3];
    for bytes in sizes {
        assert_eq!(nodes[0].transport.send(1, Bytes::from(vec![9; bytes])), Sent::Queued);
        let (from, frame) = nodes[1].frame().await;
        assert_eq!((from, frame.len()), (0, bytes));
        assert!(frame.iter().all(|byte| *byte == 9));
    }
    close(nodes).await;
}

#[tokio::test]
async fn the_vote_key_must_be_the_members() {
    let (inbound, _) = mpsc::channel(1);
    let start = |config| Transport::start(config, inbound.clone()).err();
    let wrong = TransportConfig { keypair: keypair(1), ..config(0, 2) };
    assert_eq!(start(wrong), Some(TransportError::NotOurKey { own: 0 }));
    let outside = TransportConfig { own: 2, ..config(0, 2) };
    assert_eq!(start(outside), Some(TransportError::NotOurKey { own: 2 }));
    let mut twice = config(0, 2);
    twice.members[1] = twice.members[0].clone();
    assert_eq!(start(twice), Some(TransportError::Committee));
    let crowd = u16::try_from(limits::MEMBERS_MAX).expect("small") + 1;
    assert_eq!(start(config(0, crowd)), Some(TransportError::Committee));
    let taken = UdpSocket::bind(loopback()).expect("a socket");
    let listen = taken.local_addr().expect("bound");
    let in_use = TransportError::Listen { address: listen, kind: std::io::ErrorKind::AddrInUse };
    assert_eq!(start(TransportConfig { listen, ..config(0, 2) }), Some(in_use));
}

/// quinn lets go of a socket a little after the last one who uses it.
async fn until_free(address: SocketAddr) {
    until("its socket is closed", || UdpSocket::bind(address).is_ok()).await;
}

/// `restarts` closes in good order and starts again on the same port.
async fn restart(restarts: u16) {
    let mut nodes = committee(2).await;
    let stays = 1 - restarts;
    let address = nodes[usize::from(restarts)].address();
    let former = nodes.remove(usize::from(restarts));
    close([former]).await;
    assert_eq!(nodes[0].down().await, restarts);
    let reason = LinkError::ClosedByPeer(CloseReason::Shutdown);
    until("the reason is known", || {
        let error = nodes[0].peer(restarts).error;
        error == Some(reason.clone()) || matches!(error, Some(LinkError::Unreachable { .. }))
    })
    .await;
    assert_eq!(nodes[0].transport.send(restarts, numbered(1)), Sent::Down);
    assert_eq!(nodes[0].peer(restarts).dropped, 1);

    until_free(address).await;
    let mut again = Node::start(TransportConfig { listen: address, ..config(restarts, 2) });
    let started = Instant::now();
    again.transport.set_address(stays, nodes[0].address());
    nodes[0].until_up(restarts).await;
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(nodes[0].transport.send(restarts, numbered(2)), Sent::Queued);
    assert_eq!(again.frame().await, (stays, numbered(2)));
    nodes.push(again);
    close(nodes).await;
}

#[tokio::test]
async fn a_restarted_dialer_comes_back() {
    restart(0).await;
}

#[tokio::test]
async fn a_restarted_listener_is_dialled_again() {
    restart(1).await;
}

/// A member on a thread and runtime of its own, which can be torn away like a process by SIGKILL:
/// its socket closes and nobody is told.
struct Process {
    node: Option<Node>,
    kill: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    fn start(config: TransportConfig) -> Self {
        let (kill, killed) = tokio::sync::oneshot::channel();
        let (started, starting) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                started.send(Node::start(config)).expect("it is awaited");
                killed.await.expect("killed before dropped");
            });
            // From here on nothing of the node runs: what it would still say is never sent.
            runtime.shutdown_background();
        });
        let node = Some(starting.recv().expect("it starts"));
        Self { node, kill: Some(kill), thread: Some(thread) }
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("alive")
    }

    fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            kill.send(()).expect("it runs");
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ran well");
        }
        self.node = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_killed_peer_is_soon_not_reachable_and_back_soon_after_its_restart() {
    for killed in [0, 1] {
        let stays = 1 - killed;
        let mut process = Process::start(config(killed, 2));
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let node = Node::start(config(stays, 2));
            let address = process.node().address();
            node.transport.set_address(killed, address);
            process.node().transport.set_address(stays, node.address());
            node.until_up(killed).await;
            let second = Duration::from_secs(1);
            assert_eq!(node.transport.reachable(second), [killed]);

            process.kill();
            let killed_at = Instant::now();
            until("it is not reachable", || node.transport.reachable(second).is_empty()).await;
            let took = killed_at.elapsed();
            assert!(took < Duration::from_millis(1600), "{took:?}");
            assert!(took > Duration::from_millis(500), "it was told, not found out: {took:?}");

            until_free(address).await;
            let config = TransportConfig { listen: address, ..config(killed, 2) };
            let again = Process::start(config);
            let started = Instant::now();
            again.node().transport.set_address(stays, node.address());
            let is_back = || !node.transport.reachable(second).is_empty();
            until("it is reachable", is_back).await;
            let took = started.elapsed();
            assert!(took < Duration::from_millis(2000), "{took:?}");
            again.node().until_up(stays).await;
            close([node]).await;
        });
    }
}

#[test]
fn a_peer_killed_and_restarted_at_once_is_back_within_a_second() {
    let mut process = Process::start(config(1, 2));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut node = Node::start(config(0, 2));
        let address = process.node().address();
        node.transport.set_address(1, address);
        node.until_up(1).await;
        process.kill();
        until_free(address).await;
        let again = Process::start(TransportConfig { listen: address, ..config(1, 2) });
        let started = Instant::now();
        assert_eq!(node.down().await, 1);
        node.until_up(1).await;
        assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
        again.node().until_up(0).await;
        close([node]).await;
    });
}

#[tokio::test]
async fn a_newer_connection_of_a_member_takes_over() {
    let mut node = Node::start(config(1, 2));
    let older = Fake::new(0, 2);
    let (connection, _outgoing, _incoming) =
        older.link(1, node.address()).await.expect("an admitted member");
    node.until_up(0).await;
    let newer = Fake::new(0, 2);
    let (_connection, mut outgoing, _incoming) =
        newer.link(1, node.address()).await.expect("an admitted member");
    let reason = LinkError::from(within("the older one's end", connection.closed()).await);
    assert_eq!(reason, LinkError::ClosedByPeer(CloseReason::Replaced));
    outgoing.write_all(b"\x03\0\0\0new").await.expect("the newer one lives");
    assert_eq!(node.frame().await, (0, Bytes::from_static(b"new")));
    close([node]).await;
}

#[tokio::test]
async fn closing_needs_nobody_to_take_what_comes_in() {
    let nodes = [Node::start_with_room(config(0, 2), 1), Node::start(config(1, 2))];
    introduce(&nodes);
    nodes[1].until_up(0).await;
    for number in 0..100 {
        assert_eq!(nodes[1].transport.send(0, numbered(number)), Sent::Queued);
    }
    close(nodes).await;
}

/// A second transport of member 1 is where its address says; the first one is left.
#[tokio::test]
async fn a_live_link_moves_to_the_members_new_address() {
    let mut nodes = committee(2).await;
    let before = nodes[1].address();
    assert_eq!(nodes[0].peer(1).remote, Some(before));
    let mut moved = Node::start(config(1, 2));
    nodes[0].transport.set_address(1, moved.address());
    assert_eq!(nodes[0].down().await, 1);
    let is_there = || nodes[0].peer(1).remote == Some(moved.address());
    until("the link goes to the new address", is_there).await;
    assert_eq!(nodes[1].down().await, 0);
    until("frames can be sent", || nodes[0].transport.send(1, numbered(7)) == Sent::Queued).await;
    assert_eq!(moved.frame().await, (0, numbered(7)));
    nodes[0].transport.set_address(1, before);
    until("it goes back", || nodes[0].peer(1).remote == Some(before)).await;
    nodes.push(moved);
    close(nodes).await;
}

#[tokio::test]
async fn a_link_stays_while_the_members_new_address_does_not_answer() {
    let mut nodes = committee(2).await;
    let nobody = UdpSocket::bind(loopback()).expect("a socket");
    nobody.set_read_timeout(Some(SOON)).expect("a timeout");
    nodes[0].transport.set_address(1, nobody.local_addr().expect("bound"));
    let dialled = tokio::task::spawn_blocking(move || {
        // Two first packets that are far apart: a whole attempt has failed in between.
        let mut bytes = [0; 2048];
        let first = Instant::now();
        while first.elapsed() < Duration::from_millis(1_100) {
            nobody.recv(&mut bytes).expect("it is dialled");
        }
    });
    within("attempts to dial", dialled).await.expect("no panic");
    assert_eq!(nodes[0].transport.send(1, numbered(1)), Sent::Queued);
    assert_eq!(nodes[1].frame().await, (0, numbered(1)));
    assert_eq!(nodes[0].peer(1).remote, Some(nodes[1].address()));
    close(nodes).await;
}
