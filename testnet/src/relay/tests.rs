//! The relay with real sockets on loopback: every wait is for a datagram and has a deadline.

use super::*;
use crate::faults::{Place, Slow};
use std::collections::BTreeMap;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// Far above what anything here takes, for a busy machine.
const SOON: Duration = Duration::from_secs(10);

struct Bench {
    relay: Relay,
    faults: Faults,
    /// The validators' sockets, in order.
    sockets: Vec<UdpSocket>,
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.expect("a socket")
}

fn at(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}

impl Bench {
    async fn start(count: u16) -> Self {
        let mut sockets = Vec::new();
        for _ in 0..count {
            sockets.push(socket().await);
        }
        let names = (0..count).map(|index| format!("v{index}"));
        let places = names.zip(&sockets).map(|(name, socket)| Place { name, quic: at(socket) });
        let faults = Faults {
            version: 1,
            seed: 5,
            groups: Vec::new(),
            slow: BTreeMap::new(),
            validators: places.collect(),
        };
        let relay = Relay::start(faults.clone()).await.expect("free ports");
        let mut bench = Self { relay, faults, sockets };
        timeout(SOON, bench.relay.is_in_force(1)).await.expect("in force");
        bench
    }

    /// Puts the faults in force.
    async fn order(&mut self, edit: impl FnOnce(&mut Faults)) -> Counts {
        edit(&mut self.faults);
        self.faults.version += 1;
        self.relay.orders.send_replace(Arc::new(self.faults.clone()));
        timeout(SOON, self.relay.is_in_force(self.faults.version)).await.expect("in force")
    }

    fn front(&self, lower: usize, higher: usize) -> SocketAddr {
        let (lower, higher) = (format!("v{lower}"), format!("v{higher}"));
        let mut links = self.relay.places.iter();
        links.find(|link| link.lower == lower && link.higher == higher).expect("a link").front
    }

    async fn send(&self, from: usize, to: SocketAddr, bytes: &[u8]) {
        self.sockets[from].send_to(bytes, to).await.expect("sent");
    }

    async fn received(&self, by: usize) -> (Vec<u8>, SocketAddr) {
        let mut bytes = [0; 100];
        let received = timeout(SOON, self.sockets[by].recv_from(&mut bytes));
        let (length, from) = received.await.expect("in time").expect("a datagram");
        (bytes[..length].to_vec(), from)
    }
}

#[tokio::test]
async fn datagrams_pass_both_ways_and_links_are_kept_apart() {
    let bench = Bench::start(3).await;
    assert_eq!(bench.relay.places.len(), 3);
    bench.send(0, bench.front(0, 2), b"hello").await;
    let (bytes, back) = bench.received(2).await;
    assert_eq!(bytes, b"hello");
    assert_ne!(back, at(&bench.sockets[0]));
    bench.send(2, back, b"you too").await;
    assert_eq!(bench.received(0).await, (b"you too".to_vec(), bench.front(0, 2)));
    bench.send(1, bench.front(1, 2), b"me").await;
    assert_ne!(bench.received(2).await.1, back, "another link, another socket");
    // A stranger's words do not come through the socket that speaks to v2.
    bench.send(1, back, b"a stranger").await;
    bench.send(2, back, b"again").await;
    assert_eq!(bench.received(0).await.0, b"again");
}

#[tokio::test]
async fn a_partition_lets_nothing_through_until_it_heals() {
    let mut bench = Bench::start(3).await;
    bench.order(|faults| faults.part("v0/v1,v2").expect("names")).await;
    bench.send(0, bench.front(0, 1), b"lost").await;
    bench.send(1, bench.front(1, 2), b"passed").await;
    assert_eq!(bench.received(2).await.0, b"passed");
    // Links are told in no order: what was sent before is taken before the next order is.
    let mut blocked = 0;
    let deadline = Instant::now() + SOON;
    while blocked == 0 && Instant::now() < deadline {
        blocked = bench.order(|_| {}).await.blocked;
    }
    let counts = bench.order(Faults::clear).await;
    assert_eq!((counts.blocked, counts.passed), (1, 1));
    bench.send(0, bench.front(0, 1), b"healed").await;
    assert_eq!(bench.received(1).await.0, b"healed");
}

#[tokio::test]
async fn a_slow_validator_is_slow_on_all_its_links_and_on_no_other() {
    let mut bench = Bench::start(3).await;
    let slow = Slow { delay_ms: 300, ..Slow::default() };
    bench.order(|faults| faults.set_slow("v1", slow).expect("a name")).await;
    for (from, to) in [(0, 1), (1, 2)] {
        let start = Instant::now();
        bench.send(from, bench.front(from, to), b"slow").await;
        bench.received(to).await;
        assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    }
    // Sent after a slow one, here before it.
    bench.send(1, bench.front(1, 2), b"slow").await;
    bench.send(0, bench.front(0, 2), b"fast").await;
    assert_eq!(bench.received(2).await.0, b"fast");
    assert_eq!(bench.received(2).await.0, b"slow");
}

#[tokio::test]
async fn a_validator_that_listens_elsewhere_is_found_there() {
    let mut bench = Bench::start(2).await;
    bench.sockets[1] = socket().await;
    let moved = at(&bench.sockets[1]);
    bench.order(|faults| faults.validators[1].quic = moved).await;
    bench.send(0, bench.front(0, 1), b"found").await;
    assert_eq!(bench.received(1).await.0, b"found");
    // Who dials from elsewhere gets the answers there.
    bench.sockets[0] = socket().await;
    bench.send(0, bench.front(0, 1), b"moved, too").await;
    let (_, back) = bench.received(1).await;
    bench.send(1, back, b"found, too").await;
    assert_eq!(bench.received(0).await.0, b"found, too");
}

#[tokio::test]
async fn too_many_validators_are_refused() {
    let mut bench = Bench::start(2).await;
    let place = bench.faults.validators[0].clone();
    bench.faults.validators = vec![place; usize::from(VALIDATORS_MAX) + 1];
    assert!(Relay::start(bench.faults).await.is_err());
}
