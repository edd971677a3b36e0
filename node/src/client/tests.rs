//! Tests of the client against whole nodes and against nodes that lose answers.

use super::attempts::SILENT_AFTER;
use super::*;
use crate::api::tests::server::{PATIENCE, TOKENS, alice, bob, canonical, start};
use crate::view::verify_bytes;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

fn client(urls: &[&str]) -> Client {
    Client::new(urls, PATIENCE).expect("good URLs")
}

/// A URL at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// A node that takes `connections` requests, one a connection, gives each this answer and closes;
/// the bodies come out of the channel.
pub(crate) fn broken(connections: usize, answer: &str) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = answer.to_string();
    let (sender, receiver) = mpsc::sync_channel(connections);
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().expect("a connection");
            let body = read_request(&mut stream);
            stream.write_all(answer.as_bytes()).expect("writing");
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("reading");
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.map_or(0, |text| text.parse().expect("a number"));
        if bytes.len() >= end + 4 + length || count == 0 {
            return bytes.split_off(end + 4);
        }
    }
}

/// A node that takes everything and never answers, as a paused process does; what it is sent comes
/// out of the channel.
pub(crate) fn silent() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = mpsc::sync_channel(16);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let body = read_request(&mut stream);
            open.push(stream);
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

const LOST: &str = "";

/// A problem document with its head.
pub(crate) fn problem(http: u16, slug: &str, exit: u8) -> String {
    let body = serde_json::json!({"detail": "no", "code": slug, "exit": exit, "retryable": true});
    let body = body.to_string();
    format!("HTTP/1.1 {http} No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_refusal_of_what_was_proposed_before_is_an_unknown_outcome() {
    for (before, slug) in [(true, "outcome_unknown"), (false, "no_quorum")] {
        let body = serde_json::json!({
            "detail": "no", "code": "no_quorum", "exit": 8, "retryable": true,
            "details": {"proposed_before": before},
        });
        let body = body.to_string();
        let answer = format!("HTTP/1.1 503 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (url, _bodies) = broken(1, &answer);
        let sent = run(client(&[&url]).submit(Bytes::from_static(b"signed"), Wait::Final));
        assert_eq!(sent.expect_err("refused").code.slug, slug);
    }
}

#[test]
fn a_history_that_goes_on_for_ever_is_not_read_for_ever() {
    let token = TokenId::default();
    let next = TransferId::default();
    let row = serde_json::json!({
        "height": 7, "state_cid": "", "made_by": next, "from": null, "owner": bob(),
    });
    // An empty page, and then a page that says the same again.
    for (rows, asked, states) in [(vec![], 1, 0), (vec![row], 2, 2)] {
        let page = serde_json::json!({
            "schema": "quorate.token-history/1", "ok": true, "id": token, "ended_by": null,
            "history": rows, "next": next,
        });
        let page = page.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len());
        let (url, _bodies) = broken(asked, &answer);
        let found = run(client(&[&url]).history(token)).expect("it ends");
        assert_eq!((found.history.len(), found.next), (states, Some(next)));
    }
}

#[test]
fn every_read_is_answered_with_its_document() {
    let server = start(1);
    let client = client(&[&server.url()]);
    let signed = server.moves(0, 1);
    let (id, token) = (signed.transfer.id(), signed.transfer.inputs[0].state.token);
    run(async {
        let sent = client.submit(canonical(&signed), Wait::Final).await.expect("it is final");
        assert_eq!((sent.transfer.status.as_str(), sent.attempts), ("final", 1));
        assert_eq!(client.network().await.map(|found| found.network), Ok(server.network.id));
        assert_eq!(client.node().await.map(|found| found.applied), Ok(1));
        assert_eq!(client.validators().await.map(|found| found.validators.len()), Ok(1));
        assert_eq!(client.supply().await.map(|found| found.supply.len()), Ok(1));
        assert_eq!(client.health().await.map(|found| found.ready), Ok(true));
        assert_eq!(client.evidence(None).await.map(|found| found.count), Ok(0));
        let batches = client.batches(None).await.expect("a page");
        let batch = client.batch(batches.batches[0].id).await.expect("the batch");
        assert_eq!(batch.entries[0].id, id);
        let owner = Address(alice().public());
        let tokens = client.tokens(owner).await.expect("all tokens").tokens;
        assert_eq!(u64::try_from(tokens.len()), Ok(TOKENS - 1));
        let known = server.network.tokens().any(|made| made.state.token == tokens[0].id);
        assert!(known && tokens[0].input().amount == 1_500);
        let account = client.account(bob()).await.expect("an account");
        assert_eq!(account.balances[0].amount, "1.5");
        assert_eq!(client.token(token).await.map(|found| found.owner), Ok(bob()));
        assert_eq!(client.history(token).await.map(|found| found.history.len()), Ok(2));
        let told = client.transfer(id, Some(PATIENCE)).await.expect("it is known");
        assert_eq!(told, sent.transfer);
        let receipt = client.receipt(id).await.expect("a receipt");
        assert_eq!(verify_bytes(&receipt, &server.network).map(|v| v.id()), Ok(id));
        assert!(client.metrics().await.is_ok_and(|text| text.contains("quorate_")));
        let unknown = client.transfer(TransferId::default(), None).await.expect_err("unknown");
        assert!(is_not_found(&unknown) && unknown.code.exit == 2);
    });
}

#[test]
fn a_batch_is_answered_in_order() {
    let server = start(1);
    let client = client(&[&server.url()]);
    let parts = [canonical(&server.moves(0, 1)), Bytes::from_static(b"junk")];
    let told = run(client.submit_batch(&parts, Wait::Final)).expect("an answer");
    let status: Vec<&str> = told.outcomes.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(status, ["final", "rejected"]);
}

#[test]
fn a_lost_answer_sends_the_same_bytes_to_the_next_node() {
    let server = start(1);
    let (url, bodies) = broken(1, LOST);
    let client = client(&[&url, &server.url()]);
    let bytes = canonical(&server.moves(0, 1));
    let sent = run(client.submit(bytes.clone(), Wait::Final)).expect("the second node answers");
    assert_eq!((sent.attempts, sent.transfer.status.as_str()), (2, "final"));
    assert_eq!(sent.node, server.url());
    assert_eq!(bodies.recv_timeout(PATIENCE), Ok(bytes.to_vec()));
}

#[test]
fn a_silent_node_costs_a_second_and_the_next_gets_the_same_bytes() {
    let server = start(1);
    let (url, bodies) = silent();
    let client = client(&[&url, &server.url()]);
    let bytes = canonical(&server.moves(0, 1));
    let began = Instant::now();
    let sent = run(client.submit(bytes.clone(), Wait::Final)).expect("the second node answers");
    assert!(began.elapsed() >= SILENT_AFTER, "{:?}", began.elapsed());
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    assert_eq!((sent.attempts, sent.transfer.status.as_str()), (2, "final"));
    assert_eq!(bodies.recv_timeout(PATIENCE), Ok(bytes.to_vec()));
    let began = Instant::now();
    assert_eq!(run(client.node()).map(|node| node.name), Ok("v0".into()));
    assert!(began.elapsed() < PATIENCE / 4, "a read: {:?}", began.elapsed());
}

#[test]
fn a_node_that_is_only_slow_is_still_heard() {
    let server = start(1);
    let bytes = canonical(&server.moves(0, 1));
    let answer = serde_json::to_string(&server.pay(&server.moves(0, 1))).expect("JSON");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = format!("http://{}", listener.local_addr().expect("an address"));
    let (url, bodies) = silent();
    // It answers when the next node has been asked, and that one never does.
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let body = read_request(&mut stream);
        assert_eq!(bodies.recv_timeout(PATIENCE), Ok(body));
        stream.write_all(answer.as_bytes()).expect("it is still waited for");
    });
    let sent = run(client(&[&slow, &url]).submit(bytes, Wait::Final)).expect("the first answers");
    assert_eq!((sent.attempts, sent.node), (2, slow));
    answering.join().expect("no panic");
}

#[test]
fn silence_is_unknown_also_when_another_node_has_refused() {
    let (quiet, _bodies) = silent();
    let (lonely, _first) = broken(1, &problem(503, "no_quorum", 8));
    let client = Client::new([&quiet, &lonely], Duration::from_secs(2)).expect("good URLs");
    let failure = run(client.submit(Bytes::from_static(b"signed"), Wait::Final));
    assert_eq!(failure.expect_err("nobody knows").code.slug, "outcome_unknown");
}

#[test]
fn a_lost_answer_alone_is_unknown_and_nothing_sent_is_unreachable() {
    let (lost, bodies) = broken(1, LOST);
    let bytes = Bytes::from_static(b"signed");
    let submit = |urls: &[&str]| {
        let failure = run(client(urls).submit(bytes.clone(), Wait::Final)).expect_err("no answer");
        (failure.code.slug, failure.code.exit)
    };
    assert_eq!(submit(&[&lost, &nobody()]), ("outcome_unknown", 7));
    assert_eq!(bodies.recv_timeout(PATIENCE), Ok(b"signed".to_vec()));
    assert_eq!(submit(&[&nobody(), &nobody()]), ("unreachable", 4));
    let read = run(client(&[&nobody()]).node()).expect_err("nobody");
    assert_eq!(read.code.exit, 4);
}

#[test]
fn a_node_without_quorum_is_passed_over_and_hides_no_lost_answer() {
    let server = start(1);
    let bytes = canonical(&server.moves(0, 1));
    let (lonely, _first) = broken(1, &problem(503, "no_quorum", 8));
    let sent = run(client(&[&lonely, &server.url()]).submit(bytes.clone(), Wait::Final));
    assert_eq!(sent.map(|sent| sent.attempts), Ok(2));
    let (lonely, _second) = broken(1, &problem(503, "no_quorum", 8));
    let alone = run(client(&[&lonely, &nobody()]).submit(bytes.clone(), Wait::Final));
    assert_eq!(alone.expect_err("no quorum").code.slug, "no_quorum");
    let (lonely, _third) = broken(1, &problem(503, "no_quorum", 8));
    let (lost, _fourth) = broken(1, LOST);
    let both = run(client(&[&lost, &lonely]).submit(bytes.clone(), Wait::Final));
    assert_eq!(both.expect_err("one may have it").code.slug, "outcome_unknown");
    for strange in [
        "HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (strange, _fifth) = broken(1, strange);
        let failure = run(client(&[&strange]).submit(bytes.clone(), Wait::Final));
        assert_eq!(failure.expect_err("no answer of a node").code.slug, "outcome_unknown");
    }
}

#[test]
fn a_rejection_is_the_nodes_own_failure() {
    let server = start(1);
    let client = client(&[&server.url()]);
    let mut other = server.moves(0, 1).transfer;
    other.epoch += 1;
    let other = canonical(&other.sign(&alice()));
    let failure = run(client.submit(other, Wait::Final)).expect_err("another epoch");
    assert_eq!((failure.code.slug, failure.code.exit, failure.code.http), ("other_epoch", 5, 422));
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    let (url, _bodies) = broken(3, &problem(404, "not_found", 2));
    let client = client(&[&url]);
    run(async {
        for _ in 0..3 {
            let failure = client.node().await.expect_err("not found");
            assert!(is_not_found(&failure), "{failure}");
        }
    });
}

#[test]
fn urls_that_are_none_are_refused() {
    for url in
        ["", "127.0.0.1:80", "https://h:1", "http://", "http://u@h:1", "http://h:x", "http://h:1/p"]
    {
        let failure = Client::new([url], PATIENCE).err().expect(url);
        assert_eq!(failure.code, USAGE, "{url}");
    }
    assert!(Client::new(Vec::<String>::new(), PATIENCE).is_err());
    assert!(Client::new(vec!["http://h:1"; NODES_MAX + 1], PATIENCE).is_err());
    let one = client(&["http://[::1]:80/"]);
    assert_eq!(one.nodes().collect::<Vec<_>>(), ["http://[::1]:80"]);
}
