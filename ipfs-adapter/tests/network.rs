//! The embedded node among others of its kind, over real QUIC on loopback.

#[path = "network/answers.rs"]
mod answers;
#[path = "network/dead.rs"]
mod dead;
#[path = "network/flood.rs"]
mod flood;
#[path = "network/foreign.rs"]
mod foreign;
#[path = "network/hostile.rs"]
mod hostile;
#[path = "network/nodes.rs"]
mod nodes;
#[path = "network/plain.rs"]
mod plain;
#[path = "network/scripted.rs"]
mod scripted;
#[path = "network/start.rs"]
mod start;

use std::time::Duration;

use ipfs_adapter::{Content, Ipfs};
use nodes::{find, keys, network, node, until};

#[tokio::test]
async fn what_one_announces_the_others_find_and_the_rest_is_proven_absent() {
    let nodes = network(7).await;
    let (known, absent) = (keys("known", 1_000), keys("absent", 1_000));
    let provided = nodes[3].embedded.provide(known.clone()).await.expect("it runs");
    assert_eq!((provided.stored, provided.failed), (1_000, 0));
    let own = nodes[3].embedded.info().await.expect("it runs").peer;
    for asker in [0, 6] {
        let outcome = find(&nodes[asker], &known).await;
        assert!(outcome.is_complete());
        let names = |answer: &ipfs_adapter::KeyAnswer| {
            answer.providers.iter().any(|provider| provider.peer == own)
        };
        assert!(outcome.answers.iter().all(names));
        let outcome = find(&nodes[asker], &absent).await;
        assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
        assert!(outcome.answers.iter().all(|answer| answer.providers.is_empty()));
        println!("{:?} {:?}", outcome.elapsed, outcome.answers[0]);
    }
}

#[tokio::test]
async fn blocks_come_from_whoever_has_them() {
    let nodes = network(3).await;
    let content = Content::of(b"a block of the third".to_vec()).expect("it is short");
    nodes[2].embedded.put(content.clone()).await.expect("there is room");
    nodes[2].embedded.provide(vec![content.id()]).await.expect("it runs");
    let got = nodes[0].embedded.get(content.id(), Duration::from_secs(5)).await;
    assert_eq!(got, Ok(Some(content.clone())));
    let kept = nodes[0].embedded.get_local(content.id()).await;
    assert_eq!(kept, Ok(Some(content)));
    let absent = keys("absent", 1)[0];
    let got = nodes[0].embedded.get(absent, Duration::from_secs(1)).await;
    assert_eq!(got, Ok(None));
}

#[tokio::test]
async fn a_node_that_lost_all_its_peers_is_back_soon_after_they_return() {
    let first = node(&[]).await;
    let second = node(std::slice::from_ref(&first.address)).await;
    until(&second, |status| status.batch_peers == 1).await;
    let nodes::Node { embedded, folder, address } = first;
    embedded.stop().await;
    drop(embedded);
    until(&second, |status| status.batch_peers == 0).await;
    let outcome = find(&second, &keys("x", 10)).await;
    assert!(outcome.answers.iter().all(|answer| !answer.is_complete));
    let mut config = nodes::config(&folder, &[]);
    let (listen, _) = ipfs_adapter::swarm::pool::split(address);
    config.listen = vec![listen];
    let again = nodes::start_again(config, folder).await;
    let took = until(&second, |status| status.batch_peers == 1).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(again);
}
