//! A whole node for tests of API and client: alone it is its own quorum, as one of four it has
//! none.

use crate::config::{
    ApiConfig, LogConfig, PerformanceConfig, QuicConfig, StoreConfig, ValidationConfig,
};
use crate::ipfs::config::IpfsConfig;
use crate::node::{RunOptions, run_with};
use crate::store::first_start;
use crate::{Handle, NodeConfig};
use bytes::Bytes;
use ledger::{
    Address, Canonical, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Input, Keypair, Name,
    Network, Output, SignedTransfer, Transfer,
};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take that should take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Genesis tokens of Alice, 1.5 QRT each.
pub(crate) const TOKENS: u64 = 1_200;

pub(crate) fn alice() -> Keypair {
    Keypair::from_seed([201; 32])
}

pub(crate) fn bob() -> Address {
    Address(Keypair::from_seed([202; 32]).public())
}

/// The network of so many members.
pub(crate) fn genesis(members: u8) -> Genesis {
    let member = |index: u8| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a name"),
        key: Address(Keypair::from_seed([index + 1; 32]).public()),
        weight: 1,
    };
    Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("api").expect("a name"),
        epoch: 3,
        committee: (0..members).map(member).collect(),
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
        tokens: vec![GenesisTokens {
            owner: Address(alice().public()),
            asset: "QRT".into(),
            amount: "1.5".into(),
            count: TOKENS,
        }],
    }
}

/// A running node, ended and joined when dropped.
pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) network: Network,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop();
        let thread = self.thread.take().expect("it is joined here only");
        if thread.join().is_err() && !std::thread::panicking() {
            panic!("the node did not end well");
        }
    }
}

fn config(folder: &Path) -> NodeConfig {
    let key = folder.join("key");
    let keypair = Keypair::from_seed([1; 32]);
    let text = serde_json::json!({
        "schema": "quorate.key/1",
        "address": Address(keypair.public()).to_string(),
        "seed": hex::encode(keypair.seed()),
    });
    std::fs::write(&key, text.to_string()).expect("a key file");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("0600");
    NodeConfig {
        name: "v0".into(),
        home: folder.join("home"),
        genesis: folder.join("genesis.json"),
        key,
        key_passphrase_file: None,
        core_dumps: false,
        peers: folder.join("peers.toml"),
        quic: QuicConfig::default(),
        api: ApiConfig { hosts: vec!["node.example".into()], ..ApiConfig::default() },
        validation: ValidationConfig::default(),
        store: StoreConfig::default(),
        ipfs: IpfsConfig { enabled: false, ..IpfsConfig::default() },
        performance: PerformanceConfig::default(),
        log: LogConfig::default(),
        telemetry: Default::default(),
    }
}

/// Starts `v0` of a network of so many members, without IPFS; alone it becomes ready.
pub(crate) fn start(members: u8) -> Server {
    start_with(members, |_config| {})
}

/// The same, with the embedded IPFS node, which starts from these addresses.
pub(crate) fn start_ipfs(bootstrap: &[String]) -> Server {
    start_with(1, |config| {
        config.ipfs = IpfsConfig { bootstrap: bootstrap.to_vec(), ..IpfsConfig::default() };
    })
}

/// The same, with another configuration.
pub(crate) fn start_with(members: u8, change: impl FnOnce(&mut NodeConfig)) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let genesis = genesis(members);
    std::fs::write(folder.path().join("genesis.json"), genesis.to_json()).expect("genesis");
    std::fs::write(folder.path().join("peers.toml"), "").expect("peers");
    let mut config = config(folder.path());
    change(&mut config);
    let network = genesis.network().expect("a good genesis");
    let key = Keypair::from_seed([1; 32]);
    first_start::permit(&config.home, &network.id, &key).expect("permitted");
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let hand_out = |handle| sender.send(handle).expect("the test waits");
        run_with(config, RunOptions::default(), hand_out).expect("the node runs");
    });
    let handle = receiver.recv_timeout(PATIENCE).expect("it listens");
    let server = Server { handle, network, thread: Some(thread), _folder: folder };
    if members == 1 {
        wait("the node is ready", || server.handle.shared.is_ready());
    }
    server
}

pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// An answer: status, head, body.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The header's value, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let line = format!("{name}: ");
        self.head.lines().find_map(|found| found.strip_prefix(&line)).map(Into::into)
    }

    /// Checks that it is this problem.
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }
}

/// Sends these bytes on a connection of their own and reads the answer to its end.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Got {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("writing");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("reading");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    Got { status, head, body: answer[end + 4..].to_vec() }
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.shared.api_address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Got {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        let got = raw(self.address(), &request);
        super::openapi::conforms(method, path, &got);
        got
    }

    pub(crate) fn get(&self, path: &str) -> Got {
        self.ask("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Got {
        self.ask("POST", path, "content-type: application/octet-stream\r\n", body)
    }

    /// Genesis tokens as inputs.
    pub(crate) fn inputs(&self, first: usize, count: usize) -> Vec<Input> {
        let tokens = self.network.tokens().skip(first).take(count);
        let mut inputs: Vec<Input> = tokens
            .map(|made| Input { state: made.state, asset: made.asset, amount: made.amount })
            .collect();
        inputs.sort_by_key(|input| input.state.token);
        inputs
    }

    /// Alice moves genesis tokens to Bob.
    pub(crate) fn moves(&self, first: usize, count: usize) -> SignedTransfer {
        let inputs = self.inputs(first, count);
        let index = |index: usize| u16::try_from(index).expect("few");
        let outputs = (0..count).map(|i| Output::Move { input: index(i), to: bob() }).collect();
        self.transfer(inputs, outputs).sign(&alice())
    }

    pub(crate) fn transfer(&self, inputs: Vec<Input>, outputs: Vec<Output>) -> Transfer {
        Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: Address(alice().public()),
            inputs,
            outputs,
            memo: String::new(),
        }
    }

    /// Sends a transfer and waits until it is final; gives its document.
    pub(crate) fn pay(&self, signed: &SignedTransfer) -> Value {
        let got = self.post("/v1/transfers?wait=final", &signed.to_bytes());
        assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
        got.json()
    }
}

/// A batch body.
pub(crate) fn framed(parts: &[Vec<u8>]) -> Vec<u8> {
    let small = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
    let mut body = small(parts.len()).to_vec();
    for part in parts {
        body.extend_from_slice(&small(part.len()));
        body.extend_from_slice(part);
    }
    body
}

/// Canonical bytes for the client.
pub(crate) fn canonical(signed: &SignedTransfer) -> Bytes {
    signed.to_bytes().into()
}

/// A request's answer that does not end, read line by line.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Sends a whole request; its answer has to be good.
    pub fn open(server: &Server, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request).expect("writing");
        let mut stream = Self(BufReader::new(stream));
        assert_eq!(stream.until("http/1.1 "), "200 OK");
        stream
    }

    /// Reads to the next line that begins so; gives the rest of it.
    pub fn until(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("reading") > 0, "the stream has ended");
            let line = line.trim_end();
            if line.to_ascii_lowercase().starts_with(prefix) {
                return line[prefix.len()..].to_string();
            }
        }
    }
}
