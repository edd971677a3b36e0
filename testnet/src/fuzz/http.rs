//! The HTTP API of a real node, over a connection in memory: every route with any path, query, head
//! and body. Each request gets a whole answer, errors in the one form that errors have, and none
//! says that the node itself failed.

use super::Target;
use super::fixture;
use super::scratch::Scratch;
use super::script::Script;
use ledger::{
    Address, Canonical, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Keypair, Name,
};
use node::api::Service;
use node::config::NodeConfig;
use node::node::{RunOptions, run_with};
use node::store::first_start;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The target.
pub const TARGET: Target =
    Target { name: "http", check, seeds, bytes_max: 4 * 1024, memory_max: (192 << 20, 64) };

/// An answer that waits for the end of a transfer, or streams, is left after this.
const WAIT_MAX: Duration = Duration::from_millis(300);
/// How long the node may take to start, and to give any other answer: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes on their way in each direction.
const PIPE_BYTES: usize = 64 * 1024;
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"];
const TYPES: [&str; 4] = [
    "",
    "content-type: application/octet-stream\r\n",
    "content-type: application/json\r\n",
    "accept: application/json\r\n",
];

/// A node that is a quorum by itself, and runs as long as the process.
struct Alone {
    service: Service,
    runtime: parking_lot::Mutex<Runtime>,
    _stopping: watch::Sender<bool>,
    _scratch: Scratch,
}

static NODE: LazyLock<Alone> = LazyLock::new(Alone::start);

/// Its own genesis: one member, tokens of owner 0.
fn genesis() -> Genesis {
    let key = Address(fixture::member_key(0).public());
    let name = Name::new("v0").expect("a good name");
    let member = GenesisMember { name, key, weight: 1 };
    let tokens = GenesisTokens {
        owner: fixture::address(0),
        asset: "COIN".into(),
        amount: "1.5".into(),
        count: 1_200,
    };
    let assets = vec![GenesisAsset { name: "COIN".into(), decimals: 3 }];
    Genesis { committee: vec![member], assets, tokens: vec![tokens], ..fixture::genesis() }
}

impl Alone {
    fn start() -> Self {
        let scratch = Scratch::on_disk();
        let key: &Keypair = fixture::member_key(0);
        let genesis = genesis();
        let network = genesis.network().expect("a good genesis");
        scratch.write("genesis.json", genesis.to_json().as_bytes());
        scratch.write("peers.toml", b"");
        node::keyfile::create(&scratch.path().join("key"), key).expect("a key file");
        let text = "name = \"v0\"\nhome = \"home\"\ngenesis = \"genesis.json\"\nkey = \"key\"\n\
                    peers = \"peers.toml\"\n[api]\nhosts = [\"node.example\"]\n\
                    [ipfs]\nenabled = false\n";
        let path = scratch.write("node.toml", text.as_bytes());
        let config = NodeConfig::load(&path).expect("a good configuration");
        first_start::permit(&config.home, &network.id, key).expect("permitted");
        let (sender, receiver) = mpsc::sync_channel(1);
        let run = move || {
            let hand_out = |handle| sender.send(handle).expect("somebody waits");
            run_with(config, RunOptions::default(), hand_out).expect("the node runs");
        };
        // It is joined by the end of the process: nothing else ends it.
        drop(std::thread::spawn(run));
        let handle = receiver.recv_timeout(PATIENCE).expect("it listens");
        let until = std::time::Instant::now() + PATIENCE;
        while !handle.shared.is_ready() {
            assert!(std::time::Instant::now() < until, "the node becomes ready");
            std::thread::yield_now();
        }
        let (_stopping, stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = parking_lot::Mutex::new(runtime.expect("a runtime"));
        Self { service: Service::new(handle, stopping), runtime, _stopping, _scratch: scratch }
    }
}

/// One request: a line of kinds, a line of the target, and the body; or the bytes of a connection.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let (kind, extra) = (script.byte(), script.byte());
    let rest = script.rest();
    let request = match kind {
        255 => rest.to_vec(),
        _ => request(kind, extra, rest),
    };
    let is_head = request.starts_with(b"HEAD ");
    let may_wait = kind == 255 || may_wait(rest);
    let time_max = if may_wait { WAIT_MAX } else { PATIENCE };
    let answer = NODE.runtime.lock().block_on(asked(&request, time_max));
    match answer {
        Some(answer) => check_answer(&answer, is_head, kind == 255),
        None => assert!(may_wait, "no answer to {:?}", shown(&request)),
    }
}

fn request(kind: u8, extra: u8, rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (target, body) = rest.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let method = METHODS[usize::from(kind) % METHODS.len()];
    let mut request = format!("{method} /").into_bytes();
    request.extend_from_slice(target);
    let (typed, length) = (TYPES[usize::from(extra) % TYPES.len()], body.len());
    let head = format!(
        " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {length}\r\n{typed}\r\n"
    );
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body);
    request
}

fn may_wait(rest: &[u8]) -> bool {
    let target = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let target = String::from_utf8_lossy(target);
    ["wait", "stream", "events", "recoveries"].iter().any(|word| target.contains(word))
}

/// Sends a request and reads to the end of its answer; `None` when that does not come in time.
async fn asked(request: &[u8], time_max: Duration) -> Option<Vec<u8>> {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (mut reader, mut writer) = tokio::io::split(near);
    let serving = NODE.service.clone().connection(far);
    let writing = async {
        // The node may have answered and closed before it has read all.
        drop(writer.write_all(request).await);
        writer
    };
    let reading = async {
        let mut answer = Vec::new();
        // A stream's head is all that is waited for.
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            if reader.read_buf(&mut answer).await.ok()? == 0 {
                return Some(answer);
            }
        }
        if !String::from_utf8_lossy(&answer).contains("text/event-stream") {
            let mut reader = reader.take(ANSWER_BYTES_MAX);
            drop(reader.read_to_end(&mut answer).await);
        }
        Some(answer)
    };
    let talking = async {
        let (_writer, answer) = tokio::join!(writing, reading);
        answer
    };
    tokio::select! {
        biased;
        answer = tokio::time::timeout(time_max, talking) => answer.ok().flatten(),
        () = async { serving.await; std::future::pending().await } => None,
    }
}

fn check_answer(answer: &[u8], is_head: bool, is_raw: bool) {
    // Of a connection of nonsense, nothing has to come.
    if answer.is_empty() && is_raw {
        return;
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?}", shown(answer)));
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.strip_prefix("http/1.1 ").or(head.strip_prefix("http/1.0 "));
    let status: u16 = status.and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
    assert!((200..600).contains(&status), "no status in {head}");
    let body = &answer[end + 4..];
    // hyper itself refuses what is no HTTP, without a body.
    if status < 400 || is_head || is_raw || body.is_empty() {
        return;
    }
    assert!(head.contains("application/problem+json") || status == 503, "{head}");
    let problem: serde_json::Value = serde_json::from_slice(body).expect("problems are JSON");
    assert!(problem["code"].is_string() || status == 503, "{problem}");
    // What this node is not configured for has a status above 499, too.
    assert_ne!(problem["code"], "internal", "the node failed: {problem}");
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(2_000).collect()
}

/// Every route, good and bad.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let network = genesis().network().expect("a good genesis");
    let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
    for (index, target) in gets(&network).into_iter().enumerate() {
        seeds.push((format!("get-{index:02}"), [vec![0, 0], target.into_bytes()].concat()));
    }
    for (index, (target, kind, body)) in posts(&network).into_iter().enumerate() {
        let line = format!("{target}\n").into_bytes();
        seeds.push((format!("post-{index:02}"), [vec![1, kind], line, body].concat()));
    }
    let put = [&[2, 1][..], b"v1/content?pin=true\nfile"].concat();
    let raw =
        b"\xff\0GET /v1/node HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec();
    seeds.extend([("put".to_string(), put), ("raw".to_string(), raw)]);
    seeds
}

/// Paths and queries.
fn gets(network: &ledger::Network) -> Vec<String> {
    let made = network.tokens().next().expect("it has tokens");
    let (token, did) = (made.state.token, fixture::address(0));
    let id = pay(network, 0).transfer.id();
    let cid = ledger::cid_text(&made.state.cid());
    vec![
        String::new(),
        "explorer/main.js".into(),
        "openapi.json".into(),
        "metrics".into(),
        "v1/health/live".into(),
        "v1/health/ready".into(),
        "v1/node".into(),
        "v1/network".into(),
        "v1/validators".into(),
        "v1/supply".into(),
        format!("v1/transfers/{id}?wait=50ms"),
        format!("v1/receipts/{id}"),
        format!("v1/inbox/{did}?limit=5&after={token}"),
        format!("v1/inbox/{did}/stream"),
        "v1/batches?limit=3&after=0".into(),
        format!("v1/batches/{id}"),
        "v1/evidence?after=0&limit=1".into(),
        format!("v1/accounts/{did}"),
        format!("v1/accounts/{did}/tokens?limit=5&after={token}"),
        format!("v1/tokens/{token}"),
        format!("v1/tokens/{token}/history?limit=2"),
        format!("v1/content/{cid}"),
        format!("v1/content/{cid}/stat"),
        "v1/dht".into(),
        "v1/events?after=0".into(),
        "nowhere".into(),
    ]
}

/// Paths, kinds of body, and bodies.
fn posts(network: &ledger::Network) -> Vec<(&'static str, u8, Vec<u8>)> {
    let did = fixture::address(0);
    let pay = |position: usize| pay(network, position);
    let id = pay(0).transfer.id();
    let batch = |parts: &[Vec<u8>]| {
        let small = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
        let framed = |part: &Vec<u8>| [small(part.len()).to_vec(), part.clone()].concat();
        [small(parts.len()).to_vec(), parts.iter().flat_map(framed).collect()].concat()
    };
    let json = format!("{{\"transfer\":\"{}\"}}", hex::encode(pay(1).to_bytes()));
    let states = vec![network.tokens().nth(5).expect("a token").state];
    let recover = ledger::Recover { epoch: network.epoch, owner: did, round: 1, states };
    let recover = recover.sign(&network.id, fixture::owner_key(0));
    let ids = ledger::encoding::canonical_bytes_of_list(&[id]);
    let dids = ledger::encoding::canonical_bytes_of_list(&[did]);
    let recovers = ledger::encoding::canonical_bytes_of_list(&[recover]);
    let entry = fixture::refresh(1, 2);
    vec![
        ("v1/transfers?wait=final", 1, pay(0).to_bytes()),
        ("v1/transfers", 2, json.into_bytes()),
        ("v1/transfers/batch?wait=final", 1, batch(&[pay(2).to_bytes(), pay(3).to_bytes()])),
        ("v1/recoveries", 1, recovers),
        ("v1/recoveries/entries", 1, batch(&[entry.to_bytes()])),
        ("v1/receipts/fetch", 1, ids),
        ("v1/inbox/stream", 1, dids),
    ]
}

/// Moves one genesis token.
fn pay(network: &ledger::Network, position: usize) -> ledger::SignedTransfer {
    let made = network.tokens().nth(position).expect("there are that many");
    let input = ledger::Input { state: made.state, asset: made.asset, amount: made.amount };
    let transfer = ledger::Transfer {
        network: network.id,
        epoch: network.epoch,
        owner: fixture::address(0),
        inputs: vec![input],
        outputs: vec![ledger::Output::Move { input: 0, to: fixture::address(1) }],
        memo: String::new(),
    };
    transfer.sign(fixture::owner_key(0))
}
