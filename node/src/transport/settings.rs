//! What a transport is started with: the committee, its own identity, and all its times.

use super::frame::Patience;
use ledger::key::{Keypair, PublicKey};
use std::net::SocketAddr;
use std::time::Duration;

/// One member of the committee.
#[derive(Clone, Debug)]
pub struct Member {
    /// For logs and status.
    pub name: String,
    /// Its vote key.
    pub key: PublicKey,
    /// Where it listens. None: it is not dialled until [`super::Transport::set_address`].
    pub address: Option<SocketAddr>,
}

/// The transport's times. The defaults suit one machine and a data centre; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// A peer that sends nothing else says this often that it lives.
    pub keep_alive: Duration,
    /// A link that hears nothing for this long is down.
    pub idle: Duration,
    /// A dialled peer that was not heard for this long is dialled anew beside the old connection.
    pub stale: Duration,
    /// How often counters are read.
    pub poll: Duration,
    /// One attempt to dial, until the peer has accepted us.
    pub dial: Duration,
    /// One handshake of somebody who dials us.
    pub handshake: Duration,
    /// The first pause between attempts to dial; it doubles.
    pub backoff_min: Duration,
    /// The longest pause between attempts, up to a quarter of jitter not included.
    pub backoff_max: Duration,
    /// How slowly a frame, request or reply that has begun may arrive or leave.
    pub frame: Patience,
    /// How long the validator may take to answer a peer's request.
    pub serve: Duration,
    /// What QUIC takes for the round-trip time before it has measured it.
    pub initial_rtt: Duration,
    /// How long closing waits for the peers' acknowledgement.
    pub close: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_millis(300),
            idle: Duration::from_secs(5),
            stale: Duration::from_secs(1),
            poll: Duration::from_millis(100),
            dial: Duration::from_secs(1),
            handshake: Duration::from_secs(2),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            frame: Patience { grace: Duration::from_secs(5), rate_bytes_min: 256 * 1024 },
            serve: Duration::from_secs(10),
            initial_rtt: Duration::from_millis(15),
            close: Duration::from_millis(300),
        }
    }
}

/// What a transport is started with.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Where to listen, and from where to dial. Port 0 takes any.
    pub listen: SocketAddr,
    /// The network id.
    pub network: [u8; 32],
    /// The committee's epoch.
    pub epoch: u64,
    /// The committee; `members[i]` has index `i`.
    pub members: Vec<Member>,
    /// Our own index.
    pub own: u16,
    /// Our vote key. It signs the transport key and goes nowhere else.
    pub keypair: Keypair,
    /// The times.
    pub timings: Timings,
}
