//! Running a node: everything is opened and started in the order in which it can fail, and ended in
//! the reverse order.

pub(crate) mod start;

use crate::board::Board;
use crate::config::NodeConfig;
use crate::driver::{COMMANDS_MAX, Driver, INBOUND_MAX, Inputs};
use crate::error::{CONFIG, Failure, GENESIS, INTERNAL, STORE_FAILED};
use crate::events::Events;
use crate::handle::{Handle, PeerView, Shared};
use crate::inbox::Inbox;
use crate::ipfs::IpfsNode;
use crate::ipfs::foreign::ForeignReceipts;
use crate::ipfs::trust::Trust;
use crate::keyfile;
use crate::keyfile::passphrase::Unlock;
use crate::metrics::Metrics;
use crate::notify::{self, News};
use crate::peers_file::PeersFile;
use crate::pipeline::{DONE_MAX, Pipeline};
use crate::store::{self, Opened};
use crate::sync::{FETCHED_MAX, Sync};
use crate::telemetry::{self, Exporting, Telemetry};
use crate::transport::{Member, Timings, Transport, TransportConfig, TransportError};
use consensus::Proposer;
use ledger::{Genesis, Keypair, Network};
use parking_lot::RwLock;
use start::{join_api, listen, lock_store, locked, port, start_api, stop_signals};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How a node is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// End when standard input closes: children of a foreground testnet end with their parent.
    pub stop_with_stdin: bool,
}

/// Runs a node on this thread until it is told to stop (SIGTERM, SIGINT, standard input as said, or
/// a failure). Writes `home/ready.json` (`{"name","pid","api":"http://…","quic":"…"}`) once it
/// listens, and removes it at the end.
///
/// # Errors
/// A [`Failure`] whose code gives the exit status.
pub fn run(config: NodeConfig, options: RunOptions) -> Result<(), Failure> {
    run_with(config, options, |_| {})
}

/// The same, and hands out the handle once the node listens: for programs that embed it.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    config: NodeConfig,
    options: RunOptions,
    listening: impl FnOnce(Handle),
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
    runtime.block_on(run_inside(config, options, listening))
}

async fn run_inside(
    config: NodeConfig,
    options: RunOptions,
    listening: impl FnOnce(Handle),
) -> Result<(), Failure> {
    let (network, keypair, member) = identity(&config)?;
    let (watched, exporting) = watch(&config, &network)?;
    std::fs::create_dir_all(&config.home).map_err(|error| {
        Failure::new(CONFIG, format!("home {}: {error}", config.home.display()))
    })?;
    let lock = lock_store(&config.home).await.map_err(|error| locked(&error))?;
    let peers_file = PeersFile::new(&config.peers);
    let (inbound_in, inbound) = mpsc::channel(INBOUND_MAX);
    let transport = start_transport(&config, &network, member, &keypair, inbound_in)?;
    let transport = Arc::new(transport);
    let listener = listen(config.api.listen)?;
    let api_address = listener.local_addr().map_err(|error| port(config.api.listen, &error))?;
    let opened = open_store(&config, &network, member, &keypair).await?;
    let ipfs = match config.ipfs.enabled {
        true => Some(start_ipfs(&config).await?),
        false => None,
    };
    let places = Places { api: api_address, quic: transport.local_address() };
    let shared = share(&config, &network, member, (opened, ipfs, watched), places);
    if let Some(ipfs) = &shared.ipfs {
        ipfs.serve(&shared);
    }
    let ready = config.home.join("ready.json");
    let (commands_in, commands) = mpsc::channel(COMMANDS_MAX);
    let (done_in, done) = mpsc::channel(DONE_MAX);
    let (fetched_in, fetched) = mpsc::channel(FETCHED_MAX);
    let pipeline = Pipeline::start(config.validation.threads, done_in)
        .map_err(|error| Failure::new(INTERNAL, format!("no threads: {error}")))?;
    let handle = Handle::new(shared.clone(), commands_in, pipeline.pool());
    let proposer = Proposer::new(network.clone(), member, keypair);
    let sync = Sync::new(member, pipeline.checker(&network), fetched_in);
    let driver = Driver::new(shared.clone(), transport.clone(), pipeline, proposer, sync);
    let (served, failed) = (handle.clone(), handle.clone());
    let serve = move |listener, stop| crate::api::serve(served, listener, stop);
    let (api_stop, api_thread) = start_api(listener, serve, move || failed.stop())?;
    write_ready(&ready, &shared)?;
    tracing::info!(api = %api_address, quic = %shared.quic_address, "listening");
    notify::tell(News::Ready);
    listening(handle.clone());
    let watch = tokio::spawn(peers_file.follow(transport.clone(), shared.clone()));
    let stop = tokio::spawn(stop_signals(move || handle.stop(), options));
    driver.run(Inputs { commands, inbound, done, fetched }).await;
    notify::tell(News::Stopping);
    watch.abort();
    stop.abort();
    api_stop.send_replace(true);
    join_api(api_thread).await;
    transport.close().await;
    if let Some(ipfs) = &shared.ipfs {
        ipfs.stop().await;
    }
    exporting.stop().await;
    if let Err(error) = std::fs::remove_file(&ready) {
        tracing::debug!(%error, "the ready file was gone already");
    }
    let failed = shared.failed.read().clone();
    drop(shared);
    drop(lock);
    match failed {
        Some(why) => Err(Failure::new(STORE_FAILED, format!("the node has stopped: {why}"))
            .help(format!("quorate store verify --home {}", config.home.display()))),
        None => Ok(()),
    }
}

async fn start_ipfs(config: &NodeConfig) -> Result<IpfsNode, Failure> {
    IpfsNode::start(&config.ipfs, config.performance.chunks, &config.home).await
}

/// Genesis, key, and which member it is.
///
/// # Errors
/// A [`Failure`] of code `genesis`, `key_file` or `config`.
pub fn identity(config: &NodeConfig) -> Result<(Arc<Network>, Keypair, u16), Failure> {
    let network = Arc::new(load_network(&config.genesis)?);
    let unlock = Unlock { file: config.key_passphrase_file.clone(), may_ask: false };
    let keypair = keyfile::open(&config.key, &unlock)?;
    let Some(member) = network.committee.index_of(&keypair.public()) else {
        let what = format!("the key {} is no member's of this genesis", config.key.display());
        return Err(Failure::new(CONFIG, what));
    };
    let name = network.committee.member(member).map(|member| member.name.to_string());
    if name.as_deref() != Some(&config.name) {
        let name = name.unwrap_or_default();
        let what =
            format!("the key is that of {name:?}, and the configuration is for {:?}", config.name);
        return Err(Failure::new(CONFIG, what));
    }
    Ok((network, keypair, member))
}

/// Reads and checks a genesis file.
///
/// # Errors
/// A [`Failure`] of code `genesis`.
pub fn load_network(path: &Path) -> Result<Network, Failure> {
    let failed =
        |what: String| Failure::new(GENESIS, format!("genesis {}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let genesis = Genesis::from_json(&text).map_err(|error| failed(error.to_string()))?;
    genesis.network().map_err(|error| failed(error.to_string()))
}

fn start_transport(
    config: &NodeConfig,
    network: &Network,
    own: u16,
    keypair: &Keypair,
    inbound: mpsc::Sender<crate::transport::Inbound>,
) -> Result<Transport, Failure> {
    let members = network.committee.members().iter().map(|member| Member {
        name: member.name.to_string(),
        key: member.key,
        address: None,
    });
    let initial_rtt = Duration::from_millis(config.quic.initial_rtt_ms.max(1));
    let transport = TransportConfig {
        listen: config.quic.listen,
        network: *network.id.bytes(),
        epoch: network.epoch,
        members: members.collect(),
        own,
        keypair: keypair.clone(),
        timings: Timings { initial_rtt, ..Timings::default() },
    };
    Transport::start(transport, inbound).map_err(|error| match &error {
        TransportError::Listen { address, kind } => port(*address, &(*kind).into()),
        _ => Failure::new(CONFIG, format!("the transport: {error}")),
    })
}

async fn open_store(
    config: &NodeConfig,
    network: &Arc<Network>,
    member: u16,
    keypair: &Keypair,
) -> Result<Opened, Failure> {
    let (home, network, keypair) = (config.home.clone(), network.clone(), keypair.clone());
    let store = config.store.clone();
    let opened =
        tokio::task::spawn_blocking(move || store::open(&home, &network, member, &keypair, &store));
    let opened = opened.await.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    let opened = opened.map_err(|error| {
        Failure::new(CONFIG, format!("the store in {}: {error}", config.home.display()))
            .help(format!("quorate store verify --home {}", config.home.display()))
    })?;
    if config.store.vote_after_damage {
        tracing::warn!("store.vote_after_damage is on: a lost store may lead to a double vote");
    }
    if let Some(silence) = &opened.silence {
        tracing::error!(%silence, "this node does not vote");
    }
    Ok(opened)
}

/// Where a node listens.
#[derive(Clone, Copy)]
struct Places {
    api: SocketAddr,
    quic: SocketAddr,
}

/// How a node is watched.
struct Watched {
    metrics: Metrics,
    telemetry: Telemetry,
}

fn watch(config: &NodeConfig, network: &Arc<Network>) -> Result<(Watched, Exporting), Failure> {
    let metrics = Metrics::default();
    let (telemetry, exporting) = telemetry::start(config, network, &metrics)?;
    Ok((Watched { metrics, telemetry }, exporting))
}

fn share(
    config: &NodeConfig,
    network: &Arc<Network>,
    member: u16,
    (opened, ipfs, watched): (Opened, Option<IpfsNode>, Watched),
    places: Places,
) -> Arc<Shared> {
    let (records, is_rebuilt) = opened.replayed;
    tracing::info!(records, is_rebuilt, "the store is open");
    let members = (0u16..).zip(network.committee.members());
    let peers = members.filter(|(index, _)| *index != member).map(|(index, other)| PeerView {
        member: index,
        name: other.name.clone(),
        address: None,
        link: None,
        is_reachable: false,
        rtt_us: 0,
        bytes: (0, 0),
        dropped: 0,
        applied: 0,
        blamed: 0,
        error: None,
    });
    let failed = opened.damage.map(|damage| format!("the store is damaged: {damage}"));
    Arc::new(Shared {
        config: config.clone(),
        network: network.clone(),
        member,
        validator: RwLock::new(opened.validator),
        store: opened.store,
        board: Board::default(),
        events: Events::default(),
        metrics: watched.metrics,
        telemetry: watched.telemetry,
        peers: RwLock::new(peers.collect()),
        failed: RwLock::new(failed),
        silence: RwLock::new(opened.silence),
        queued_bytes: AtomicUsize::new(0),
        is_index_behind: AtomicBool::new(false),
        ipfs,
        lag: RwLock::default(),
        offers: Default::default(),
        applied: Arc::default(),
        foreign: ForeignReceipts::default(),
        inbox: Inbox::default(),
        blames: Default::default(),
        trust: Trust::default(),
        is_stopping: AtomicBool::new(false),
        api_address: places.api,
        quic_address: places.quic,
        started: Instant::now(),
    })
}

fn write_ready(path: &Path, shared: &Shared) -> Result<(), Failure> {
    let addresses = shared.ipfs.iter().flat_map(|ipfs| &ipfs.addresses);
    let ipfs: Vec<String> = addresses.map(|address| address.to_string()).collect();
    let document = serde_json::json!({
        "name": shared.config.name,
        "pid": std::process::id(),
        "api": format!("http://{}", shared.api_address),
        "quic": shared.quic_address.to_string(),
        "ipfs": ipfs,
    });
    let temporary = path.with_extension("new");
    let written = std::fs::write(&temporary, format!("{document}\n"))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| Failure::new(CONFIG, format!("{}: {error}", path.display())))
}
