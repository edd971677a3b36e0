//! What nodes use that have nothing to do. A program of its own, because it measures the process.

#[path = "network/memory.rs"]
mod memory;
#[path = "network/nodes.rs"]
mod nodes;

use std::time::{Duration, Instant};

use memory::{processor_time, resident};
use nodes::{find, keys, network};

/// Share of one processor that seven nodes in one process may use, in percent: their ticks, 20 a
/// second each, and the keep-alives of 42 connection ends.
const PERCENT_MAX: u128 = 15;

#[tokio::test]
async fn nodes_with_six_idle_peers_each_use_hardly_any_processor() {
    let nodes = network(7).await;
    assert!(find(&nodes[0], &keys("settled", 10)).await.is_complete());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, start) = (processor_time(), Instant::now());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (used, passed) = (processor_time() - before, start.elapsed());
    println!("7 idle nodes with 6 peers each: {used:?} in {passed:?}; {} bytes", resident());
    assert!(used.as_millis() * 100 <= passed.as_millis() * PERCENT_MAX, "{used:?}");
    drop(nodes);
}
