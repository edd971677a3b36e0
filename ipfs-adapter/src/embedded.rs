//! A node of IPFS inside this process: its blocks and pins on sled, its place in the peer-to-peer
//! network, Bitswap.
//!
//! ```text
//!  home/
//!    key        the peer-to-peer identity, mode 0600; made at the first start
//!    content/   blocks and pins (sled)
//!    records    who provides what, of others (a log behind the memory)
//!    peers      the bootstrap pool
//! ```

mod content;
mod identity;
mod source;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    BitswapStats, Blocks, ContentId, IpfsError, PinError, Provider, Sled,
    bitswap::Bitswap,
    query::preset::Preset,
    records::{Records, RecordsConfig},
    swarm::{
        self, Command, Started, Status, SwarmConfig, behaviour::Settings, proof,
        serve::unix_seconds, streams::Control,
    },
};

pub use identity::IdentityError;

/// How long an answer of the loop may take; it never blocks, so this is only reached when the
/// machine stands still.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a connection to a provider may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How an embedded node is run.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Its folder.
    pub home: PathBuf,
    /// Where to listen; port 0 takes a free one. Empty: it only dials.
    pub listen: Vec<Multiaddr>,
    /// Peers to start from.
    pub bootstrap: Vec<Multiaddr>,
    /// Kademlia's protocol name.
    pub kad_protocol: String,
    /// Whether others may keep their records here.
    pub is_server: bool,
    /// Whether loopback and private addresses are dialled.
    pub allow_private: bool,
    /// How queries are run.
    pub preset: Preset,
    /// Quota on blocks, bytes.
    pub block_bytes_max: u64,
    /// Keys of others whose providers are remembered.
    pub records_max: usize,
}

/// Kademlia's protocol name in a network of ours.
pub const KAD_PROTOCOL: &str = "/quorate/kad/1.0.0";

/// Why an embedded node can't start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store of blocks and pins.
    #[error("the content store: {0}")]
    Store(#[from] crate::StoreError),
    /// The pins can't be read.
    #[error("the pins: {0}")]
    Pins(#[from] PinError),
    /// The swarm.
    #[error(transparent)]
    Swarm(#[from] swarm::SwarmError),
}

/// A running node. Cloned handles are not needed: all calls take `&self`.
pub struct Embedded {
    commands: mpsc::Sender<Command>,
    control: Control,
    ended: parking_lot::Mutex<Option<tokio::task::JoinHandle<()>>>,
    bitswap: Bitswap,
    bitswap_task: tokio::task::JoinHandle<()>,
    store: Arc<Sled>,
    records: Arc<Records>,
    next_query: AtomicU64,
    /// Where holders of content were said to be.
    holders: parking_lot::Mutex<source::Holders>,
}

impl Embedded {
    /// Opens the stores and starts the swarm on the current tokio runtime; it listens when this
    /// returns.
    ///
    /// # Errors
    /// Every [`StartError`].
    pub async fn start(
        config: EmbeddedConfig,
        proofs: Arc<dyn proof::Proofs>,
    ) -> Result<Self, StartError> {
        let home = config.home.clone();
        let (block_bytes_max, records_max) = (config.block_bytes_max, config.records_max);
        let opened = tokio::task::spawn_blocking(move || {
            let io = |error: std::io::Error| IdentityError::Io {
                path: home.clone(),
                kind: error.kind(),
            };
            std::fs::create_dir_all(&home).map_err(io)?;
            let keypair = identity::load_or_make(&home.join("key"))?;
            let store = Arc::new(Sled::open(&home.join("content"), block_bytes_max)?);
            let own = keypair.public().to_peer_id();
            let records = RecordsConfig { own, records_max, folder: Some(home.clone()) };
            let records = Records::open(&records, store.clone(), unix_seconds())?;
            Ok::<_, StartError>((keypair, store, Arc::new(records)))
        });
        let (keypair, store, records) = opened.await.expect("opening does not panic")?;
        let started = swarm::start(SwarmConfig {
            keypair,
            settings: Settings {
                kad_protocol: config.kad_protocol,
                is_server: config.is_server,
                allow_private: config.allow_private,
            },
            listen: config.listen,
            bootstrap: config.bootstrap,
            pool_file: Some(config.home.join("peers")),
            preset: config.preset,
            records: records.clone(),
            proofs,
        });
        let Started { commands, control, ended } = started.await?;
        let blocks: Arc<dyn Blocks> = store.clone();
        let (bitswap, task) = Bitswap::start(control.clone(), blocks, Default::default())
            .expect("each protocol is accepted once");
        Ok(Self {
            commands,
            control,
            ended: parking_lot::Mutex::new(Some(ended)),
            bitswap,
            bitswap_task: tokio::spawn(task),
            store,
            records,
            next_query: AtomicU64::new(1),
            holders: parking_lot::Mutex::default(),
        })
    }

    /// Ends the swarm and writes what is behind.
    pub async fn stop(&self) {
        // It may have ended already.
        drop(self.commands.send(Command::Stop).await);
        self.bitswap_task.abort();
        let ended = self.ended.lock().take();
        if let Some(ended) = ended
            && let Err(error) = ended.await
        {
            tracing::error!(%error, "the swarm's loop has failed");
        }
    }

    /// Blocks and pins of this node.
    pub fn store(&self) -> &Arc<Sled> {
        &self.store
    }

    /// Who provides what.
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// What Bitswap has done.
    pub fn bitswap_stats(&self) -> BitswapStats {
        self.bitswap.stats()
    }

    /// More peers to start from.
    pub async fn add_bootstrap(&self, addresses: Vec<Multiaddr>) {
        // After the end nobody is dialled.
        drop(self.commands.send(Command::Bootstrap(addresses)).await);
    }

    /// How things are.
    ///
    /// # Errors
    /// [`IpfsError::Stopped`], [`IpfsError::Timeout`].
    pub async fn status(&self) -> Result<Status, IpfsError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Status(reply)).await.map_err(|_| IpfsError::Stopped)?;
        answered(answer).await
    }

    /// Asks a provider for what backs its records: `proofs[i]` is for `keys[i]`. Connects first.
    ///
    /// # Errors
    /// Every [`proof::ProofError`].
    pub async fn ask_proofs(
        &self,
        provider: Provider,
        keys: &[ContentId],
        deadline: Duration,
    ) -> Result<Vec<Option<Vec<u8>>>, proof::ProofError> {
        let peer = provider.peer;
        let asked = async {
            if !self.connect(provider).await {
                return Err(proof::ProofError::Unreachable);
            }
            proof::ask(self.control.clone(), peer, keys, deadline).await
        };
        let timed = tokio::time::timeout(deadline, asked).await;
        timed.unwrap_or(Err(proof::ProofError::Timeout))
    }

    /// A provider has shown what it announced, or has not: its score follows.
    pub fn judge(&self, peer: PeerId, is_good: bool) {
        if self.commands.try_send(Command::Judge { peer, is_good }).is_err() {
            tracing::debug!(%peer, "the loop is busy; a score stays as it was");
        }
    }

    async fn connect(&self, provider: Provider) -> bool {
        let (reply, answer) = oneshot::channel();
        let command = Command::Connect { provider, reply };
        if self.commands.send(command).await.is_err() {
            return false;
        }
        matches!(tokio::time::timeout(CONNECT_MAX, answer).await, Ok(Ok(true)))
    }

    /// Runs work that may touch the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sled) -> Result<T, IpfsError> + Send + 'static,
    ) -> Result<T, IpfsError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or(Err(IpfsError::Stopped))
    }
}

async fn answered<T>(answer: oneshot::Receiver<T>) -> Result<T, IpfsError> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(answer) => answer.map_err(|_| IpfsError::Stopped),
        Err(_) => {
            let after_ms = u64::try_from(ANSWER_MAX.as_millis()).expect("it is seconds");
            Err(IpfsError::Timeout { after_ms })
        }
    }
}
