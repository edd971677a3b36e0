//! What an asker gets: as it comes, what has come by the deadline, and what is remembered (rows
//! D3 and D6).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ipfs_adapter::{
    Answer, Completion, ContentId, FindOptions, FindOutcome, Ipfs,
    batch::{Reply, Request},
    records::Hit,
};
use tokio::sync::watch;

use super::{
    foreign::Foreign,
    nodes::{Node, check, find, keys, network, node, until},
    scripted::{Manner, Scripted, framed, honest, nobody},
};

/// A peer that names one provider for each key.
fn knows_all() -> Manner {
    let provider = nobody();
    Manner::Says(Arc::new(move |request| {
        let Request::Find { number, keys, .. } = request else { return honest(request) };
        let hits = (0..keys.len()).map(|key| Hit { key, providers: vec![0] }).collect();
        let answer = Answer { providers: vec![provider.clone()], hits };
        framed(&Reply::Found { number: *number, answer }.encode())
    }))
}

async fn asked(node: &Node, keys: &[ContentId], options: FindOptions) -> FindOutcome {
    let query = node.embedded.find(keys.to_vec(), options).expect("it is not busy");
    query.outcome().await.expect("it runs")
}

#[tokio::test]
async fn finds_come_before_the_end_and_the_deadline_returns_what_has_come() {
    let asker = node(&[]).await;
    let _knows = Scripted::beside(&asker.address, knows_all()).await;
    let (_never, gate) = watch::channel(false);
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(Scripted::beside(&asker.address, Manner::Gated(gate.clone())).await);
    }
    until(&asker, |status| status.batch_peers == 6).await;
    // Six replicas need two replies, and one comes.
    let deadline = Duration::from_millis(900);
    let options = FindOptions { deadline, completion: Completion::Quorum, ..check() };
    let wanted = keys("partly", 50);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let start = Instant::now();
    let mut query = asker.embedded.find(wanted.clone(), options).expect("it is not busy");
    let first = query.next().await.expect("one peer answers");
    assert!(start.elapsed() < deadline / 2, "{:?}", start.elapsed());
    assert!(first.index < wanted.len());
    let outcome = query.outcome().await.expect("it runs");
    let took = start.elapsed();
    assert!(took >= deadline - Duration::from_millis(50), "{took:?}");
    assert!(took < deadline + Duration::from_millis(500), "{took:?}");
    for answer in &outcome.answers {
        assert_eq!((answer.providers.len(), answer.replies, answer.is_complete), (1, 1, false));
    }
    // One provider is enough for who wants one.
    let enough = asked(&asker, &wanted, FindOptions { providers_max: 1, ..options }).await;
    assert!(enough.elapsed < deadline / 2, "{:?}", enough.elapsed);
    assert!(enough.answers.iter().all(|answer| answer.providers.len() == 1));
}

#[tokio::test]
async fn a_share_of_the_replies_ends_a_query_early() {
    let asker = node(&[]).await;
    let says = Manner::Says(Arc::new(honest));
    let mut peers = Vec::new();
    for _ in 0..9 {
        peers.push(Scripted::beside(&asker.address, says.clone()).await);
    }
    let (_never, gate) = watch::channel(false);
    peers.push(Scripted::beside(&asker.address, Manner::Gated(gate)).await);
    until(&asker, |status| status.batch_peers == 10).await;
    let options = FindOptions { completion: Completion::Share(90), ..check() };
    let outcome = asked(&asker, &keys("share", 20), options).await;
    assert_eq!(outcome.answers[0].replies, 9);
    assert!(outcome.is_complete() && outcome.elapsed < options.deadline / 2);
    let all = FindOptions {
        completion: Completion::All,
        deadline: Duration::from_millis(700),
        ..options
    };
    let outcome = asked(&asker, &keys("all", 20), all).await;
    assert!(outcome.elapsed >= all.deadline, "{:?}", outcome.elapsed);
}

#[tokio::test]
async fn nobody_is_remembered_until_somebody_announces() {
    let nodes = network(4).await;
    let asker = &nodes[0];
    let foreign = Foreign::start(true).await;
    foreign.dial(&asker.address).await;
    until(asker, |status| status.connected.len() == 4).await;
    let wanted = keys("announced later", 3);
    let cached = FindOptions { use_cache: true, completion: Completion::All, ..check() };
    let remember = async || {
        for is_cached in [false, true] {
            let outcome = asked(asker, &wanted, cached).await;
            for answer in &outcome.answers {
                assert!(answer.is_complete && answer.providers.is_empty(), "{answer:?}");
                assert_eq!(answer.is_cached, is_cached);
            }
        }
    };
    remember().await;
    // Within the three seconds that the cache believes: by our protocol, by plain Kademlia, and
    // by ourselves.
    nodes[1].embedded.provide(vec![wanted[0]]).await.expect("it runs");
    foreign.provide(wanted[1]).await;
    asker.embedded.provide(vec![wanted[2]]).await.expect("it runs");
    let start = Instant::now();
    loop {
        let outcome = asked(asker, &wanted, cached).await;
        let found = |at: usize| !outcome.answers[at].providers.is_empty();
        if found(0) && found(1) {
            assert!(!outcome.answers[2].is_cached || found(2));
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{outcome:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(find(asker, &wanted).await.answers.iter().all(|answer| !answer.is_cached));
}
