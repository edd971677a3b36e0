//! A proxy that makes a js-ipfs daemon look like Kubo. What it translates (js-ipfs 0.18.1, 2023):
//!
//! | Kubo | js-ipfs |
//! |---|---|
//! | `block/put?cid-codec=raw` | `format=raw&version=1`; else it is a CIDv0 |
//! | `offline=true` | ignored: the call searches until a `timeout` |
//! | "block was not found locally (offline)" | "request timed out" |
//! | "context deadline exceeded" | "request timed out" |
//!
//! What it does not translate, because the product copes: only `dht/*`, ids in base58, a type for
//! each part of a multipart body.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// How long js-ipfs searches when it is not to search at all; its own store answers in 2 ms.
const BLOCK_SEARCH: &str = "timeout=500ms";
/// Pins are made one after the other, in about 16 ms each.
const PIN_SEARCH: &str = "timeout=15000ms";

/// Runs until it is dropped.
pub struct Proxy {
    pub url: String,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(daemon: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let daemon = daemon.strip_prefix("http://").expect("plain http").to_string();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let daemon = daemon.clone();
                // An end of either side is one of both; the client sees it as such.
                connections.spawn(async move { pass(stream, &daemon).await.is_ok() });
            }
        });
        Self { url, accepting }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request and its answer; `Connection: close` keeps it at one.
async fn pass(mut client: TcpStream, daemon: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (line, headers) = head.split_once("\r\n").expect("a head has lines");
    let mut server = TcpStream::connect(daemon).await?;
    let is_offline = line.contains("offline=true");
    let request = format!("{}\r\nConnection: close\r\n{headers}", translated(line));
    server.write_all(request.as_bytes()).await?;
    let lower = headers.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    client.read_exact(&mut body).await?;
    server.write_all(&body).await?;

    let mut begin = [0; 12];
    server.read_exact(&mut begin).await?;
    if &begin != b"HTTP/1.1 500" {
        client.write_all(&begin).await?;
        // Both ways, so that the client's going away reaches the daemon.
        tokio::io::copy_bidirectional(&mut server, &mut client).await?;
        return Ok(());
    }
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await?;
    let rest = String::from_utf8_lossy(&rest).into_owned();
    let answer = match rest.contains("request timed out") {
        true if is_offline => {
            refusal("block was not found locally (offline): ipld: could not find")
        }
        true => refusal("context deadline exceeded"),
        false => format!("HTTP/1.1 500{rest}"),
    };
    client.write_all(answer.as_bytes()).await
}

/// The request line in js-ipfs's words.
fn translated(line: &str) -> String {
    let search = if line.contains("/pin/") { PIN_SEARCH } else { BLOCK_SEARCH };
    line.replace("cid-codec=", "version=1&format=").replace("offline=true", search)
}

fn refusal(message: &str) -> String {
    let body = serde_json::json!({ "Message": message, "Code": 0, "Type": "error" }).to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}
