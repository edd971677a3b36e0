//! The first moments of a node, and a node on its own (rows D8 and D9).

use std::time::{Duration, Instant};

use ipfs_adapter::{ContentId, FindOptions, Ipfs};

use super::nodes::{Node, check, config, find, keys, network, node, start_again, until};

/// `shared/FEATURES.md`, D8.
const FIRST_MAX: Duration = Duration::from_secs(2);

#[tokio::test]
async fn the_first_query_after_a_start_succeeds_and_the_pool_outlives_a_restart() {
    let nodes = network(6).await;
    let known = keys("known", 10);
    nodes[1].embedded.provide(known.clone()).await.expect("it runs");
    let begin = Instant::now();
    let late = node(&[nodes[0].address.clone()]).await;
    finds_at_once(&late, &known, begin).await;
    until(&late, |status| status.batch_peers == 6).await;
    late.embedded.stop().await;
    let Node { embedded, folder, .. } = late;
    // The stores are locked as long as the old object lives.
    drop(embedded);
    // Now there is no bootstrap peer but those that it remembers.
    let begin = Instant::now();
    let again = start_again(config(&folder, &[]), folder).await;
    finds_at_once(&again, &known, begin).await;
}

async fn finds_at_once(node: &Node, known: &[ContentId], begin: Instant) {
    let outcome = find(node, known).await;
    assert!(begin.elapsed() < FIRST_MAX, "{:?}", begin.elapsed());
    assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
    assert!(outcome.answers.iter().all(|answer| answer.providers.len() == 1));
    // Not the word of the first peer alone.
    assert!(outcome.answers[0].replies >= 2, "{:?}", outcome.answers[0]);
}

#[tokio::test]
async fn a_node_without_peers_says_at_once_that_it_does_not_know() {
    let lonely = node(&[]).await;
    let unknown = keys("unknown", 10);
    let first = find(&lonely, &unknown).await;
    assert!(first.elapsed < check().deadline, "{:?}", first.elapsed);
    for _ in 0..5 {
        let outcome = find(&lonely, &unknown).await;
        assert!(outcome.elapsed < Duration::from_millis(200), "{:?}", outcome.elapsed);
        for answer in first.answers.iter().chain(&outcome.answers) {
            assert!(!answer.is_complete && answer.providers.is_empty(), "{answer:?}");
        }
    }
    let provided = lonely.embedded.provide(unknown.clone()).await.expect("it runs");
    assert_eq!((provided.stored, provided.failed), (0, 10), "nobody was told");
}

#[tokio::test]
async fn a_short_deadline_holds_before_there_is_anybody() {
    let lonely = node(&[]).await;
    let deadline = Duration::from_millis(200);
    let options = FindOptions { deadline, ..check() };
    let begin = Instant::now();
    let query = lonely.embedded.find(keys("unknown", 3), options).expect("it is not busy");
    let outcome = query.outcome().await.expect("it runs");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(outcome.answers.iter().all(|answer| !answer.is_complete));
}
