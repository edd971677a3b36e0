//! Embedded nodes on loopback in one process, each in a folder of its own.

#![allow(dead_code, reason = "several test programs use it, each a part")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ipfs_adapter::{
    ContentId, Embedded, EmbeddedConfig, FindOptions, FindOutcome, Ipfs, Multiaddr,
    embedded::KAD_PROTOCOL,
    query::{Completion, preset::Preset},
    swarm::{
        Status,
        proof::{NoProofs, Proofs},
    },
};
use tempfile::TempDir;

/// The longest that any condition is waited for.
pub const WAIT: Duration = Duration::from_secs(20);

/// A node and its folder.
pub struct Node {
    /// The node.
    pub embedded: Arc<Embedded>,
    /// Where it is.
    pub folder: Arc<TempDir>,
    /// Where it can be dialled, `/p2p/…` at the end.
    pub address: Multiaddr,
}

/// How a node is started.
pub fn config(folder: &TempDir, bootstrap: &[Multiaddr]) -> EmbeddedConfig {
    EmbeddedConfig {
        home: folder.path().into(),
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")],
        bootstrap: bootstrap.to_vec(),
        kad_protocol: KAD_PROTOCOL.into(),
        is_server: true,
        allow_private: true,
        preset: Preset::Balanced,
        block_bytes_max: 64 << 20,
        records_max: 100_000,
    }
}

/// Starts one node.
pub async fn start(config: EmbeddedConfig, folder: Arc<TempDir>, proofs: Arc<dyn Proofs>) -> Node {
    let embedded = Embedded::start(config, proofs).await.expect("it starts");
    described(embedded, folder).await
}

/// Starts a node where another has just ended: its port is free a moment later.
pub async fn start_again(config: EmbeddedConfig, folder: Arc<TempDir>) -> Node {
    let start = Instant::now();
    loop {
        match Embedded::start(config.clone(), Arc::new(NoProofs)).await {
            Ok(embedded) => return described(embedded, folder).await,
            Err(error) => assert!(start.elapsed() < WAIT, "not in time: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn described(embedded: Embedded, folder: Arc<TempDir>) -> Node {
    let info = embedded.info().await.expect("it runs");
    let address = info.addresses.first().expect("it listens").clone();
    let address = address.with_p2p(info.peer).expect("no other peer in it");
    Node { embedded: Arc::new(embedded), folder, address }
}

/// A node that starts from these.
pub async fn node(bootstrap: &[Multiaddr]) -> Node {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    start(config(&folder, bootstrap), folder, Arc::new(NoProofs)).await
}

/// A network in which everybody knows everybody.
pub async fn network(count: usize) -> Vec<Node> {
    let mut nodes = vec![node(&[]).await];
    let first = [nodes[0].address.clone()];
    for _ in 1..count {
        nodes.push(node(&first).await);
    }
    for node in &nodes {
        until(node, |status| status.batch_peers == count - 1).await;
    }
    nodes
}

/// Waits until a node's status is as wanted.
pub async fn until(node: &Node, is_wanted: impl Fn(&Status) -> bool) -> Duration {
    let start = Instant::now();
    loop {
        let status = node.embedded.status().await.expect("it runs");
        if is_wanted(&status) {
            return start.elapsed();
        }
        assert!(start.elapsed() < WAIT, "not in time: {status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Keys that nobody else makes.
pub fn keys(what: &str, count: usize) -> Vec<ContentId> {
    (0..count).map(|index| ContentId::of(format!("{what} {index}").as_bytes())).collect()
}

/// A check as before a vote.
pub fn check() -> FindOptions {
    FindOptions {
        deadline: Duration::from_secs(5),
        completion: Completion::Quorum,
        providers_max: 8,
        use_cache: false,
    }
}

/// Asks and waits for the end.
pub async fn find(node: &Node, keys: &[ContentId]) -> FindOutcome {
    let query = node.embedded.find(keys.to_vec(), check()).expect("it is not busy");
    query.outcome().await.expect("it runs")
}
