//! Real QUIC over loopback. Every wait is for a condition and has a deadline.

use super::identity::{Admission, Expected, Identity, IdentityError};
use super::limits::{FRAME_BYTES_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_PER_PEER_MAX};
use super::*;
use ledger::key::Keypair;
use std::future::Future;
use std::time::Instant;

mod faults;
mod hostile;
mod links;
mod requests;
mod strangers;

const NETWORK: [u8; 32] = [7; 32];
const EPOCH: u64 = 3;
/// Far above what anything here takes, for a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn keypair(seed: u16) -> Keypair {
    let mut bytes = [0x51; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    Keypair::from_seed(bytes)
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The configuration of member `own` of a committee of `count`, nobody's address known.
fn config(own: u16, count: u16) -> TransportConfig {
    let member = |index: u16| Member {
        name: format!("v{index}"),
        key: keypair(index).public(),
        address: None,
    };
    TransportConfig {
        listen: loopback(),
        network: NETWORK,
        epoch: EPOCH,
        members: (0..count).map(member).collect(),
        own,
        keypair: keypair(own),
        timings: Timings::default(),
    }
}

fn admission_of(own: u16, count: u16) -> Arc<Admission> {
    Arc::new(admission(&config(own, count)).expect("a good committee"))
}

/// A transport and what comes in to it.
struct Node {
    transport: Arc<Transport>,
    inbound: mpsc::Receiver<Inbound>,
}

impl Node {
    fn start(config: TransportConfig) -> Self {
        Self::start_with_room(config, 1024)
    }

    fn start_with_room(config: TransportConfig, room: usize) -> Self {
        let (sender, inbound) = mpsc::channel(room);
        let transport = Transport::start(config, sender).expect("a transport on loopback");
        Self { transport: Arc::new(transport), inbound }
    }

    fn address(&self) -> SocketAddr {
        self.transport.local_address()
    }

    async fn event(&mut self) -> Inbound {
        within("an event", self.inbound.recv()).await.expect("the transport lives")
    }

    /// The next frame; what else comes in before it is left out.
    async fn frame(&mut self) -> (u16, Bytes) {
        loop {
            if let Inbound::Frame { from, bytes } = self.event().await {
                return (from, bytes);
            }
        }
    }

    async fn down(&mut self) -> u16 {
        loop {
            if let Inbound::Down { member } = self.event().await {
                return member;
            }
        }
    }

    fn peer(&self, member: u16) -> PeerStatus {
        let peers = self.transport.peers();
        peers.into_iter().find(|peer| peer.member == member).expect("another member")
    }

    async fn until_up(&self, member: u16) {
        until("the link is up", || self.peer(member).is_up).await;
    }
}

/// All members of a committee of `count`, each told where the others are, all links up.
async fn committee(count: u16) -> Vec<Node> {
    let nodes: Vec<Node> = (0..count).map(|own| Node::start(config(own, count))).collect();
    introduce(&nodes);
    for node in &nodes {
        let is_complete = || node.transport.peers().iter().all(|peer| peer.is_up);
        until("all links are up", is_complete).await;
    }
    nodes
}

fn introduce(nodes: &[Node]) {
    for node in nodes {
        for (member, other) in (0..).zip(nodes) {
            node.transport.set_address(member, other.address());
        }
    }
}

async fn close(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        within("closing", node.transport.close()).await;
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(SOON, future).await;
    result.unwrap_or_else(|_| panic!("{what} did not happen within {SOON:?}"))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, poll).await;
}

/// A member whose code is not ours: quinn with the member's good identity, and the rest as the test
/// likes it.
struct Fake {
    endpoint: Endpoint,
    identity: Identity,
    admission: Arc<Admission>,
}

impl Fake {
    fn new(own: u16, count: u16) -> Self {
        Self::with(keypair(own), admission_of(own, count))
    }

    fn with(keypair: Keypair, admission: Arc<Admission>) -> Self {
        let identity = Identity::new(&admission, &keypair).expect("an identity");
        let endpoint = Endpoint::client(loopback()).expect("an endpoint on loopback");
        Self { endpoint, identity, admission }
    }

    /// Dials `member` under another protocol name.
    async fn dial_as(
        &self,
        member: u16,
        address: SocketAddr,
        protocol: &[u8],
    ) -> Result<quinn::Connection, quinn::ConnectionError> {
        let (config, _) = tls::client_speaking(
            &self.identity,
            self.admission.clone(),
            member,
            &Timings::default(),
            protocol,
        )
        .expect("good settings");
        let connecting = self.endpoint.connect_with(config, address, tls::SERVER_NAME);
        within("a handshake", connecting.expect("an address")).await
    }

    /// Dials `member` and opens the stream of frames as a member does.
    async fn link(
        &self,
        member: u16,
        address: SocketAddr,
    ) -> Result<(quinn::Connection, quinn::SendStream, quinn::RecvStream), quinn::ConnectionError>
    {
        let connection = self.dial_as(member, address, &tls::alpn()).await?;
        let mut outgoing = connection.open_uni().await?;
        outgoing.write_all(&[0; 4]).await.map_err(|_| quinn::ConnectionError::Reset)?;
        let mut incoming = within("the peer's stream", connection.accept_uni()).await?;
        let mut first = [1; 4];
        within("the peer's first frame", incoming.read_exact(&mut first)).await.expect("a frame");
        assert_eq!(first, [0; 4]);
        Ok((connection, outgoing, incoming))
    }
}
