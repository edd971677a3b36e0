//! A foreign peer: a process of somebody else's software, driven by JSON lines as `helia/peer.mjs`
//! describes. Every wait has a deadline; the process is killed by its own id when this is dropped,
//! and what it wrote on stderr is shown when the test fails.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use ipfs_adapter::{ContentId, Multiaddr, PeerId};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Longer than a call may take in the process (20 s), so that its own words are seen.
const CALL_MAX: Duration = Duration::from_secs(30);
/// Node loads hundreds of modules; on a busy machine that takes seconds.
const START_MAX: Duration = Duration::from_secs(60);
/// The one name that all IPFS software speaks; py-libp2p knows no other.
pub const KAD_PROTOCOL: &str = "/ipfs/kad/1.0.0";

/// The folder that an environment variable names, or `None`, said on stderr: without the foreign
/// software there is nothing to test.
pub fn installed(variable: &str) -> Option<PathBuf> {
    let folder = env::var_os(variable).filter(|folder| !folder.is_empty());
    if folder.is_none() {
        eprintln!("skipped: {variable} is not set; run .ci/interop FOLDER");
    }
    folder.map(PathBuf::from)
}

/// A provider as a foreign peer has found it.
#[derive(Debug)]
pub struct Seen {
    pub peer: PeerId,
    pub addresses: Vec<Multiaddr>,
}

/// The process.
pub struct Foreign {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    calls: u64,
    folder: PathBuf,
    pub peer: PeerId,
    /// Where it listens, `/p2p/…` included.
    pub address: Multiaddr,
}

impl Foreign {
    /// Helia on Node.js, out of the folder with its `node_modules`, serving Kademlia. `folder` is
    /// for its files.
    pub async fn helia(installed: &Path, folder: &Path, name: &str) -> Self {
        Self::helia_as("server", installed, folder, name).await
    }

    /// The same as a client of Kademlia: it stands in nobody's table, so that only its records'
    /// addresses lead to it.
    pub async fn helia_client(installed: &Path, folder: &Path, name: &str) -> Self {
        Self::helia_as("client", installed, folder, name).await
    }

    async fn helia_as(mode: &str, installed: &Path, folder: &Path, name: &str) -> Self {
        let folder = made(folder, name);
        // Modules are looked for beside the script: so it runs beside a link to them.
        let modules = installed.join("node_modules");
        std::os::unix::fs::symlink(&modules, folder.join("node_modules")).expect("a link");
        let script = folder.join("peer.mjs");
        fs::write(&script, include_str!("helia/peer.mjs")).expect("the folder is ours");
        let mut command = Command::new(modules.join(".bin/node"));
        command.arg(script).args([KAD_PROTOCOL, mode]);
        Self::start(command, folder, name).await
    }

    /// py-libp2p, out of its virtual environment.
    pub async fn py_libp2p(installed: &Path, folder: &Path, name: &str) -> Self {
        let folder = made(folder, name);
        let script = folder.join("peer.py");
        fs::write(&script, include_str!("pylibp2p/peer.py")).expect("the folder is ours");
        let mut command = Command::new(installed.join("bin/python"));
        command.arg(script);
        Self::start(command, folder, name).await
    }

    async fn start(mut command: Command, folder: PathBuf, name: &str) -> Self {
        let log = File::create(folder.join("stderr")).expect("the folder is ours");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let mut foreign = Self {
            name: name.into(),
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
            calls: 0,
            folder,
            peer: PeerId::random(),
            address: Multiaddr::empty(),
        };
        let ready = foreign.line(START_MAX).await["ready"].take();
        foreign.peer = parsed(&ready["peer"]);
        foreign.address = parsed(&ready["addresses"][0]);
        foreign
    }

    /// One request and its reply; an error of the process fails the test.
    async fn call(&mut self, command: &str, mut request: Value) -> Value {
        self.calls += 1;
        request["id"] = json!(self.calls);
        request["command"] = json!(command);
        let line = format!("{request}\n");
        let written = timeout(CALL_MAX, self.stdin.write_all(line.as_bytes())).await;
        written.expect("it reads its stdin").expect("it is alive");
        let mut reply = self.line(CALL_MAX).await;
        assert_eq!(reply["id"], request["id"], "{} answers in order", self.name);
        let error = reply["error"].as_str();
        assert_eq!(error, None, "{} failed: {request}", self.name);
        reply["ok"].take()
    }

    async fn line(&mut self, within: Duration) -> Value {
        let line = timeout(within, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing for {within:?}", self.name));
        let line = line.expect("a pipe is readable");
        let line = line.unwrap_or_else(|| panic!("{} has ended", self.name));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Connects; when this returns, its Kademlia asks the peer.
    pub async fn dial(&mut self, address: &Multiaddr) {
        self.call("dial", json!({ "address": address })).await;
    }

    /// The providers of a key, by Kademlia; looks no further once it has `wanted`.
    pub async fn find(&mut self, key: &ContentId, wanted: &PeerId) -> Vec<Seen> {
        let request = json!({ "cid": key.to_string(), "peer": wanted.to_string() });
        let found = self.call("find", request).await;
        let providers = found["providers"].as_array().expect("a list");
        let seen = |provider: &Value| Seen {
            peer: parsed(&provider["peer"]),
            addresses: provider["addresses"]
                .as_array()
                .expect("a list")
                .iter()
                .map(parsed)
                .collect(),
        };
        providers.iter().map(seen).collect()
    }

    /// Whom it is connected to.
    pub async fn peers(&mut self) -> Vec<PeerId> {
        let peers = self.call("peers", json!({})).await;
        peers["peers"].as_array().expect("a list").iter().map(parsed).collect()
    }

    /// A block, by Bitswap; `holder` where the software finds no providers itself.
    pub async fn get(&mut self, id: &ContentId, holder: &PeerId) -> Vec<u8> {
        let to = self.folder.join("got");
        let request =
            json!({ "cid": id.to_string(), "peer": holder.to_string(), "to": to.to_str() });
        self.call("get", request).await;
        fs::read(to).expect("it was written")
    }

    /// A UnixFS file, block by block by Bitswap.
    pub async fn cat(&mut self, root: &ContentId) -> Vec<u8> {
        let to = self.folder.join("got");
        self.call("cat", json!({ "cid": root.to_string(), "to": to.to_str() })).await;
        fs::read(to).expect("it was written")
    }

    /// Stores bytes as one raw block.
    pub async fn put_block(&mut self, bytes: &[u8]) -> ContentId {
        self.put("put_block", bytes).await
    }

    /// Stores bytes as a UnixFS file, cut as the software does it.
    pub async fn put_file(&mut self, bytes: &[u8]) -> ContentId {
        self.put("put_file", bytes).await
    }

    async fn put(&mut self, command: &str, bytes: &[u8]) -> ContentId {
        let from = self.folder.join("put");
        fs::write(&from, bytes).expect("the folder is ours");
        parsed(&self.call(command, json!({ "from": from.to_str() })).await["cid"])
    }

    /// Announces a key, by Kademlia.
    pub async fn provide(&mut self, key: &ContentId) {
        self.call("provide", json!({ "cid": key.to_string() })).await;
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("stderr")).unwrap_or_default();
            eprintln!("--- {} (process {:?}) on stderr:\n{log}---", self.name, self.child.id());
        }
    }
}

fn made(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).expect("the folder is ours");
    folder
}

fn parsed<T: std::str::FromStr>(value: &Value) -> T {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.unwrap_or_else(|| panic!("{value} is no {}", std::any::type_name::<T>()))
}
