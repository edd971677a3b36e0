//! Links over loopback, all members in one process on one thread: the sender's and the receivers' CPU
//! add up.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::key::Keypair;
use node::transport::{Inbound, Member, Timings, Transport, TransportConfig};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

type Node = (Transport, mpsc::Receiver<Inbound>);

fn keypair(index: u16) -> Keypair {
    let mut seed = [0x42; 32];
    seed[..2].copy_from_slice(&index.to_le_bytes());
    Keypair::from_seed(seed)
}

/// Member 0 linked to all others, which are not linked to each other. To be called in a runtime.
async fn star(count: u16) -> Vec<Node> {
    let member =
        |index| Member { name: format!("v{index}"), key: keypair(index).public(), address: None };
    let start = |own| {
        let (sender, inbound) = mpsc::channel(1024);
        let config = TransportConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            network: [7; 32],
            epoch: 0,
            members: (0..count).map(member).collect(),
            own,
            keypair: keypair(own),
            timings: Timings::default(),
        };
        (Transport::start(config, sender).expect("a transport on loopback"), inbound)
    };
    let mut nodes: Vec<Node> = (0..count).map(start).collect();
    for peer in 1..count {
        let address = nodes[usize::from(peer)].0.local_address();
        nodes[0].0.set_address(peer, address);
    }
    for (_, inbound) in &mut nodes[1..] {
        assert!(matches!(inbound.recv().await, Some(Inbound::Up { member: 0 })));
    }
    let (hub, inbound) = &mut nodes[0];
    for _ in 1..count {
        assert!(matches!(inbound.recv().await, Some(Inbound::Up { .. })));
    }
    let all_up = hub.reachable(Duration::from_secs(1)).len();
    assert_eq!(all_up, usize::from(count) - 1);
    nodes
}

async fn frame((_, inbound): &mut Node) -> Bytes {
    match inbound.recv().await {
        Some(Inbound::Frame { bytes, .. }) => bytes,
        other => panic!("{other:?} instead of a frame"),
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

fn round_trip(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut nodes = runtime.block_on(star(2));
    let message = Bytes::from(vec![5; 200]);
    criterion.bench_function("transport::round_trip/bytes=200", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                assert_eq!(nodes[0].0.send_all(message.clone()), 1);
                let received = frame(&mut nodes[1]).await;
                assert_eq!(nodes[1].0.send_all(received), 1);
                black_box(frame(&mut nodes[0]).await)
            })
        });
    });
    close(&runtime, nodes);
}

fn multicast(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut nodes = runtime.block_on(star(7));
    let mut group = criterion.benchmark_group("transport::multicast");
    for kib in [16, 256] {
        let message = Bytes::from(vec![5; kib * 1024]);
        let bytes = u64::try_from(6 * message.len()).expect("small");
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format!("kib={kib} peers=6"), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    assert_eq!(nodes[0].0.send_all(message.clone()), 6);
                    for peer in &mut nodes[1..] {
                        assert_eq!(frame(peer).await.len(), message.len());
                    }
                })
            });
        });
    }
    group.finish();
    close(&runtime, nodes);
}

fn close(runtime: &Runtime, nodes: Vec<Node>) {
    runtime.block_on(async {
        for (transport, _) in &nodes {
            transport.close().await;
        }
    });
}

criterion_group! {
    name = suite;
    config = Criterion::default().measurement_time(Duration::from_secs(4)).sample_size(30);
    targets = round_trip, multicast
}
criterion_main!(suite);
