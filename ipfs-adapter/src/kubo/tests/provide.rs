//! Announcements by daemons of three ages.

use super::{server::*, *};

fn keys(count: u8) -> Vec<ContentId> {
    (0..count).map(|i| ContentId::of(&[i])).collect()
}

fn queued(keys: &[ContentId]) -> Vec<String> {
    keys.iter().map(|key| format!("{{\"Queued\":\"{key}\"}}\n")).collect()
}

fn names(server: &Server) -> Vec<String> {
    let name = |asked: &String| asked.split('?').next().unwrap_or_default().to_string();
    server.asked().iter().map(name).collect()
}

const SENT: &str = "{\"ID\":\"\",\"Type\":2,\"Responses\":null,\"Extra\":\"\"}\n";
const FAILED: &str = "{\"ID\":\"\",\"Type\":3,\"Responses\":null,\"Extra\":\"no peers\"}\n";

#[tokio::test]
async fn a_new_daemon_takes_many_keys_in_one_call() {
    let keys = keys(3);
    let lines = queued(&keys);
    let stream = Reply::stream(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let server = Server::table([("swarm/peers", one_peer()), ("provide/once", stream)]).await;
    let provided = kubo(&server.url).provide(keys.clone()).await;
    assert_eq!(provided, Ok(Provided { stored: 3, failed: 0 }));
    assert_eq!(names(&server), ["swarm/peers", "provide/once"]);
}

#[tokio::test]
async fn older_daemons_are_asked_one_by_one_and_remembered() {
    for name in ["routing/provide", "dht/provide"] {
        let reply = Reply::stream(&[SENT, "\n"]);
        let server = Server::table([("swarm/peers", one_peer()), (name, reply)]).await;
        let node = kubo(&server.url);
        for _ in 0..2 {
            let provided = node.provide(keys(2)).await;
            assert_eq!(provided, Ok(Provided { stored: 2, failed: 0 }));
        }
        let asked = names(&server);
        assert_eq!(asked.iter().filter(|asked| *asked == "provide/once").count(), 1);
        assert_eq!(asked.iter().filter(|asked| *asked == name).count(), 4);
        assert_eq!(asked[asked.len() - 2..], [name, name], "the second time without a search");
    }
}

#[tokio::test]
async fn keys_that_fail_are_counted() {
    let keys = keys(3);
    let refused = keys[1].to_string();
    let lines = queued(&keys[..1]);
    let server = Server::start(move |asked| match asked.split('?').next() {
        Some("swarm/peers") => one_peer(),
        Some("provide/once") => Reply::failed_stream(&[&lines[0]], "block not found locally"),
        Some("routing/provide") if asked.contains(&refused) => Reply::refusal("not found locally"),
        _ => Reply::stream(&[SENT]),
    })
    .await;
    let provided = kubo(&server.url).provide(keys.clone()).await;
    assert_eq!(provided, Ok(Provided { stored: 2, failed: 1 }), "those behind are not lost");

    let replies = [("swarm/peers", one_peer()), ("dht/provide", Reply::stream(&[SENT, FAILED]))];
    let server = Server::table(replies).await;
    let provided = kubo(&server.url).provide(keys).await;
    assert_eq!(provided, Ok(Provided { stored: 0, failed: 3 }));
}

#[tokio::test]
async fn without_peers_nothing_is_announced() {
    let server = Server::table([("swarm/peers", Reply::ok(r#"{"Peers":null}"#))]).await;
    let provided = kubo(&server.url).provide(keys(3)).await;
    assert_eq!(provided, Ok(Provided { stored: 0, failed: 3 }));
    assert_eq!(names(&server), ["swarm/peers"]);
    assert_eq!(kubo(&server.url).provide(vec![]).await, Ok(Provided::default()));
}

#[tokio::test]
async fn a_daemon_without_any_of_the_calls_is_none() {
    let server = Server::table([("swarm/peers", one_peer())]).await;
    let result = kubo(&server.url).provide(keys(1)).await;
    assert_eq!(result, Err(IpfsError::Nonsense { call: "routing/provide" }));
}

#[tokio::test]
async fn a_daemon_that_dies_meanwhile_is_unreachable() {
    let cut = Reply::begun(&[&queued(&keys(1))[0]]).then_reset();
    let server = Server::table([("swarm/peers", one_peer()), ("provide/once", cut)]).await;
    let result = kubo(&server.url).provide(keys(2)).await;
    assert!(matches!(result, Err(IpfsError::Unreachable { .. })), "{result:?}");
}
