//! Peers that lie, drip, flood and break the form, in the batched protocol. Each time: a lower
//! score or a failed message, never a "complete" that is none, and the others answer meanwhile.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ipfs_adapter::{
    Answer, Completion, FindOptions, Ipfs, PeerScore,
    batch::{FRAME_BYTES_MAX, Reply, Request},
    records::Hit,
    swarm::Status,
};

use super::{
    nodes::{Node, check, find, keys, network, node, until},
    scripted::{Manner, Script, Scripted, framed, honest, nobody},
};

fn score(status: &Status, liar: &Scripted) -> Option<PeerScore> {
    status.scores.iter().find(|score| score.peer == liar.foreign.peer).cloned()
}

/// One liar beside three sound nodes: queries end sound and complete, and the liar sinks.
async fn check_liar(what: &str, script: Arc<Script>) {
    let nodes = network(4).await;
    let liar = Scripted::beside(&nodes[0].address, Manner::Says(script)).await;
    until(&nodes[0], |status| status.batch_peers == 4).await;
    let begin = Instant::now();
    let mut round = 0;
    loop {
        round += 1;
        let wanted = keys(&format!("{what} {round}"), 50);
        let outcome = find(&nodes[0], &wanted).await;
        assert!(outcome.is_complete(), "{what}: {:?}", outcome.answers[0]);
        for answer in &outcome.answers {
            assert!(answer.providers.is_empty() && answer.replies <= 3, "{what}: {answer:?}");
        }
        let status = nodes[0].embedded.status().await.expect("it runs");
        if score(&status, &liar).is_some_and(|score| score.is_sunk) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} goes unnoticed: {status:?}");
    }
    assert!(liar.heard.load(Ordering::Relaxed) >= 1, "{what}");
    println!("{what}: sunk after {round} queries, {:?}", begin.elapsed());
}

fn found(number: u32, hits: Vec<Hit>) -> Vec<u8> {
    let providers = if hits.is_empty() { Vec::new() } else { vec![nobody()] };
    framed(&Reply::Found { number, answer: Answer { providers, hits } }.encode())
}

#[tokio::test]
async fn an_index_beyond_the_keys_is_a_lie() {
    let script = |request: &Request| {
        let Request::Find { number, keys, .. } = request else { return honest(request) };
        found(*number, vec![Hit { key: keys.len(), providers: vec![0] }])
    };
    check_liar("index", Arc::new(script)).await;
}

#[tokio::test]
async fn a_bitmap_for_a_look_up_is_a_lie() {
    let script = |request: &Request| {
        let (number, stored) = (request.number(), vec![true; 7]);
        framed(&Reply::Stored { number, stored }.encode())
    };
    check_liar("bitmap", Arc::new(script)).await;
}

#[tokio::test]
async fn garbage_is_a_lie() {
    check_liar("garbage", Arc::new(|_| framed(&[0xff; 99]))).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_a_lie() {
    let length = u32::try_from(FRAME_BYTES_MAX + 1).expect("it is small");
    check_liar("length", Arc::new(move |_| length.to_be_bytes().to_vec())).await;
}

#[tokio::test]
async fn a_reply_that_comes_twice_is_a_lie() {
    check_liar("twice", Arc::new(|request| honest(request).repeat(2))).await;
}

/// Waits for its deadline, or for the others' quorum; nobody is told "complete" by its word.
async fn check_useless(what: &str, manner: Manner) {
    let alone = node(&[]).await;
    let _liar = Scripted::beside(&alone.address, manner).await;
    until(&alone, |status| status.batch_peers == 1).await;
    let deadline = Duration::from_millis(1_500);
    for round in 0..3 {
        let wanted = keys(&format!("{what} {round}"), 10);
        let options = FindOptions { deadline, completion: Completion::Quorum, ..check() };
        let begin = Instant::now();
        let query = alone.embedded.find(wanted, options).expect("it is not busy");
        let outcome = query.outcome().await.expect("it runs");
        assert!(begin.elapsed() < deadline + Duration::from_secs(1), "{what}");
        assert!(!outcome.is_complete(), "{what}: {:?}", outcome.answers[0]);
    }
}

#[tokio::test]
async fn a_reply_to_another_request_answers_nothing() {
    let script = |request: &Request| found(request.number().wrapping_add(1_000), Vec::new());
    check_useless("other", Manner::Says(Arc::new(script))).await;
}

#[tokio::test]
async fn who_drips_bytes_is_not_waited_for() {
    // Over 300 bytes at 5 ms each: longer than any deadline here.
    let script = |request: &Request| {
        let Request::Find { number, keys, .. } = request else { return honest(request) };
        let hits = (0..keys.len()).map(|key| Hit { key, providers: vec![0] });
        found(*number, hits.collect()).repeat(4)
    };
    let nodes = network(4).await;
    let drips = Manner::Drips(Arc::new(script));
    let _dripping = Scripted::beside(&nodes[0].address, drips).await;
    until(&nodes[0], |status| status.batch_peers == 4).await;
    for round in 0..10 {
        let outcome = find(&nodes[0], &keys(&format!("drip {round}"), 50)).await;
        assert!(outcome.is_complete() && outcome.elapsed < Duration::from_millis(500));
    }
}

#[tokio::test]
async fn replies_that_nobody_asked_for_fill_no_memory() {
    let nodes = network(4).await;
    let flood = Manner::Floods(Arc::new(honest));
    let flooding = Scripted::beside(&nodes[0].address, flood).await;
    until(&nodes[0], |status| status.batch_peers == 4).await;
    for round in 0..10 {
        let outcome = find(&nodes[0], &keys(&format!("flood {round}"), 50)).await;
        assert!(outcome.is_complete() && outcome.elapsed < Duration::from_millis(500));
    }
    until(&nodes[0], |status| score(status, &flooding).is_none_or(|score| score.is_sunk)).await;
}

#[tokio::test]
async fn who_names_itself_for_everything_sinks_when_it_is_judged() {
    let nodes = network(4).await;
    let script = |request: &Request| {
        let Request::Find { number, keys, .. } = request else { return honest(request) };
        found(*number, (0..keys.len()).map(|key| Hit { key, providers: vec![0] }).collect())
    };
    let liar = Scripted::beside(&nodes[0].address, Manner::Says(Arc::new(script))).await;
    until(&nodes[0], |status| status.batch_peers == 4).await;
    let all = FindOptions { completion: Completion::All, ..check() };
    let named = async |node: &Node, what: &str| {
        let query = node.embedded.find(keys(what, 5), all).expect("it is not busy");
        let outcome = query.outcome().await.expect("it runs");
        assert!(outcome.is_complete(), "{:?}", outcome.answers[0]);
        outcome.answers.iter().filter(|answer| !answer.providers.is_empty()).count()
    };
    assert_eq!(named(&nodes[0], "before").await, 5);
    // Four times sink it; one reply to a probe does not lift it again after six.
    for _ in 0..6 {
        nodes[0].embedded.judge(liar.foreign.peer, false);
    }
    until(&nodes[0], |status| score(status, &liar).is_some_and(|score| score.is_sunk)).await;
    // A sunk peer may get one probe, whose reply is heard.
    named(&nodes[0], "probe").await;
    assert_eq!(named(&nodes[0], "after").await, 0);
}
