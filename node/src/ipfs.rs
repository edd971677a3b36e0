//! The node's part in the peer-to-peer network: the embedded IPFS node on a thread of its own, the
//! proofs that it shows, and the pinner that announces what is spent.
//!
//! ```text
//!  pipeline ──find──▶ ┌ "dht" thread: tokio, current thread ┐ ◀──proof/1── other networks' nodes
//!  content API ─────▶ │ Embedded: swarm, streams, Bitswap   │
//!  store ◀─receipts── │ pinner: applied log ▶ pins, records │
//!                     └─────────────────────────────────────┘
//! ```
//!
//! Nothing here is on a vote's path but [`pipeline::dht_check`](crate::pipeline::dht_check), and
//! that only in an untrusted network.

pub mod config;
pub mod foreign;
pub mod pinner;
pub mod proofs;
pub mod trust;

use crate::content::ContentStore;
use crate::error::{BUSY, CONFIG, Code, Failure, INTERNAL};
use crate::handle::Shared;
use config::IpfsConfig;
use ipfs_adapter::chunks::ChunkConfig;
use ipfs_adapter::embedded::{Embedded, EmbeddedConfig, StartError};
use ipfs_adapter::swarm::SwarmError;
use ipfs_adapter::{ContentId, Ipfs, Kubo, KuboConfig, Multiaddr, PeerId};
use ledger::TokenState;
use parking_lot::Mutex;
use proofs::ProofSource;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How often the file of bootstrap peers is looked at.
const FOLLOW: Duration = Duration::from_millis(250);
/// How long the thread may take to end.
const STOP_MAX: Duration = Duration::from_secs(2);

/// The key under which a state is looked up and announced: its CID.
pub fn key_of(state: &TokenState) -> ContentId {
    ContentId::from_digest(state.hash().0)
}

/// The embedded node and its thread.
pub struct IpfsNode {
    /// For look-ups and figures, and content where no daemon has it.
    pub embedded: Arc<Embedded>,
    /// The daemon that the configuration names.
    pub kubo: Option<Arc<Kubo>>,
    /// Its address, as it was configured.
    pub kubo_url: Option<String>,
    /// Files of users.
    pub content: ContentStore,
    /// The runtime of its thread: who starts queries spawns their end here.
    pub runtime: tokio::runtime::Handle,
    /// Where it listens, `/p2p/…` at the end.
    pub addresses: Vec<Multiaddr>,
    /// Its name there.
    pub peer: PeerId,
    proofs: ProofSource,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl IpfsNode {
    /// Starts it; it listens when this returns. It shows no proofs and announces nothing until
    /// [`IpfsNode::serve`].
    ///
    /// # Errors
    /// A [`Failure`] of code `config` or `busy`.
    pub async fn start(
        config: &IpfsConfig,
        chunks: ChunkConfig,
        home: &Path,
    ) -> Result<Self, Failure> {
        let embedded_config = config.embedded(&home.join("ipfs"))?;
        let proofs = ProofSource::default();
        let (stop, stopped) = watch::channel(false);
        let (started_in, started) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(16)
            .thread_keep_alive(Duration::from_secs(60))
            .build()
            .map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
        let handle = runtime.handle().clone();
        let kubo = daemon(config, &handle)?;
        let (source, bootstrap_file) = (proofs.clone(), config.bootstrap_file.clone());
        let body = move || {
            runtime.block_on(run(embedded_config, source, bootstrap_file, started_in, stopped));
            runtime.shutdown_timeout(Duration::from_millis(500));
        };
        let thread = std::thread::Builder::new().name("dht".into()).spawn(body);
        let thread =
            thread.map_err(|error| Failure::new(INTERNAL, format!("no thread: {error}")))?;
        let gone = |_| Failure::new(INTERNAL, "the IPFS node's thread has died");
        let embedded = started.await.map_err(gone)?.map_err(|error| failure(&error))?;
        let status = embedded.status().await;
        let status = status.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
        let peer = status.info.peer;
        let named = |address: Multiaddr| address.with_p2p(peer).unwrap_or_else(|address| address);
        let addresses: Vec<Multiaddr> = status.info.addresses.into_iter().map(named).collect();
        let thread = Mutex::new(Some(thread));
        let content = match &kubo {
            Some(kubo) => ContentStore::daemon(kubo.clone(), chunks),
            None => ContentStore::embedded(embedded.clone(), chunks),
        };
        let (runtime, kubo_url) = (handle, config.kubo.clone());
        Ok(Self {
            embedded,
            kubo,
            kubo_url,
            content,
            runtime,
            addresses,
            peer,
            proofs,
            stop,
            thread,
        })
    }

    /// Shows proofs from the node's store from now on and, where it is asked for, announces what is
    /// spent.
    pub fn serve(&self, shared: &Arc<Shared>) {
        self.proofs.set(Arc::downgrade(shared));
        let pinner = pinner::Pinner::new(Arc::downgrade(shared), self.embedded.clone());
        match shared.config.ipfs.announces(&shared.config.validation) {
            true => self.runtime.spawn(pinner.run()),
            false => self.runtime.spawn(pinner.republish()),
        };
    }

    /// Who can be asked who provides what: all at once, and the first proof counts.
    pub fn sources(&self) -> Vec<Arc<dyn Ipfs>> {
        let embedded: Arc<dyn Ipfs> = self.embedded.clone();
        let kubo = self.kubo.clone().map(|kubo| -> Arc<dyn Ipfs> { kubo });
        [embedded].into_iter().chain(kubo).collect()
    }

    /// Ends it and waits shortly.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let Some(thread) = self.thread.lock().take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        let joined = tokio::time::timeout(STOP_MAX, joined).await;
        if !matches!(joined, Ok(Ok(true))) {
            tracing::warn!("the IPFS node's thread did not end in time");
        }
    }
}

/// The daemon, if one is named; it may come up later. Its calls run on `runtime`.
fn daemon(
    config: &IpfsConfig,
    runtime: &tokio::runtime::Handle,
) -> Result<Option<Arc<Kubo>>, Failure> {
    let Some(url) = config.kubo.clone() else { return Ok(None) };
    let _inside = runtime.enter();
    let kubo = Kubo::connect(KuboConfig { url, ..KuboConfig::default() });
    let kubo = kubo.map_err(|error| {
        Failure::new(CONFIG, format!("ipfs.kubo: {error}; nothing was started"))
            .help("write it as http://127.0.0.1:5001")
    })?;
    Ok(Some(Arc::new(kubo)))
}

/// The thread's life.
async fn run(
    config: EmbeddedConfig,
    proofs: ProofSource,
    bootstrap_file: Option<std::path::PathBuf>,
    started: oneshot::Sender<Result<Arc<Embedded>, StartError>>,
    mut stopped: watch::Receiver<bool>,
) {
    let embedded = match Embedded::start(config, Arc::new(proofs)).await {
        Ok(embedded) => Arc::new(embedded),
        // The receiver is gone only when the node ends.
        Err(error) => return drop(started.send(Err(error))),
    };
    // As above.
    drop(started.send(Ok(embedded.clone())));
    let follow = async {
        let Some(path) = bootstrap_file else { return std::future::pending().await };
        follow(&path, &embedded).await;
    };
    tokio::select! {
        // The sender is gone only when the node ends.
        ended = stopped.wait_for(|stopped| *stopped) => drop(ended),
        () = follow => {}
    }
    embedded.stop().await;
}

/// Reads the file of bootstrap peers again whenever it changes. Lines that are no address are
/// skipped. Never ends.
pub async fn follow(path: &Path, embedded: &Embedded) {
    let mut looks = tokio::time::interval(FOLLOW);
    let mut known = String::new();
    loop {
        looks.tick().await;
        let Ok(text) = tokio::fs::read_to_string(path).await else { continue };
        if text != known {
            let addresses = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
            embedded.add_bootstrap(addresses).await;
            known = text;
        }
    }
}

/// What an operator is told when the embedded node does not start.
pub fn failure(error: &StartError) -> Failure {
    let code: Code = match error {
        StartError::Swarm(SwarmError::Listen { .. }) => BUSY,
        _ => CONFIG,
    };
    Failure::new(code, format!("the IPFS node: {error}; nothing was started"))
        .help("see [ipfs] in the configuration file")
}
