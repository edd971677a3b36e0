//! A daemon that keeps to its API, and every way in which it does not, played by a scripted server.

mod blocks;
mod connections;
mod find;
mod pins;
mod provide;
mod server;

use std::time::Duration;

use super::*;

/// Long enough never to pass on a slow machine, where a test does not wait for it.
const PATIENCE: Duration = Duration::from_secs(20);
/// For tests that wait for it.
const SHORT: Duration = Duration::from_millis(200);

fn kubo(url: &str) -> Kubo {
    kubo_within(url, PATIENCE)
}

fn kubo_within(url: &str, timeout: Duration) -> Kubo {
    let config = KuboConfig { url: url.into(), timeout, ..KuboConfig::default() };
    Kubo::connect(config).expect("loopback is allowed")
}

fn content(bytes: &[u8]) -> Content {
    Content::of(bytes).expect("short content")
}

/// A peer id for each number.
fn peer(number: u8) -> PeerId {
    let key = libp2p::identity::Keypair::ed25519_from_bytes([number; 32]);
    key.expect("32 bytes are a key").public().to_peer_id()
}

/// Kubo's answer to `swarm/peers`, with one peer.
fn one_peer() -> server::Reply {
    let body =
        serde_json::json!({ "Peers": [{ "Addr": "/ip4/127.0.0.1", "Peer": peer(9).to_string() }] });
    server::Reply::ok(body.to_string())
}
