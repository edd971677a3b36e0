//! Seven whole nodes in one process: real QUIC on loopback, real journals with fdatasync, each node
//! on its own threads. Clients call the handle; the HTTP API is not in the figures.

use crate::{Fixture, MEMBERS, member_key};
use ledger::{Address, SignedTransfer, TransferId};
use node::board::{Entry, Status};
use node::config::{
    ApiConfig, LogConfig, PerformanceConfig, QuicConfig, StoreConfig, ValidationConfig,
};
use node::index::Engine;
use node::ipfs::config::IpfsConfig;
use node::node::{RunOptions, run_with};
use node::store::first_start;
use node::{Handle, NodeConfig};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the nodes may take to start, and a transfer to end, before a bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a node is asked whether it has caught up; not in the figures.
const POLL: Duration = Duration::from_millis(1);

/// Seven running nodes; stop them with [`Seven::stop`].
pub struct Seven {
    /// By member.
    pub handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    folder: tempfile::TempDir,
    /// Transfers that became final.
    applied: u64,
}

impl Seven {
    /// Starts them in a temporary folder (`TMPDIR` chooses the disk) and waits until all vote.
    ///
    /// # Panics
    /// When a node does not start.
    pub fn start(fixture: &Fixture) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let genesis = fixture.genesis.to_json();
        std::fs::write(folder.path().join("genesis.json"), genesis).expect("the genesis file");
        for member in 0..MEMBERS {
            let home = folder.path().join(format!("v{member}"));
            let permitted = first_start::permit(&home, &fixture.network.id, &member_key(member));
            permitted.expect("a first start");
        }
        let (sender, receiver) = mpsc::sync_channel(MEMBERS.into());
        let run = |member| spawn(config(folder.path(), member), sender.clone());
        let threads = (0..MEMBERS).map(run).collect();
        let handle = |_| receiver.recv_timeout(PATIENCE).expect("it listens");
        let mut handles: Vec<Handle> = (0..MEMBERS).map(handle).collect();
        handles.sort_by_key(|handle| handle.shared.member);
        write_peers(folder.path(), &handles);
        let until = Instant::now() + PATIENCE;
        while !handles.iter().all(|handle| handle.shared.is_ready()) {
            assert!(Instant::now() < until, "the nodes did not become ready");
            std::thread::yield_now();
        }
        Self { handles, threads, folder, applied: 0 }
    }

    /// Hands `transfers[i]` to member `members[i % members.len()]`, all at once, and waits until
    /// each is durably final there. Returns the time and the ends, in order; all nodes are idle
    /// afterwards.
    ///
    /// # Panics
    /// When one does not become final.
    pub async fn settle(
        &mut self,
        transfers: Vec<SignedTransfer>,
        members: &[usize],
    ) -> (Duration, Vec<Entry>) {
        let start = Instant::now();
        let mut waiting: Vec<(usize, TransferId)> = Vec::with_capacity(transfers.len());
        for (signed, member) in transfers.into_iter().zip(members.iter().cycle()) {
            let id = self.handles[*member].submit(signed).await.expect("it is taken");
            waiting.push((*member, id));
        }
        let mut ends = Vec::with_capacity(waiting.len());
        for (member, id) in waiting {
            let end = self.handles[member].wait(id, PATIENCE).await.expect("it is known");
            assert_eq!(end.status, Status::Final, "{end:?}");
            ends.push(end);
        }
        let elapsed = start.elapsed();
        self.applied += u64::try_from(ends.len()).expect("a count");
        self.idle().await;
        (elapsed, ends)
    }

    /// Waits until all nodes have applied everything.
    async fn idle(&self) {
        let until = Instant::now() + PATIENCE;
        let applied = |handle: &Handle| handle.shared.validator.read().tips().applied();
        while !self.handles.iter().all(|handle| applied(handle) == self.applied) {
            assert!(Instant::now() < until, "not all have applied everything");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends one node; the others go on. Until it is started again its handle is another's, because
    /// a handle keeps its store open.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn stop_member(&mut self, member: u16) {
        let index = usize::from(member);
        self.handles[index].stop();
        self.handles[index] = self.handles[(index + 1) % self.handles.len()].clone();
        let idle = std::thread::spawn(|| {});
        let thread = std::mem::replace(&mut self.threads[index], idle);
        thread.join().expect("the node ends well");
    }

    /// Starts a node that was ended, with its store, and waits until it votes. Returns how long it
    /// took from listening until a peer had said how far it is, and until it had applied what the
    /// others have.
    ///
    /// # Panics
    /// When it does not start, or does not catch up.
    pub async fn start_member(&mut self, member: u16) -> (Duration, Duration) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let index = usize::from(member);
        self.threads[index] = spawn(config(self.folder.path(), member), sender);
        self.handles[index] = receiver.recv_timeout(PATIENCE).expect("it listens");
        let start = Instant::now();
        write_peers(self.folder.path(), &self.handles);
        let shared = self.handles[index].shared.clone();
        let until = start + PATIENCE;
        let is_told = || shared.peers.read().iter().any(|peer| peer.applied > 0);
        while !is_told() {
            assert!(Instant::now() < until, "nobody tells it how far they are");
            tokio::time::sleep(POLL).await;
        }
        let told = start.elapsed();
        while shared.validator.read().tips().applied() < self.applied {
            assert!(Instant::now() < until, "it does not catch up");
            tokio::time::sleep(POLL).await;
        }
        let elapsed = start.elapsed();
        while !shared.is_ready() {
            assert!(Instant::now() < until, "it does not vote");
            tokio::time::sleep(POLL).await;
        }
        (told, elapsed)
    }

    /// Ends the nodes and removes their folder.
    ///
    /// # Panics
    /// When a node ends badly.
    pub fn stop(self) {
        for handle in &self.handles {
            handle.stop();
        }
        for thread in self.threads {
            thread.join().expect("the node ends well");
        }
        drop(self.folder);
    }
}

/// Runs a node on a thread of its own; its handle is sent once it listens.
pub(crate) fn spawn(config: NodeConfig, sender: mpsc::SyncSender<Handle>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let listening = |handle| sender.send(handle).expect("the bench waits");
        run_with(config, RunOptions::default(), listening).expect("the node runs");
    })
}

fn write_peers(folder: &Path, handles: &[Handle]) {
    let line = |handle: &Handle| {
        format!("v{} = \"{}\"\n", handle.shared.member, handle.shared.quic_address)
    };
    let peers: String = handles.iter().map(line).collect();
    let path = folder.join("peers.toml");
    std::fs::write(path.with_extension("new"), peers).expect("the peers file");
    std::fs::rename(path.with_extension("new"), path).expect("the peers file");
}

/// Member `member` in its own folder under `folder`, where the genesis and the peers stand.
pub(crate) fn config(folder: &Path, member: u16) -> NodeConfig {
    let home = folder.join(format!("v{member}"));
    std::fs::create_dir_all(&home).expect("a folder");
    let key = home.join("key");
    let keypair = member_key(member);
    let text = serde_json::json!({
        "schema": "quorate.key/1",
        "address": Address(keypair.public()).to_string(),
        "seed": hex::encode(keypair.seed()),
    });
    std::fs::write(&key, text.to_string()).expect("a key file");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("0600");
    NodeConfig {
        name: format!("v{member}"),
        home,
        genesis: folder.join("genesis.json"),
        key,
        key_passphrase_file: None,
        core_dumps: false,
        peers: folder.join("peers.toml"),
        quic: QuicConfig::default(),
        api: ApiConfig::default(),
        validation: ValidationConfig::default(),
        store: StoreConfig { index: engine(), ..StoreConfig::default() },
        ipfs: IpfsConfig { enabled: false, ..IpfsConfig::default() },
        performance: PerformanceConfig::default(),
        log: LogConfig::default(),
        telemetry: Default::default(),
    }
}

/// The engine of the nodes' indexes: `QUORATE_INDEX`, or the default.
///
/// # Panics
/// When there is no such engine.
pub fn engine() -> Engine {
    let word = std::env::var("QUORATE_INDEX").ok();
    word.map_or_else(Engine::default, |word| word.parse().expect("sled or fjall"))
}
