//! A collector for tests: real HTTP, and protobuf that is read by a reader of its own, so that what
//! writes the spans does not check them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Bodies that wait to be looked at.
const BODIES_MAX: usize = 1_024;

/// A collector that keeps what it gets.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    bodies: mpsc::Receiver<Vec<u8>>,
    /// All that came.
    pub(super) spans: Vec<Exported>,
}

/// One span as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Exported {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) attributes: BTreeMap<String, String>,
    /// Trace and span of each.
    pub(super) links: Vec<(String, String)>,
    /// Of the node.
    pub(super) resource: BTreeMap<String, String>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, bodies) = mpsc::sync_channel(BODIES_MAX);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream, &sender));
            }
        });
        Self { address, bodies, spans: Vec::new() }
    }

    /// Waits until spans of all these names have come.
    pub(super) fn wait(&mut self, names: &[&str], patience: Duration) {
        let until = Instant::now() + patience;
        let is_there = |spans: &[Exported], name: &str| spans.iter().any(|span| span.name == name);
        while !names.iter().all(|name| is_there(&self.spans, name)) {
            let left = until.saturating_duration_since(Instant::now());
            let body = self.bodies.recv_timeout(left).unwrap_or_else(|_| {
                let names: Vec<&str> = self.spans.iter().map(|span| span.name.as_str()).collect();
                panic!("of the spans there are {names:?}")
            });
            self.spans.extend(read(&body));
        }
    }

    /// The only span of this name.
    pub(super) fn one(&self, name: &str) -> &Exported {
        let mut found = self.spans.iter().filter(|span| span.name == name);
        let one = found.next().unwrap_or_else(|| panic!("no span {name}"));
        assert!(found.next().is_none(), "two spans {name}");
        one
    }

    /// Names of the spans right under this one.
    pub(super) fn under(&self, parent: &Exported) -> Vec<&str> {
        let is_child = |span: &&Exported| span.parent == parent.id && span.trace == parent.trace;
        self.spans.iter().filter(is_child).map(|span| span.name.as_str()).collect()
    }
}

fn serve(stream: TcpStream, bodies: &mpsc::SyncSender<Vec<u8>>) {
    let mut out = stream.try_clone().expect("a second handle");
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).is_ok_and(|count| count > 2) {
            head += &line.to_ascii_lowercase();
            line.clear();
        }
        let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: "))
        else {
            return;
        };
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let mut body = vec![0; length.trim().parse().expect("a length")];
        if stream.read_exact(&mut body).is_err() || bodies.send(body).is_err() {
            return;
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 0\r\n\r\n";
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A field of a message: its number and what is in it.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let field = match tag & 7 {
            1 => Field::Number(u64::from_le_bytes(take(8).try_into().expect("eight"))),
            5 => {
                let four: [u8; 4] = take(4).try_into().expect("four");
                Field::Number(u64::from(u32::from_le_bytes(four)))
            }
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let count = varint(&mut bytes);
                let (taken, rest) = bytes.split_at(usize::try_from(count).expect("a length"));
                bytes = rest;
                Field::Bytes(taken)
            }
            kind => panic!("a field of kind {kind}"),
        };
        found.push((tag >> 3, field));
    }
    found
}

fn parts(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let of = |(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn number(bytes: &[u8], wanted: u64) -> u64 {
    let of = |(found, field)| match field {
        Field::Number(number) if found == wanted => Some(number),
        _ => None,
    };
    fields(bytes).into_iter().find_map(of).unwrap_or(0)
}

fn text(bytes: &[u8], number: u64) -> String {
    let part = parts(bytes, number).first().copied().unwrap_or_default();
    String::from_utf8(part.to_vec()).expect("text")
}

fn id(bytes: &[u8], number: u64) -> String {
    hex::encode(parts(bytes, number).first().copied().unwrap_or_default())
}

fn attributes(bytes: &[u8], field: u64) -> BTreeMap<String, String> {
    let row = |row: &[u8]| {
        let value = parts(row, 2).first().copied().unwrap_or_default();
        let is_text = !parts(value, 1).is_empty();
        let value = if is_text { text(value, 1) } else { number(value, 3).to_string() };
        (text(row, 1), value)
    };
    parts(bytes, field).into_iter().map(row).collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn read(body: &[u8]) -> Vec<Exported> {
    let mut found = Vec::new();
    for of_resource in parts(body, 1) {
        let resource = parts(of_resource, 1).first().map(|r| attributes(r, 1)).unwrap_or_default();
        let scopes = parts(of_resource, 2).into_iter();
        for span in scopes.flat_map(|scope| parts(scope, 2)) {
            let link = |link: &&[u8]| (id(link, 1), id(link, 2));
            found.push(Exported {
                trace: id(span, 1),
                id: id(span, 2),
                parent: id(span, 4),
                name: text(span, 5),
                kind: number(span, 6),
                began: number(span, 7),
                ended: number(span, 8),
                attributes: attributes(span, 9),
                links: parts(span, 13).iter().map(link).collect(),
                resource: resource.clone(),
            });
        }
    }
    found
}
