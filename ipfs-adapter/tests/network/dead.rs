//! Peers that die, hang and come back (rows D5, D7, D8).

use std::time::{Duration, Instant};

use ipfs_adapter::query::timeout::TIMEOUT_MIN;
use tokio::sync::watch;

use super::{
    nodes::{Node, find, keys, network, until},
    scripted::{Manner, Scripted},
};

/// Queries of which the 95th of 100 is looked at.
const QUERIES: usize = 60;

#[tokio::test]
async fn with_a_fifth_dead_queries_stay_fast_and_the_hung_are_left_out() {
    let mut nodes = network(16).await;
    let (open, gate) = watch::channel(true);
    let mut hung = Vec::new();
    for _ in 0..4 {
        hung.push(Scripted::beside(&nodes[0].address, Manner::Gated(gate.clone())).await);
    }
    until(&nodes[0], |status| status.batch_peers == 19).await;
    assert!(find(&nodes[0], &keys("all live", 100)).await.is_complete());
    // Two stop in good order, two vanish, two go on as if nothing were, but never answer.
    let dead: Vec<Node> = nodes.drain(14..).collect();
    for node in dead {
        node.embedded.stop().await;
    }
    hung.drain(2..).for_each(drop);
    open.send_replace(false);
    let mut took = Vec::new();
    for query in 0..QUERIES {
        let outcome = find(&nodes[0], &keys(&format!("query {query}"), 100)).await;
        assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
        took.push(outcome.elapsed);
    }
    took.sort_unstable();
    let p95 = took[QUERIES * 95 / 100];
    println!("p50 {:?}, p95 {p95:?}, slowest {:?}", took[QUERIES / 2], took[QUERIES - 1]);
    assert!(p95 < TIMEOUT_MIN, "{p95:?}");

    // The hung ones are found out by asking; then they are out of the table.
    let start = Instant::now();
    let hung_ids: Vec<_> = hung.iter().map(|peer| peer.foreign.peer).collect();
    loop {
        find(&nodes[0], &keys(&format!("at {:?}", start.elapsed()), 10)).await;
        let status = nodes[0].embedded.status().await.expect("it runs");
        let is_out = |peer: &ipfs_adapter::PeerId| {
            let score = status.scores.iter().find(|score| score.peer == *peer);
            score.is_none_or(|score| score.is_sunk)
        };
        if hung_ids.iter().all(is_out) && status.table <= 13 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn who_returns_is_asked_again() {
    let mut nodes = network(5).await;
    let gone = nodes.pop().expect("there are five");
    let Node { embedded, folder, address } = gone;
    embedded.stop().await;
    drop(embedded);
    for node in &nodes {
        until(node, |status| status.batch_peers == 3).await;
    }
    assert!(find(&nodes[0], &keys("without", 100)).await.is_complete());
    let mut config = super::nodes::config(&folder, &[]);
    config.listen = vec![ipfs_adapter::swarm::pool::split(address).0];
    let again = super::nodes::start_again(config, folder).await;
    // It knows the others from its file, and they know where it was.
    let took = until(&again, |status| status.batch_peers == 4).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    for node in &nodes {
        let took = until(node, |status| status.batch_peers == 4).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let outcome = find(&nodes[0], &keys("with", 100)).await;
    assert!(outcome.is_complete());
}
