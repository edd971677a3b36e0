//! Clients that misbehave, against the real server: foreign pages, slow and silent connections,
//! huge heads, odd paths, and readers that never read.

use super::server::{Server, raw, start, wait};
use crate::api::openapi::ROUTES;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The paths of all routes, with something in their holes.
fn paths() -> impl Iterator<Item = (String, String)> {
    ROUTES.iter().map(|route| {
        let path =
            route.path.replace("{id}", super::NOBODY).replace("{cid}", super::content::NOWHERE);
        let path = path.replace("{file}", "main.js");
        (route.method.to_uppercase(), path.replace("{did}", &super::bob().to_string()))
    })
}

fn connect(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(super::server::PATIENCE)).expect("a timeout");
    stream.write_all(text.as_bytes()).expect("writing");
    stream
}

#[test]
fn a_foreign_host_is_refused_by_each_route_and_so_is_a_foreign_page_where_it_could_do_something() {
    let server = start(1);
    let address = server.address();
    for (method, path) in paths() {
        let text = |headers: &str| {
            format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n")
        };
        raw(address, text("host: evil.example\r\n").as_bytes()).is_problem(421, "bad_host");
        if method == "GET" && !path.starts_with("/v1/content") {
            continue;
        }
        for page in ["origin: http://evil.example", "origin: null", "sec-fetch-site: cross-site"] {
            let text = text(&format!("host: localhost\r\n{page}\r\n"));
            raw(address, text.as_bytes()).is_problem(403, "bad_origin");
        }
    }
    for path in ["/no/such/route", "/explorer/main.js"] {
        let text =
            format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
        raw(address, text.as_bytes()).is_problem(421, "bad_host");
    }
    let own = format!("origin: http://{address}\r\nhost: {address}\r\n");
    let text = format!("POST /v1/transfers HTTP/1.1\r\n{own}connection: close\r\n\r\n");
    raw(address, text.as_bytes()).is_problem(400, "malformed");
}

#[test]
fn a_thousand_idle_and_half_open_connections_keep_nobody_out() {
    let server = start(1);
    let begun = [
        "",
        "GET /v1/no",
        "GET /v1/node HTTP/1.1\r\nhost: loc",
        "POST /v1/transfers HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx",
    ];
    let held: Vec<TcpStream> =
        (0..1_000).map(|at| connect(&server, begun[at % begun.len()])).collect();
    assert_eq!(server.get("/v1/health/live").status, 200);
    assert_eq!(server.get("/v1/node").status, 200);
    server.pay(&server.moves(0, 1));
    drop(held);
}

#[test]
fn readers_of_events_that_never_read_cost_only_their_own_places() {
    let server = start(1);
    let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let held: Vec<TcpStream> = (0..crate::api::limits::EVENT_STREAMS_MAX)
        .map(|_| {
            let mut stream = connect(&server, request);
            let mut first = [0; 12];
            stream.read_exact(&mut first).expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
            stream
        })
        .collect();
    server.get("/v1/events").is_problem(429, "overloaded");
    for number in 0..20 {
        server.pay(&server.moves(number, 1));
    }
    assert_eq!(server.get("/v1/node").json()["applied"], 20);
    drop(held);
    wait("the places are free again", || {
        let mut stream = connect(&server, request);
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        first == *b"HTTP/1.1 200"
    });
}

#[test]
fn heads_and_paths_that_are_too_long_or_odd_are_refused_and_harm_nothing() {
    let server = start(1);
    // What has come with one read beyond the limit is still looked at.
    let long = "x".repeat(2 * crate::api::limits::HEAD_BYTES_MAX);
    for text in [
        format!("GET /v1/node HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /v1/node?x={long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /v1/node HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(1_000)),
        "GET /v1/node HTTP/9.9\r\nhost: localhost\r\n\r\n".into(),
        "\0\0\0\0\r\n\r\n".into(),
    ] {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        // The server may close before it has taken all of it.
        drop(stream.write_all(text.as_bytes()));
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", text.len()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    for path in ["/../etc/passwd", "/v1/../../etc/passwd", "//etc/passwd", "/%2e%2e/etc/passwd"] {
        server.get(path).is_problem(404, "not_found");
    }
    assert_eq!(server.get("/v1/node").status, 200);
}
