//! Small questions to a node's HTTP API: is it ready, how much has it applied.

use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for an answer; a node on loopback answers within a millisecond.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Longest answer read; those asked for here are a few kilobytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Whether the node at `api` says that it is ready.
pub async fn is_ready(api: &str) -> bool {
    matches!(get(api, "/v1/health/ready").await, Ok((200, _)))
}

/// Why the node at `api` will never be ready: it is silent. `None` when it may yet be, or when it
/// does not answer.
pub async fn silence(api: &str) -> Option<String> {
    let (_, body) = get(api, "/v1/health/ready").await.ok()?;
    let health: Value = serde_json::from_slice(&body).ok()?;
    (health["mode"] == "silent").then(|| health["failed"].as_str().unwrap_or_default().to_string())
}

/// How far a node has come that is catching up, and how far it has to go; `None` for one that is
/// not, or does not answer.
pub async fn catching_up(api: &str) -> Option<(u64, u64)> {
    let document = document(api, "/v1/node").await?;
    let behind = &document["catching_up"];
    behind["applied"].as_u64().zip(behind["target"].as_u64())
}

/// The same as a document, null for a node that is not catching up.
pub async fn catching_up_document(api: &str) -> Value {
    document(api, "/v1/node").await.map_or(Value::Null, |node| node["catching_up"].clone())
}

/// A node's JSON document; `None` when it does not answer with one.
pub async fn document(api: &str, path: &str) -> Option<Value> {
    serde_json::from_slice(&body(api, path).await?).ok()
}

/// What a node answers to a GET; `None` unless that is 200.
pub async fn body(api: &str, path: &str) -> Option<Vec<u8>> {
    get(api, path).await.ok().filter(|(status, _)| *status == 200).map(|(_, body)| body)
}

/// Status and body of a GET. HTTP/1.0: the answer ends with the connection, so there are no chunks.
async fn get(api: &str, path: &str) -> io::Result<(u16, Vec<u8>)> {
    let host = api.strip_prefix("http://").unwrap_or(api).trim_end_matches('/');
    let exchange = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER_TIME, exchange).await??;
    parse(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(answer), Some((200, b"{}".to_vec())));
        assert_eq!(parse(b"HTTP/1.0 503 Busy\r\n\r\n"), Some((503, Vec::new())));
        assert_eq!(parse(b"hello"), None);
    }
}
