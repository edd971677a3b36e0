//! Links over loopback.
//!
//! `threads=1` has all members on one thread: the CPU of all sides adds up and nobody is ever
//! woken, so it is no latency that two validators see. `threads=2` gives the peer a thread of its
//! own, and then the scheduler decides: measured on the 2-vCPU machine in the dev profile, 25 µs
//! when both threads are pinned to one CPU, 123 µs with one CPU each, 25-71 µs unpinned from run
//! to run. Pin it (`taskset`) before comparing two commits, or with the 83-100 µs of
//! `shared/LIMITS.md`.
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

/// Member `own` of a committee of `count`. To be called in a runtime.
fn start(own: u16, count: u16) -> Node {
    let member =
        |index| Member { name: format!("v{index}"), key: keypair(index).public(), address: None };
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
}

/// Member 0 linked to all others, which are not linked to each other. To be called in a runtime.
async fn star(count: u16) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..count).map(|own| start(own, count)).collect();
    for peer in 1..count {
        let address = nodes[usize::from(peer)].0.local_address();
        nodes[0].0.set_address(peer, address);
    }
    for (_, inbound) in &mut nodes[1..] {
        assert!(matches!(inbound.recv().await, Some(Inbound::Up { member: 0 })));
    }
    for _ in 1..count {
        assert!(matches!(nodes[0].1.recv().await, Some(Inbound::Up { .. })));
    }
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
    criterion.bench_function("transport::round_trip/bytes=200 threads=1", |bencher| {
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

fn round_trip_between_threads(criterion: &mut Criterion) {
    let (started, starting) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let echo = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut node = start(1, 2);
            started.send(node.0.local_address()).expect("it is awaited");
            assert!(matches!(node.1.recv().await, Some(Inbound::Up { member: 0 })));
            let answer = async {
                loop {
                    let message = frame(&mut node).await;
                    assert_eq!(node.0.send_all(message), 1);
                }
            };
            tokio::select! {
                () = answer => {}
                stopped = stopped => stopped.expect("stopped in good order"),
            }
            node.0.close().await;
        });
    });
    let runtime = runtime();
    let mut node = runtime.block_on(async {
        let mut node = start(0, 2);
        node.0.set_address(1, starting.recv().expect("it starts"));
        assert!(matches!(node.1.recv().await, Some(Inbound::Up { member: 1 })));
        node
    });
    let message = Bytes::from(vec![5; 200]);
    criterion.bench_function("transport::round_trip/bytes=200 threads=2", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                assert_eq!(node.0.send_all(message.clone()), 1);
                black_box(frame(&mut node).await)
            })
        });
    });
    stop.send(()).expect("it runs");
    echo.join().expect("it ran well");
    close(&runtime, vec![node]);
}

fn multicast(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut nodes = runtime.block_on(star(7));
    let mut group = criterion.benchmark_group("transport::multicast");
    for kib in [16, 256] {
        let message = Bytes::from(vec![5; kib * 1024]);
        let bytes = u64::try_from(6 * message.len()).expect("small");
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format!("kib={kib} peers=6 threads=1"), |bencher| {
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
    targets = round_trip, round_trip_between_threads, multicast
}
criterion_main!(suite);
