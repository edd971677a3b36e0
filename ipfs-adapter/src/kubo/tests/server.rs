//! A daemon with a script: a TCP listener that answers each HTTP/1.1 request as it was told, byte
//! for byte, so that it can also cut, stall and lie. What was asked is kept for the test.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is written for one request, and then.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status line, headers and body.
    bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The next request may come on this connection.
    Stay,
    /// The connection is reset.
    Reset,
    /// Nothing more, ever.
    Hang,
    /// The last byte again and again, one at a time.
    Drip,
}

impl Reply {
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status("200 OK", body)
    }

    pub fn status(status: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), end: End::Stay }
    }

    /// A 500 in Kubo's form.
    pub fn refusal(message: &str) -> Self {
        let body = serde_json::json!({ "Message": message, "Code": 0, "Type": "error" });
        Self::status("500 Internal Server Error", body.to_string())
    }

    /// A stream of these pieces that ends in order.
    pub fn stream(pieces: &[&str]) -> Self {
        let mut reply = Self::begun(pieces);
        reply.bytes.extend_from_slice(b"0\r\n\r\n");
        reply
    }

    /// A stream that the daemon itself declares failed, after these pieces.
    pub fn failed_stream(pieces: &[&str], error: &str) -> Self {
        let mut reply = Self::begun(pieces);
        reply.bytes.extend_from_slice(format!("0\r\nX-Stream-Error: {error}\r\n\r\n").as_bytes());
        reply
    }

    /// Bytes as they are.
    pub fn bare(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), end: End::Reset }
    }

    /// A stream that has not ended.
    pub fn begun(pieces: &[&str]) -> Self {
        let head =
            "HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        for piece in pieces {
            bytes.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        }
        Self { bytes, end: End::Stay }
    }

    pub fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    pub fn then_hang(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    pub fn then_drip(mut self) -> Self {
        self.end = End::Drip;
        self
    }
}

type Script = dyn Fn(&str) -> Reply + Send + Sync;

/// The server; it ends when dropped.
pub struct Server {
    pub url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    script: Box<Script>,
    /// Path and query of each request below `/api/v0/`, in the order of their coming.
    asked: Mutex<Vec<String>>,
    bodies: Mutex<Vec<Vec<u8>>>,
    /// Requests being answered, and the most there were.
    answering: Mutex<(usize, usize)>,
    changed: tokio::sync::Notify,
}

impl Server {
    /// `script` gets path and query below `/api/v0/`.
    pub async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            script: Box::new(script),
            asked: Mutex::default(),
            bodies: Mutex::default(),
            answering: Mutex::default(),
            changed: tokio::sync::Notify::new(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(Arc::clone(&shared).serve(stream));
            }
        });
        Self { url: format!("http://{address}"), state, accepting }
    }

    /// As [`Server::start`]; calls that are not in the table get a 404.
    pub async fn table<const N: usize>(replies: [(&'static str, Reply); N]) -> Self {
        let replies = BTreeMap::from(replies);
        Self::start(move |asked| {
            let name = asked.split('?').next().unwrap_or_default();
            let missing = || Reply::status("404 Not Found", "404 page not found\n");
            replies.get(name).cloned().unwrap_or_else(missing)
        })
        .await
    }

    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().clone()
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.state.bodies.lock().clone()
    }

    pub fn answering_most(&self) -> usize {
        self.state.answering.lock().1
    }

    /// Waits until so many requests are being answered: those that hang, and were not given up.
    pub async fn until_answering(&self, count: usize) {
        let wait = async {
            loop {
                let changed = self.state.changed.notified();
                if self.state.answering.lock().0 == count {
                    return;
                }
                changed.await;
            }
        };
        let seconds = std::time::Duration::from_secs(10);
        tokio::time::timeout(seconds, wait).await.expect("requests come and go in time");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        // An error here is the client's going away, which is what some tests want.
        while let Ok(Some((asked, body))) = request(&mut stream).await {
            self.asked.lock().push(asked.clone());
            self.bodies.lock().push(body);
            self.count(|answering| {
                answering.0 += 1;
                answering.1 = answering.1.max(answering.0);
            });
            let reply = (self.script)(&asked);
            let is_written = stream.write_all(&reply.bytes).await.is_ok();
            let stays = is_written && stay(&mut stream, &reply).await;
            self.count(|answering| answering.0 -= 1);
            if !stays {
                break;
            }
        }
    }

    fn count(&self, change: impl FnOnce(&mut (usize, usize))) {
        change(&mut self.answering.lock());
        self.changed.notify_waiters();
    }
}

/// Whether the connection stays for another request.
async fn stay(stream: &mut TcpStream, reply: &Reply) -> bool {
    match reply.end {
        End::Stay => return true,
        End::Reset => {}
        // Until the client closes.
        End::Hang => while stream.read_u8().await.is_ok() {},
        End::Drip => {
            let last = &reply.bytes[reply.bytes.len() - 1..];
            while stream.write_all(last).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    }
    false
}

/// Path and query of one POST below `/api/v0/`, and its body; `None` when the client has closed.
async fn request(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8(head).expect("requests are ASCII");
    let line = head.lines().next().expect("a request has a first line");
    let asked = line.strip_prefix("POST /api/v0/").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    let asked = asked.unwrap_or_else(|| panic!("not a POST below /api/v0/: {line}"));
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length is a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((asked.into(), body)))
}
