//! Tests of the inbox: its pages, receipts in bulk, and the stream of deliveries.

use super::super::limits::INBOX_STREAMS_MAX;
use super::server::{Server, Stream, bob, start};
use crate::inbox::{FETCH_MAX, Page};
use ledger::encoding::canonical_bytes_of_list;
use ledger::{Address, Canonical, Digest, Keypair, Reader, Receipt, TransferId};

/// Payments to Bob of one token each, by their ids.
fn pay(server: &Server, first: usize, count: usize) -> Vec<TransferId> {
    let transfers: Vec<_> = (first..first + count).map(|at| server.moves(at, 1)).collect();
    let parts: Vec<Vec<u8>> = transfers.iter().map(Canonical::to_bytes).collect();
    let got = server.post("/v1/transfers/batch?wait=final", &super::server::framed(&parts));
    assert_eq!(got.status, 200, "{got:?}");
    transfers.iter().map(|signed| signed.transfer.id()).collect()
}

fn receipts(server: &Server, ids: &[TransferId]) -> Vec<Receipt> {
    let got = server.post("/v1/receipts/fetch", &canonical_bytes_of_list(ids));
    assert_eq!(got.status, 200, "{got:?}");
    let mut reader = Reader::new(&got.body);
    let list = reader.list("receipts", FETCH_MAX, 1).expect("a list");
    assert_eq!(reader.left(), 0);
    list
}

#[test]
fn a_page_has_the_live_tokens_and_goes_on_after_the_last() {
    let server = start(1);
    let ids = pay(&server, 0, 5);
    let path = format!("/v1/inbox/{}", bob());
    let all = server.get(&path).json();
    assert_eq!((&all["schema"], &all["next"]), (&"quorate.inbox/1".into(), &().into()));
    let rows = all["deliveries"].as_array().expect("a list");
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row["height"] == 1 && row["units"] == "1500"));
    for id in &ids {
        assert!(rows.iter().any(|row| row["made_by"] == id.to_string()));
    }
    let mut after = String::new();
    let mut tokens = Vec::new();
    loop {
        let accept = "accept: application/octet-stream\r\n";
        let got = server.ask("GET", &format!("{path}?limit=2{after}"), accept, b"");
        let page = Page::from_bytes(&got.body).expect("a page");
        tokens.extend(page.tokens.iter().map(|input| input.state.token.to_string()));
        let Some(last) = tokens.last().filter(|_| page.has_more) else { break };
        after = format!("&after={last}");
    }
    let listed: Vec<&str> = rows.iter().filter_map(|row| row["token"].as_str()).collect();
    assert_eq!(tokens, listed);
    server.get(&format!("{path}?limit=4097")).is_problem(400, "usage");
}

#[test]
fn receipts_in_bulk_are_those_that_are_given_alone() {
    let server = start(1);
    let mut ids = pay(&server, 0, 7);
    ids.extend(pay(&server, 7, 1));
    let nobody = TransferId(Digest([7; 32]));
    let asked = [&ids[5..], &[nobody], &ids[..5], &ids[..1]].concat();
    let found = receipts(&server, &asked);
    let named: Vec<TransferId> =
        found.iter().map(|receipt| receipt.entry.signed.transfer.id()).collect();
    assert_eq!(named, [&ids[5..], &ids[..5], &ids[..1]].concat(), "in order, no stranger");
    for (id, receipt) in named.iter().zip(&found) {
        let alone = server.get(&format!("/v1/receipts/{id}"));
        assert_eq!(alone.body, receipt.to_bytes());
        receipt.verify(&server.network, &mut rand::rng()).expect("it holds");
    }
    let store = &server.handle.shared.store;
    let few = store.receipts(&ids, 1).expect("readable");
    assert_eq!(few.len(), 1, "the first comes whatever its size");
    let two = found[0].to_bytes().len() * 5 / 2;
    assert_eq!(store.receipts(&ids[..7], two).expect("readable").len(), 2);
    assert!(receipts(&server, &[]).is_empty());
}

#[test]
fn what_is_no_list_of_ids_is_refused() {
    let server = start(1);
    let post = |body: &[u8]| server.post("/v1/receipts/fetch", body);
    post(&canonical_bytes_of_list(&vec![TransferId::default(); FETCH_MAX + 1]))
        .is_problem(413, "too_large");
    post(b"").is_problem(400, "malformed");
    let mut long = canonical_bytes_of_list(&[TransferId::default()]);
    long.push(0);
    post(&long).is_problem(400, "malformed");
    post(&long[..30]).is_problem(400, "malformed");
    let path = format!("/v1/inbox/{}/stream", bob());
    server.get(&format!("{path}?did=alice")).is_problem(400, "usage");
    server.get(&format!("{path}?dud=x")).is_problem(400, "usage");
    let many: String = (0..64u8)
        .map(|n| format!("&did={}", Address(Keypair::from_seed([n; 32]).public())))
        .collect();
    server.get(&format!("{path}?{many}")).is_problem(400, "usage");
}

/// Opens a stream of deliveries.
fn follow(server: &Server, head: &str, body: &[u8]) -> Stream {
    let length = body.len();
    let head = format!("{head} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let mut stream = Stream::open(server, &[head.as_bytes(), body].concat());
    assert_eq!(stream.until("event: "), "open");
    stream
}

#[test]
fn a_stream_tells_senders_and_receivers_and_nobody_else() {
    let server = start(1);
    pay(&server, 0, 1);
    let nobody = Address(Keypair::from_seed([99; 32]).public());
    let head = format!("GET /v1/inbox/{nobody}/stream?did={}", bob());
    let mut of_bob = follow(&server, &head, b"");
    let alice = Address(super::server::alice().public());
    let body = canonical_bytes_of_list(&[alice, nobody]);
    let mut of_alice = follow(&server, "POST /v1/inbox/stream", &body);
    let _silent = follow(&server, &format!("GET /v1/inbox/{nobody}/stream"), b"");
    let ids = pay(&server, 1, 3);
    for stream in [&mut of_bob, &mut of_alice] {
        let mut told: Vec<String> = Vec::new();
        for _ in 0..3 {
            assert_eq!(stream.until("event: "), "delivery");
            let data: serde_json::Value =
                serde_json::from_str(&stream.until("data: ")).expect("JSON");
            told.push(data["id"].as_str().expect("an id").into());
        }
        let mut ids: Vec<String> = ids.iter().map(TransferId::to_string).collect();
        ids.sort();
        told.sort();
        assert_eq!(told, ids);
    }
}

#[test]
fn one_stream_of_deliveries_too_many_is_refused() {
    let server = start(1);
    let head = format!("GET /v1/inbox/{}/stream", bob());
    let open = |_| follow(&server, &head, b"");
    let streams: Vec<Stream> = (0..INBOX_STREAMS_MAX).map(open).collect();
    server.get(&format!("/v1/inbox/{}/stream", bob())).is_problem(429, "overloaded");
    drop(streams);
}
