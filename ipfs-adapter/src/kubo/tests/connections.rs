//! Daemons that are not there, that stall, that are none; and the bounds on what is read and open.

use std::io;

use tokio::net::TcpListener;

use super::{server::*, *};
use crate::kubo::answer::{JSON_BYTES_MAX, LINE_BYTES_MAX};

#[tokio::test]
async fn a_daemon_says_who_it_is() {
    let id = peer(1).to_string();
    let body = serde_json::json!({
        "ID": id, "AgentVersion": "kubo/0.39.0/", "PublicKey": "x",
        "Addresses": [format!("/ip4/127.0.0.1/tcp/4001/p2p/{id}"), "/ip4/10.0.0.1/udp/1/quic-v1"],
    });
    let version = r#"{"Version":"0.39.0","Commit":"2896aed","Repo":"18"}"#;
    let replies = [("id", Reply::ok(body.to_string())), ("version", Reply::ok(version))];
    let server = Server::table(replies).await;
    let node = kubo(&server.url);
    let info = node.info().await.expect("a sound answer");
    assert_eq!((info.peer, info.agent.as_str()), (peer(1), "kubo/0.39.0/"));
    let addresses: Vec<String> = info.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.1/udp/1/quic-v1"]);
    let version = node.version().await.expect("a sound answer");
    assert_eq!((version.version.as_str(), version.commit.as_str()), ("0.39.0", "2896aed"));
}

#[tokio::test]
async fn peers_are_named_once() {
    let entry =
        |number| serde_json::json!({ "Addr": "/ip4/1.2.3.4", "Peer": peer(number).to_string() });
    let body = serde_json::json!({ "Peers": [entry(1), entry(2), entry(1)] }).to_string();
    let server = Server::table([("swarm/peers", Reply::ok(body))]).await;
    let mut wanted = vec![peer(1), peer(2)];
    wanted.sort_unstable();
    assert_eq!(kubo(&server.url).peers().await, Ok(wanted));
    for none in [r#"{"Peers":null}"#, r#"{"Peers":[]}"#, "{}"] {
        let server = Server::table([("swarm/peers", Reply::ok(none))]).await;
        assert_eq!(kubo(&server.url).peers().await, Ok(vec![]));
    }
    let server = Server::table([("swarm/peers", Reply::ok(r#"{"Peers":[{"Peer":"?"}]}"#))]).await;
    assert_eq!(kubo(&server.url).peers().await, Err(IpfsError::Nonsense { call: "swarm/peers" }));
}

#[tokio::test]
async fn a_dead_daemon_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let kind = io::ErrorKind::ConnectionRefused;
    assert_eq!(kubo(&url).info().await, Err(IpfsError::Unreachable { url, kind }));
}

#[tokio::test]
async fn a_host_without_an_address_is_unreachable() {
    let url = "http://no-such-host.invalid:5001";
    let config = KuboConfig {
        url: url.into(),
        hosts_allowed: vec!["no-such-host.invalid".into()],
        ..KuboConfig::default()
    };
    let node = Kubo::connect(config).expect("the host is allowed");
    let result = node.info().await;
    assert!(matches!(result, Err(IpfsError::Unreachable { .. })), "{result:?}");
}

#[tokio::test]
async fn a_daemon_that_dies_in_an_answer_is_unreachable() {
    let cuts = [
        Reply::bare(""),
        Reply::bare("HTTP/1.1 200 OK\r\nContent-Le"),
        Reply::bare("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ID\":"),
        Reply::begun(&["{\"ID\":"]).then_reset(),
    ];
    for cut in cuts {
        let server = Server::table([("id", cut.clone())]).await;
        let result = kubo(&server.url).info().await;
        assert!(matches!(result, Err(IpfsError::Unreachable { .. })), "{cut:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_stalls_is_left_at_the_deadline() {
    let stalls = [
        Reply::bare("").then_hang(),
        Reply::bare("HTTP/1.1 200 OK\r\nContent-").then_hang(),
        Reply::begun(&["{\"ID\":"]).then_hang(),
        Reply::bare("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").then_hang(),
    ];
    for stall in stalls {
        let server = Server::table([("id", stall)]).await;
        let result = kubo_within(&server.url, SHORT).info().await;
        assert_eq!(result, Err(IpfsError::Timeout { after_ms: 200 }));
        server.until_answering(0).await;
    }
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline_or_at_the_bound() {
    let drip = Reply::bare("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n ").then_drip();
    let server = Server::table([("id", drip)]).await;
    let result = kubo_within(&server.url, SHORT).info().await;
    let is_bounded =
        matches!(result, Err(IpfsError::Timeout { .. } | IpfsError::Nonsense { call: "id" }));
    assert!(is_bounded, "{result:?}");
    server.until_answering(0).await;
}

#[tokio::test]
async fn what_is_no_daemon_is_called_nonsense() {
    let page = "<!doctype html><title>It works!</title>";
    let others = [
        Reply::ok(page),
        Reply::ok(""),
        Reply::ok("{}"),
        Reply::ok(r#"{"ID":"not a peer","AgentVersion":""}"#),
        Reply::status("404 Not Found", page),
        Reply::status("405 Method Not Allowed", page),
        Reply::status("500 Internal Server Error", page),
        Reply::status("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        Reply::status("426 Upgrade Required", "Upgrade Required"),
        Reply::bare("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        Reply::bare("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ];
    for other in others {
        let server = Server::table([("id", other.clone())]).await;
        let result = kubo(&server.url).info().await;
        assert_eq!(result, Err(IpfsError::Nonsense { call: "id" }), "{other:?}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_first_words() {
    let check = async |reply: Reply, wanted: u16, words: &str| {
        let server = Server::table([("id", reply)]).await;
        let message = words.into();
        assert_eq!(
            kubo(&server.url).info().await,
            Err(IpfsError::Refused { status: wanted, message })
        );
    };
    check(Reply::refusal("repo is locked"), 500, "repo is locked").await;
    check(Reply::status("403 Forbidden", "403 - Forbidden\n"), 403, "403 - Forbidden").await;
    check(Reply::refusal(&"é".repeat(300)), 500, &"é".repeat(200)).await;
}

#[tokio::test]
async fn an_answer_over_its_bound_is_refused() {
    let long = format!("{{\"Peers\":[],\"x\":\"{}\"}}", "x".repeat(JSON_BYTES_MAX));
    let server = Server::table([("swarm/peers", Reply::ok(long))]).await;
    assert_eq!(kubo(&server.url).peers().await, Err(IpfsError::Nonsense { call: "swarm/peers" }));
    let piece = " ".repeat(LINE_BYTES_MAX / 2);
    let line = [piece.as_str(); 3];
    let server = Server::table([("pin/ls", Reply::begun(&line).then_hang())]).await;
    let ids: Vec<ContentId> = (0..100u8).map(|i| ContentId::of(&[i])).collect();
    let result = kubo(&server.url).are_pinned(ids).await;
    assert_eq!(result, Err(IpfsError::Nonsense { call: "pin/ls" }));
    let server =
        Server::table([("id", Reply::status("500 Internal Server Error", "x".repeat(100_000)))]);
    let server = server.await;
    assert_eq!(kubo(&server.url).info().await, Err(IpfsError::Nonsense { call: "id" }));
}

#[tokio::test]
async fn calls_under_way_are_counted_and_waiting_uses_up_the_deadline() {
    let server = Server::start(|_| Reply::bare("").then_hang()).await;
    let config = KuboConfig {
        url: server.url.clone(),
        timeout: SHORT,
        connections_max: 3,
        ..KuboConfig::default()
    };
    let node = Kubo::connect(config).expect("loopback is allowed");
    let calls = (0..10).map(|_| node.info());
    for result in futures::future::join_all(calls).await {
        assert_eq!(result, Err(IpfsError::Timeout { after_ms: 200 }));
    }
    assert_eq!(server.answering_most(), 3);
    server.until_answering(0).await;
}

#[test]
fn outside_a_runtime_nothing_is_connected() {
    assert_eq!(Kubo::connect(KuboConfig::default()).err(), Some(IpfsError::Stopped));
}
