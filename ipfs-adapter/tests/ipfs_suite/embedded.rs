//! Two embedded nodes on loopback; they always run.

use std::{sync::Arc, time::Duration};

use ipfs_adapter::{
    Embedded, EmbeddedConfig, Ipfs, Multiaddr, Preset, embedded::KAD_PROTOCOL,
    swarm::proof::NoProofs,
};
use tempfile::TempDir;

use crate::contract::check_ipfs;

#[tokio::test]
async fn the_embedded_node_keeps_the_contract() {
    let folders = [(); 2].map(|()| TempDir::new().expect("a temporary folder"));
    let node = start(&folders[0], Vec::new()).await;
    check_ipfs(&node, None).await;
    let info = node.info().await.expect("it runs");
    let address = info.addresses[0].clone().with_p2p(info.peer).expect("no peer is named yet");
    let other = start(&folders[1], vec![address]).await;
    let met = async {
        for node in [&node, &other] {
            while node.status().await.expect("it runs").batch_peers == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), met).await.expect("they meet in time");
    check_ipfs(&node, Some(&other)).await;
    node.stop().await;
    other.stop().await;
}

async fn start(folder: &TempDir, bootstrap: Vec<Multiaddr>) -> Embedded {
    let config = EmbeddedConfig {
        home: folder.path().into(),
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")],
        bootstrap,
        kad_protocol: KAD_PROTOCOL.into(),
        is_server: true,
        allow_private: true,
        preset: Preset::Balanced,
        block_bytes_max: 64 << 20,
        records_max: 10_000,
    };
    Embedded::start(config, Arc::new(NoProofs)).await.expect("it starts")
}
