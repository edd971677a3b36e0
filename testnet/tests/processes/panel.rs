//! The panel: whom it obeys and whom not, what it does, and that it ends.

use super::running::{Place, all_end, block_on, processes, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;
use testnet::process::{Process, State};

/// A program of ours ends within this time (INTERFACE.md).
const STOP_TIME: Duration = Duration::from_secs(3);
/// Longest wait for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A command that serves a panel, and the document that it printed.
struct Served {
    child: Child,
    document: Value,
    host: String,
}

impl Served {
    /// Starts a command of this place that serves a panel; its URL stands under `key`.
    fn start(place: &Place, words: &str, key: &str) -> Self {
        let mut command = place.command();
        command.arg("--json").args(words.split_whitespace()).arg("--dir").arg(place.dir());
        let child = command.stdout(Stdio::piped()).spawn().expect("started");
        let mut served = Self { child, document: Value::Null, host: String::new() };
        let pipe = served.child.stdout.take().expect("a pipe");
        let mut text = String::new();
        for line in BufReader::new(pipe).lines() {
            text += &line.expect("text");
            served.document = serde_json::from_str(&text).unwrap_or_default();
            if let Some(url) = served.document[key].as_str() {
                served.host = url.strip_prefix("http://").expect("a URL").into();
                return served;
            }
        }
        panic!("no document: {text}");
    }

    fn panel(place: &Place) -> Self {
        Self::start(place, "panel", "url")
    }

    fn process(&self) -> Process {
        Process::of(self.child.id()).expect("a child")
    }

    /// Sends a request with these header lines; the connection, of which nothing is read yet.
    fn send(&self, line: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).expect("connected");
        stream.set_read_timeout(Some(ANSWER_TIME)).expect("a timeout");
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        // Who is refused for its length may be answered before it has sent all.
        drop(stream.write_all(body));
        stream
    }

    /// Status and document of an answer.
    fn ask(&self, line: &str, headers: &str, body: &[u8]) -> (u16, Value) {
        let headers = format!("{headers}connection: close\r\n");
        let mut answer = Vec::new();
        self.send(line, &headers, body).read_to_end(&mut answer).expect("an answer");
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status"), serde_json::from_str(body).unwrap_or_default())
    }

    fn get(&self, path: &str) -> Value {
        let host = format!("host: {}\r\n", self.host);
        let (status, document) = self.ask(&format!("GET {path}"), &host, b"");
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let headers = format!("host: {}\r\ncontent-type: application/json\r\n", self.host);
        self.ask(&format!("POST {path}"), &headers, body.to_string().as_bytes())
    }

    fn order(&self, path: &str, body: &Value) -> Value {
        let (status, document) = self.post(path, body);
        assert_eq!(status, 200, "{path} {body}: {document}");
        document
    }

    /// Ends it by SIGTERM, within its time.
    fn stop(mut self) {
        let process = self.process();
        process.signal(rustix::process::Signal::TERM).expect("signalled");
        let is_gone = block_on(process.wait_for(|state| state == State::Gone, STOP_TIME));
        if !is_gone {
            self.child.kill().expect("killed");
        }
        let status = self.child.wait().expect("waited for");
        assert!(is_gone, "it did not end in time");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Served {
    /// A test that has failed leaves none behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().expect("killed");
            self.child.wait().expect("waited for");
        }
    }
}

#[test]
fn a_foreign_page_can_neither_read_nor_do_anything() {
    let place = Place::new();
    place.up(4);
    let panel = Served::panel(&place);
    let own = format!("host: {}\r\n", panel.host);
    let json = "content-type: application/json\r\n";
    let kill = br#"{"name":"v3"}"#;
    let (_, port) = panel.host.split_once(':').expect("a port");
    for (host, headers, status, code) in [
        ("evil.example", "", 421, "bad_host"),
        ("127.0.0.1", "", 421, "bad_host"),
        ("127.0.0.1:1", "", 421, "bad_host"),
        (&format!("evil.example:{port}"), "", 421, "bad_host"),
        (&panel.host, "origin: http://evil.example\r\n", 403, "bad_origin"),
        (&panel.host, "origin: null\r\n", 403, "bad_origin"),
        (&panel.host, "origin: http://127.0.0.1:1\r\n", 403, "bad_origin"),
        (&panel.host, "sec-fetch-site: cross-site\r\n", 403, "bad_origin"),
        (&panel.host, "sec-fetch-site: same-site\r\n", 403, "bad_origin"),
    ] {
        let headers = format!("host: {host}\r\n{headers}{json}");
        for line in ["POST /testnet/kill", "GET /testnet/state", "GET /v1/node", "GET /metrics"] {
            let body: &[u8] = if line.starts_with("POST") { kill } else { b"" };
            let (found, problem) = panel.ask(line, &headers, body);
            assert_eq!((found, &problem["code"]), (status, &json!(code)), "{line} {headers}");
        }
    }
    let foreign = format!("{own}origin: http://evil.example\r\n{json}");
    let payment = br#"{"from":"alice","to":"bob","amount":"1"}"#;
    for path in ["transfer", "faucet", "heal", "start", "pause", "resume", "slow", "partition"] {
        let (status, _) = panel.ask(&format!("POST /testnet/{path}"), &foreign, payment);
        assert_eq!(status, 403, "{path}");
    }
    // Its own page, and a program, may.
    let origin = format!("{own}origin: http://{}\r\nsec-fetch-site: same-origin\r\n", panel.host);
    assert_eq!(panel.ask("GET /testnet/state", &origin, b"").0, 200);
    let localhost = format!("host: localhost:{port}\r\n");
    assert_eq!(panel.ask("GET /testnet/state", &localhost, b"").0, 200);
    assert_eq!(place.states(), ["running"; 4]);
    assert_eq!(panel.get("/v1/node")["applied"], 0);
    panel.stop();
}

#[test]
fn hostile_input_is_refused_and_nothing_is_done() {
    let place = Place::new();
    place.up(4);
    let panel = Served::panel(&place);
    let long = json!({"name": "x".repeat(64 * 1024)});
    let deep = json!({"groups": [["v0,v1"], ["v2/v3"]]});
    let path = place.dir().join("accounts/alice").display().to_string();
    for (route, body, status, code) in [
        ("kill", json!({"name": "v9"}), 404, "not_found"),
        ("kill", json!({"name": "../v0"}), 404, "not_found"),
        ("kill", json!({"name": "v0", "more": 1}), 400, "usage"),
        ("kill", json!({"name": 1}), 400, "usage"),
        ("kill", json!(["v0"]), 400, "usage"),
        ("kill", json!({}), 400, "usage"),
        ("kill", long, 413, "too_large"),
        ("start", json!({"name": "v0"}), 503, "busy"),
        ("slow", json!({"name": "v0", "delay_ms": -1}), 400, "usage"),
        ("slow", json!({"name": "v0", "delay_ms": 10_001}), 400, "usage"),
        ("slow", json!({"name": "alice", "delay_ms": 1}), 400, "usage"),
        ("partition", json!({"groups": []}), 400, "usage"),
        ("partition", json!({"groups": [[]]}), 400, "usage"),
        ("partition", json!({"groups": [["v0", "v0"]]}), 400, "usage"),
        ("partition", json!({"groups": [["v0", "v1", "v2", "v3"]]}), 400, "usage"),
        ("partition", deep, 400, "usage"),
        ("transfer", json!({"from": path, "to": "bob", "amount": "1"}), 404, "not_found"),
        ("transfer", json!({"from": "alice", "to": path, "amount": "1"}), 404, "not_found"),
        ("transfer", json!({"from": "alice", "to": "bob", "amount": 1}), 400, "usage"),
        ("transfer", json!({"from": "alice", "to": "bob", "amount": "-1"}), 400, "usage"),
        ("transfer", json!({"from": "alice", "to": "bob", "amount": "0"}), 400, "usage"),
        (
            "transfer",
            json!({"from": "alice", "to": "bob", "amount": "99999"}),
            422,
            "insufficient_funds",
        ),
        ("faucet", json!({"to": "did:key:z"}), 400, "usage"),
        ("faucet", json!({"to": "nobody"}), 404, "not_found"),
        ("faucet", json!({"to": "bob", "amount": "1e3"}), 400, "usage"),
    ] {
        let (found, problem) = panel.post(&format!("/testnet/{route}"), &body);
        let shown = body.to_string().chars().take(80).collect::<String>();
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{route} {shown} {problem}");
    }
    let own = format!("host: {}\r\n", panel.host);
    let json = format!("{own}content-type: application/json\r\n");
    let plain = format!("{own}content-type: text/plain\r\n");
    let kill = br#"{"name":"v0"}"#;
    for (line, headers, body, status) in [
        ("POST /testnet/kill", &own, kill.as_slice(), 415),
        ("POST /testnet/kill", &plain, kill, 415),
        ("POST /testnet/kill", &json, b"{".as_slice(), 400),
        ("POST /testnet/kill", &json, b"\xff\xfe", 400),
        ("GET /testnet/kill", &json, b"", 405),
        ("POST /testnet/state", &json, b"{}", 405),
        ("POST /testnet/elsewhere", &json, b"{}", 404),
        ("GET /explorer/index.html", &json, b"", 404),
        ("GET /explorer/..%2f..%2fCargo.toml", &json, b"", 404),
    ] {
        let (found, _) = panel.ask(line, headers, body);
        assert_eq!(found, status, "{line}");
    }
    assert_eq!(place.states(), ["running"; 4]);
    assert_eq!(panel.get("/testnet/state")["faults"], Value::Null);
    assert_eq!(panel.get("/v1/node")["applied"], 0);
    panel.stop();
}

#[test]
fn it_pays_kills_and_starts_and_what_it_started_outlives_it() {
    let place = Place::new();
    place.up(4);
    let panel = Served::panel(&place);
    let payment = json!({"from": "alice", "to": "bob", "amount": "12.5", "memo": "rent"});
    let paid = panel.order("/testnet/transfer", &payment);
    assert_eq!((&paid["status"], &paid["memo"]), (&json!("final"), &json!("rent")));
    assert!(paid["stages_us"]["total"].as_u64().is_some_and(|total| total > 0));
    // The wallet of the command line is the same one.
    let known = place.quorate("tx list").ok();
    assert_eq!(known["transfers"][0]["id"], paid["id"]);
    let given = panel.order("/testnet/faucet", &json!({"to": "carol"}));
    assert_eq!((&given["status"], &given["amount"]), (&json!("final"), &json!("10")));
    // The one that is asked is killed: the next is asked, and a stream is told of a gap.
    let first = panel.get("/v1/node")["name"].as_str().expect("a name").to_string();
    let killed = panel.order("/testnet/kill", &json!({"name": first}));
    assert_eq!(killed["validators"][0]["state"], "down");
    assert_ne!(panel.get("/v1/node")["name"], first.as_str());
    let headers = format!("host: {}\r\nlast-event-id: {first}-1-1.7\r\n", panel.host);
    let stream = BufReader::new(panel.send("GET /v1/events", &headers, b""));
    let mut lines = stream.lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line == "event: gap"), "no gap was told");
    panel.order("/testnet/transfer", &payment);
    assert!(lines.any(|line| line == "event: batch"), "no batch was told");
    let started = panel.order("/testnet/start", &json!({"name": first}));
    panel.stop();
    assert!(processes(&started).iter().all(|process| process.is_alive()));
    assert_eq!(place.states(), ["running"; 4]);
}

#[test]
fn two_panels_at_once_take_turns() {
    let place = Place::new();
    place.up(4);
    let panels = [Served::panel(&place), Served::panel(&place)];
    assert_ne!(panels[0].host, panels[1].host);
    std::thread::scope(|scope| {
        for (panel, name) in panels.iter().zip(["v1", "v2"]) {
            scope.spawn(move || {
                let named = json!({"name": name});
                panel.order("/testnet/slow", &json!({"name": name, "delay_ms": 5}));
                panel.order("/testnet/kill", &named);
                panel.order("/testnet/start", &named);
            });
        }
    });
    let [one, other] = panels;
    let slow = |panel: &Served| panel.get("/testnet/state")["faults"]["slow"].clone();
    assert_eq!(slow(&one).as_array().map(Vec::len), Some(2));
    assert_eq!(slow(&one), slow(&other));
    one.order("/testnet/heal", &json!({}));
    assert_eq!(slow(&other), Value::Null);
    assert_eq!(place.states(), ["running"; 4]);
    one.stop();
    other.get("/v1/node");
    other.stop();
}

#[test]
fn it_ends_in_time_whoever_holds_a_connection() {
    let place = Place::new();
    place.up(4);
    let panel = Served::panel(&place);
    let host = format!("host: {}\r\n", panel.host);
    let mut stream = BufReader::new(panel.send("GET /v1/events", &host, b""));
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    let idle = TcpStream::connect(&panel.host).expect("connected");
    panel.stop();
    drop((stream, idle));
    assert_eq!(place.states(), ["running"; 4]);
}

#[test]
fn on_a_stopped_testnet_it_says_what_to_do() {
    let place = Place::new();
    place.up(4);
    place.testnet("down").ok();
    let ended = place.testnet("panel");
    assert!(ended.words.contains("quorate-testnet up --dir"), "{ended:?}");
    assert_eq!(ended.failed(2), "usage");
    assert_eq!(Place::new().testnet("panel").failed(2), "not_found");
    // A port that is in use.
    place.testnet("up --detach").ok();
    let panel = Served::panel(&place);
    let (_, port) = panel.host.split_once(':').expect("a port");
    assert_eq!(place.testnet(&format!("panel --port {port}")).failed(10), "busy");
    // All killed: the page is there, and says so.
    place.testnet("kill v0 v1 v2 v3").ok();
    let (status, problem) = panel.ask("GET /v1/node", &format!("host: {}\r\n", panel.host), b"");
    assert_eq!((status, &problem["code"]), (502, &json!("unreachable")));
    let state = panel.get("/testnet/state");
    assert_eq!(state["validators"][3]["state"], "down");
    assert_eq!(state["accounts"][0]["balance"], Value::Null);
    for name in ["v0", "v1", "v2", "v3"] {
        panel.order("/testnet/start", &json!({"name": name}));
    }
    let is_ready = || {
        let host = format!("host: {}\r\n", panel.host);
        (panel.ask("GET /v1/health/ready", &host, b"").0 == 200).then_some(())
    };
    wait_until(is_ready).expect("a ready validator");
    panel.stop();
}

#[test]
fn a_foreground_testnet_serves_one_and_both_end() {
    let place = Place::new();
    let up = Served::start(&place, "up -n 4", "panel");
    let nodes = processes(&up.document);
    let named = json!({"name": "v1"});
    up.order("/testnet/kill", &named);
    let started = processes(&up.order("/testnet/start", &named));
    assert_eq!(up.get("/v1/node")["name"], "v0");
    up.stop();
    assert!(all_end(&nodes) && all_end(&started), "nodes outlive the command that keeps them");
}
