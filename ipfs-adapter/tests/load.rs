//! Many queries at once (rows D1, D2, D11): all end, nothing stays. A program of its own, because
//! it measures the memory of the process.

#[path = "network/foreign.rs"]
mod foreign;
#[path = "network/memory.rs"]
mod memory;
#[path = "network/nodes.rs"]
mod nodes;
#[path = "network/scripted.rs"]
mod scripted;

use std::time::Duration;

use ipfs_adapter::{FindOptions, Ipfs, IpfsError, query::QueryMetrics};
use memory::resident;
use nodes::{check, find, keys, node, until};
use scripted::{Manner, Scripted};
use tokio::sync::watch;


const QUERIES: usize = 10_000;
/// `shared/FEATURES.md`, D2.
const BYTES_MAX: usize = 64 << 20;

#[tokio::test]
async fn ten_thousand_queries_in_flight_are_bounded_and_leave_nothing_behind() {
    let asker = node(&[]).await;
    let (open, gate) = watch::channel(false);
    let mut peers = Vec::new();
    for _ in 0..6 {
        peers.push(Scripted::beside(&asker.address, Manner::Gated(gate.clone())).await);
    }
    until(&asker, |status| status.batch_peers == 6).await;
    // Settled, and with round trips measured.
    open.send_replace(true);
    assert!(find(&asker, &keys("first", 10)).await.is_complete());
    open.send_replace(false);

    let before = resident();
    let options = FindOptions { deadline: Duration::from_secs(60), ..check() };
    let producers = (0..16_usize).map(|producer| {
        let embedded = asker.embedded.clone();
        tokio::spawn(async move {
            let mut queries = Vec::new();
            for key in keys(&format!("of {producer}"), QUERIES / 16) {
                let query = loop {
                    match embedded.find(vec![key], options) {
                        Err(IpfsError::Busy { .. }) => tokio::task::yield_now().await,
                        other => break other.expect("it runs"),
                    }
                };
                queries.push(query);
            }
            queries
        })
    });
    let producers: Vec<_> = producers.collect();
    let mut queries = Vec::new();
    for producer in producers {
        queries.extend(producer.await.expect("no producer fails"));
    }
    until(&asker, |status| status.queries.queries_in_flight == QUERIES).await;
    let grown = resident().saturating_sub(before);
    println!("{QUERIES} queries in flight hold {grown} bytes");
    let refused = asker.embedded.find(keys("one too many", 1), options).expect("it runs");
    let refused = refused.outcome().await;
    assert_eq!(refused, Err(IpfsError::Busy { count: QUERIES }));
    open.send_replace(true);
    for query in queries {
        let outcome = query.outcome().await.expect("it runs");
        assert!(outcome.is_complete(), "{outcome:?}");
    }
    until(&asker, |status| nothing_in_flight(&status.queries)).await;
    assert!(grown <= BYTES_MAX, "{grown}");
    drop(peers);
}

fn nothing_in_flight(queries: &QueryMetrics) -> bool {
    let QueryMetrics { queries_in_flight, keys_in_flight, .. } = *queries;
    let QueryMetrics { requests_in_flight, lookups_in_flight, .. } = *queries;
    [queries_in_flight, keys_in_flight, requests_in_flight, lookups_in_flight] == [0; 4]
}

#[tokio::test]
async fn queries_whose_askers_leave_end() {
    let asker = node(&[]).await;
    let (open, gate) = watch::channel(false);
    let _peer = Scripted::beside(&asker.address, Manner::Gated(gate)).await;
    until(&asker, |status| status.batch_peers == 1).await;
    let options = FindOptions { deadline: Duration::from_secs(60), ..check() };
    for key in keys("left", 500) {
        drop(asker.embedded.find(vec![key], options).expect("it is not busy"));
    }
    open.send_replace(true);
    until(&asker, |status| nothing_in_flight(&status.queries)).await;
}
