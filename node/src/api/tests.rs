//! Tests of the API over real TCP: what every request passes, and the routes that only read.

mod content;
mod events;
mod explorer;
mod hostile;
mod inbox;
pub(crate) mod openapi;
pub(crate) mod server;
mod transfers;

use super::limits::{BODIES_KIB_MAX, IN_FLIGHT_MAX};
use super::openapi::ROUTES;
use ledger::{Address, TransferId};
use server::{TOKENS, alice, bob, raw, start};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000001";

#[test]
fn every_listed_route_is_there_and_every_other_is_a_problem() {
    let server = start(1);
    for route in ROUTES.iter().filter(|route| !route.is_stream()) {
        let method = route.method;
        let path = route.path.replace("{id}", NOBODY).replace("{did}", &bob().to_string());
        let path = path.replace("{cid}", content::NOWHERE).replace("{file}", "explorer.css");
        let got = server.ask(&method.to_uppercase(), &path, "", b"");
        let text = String::from_utf8_lossy(&got.body).into_owned();
        assert!(!text.contains("the API has no route"), "{method} {path}: {text}");
        assert_ne!(got.status, 405, "{method} {path}: {text}");
        let other = if method == "get" { "POST" } else { "GET" };
        if path != "/v1/transfers/batch" {
            let problem = server.ask(other, &path, "", b"");
            problem.is_problem(405, "usage");
            assert!(problem.head.contains("allow:"), "{}", problem.head);
        }
        if method == "get" {
            let head = server.ask("HEAD", &path, "", b"");
            assert_eq!((head.status, head.body.len()), (got.status, 0), "HEAD {path}");
        }
    }
    for path in ["/v1", "/v2/node", "/v1/transfers/x/y", "/%00", "/v1/node/"] {
        server.get(path).is_problem(404, "not_found");
    }
    server.ask("DELETE", "/v1/node", "", b"").is_problem(405, "usage");
}

#[test]
fn a_foreign_host_header_is_refused_on_every_route() {
    let server = start(1);
    let ask = |host: &str| {
        let text = format!("GET /v1/node HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        raw(server.address(), text.as_bytes())
    };
    ask("host: evil.example\r\n").is_problem(421, "bad_host");
    ask(&format!("host: evil.example:{}\r\n", server.address().port())).is_problem(421, "bad_host");
    ask("").is_problem(421, "bad_host");
    ask("host: localhost\r\nhost: evil.example\r\n").is_problem(421, "bad_host");
    assert_eq!(ask("host: node.example\r\n").status, 200);
    assert_eq!(ask(&format!("host: {}\r\n", server.address())).status, 200);
}

#[test]
fn ids_cursors_and_limits_are_checked() {
    let server = start(1);
    let did = bob().to_string();
    for path in [
        "/v1/transfers/abc".to_string(),
        format!("/v1/tokens/{}", NOBODY.replace('1', "F")),
        "/v1/accounts/alice".into(),
        "/v1/node?x=1".into(),
        format!("/v1/accounts/{did}/tokens?limit=0"),
        format!("/v1/accounts/{did}/tokens?limit=5001"),
        format!("/v1/accounts/{did}/tokens?after=5"),
        "/v1/batches?after=-1".into(),
        format!("/v1/transfers/{NOBODY}?wait=soon"),
        "/v1/transfers/%FF".into(),
    ] {
        server.get(&path).is_problem(400, "usage");
    }
    for path in ["transfers", "receipts", "batches", "tokens"] {
        server.get(&format!("/v1/{path}/{NOBODY}")).is_problem(404, "not_found");
    }
    server.get(&format!("/v1/tokens/{NOBODY}/history")).is_problem(404, "not_found");
    server.get(&format!("/v1/transfers/{NOBODY}?wait=30ms")).is_problem(404, "not_found");
    for list in ["batches", "evidence"] {
        for after in [u64::MAX, u64::MAX - 1] {
            let page = server.get(&format!("/v1/{list}?after={after}")).json();
            assert_eq!(page[list], serde_json::json!([]), "nothing is behind the end");
        }
    }
}

#[test]
fn behind_the_last_position_there_is_an_empty_page() {
    let server = start(1);
    for path in ["batches", "evidence"] {
        for after in [0, 1 << 40, u64::MAX - 1, u64::MAX] {
            let page = server.get(&format!("/v1/{path}?after={after}"));
            assert_eq!(page.status, 200, "{path} {after}");
            assert_eq!(page.json()[path], serde_json::json!([]), "{path} {after}");
        }
    }
}

#[test]
fn a_request_keeps_its_clients_id_or_gets_one() {
    let server = start(1);
    let ask = |sent: &str| {
        let got = server.ask("GET", "/v1/no/such", &format!("x-request-id: {sent}\r\n"), b"");
        let problem = got.is_problem(404, "not_found");
        let id = got.header("x-request-id").expect("every answer has one");
        assert_eq!(problem["request_id"], id);
        id
    };
    assert_eq!(ask("pay-7.a_b"), "pay-7.a_b");
    let made = ask("not good");
    assert_ne!(made, ask("not good"));
    assert!(server.get("/v1/health/live").header("x-request-id").is_some());
    let foreign = b"GET / HTTP/1.1\r\nhost: evil\r\nx-request-id: a1\r\nconnection: close\r\n\r\n";
    let refused = raw(server.address(), foreign);
    assert_eq!(refused.is_problem(421, "bad_host")["request_id"], "a1");
    assert_eq!(refused.header("x-request-id").as_deref(), Some("a1"));
}

#[test]
fn the_network_and_the_node_describe_themselves() {
    let server = start(1);
    let network = server.get("/v1/network").json();
    assert_eq!(network["schema"], "quorate.network/1");
    assert_eq!(network["network"], server.network.id.to_string());
    assert_eq!(network["quorum"], 1);
    assert_eq!(network["assets"][0]["name"], "QRT");
    let node = server.get("/v1/node").json();
    assert_eq!((&node["name"], &node["mode"]), (&"v0".into(), &"voting".into()));
    assert_eq!(node["applied"], 0);
    let validators = server.get("/v1/validators").json();
    assert_eq!(validators["validators"][0]["self"], true);
    let supply = server.get("/v1/supply").json();
    let row = &supply["supply"][0];
    assert_eq!((&row["issued"], &row["live"]), (&"1800".into(), &"1800".into()));
    for path in ["/v1/health/live", "/v1/health/ready"] {
        let health = server.get(path);
        assert_eq!((health.status, &health.json()["ok"]), (200, &true.into()));
    }
    let metrics = server.get("/metrics");
    let metrics = String::from_utf8_lossy(&metrics.body);
    assert!(metrics.ends_with("# EOF\n"));
    for line in ["quorate_ready 1", "quorate_failed 0", "quorate_quorum_weight 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    assert_eq!(server.get("/openapi.json").json()["openapi"], "3.1.0");
}

#[test]
fn a_node_without_a_quorum_says_so_and_proposes_nothing() {
    let server = start(4);
    let ready = server.get("/v1/health/ready");
    assert_eq!((ready.status, &ready.json()["ok"]), (503, &false.into()));
    assert_eq!(ready.json()["down"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.get("/v1/health/live").status, 200);
    let signed = ledger::Canonical::to_bytes(&server.moves(0, 1));
    let problem = server.post("/v1/transfers", &signed).is_problem(503, "no_quorum");
    assert_eq!(problem["exit"], 8);
    let batch = server::framed(&[signed]);
    server.post("/v1/transfers/batch", &batch).is_problem(503, "no_quorum");
}

#[test]
fn tokens_come_in_pages_that_hold_each_token_once() {
    let server = start(1);
    let did = Address(alice().public());
    let mut seen = std::collections::BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/v1/accounts/{did}/tokens?limit=500{after}")).json();
        for token in page["tokens"].as_array().expect("a list") {
            assert_eq!(token["amount"], "1.5");
            assert_eq!((&token["units"], &token["height"]), (&"1500".into(), &0.into()));
            assert!(token["state_cid"].as_str().is_some_and(|cid| cid.starts_with("bafkrei")));
            assert!(seen.insert(token["id"].as_str().expect("an id").to_string()));
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(u64::try_from(seen.len()), Ok(TOKENS));
    let balance = server.get(&format!("/v1/accounts/{did}")).json();
    assert_eq!(balance["balances"][0]["amount"], "1800");
    assert_eq!(balance["balances"][0]["tokens"], TOKENS);
    assert_eq!(
        server.get(&format!("/v1/accounts/{}", bob())).json()["balances"],
        serde_json::json!([])
    );
}

#[test]
fn one_request_in_flight_or_one_body_too_many_is_refused() {
    let server = start(1);
    let (_, stopping) = tokio::sync::watch::channel(false);
    let api = super::Api::new(server.handle.clone(), stopping);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let most = u32::try_from(IN_FLIGHT_MAX).expect("small");
        let all = api.gate.in_flight.clone().acquire_many_owned(most).await.expect("it is open");
        let router = api.clone().router();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let ask = |path: &'static str, body: &'static str| {
            tokio::task::spawn_blocking(move || {
                let length = body.len();
                let text = format!(
                    "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                     content-length: {length}\r\n\r\n{body}"
                );
                raw(address, text.as_bytes())
            })
        };
        let refused = ask("/v1/transfers", "").await.expect("no panic");
        refused.is_problem(429, "overloaded");
        drop(all);
        let most = u32::try_from(BODIES_KIB_MAX).expect("small");
        let all = api.body_kib.clone().acquire_many_owned(most).await.expect("it is open");
        ask("/v1/transfers", "x").await.expect("no panic").is_problem(429, "overloaded");
        drop(all);
        ask("/v1/transfers", "x").await.expect("no panic").is_problem(400, "malformed");
        serving.abort();
    });
}

#[test]
fn the_server_ends_within_a_second_whoever_holds_a_connection() {
    let server = start(1);
    let connect = |text: String| {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.write_all(text.as_bytes()).expect("writing");
        stream
    };
    let waiting = format!(
        "GET /v1/transfers/{}?wait=30s HTTP/1.1\r\nhost: localhost\r\n\r\n",
        TransferId::default()
    );
    let held = [
        connect(String::new()),
        connect("GET /v1/no".into()),
        connect("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n".into()),
        connect(waiting),
        connect(
            "POST /v1/transfers HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx".into(),
        ),
    ];
    assert_eq!(server.get("/v1/node").status, 200);
    let before = Instant::now();
    drop(server);
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
    drop(held);
}
