//! Tests of the stream of events.

use super::super::limits::EVENT_STREAMS_MAX;
use super::server::{Server, Stream, start};
use crate::events::EVENTS_KEPT_MAX;
use serde_json::json;

fn open(server: &Server, last: Option<&str>) -> Stream {
    let last = last.map_or_else(String::new, |last| format!("last-event-id: {last}\r\n"));
    let text = format!("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n{last}\r\n");
    let mut stream = Stream::open(server, text.as_bytes());
    assert_eq!(stream.until("retry: "), "1000", "the stream is open");
    stream
}

/// Kind and data of the next event.
fn event(stream: &mut Stream) -> (String, String) {
    let kind = stream.until("event: ");
    (kind, stream.until("data: "))
}

#[test]
fn a_stream_begins_with_the_next_event_and_resumes_after_the_last_seen() {
    let server = start(1);
    let events = &server.handle.shared.events;
    events.push("batch", json!({"n": 1}));
    let mut live = open(&server, None);
    events.push("transfer", json!({"n": "two\nlines"}));
    assert_eq!(event(&mut live), ("transfer".into(), r#"{"n":"two\nlines"}"#.into()));
    let first = *events.follow().borrow() - 1;
    let mut back = open(&server, Some(&first.to_string()));
    assert_eq!(back.until("id: "), (first + 1).to_string());
    assert_eq!(event(&mut back).0, "transfer");
    let got = server.ask("GET", "/v1/events", "last-event-id: x\r\n", b"");
    got.is_problem(400, "usage");
}

#[test]
fn a_batch_tells_its_votes_and_a_transfer_its_stages() {
    let server = start(1);
    let mut live = open(&server, None);
    let signed = server.moves(0, 2);
    let paid = server.pay(&signed);
    let mut told = std::collections::BTreeMap::new();
    while told.len() < 2 {
        let (kind, data) = event(&mut live);
        let data: serde_json::Value = serde_json::from_str(&data).expect("a JSON document");
        told.insert(kind, data);
    }
    let (batch, transfer) = (&told["batch"], &told["transfer"]);
    assert_eq!((&batch["transfers"], &batch["applied"]), (&json!(1), &json!(1)));
    assert_eq!((&batch["proposer"], &batch["commit"]), (&json!("v0"), &json!(["v0"])));
    assert_eq!(batch["first"], json!([paid["id"]]));
    assert_eq!((&transfer["id"], &transfer["outcome"]), (&paid["id"], &json!("final")));
    assert_eq!((&transfer["round"], &transfer["stages_us"]), (&json!(0), &paid["stages_us"]));
    assert_eq!(transfer["total_us"], paid["stages_us"]["total"]);
}

#[test]
fn who_missed_events_sees_a_gap() {
    let server = start(1);
    let events = &server.handle.shared.events;
    let before = *events.follow().borrow();
    for n in 0..EVENTS_KEPT_MAX + 3 {
        events.push("batch", json!({"n": n}));
    }
    let mut stream = open(&server, Some(&before.to_string()));
    let (kind, data) = event(&mut stream);
    assert_eq!(kind, "gap");
    assert!(data.contains("\"missed\":3"), "{data}");
    assert_eq!(event(&mut stream), ("batch".into(), r#"{"n":3}"#.into()));
    let mut ahead = open(&server, Some("999999999"));
    let (kind, data) = event(&mut ahead);
    assert_eq!(kind, "gap");
    assert!(data.contains("\"missed\":null"), "{data}");
}

#[test]
fn one_stream_too_many_is_refused() {
    let server = start(1);
    let streams: Vec<Stream> = (0..EVENT_STREAMS_MAX).map(|_| open(&server, None)).collect();
    server.get("/v1/events").is_problem(429, "overloaded");
    assert_eq!(server.get("/v1/node").status, 200);
    drop(streams);
}
