//! What a Kubo daemon may answer: each call of ours to one that answers with arbitrary bytes, as a
//! whole HTTP answer or as a body with a good head, in pieces and with trailers. It gives an error
//! or an answer to what was asked; never another block than the one that was named.

use super::Target;
use super::script::Script;
use ipfs_adapter::{Completion, ContentId, FindOptions, Ipfs, Kubo, KuboConfig};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The target.
pub const TARGET: Target =
    Target { name: "kubo", check, seeds, bytes_max: 4 * 1024, memory_max: (16 << 20, 64) };

/// How long a call may take; a daemon that says nothing more is given up then.
const CALL_MAX: Duration = Duration::from_millis(200);
/// Longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A daemon that answers every call with the same bytes, and who asks it.
struct Stage {
    answer: Arc<Mutex<Vec<u8>>>,
    address: SocketAddr,
    runtime: Mutex<Runtime>,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("it listens");
    let given = answer.clone();
    // It runs as long as the runtime, which is as long as the process.
    drop(runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(tokio::spawn(daemon(stream, given.clone())));
        }
    }));
    Stage { answer, address, runtime: Mutex::new(runtime) }
});

/// Reads the head of a request, answers, and closes.
async fn daemon(mut stream: TcpStream, answer: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read_buf(&mut head).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
    let answer = answer.lock().clone();
    // Who asked may be gone.
    drop(stream.write_all(&answer).await);
    drop(stream.shutdown().await);
}

/// One call, and what it is answered.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let (call, form) = (script.byte(), script.byte());
    let answer = answer(form, &mut script);
    *STAGE.answer.lock() = answer;
    STAGE.runtime.lock().block_on(asked(call));
}

/// The whole answer, or a body behind a head: of a known length, in chunks, with trailers.
fn answer(form: u8, script: &mut Script<'_>) -> Vec<u8> {
    let status = match form / 8 {
        0..20 => "200 OK",
        20..28 => "500 Internal Server Error",
        _ => "404 Not Found",
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
    match form % 4 {
        0 => script.rest().to_vec(),
        1 => {
            let body = script.rest();
            let length = format!("content-length: {}\r\n\r\n", body.len());
            [head.as_bytes(), length.as_bytes(), body].concat()
        }
        kind => {
            let size = usize::from(script.byte()).max(1);
            let mut out = head.into_bytes();
            out.extend_from_slice(b"transfer-encoding: chunked\r\ntrailer: X-Stream-Error\r\n\r\n");
            for chunk in script.rest().chunks(size) {
                out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                out.extend_from_slice(chunk);
                out.extend_from_slice(b"\r\n");
            }
            let failed = if kind == 3 { "X-Stream-Error: it failed\r\n" } else { "" };
            out.extend_from_slice(format!("0\r\n{failed}\r\n").as_bytes());
            out
        }
    }
}

async fn asked(call: u8) {
    let url = format!("http://{}", STAGE.address);
    let config = KuboConfig { url, timeout: CALL_MAX, ..KuboConfig::default() };
    let kubo = Kubo::connect(config).expect("a good address on a runtime");
    let (id, other) = (ContentId::of(b"block"), ContentId::of(b"other"));
    match call % 11 {
        0 => drop(kubo.info().await),
        1 => drop(kubo.peers().await),
        2 | 3 => {
            let found = match call % 11 {
                2 => kubo.get_local(id).await,
                _ => kubo.get(id, CALL_MAX).await,
            };
            if let Ok(Some(content)) = found {
                assert_eq!((content.id(), content.bytes()), (id, &b"block"[..]));
            }
        }
        4 => drop(kubo.stat(id).await),
        5 => {
            if let Ok(pinned) = kubo.are_pinned(vec![id, other]).await {
                assert_eq!(pinned.len(), 2, "an answer for each id");
            }
        }
        6 => drop(kubo.pin(vec![id]).await),
        7 => drop(kubo.unpin(vec![id]).await),
        8 => drop(kubo.version().await),
        9 => drop(kubo.provide(vec![id, other]).await),
        _ => {
            let options = FindOptions {
                deadline: CALL_MAX,
                completion: Completion::All,
                providers_max: 3,
                use_cache: false,
            };
            let query = kubo.find(vec![id, other], options).expect("few queries");
            if let Ok(outcome) = query.outcome().await {
                assert_eq!(outcome.answers.len(), 2, "an answer for each key");
                assert!(outcome.answers.iter().all(|answer| answer.providers.len() <= 3));
            }
        }
    }
}

/// A good answer to each call, in each form.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let (id, other) = (ContentId::of(b"block"), ContentId::of(b"other"));
    let peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let provider = format!(
        "{{\"Type\":4,\"Responses\":[{{\"ID\":\"{peer}\",\"Addrs\":[\"/ip4/1.2.3.4/tcp/1\"]}}]}}\n\
         {{\"Type\":1,\"ID\":\"{peer}\",\"Responses\":null}}\n\
         {{\"Type\":3,\"ID\":\"\",\"Extra\":\"no\"}}\n"
    );
    let bodies: Vec<(u8, String)> = vec![
        (0, format!("{{\"ID\":\"{peer}\",\"Addresses\":null,\"AgentVersion\":\"kubo\"}}")),
        (1, format!("{{\"Peers\":[{{\"Addr\":\"/ip4/1.2.3.4/tcp/1\",\"Peer\":\"{peer}\"}}]}}")),
        (2, "block".into()),
        (3, "block".into()),
        (4, format!("{{\"Key\":\"{id}\",\"Size\":5}}")),
        (5, format!("{{\"Cid\":\"{id}\",\"Type\":\"direct\"}}\n")),
        (5, format!("{{\"Keys\":{{\"{other}\":{{\"Type\":\"recursive\"}}}}}}")),
        (6, format!("{{\"Pins\":[\"{id}\"]}}")),
        (7, format!("{{\"Pins\":[\"{id}\"]}}")),
        (8, "{\"Version\":\"0.39.0\",\"Commit\":\"\"}".into()),
        (9, "{\"Type\":4}\n".into()),
        (10, provider),
        (5, "{\"Message\":\"path is not pinned\",\"Code\":0,\"Type\":\"error\"}".into()),
    ];
    let mut seeds = Vec::new();
    for (index, (call, body)) in bodies.into_iter().enumerate() {
        let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        seeds.push((format!("{index:02}-whole"), [vec![call, 0], whole.into_bytes()].concat()));
        for (form, name) in [(1, "body"), (161, "refused")] {
            let seed = [vec![call, form], body.clone().into_bytes()].concat();
            seeds.push((format!("{index:02}-{name}"), seed));
        }
        for (form, name) in [(2, "chunks"), (3, "failed")] {
            let seed = [vec![call, form, 9], body.clone().into_bytes()].concat();
            seeds.push((format!("{index:02}-{name}"), seed));
        }
    }
    seeds
}
