//! Peers that do not speak our batched protocol: plain Kademlia, or another version.

use std::{sync::Arc, time::Instant};

use futures::StreamExt;
use ipfs_adapter::Ipfs;
use libp2p::StreamProtocol;

use super::{
    foreign::Foreign,
    nodes::{WAIT, check, find, keys, node, until},
    scripted::{Manner, Scripted, honest},
};

#[tokio::test]
async fn who_speaks_only_kademlia_is_found_and_finds() {
    let ours = node(&[]).await;
    let (first, second) = (Foreign::start(true).await, Foreign::start(true).await);
    first.dial(&ours.address).await;
    second.dial(&ours.address).await;
    second.dial(&first.address).await;
    until(&ours, |status| status.table == 2).await;
    let [theirs, own] = [keys("theirs", 1)[0], keys("own", 1)[0]];
    first.provide(theirs).await;
    let begin = Instant::now();
    loop {
        let outcome = find(&ours, &[theirs]).await;
        if outcome.answers[0].providers.iter().any(|found| found.peer == first.peer) {
            break;
        }
        assert!(begin.elapsed() < WAIT, "{outcome:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let absent = find(&ours, &keys("absent", 5)).await;
    assert!(absent.answers.iter().all(|answer| answer.providers.is_empty()));
    assert!(absent.is_complete(), "{:?}", absent.answers[0]);

    let info = ours.embedded.info().await.expect("it runs");
    let provided = ours.embedded.provide(vec![own]).await.expect("it runs");
    assert_eq!((provided.stored, provided.failed), (1, 0));
    let begin = Instant::now();
    while !second.providers(own).await.contains(&info.peer) {
        assert!(begin.elapsed() < WAIT, "our record is not found");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn another_version_is_not_asked_and_does_not_count() {
    let ours = node(&[]).await;
    let newer = Foreign::start(true).await;
    let other = StreamProtocol::new("/quorate/providers/2.0.0");
    let mut incoming = newer.control.accept(other).expect("nobody else takes it");
    newer.dial(&ours.address).await;
    until(&ours, |status| status.connected.len() == 1).await;
    // By plain Kademlia it can be asked all the same.
    let outcome = find(&ours, &keys("which", 3)).await;
    assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
    let known = Scripted::beside(&ours.address, Manner::Says(Arc::new(honest))).await;
    until(&ours, |status| status.batch_peers == 1).await;
    let outcome = find(&ours, &keys("what", 3)).await;
    assert!(outcome.is_complete() && outcome.answers[0].replies == 1);
    assert!(known.heard.load(std::sync::atomic::Ordering::Relaxed) >= 1);
    let unasked = tokio::time::timeout(check().deadline / 10, incoming.next()).await;
    assert!(unasked.is_err(), "nobody opens a stream of version 2");
}
