//! The DHT of a testnet: the file that says where it begins, and processes that are nothing else.
//!
//! ```text
//! DIR/dht-peers     one multiaddress a line; all nodes read it again when it changes
//! DIR/d0/dht.toml   a DHT peer's configuration, the ports that it took at its first start in it
//! ```
//!
//! Validators are the DHT themselves, or clients of the DHT peers where there are any: then nobody
//! else keeps records, so that the DHT falls silent with these peers.

use crate::folder::Folder;
use crate::launch::StopSignals;
use crate::output::io_failure;
use crate::plan::DhtPlan;
use crate::registry::{DhtPeer, TestnetFile, Validator, write_whole};
use ipfs_adapter::Embedded;
use ipfs_adapter::swarm::proof::NoProofs;
use node::config::LogConfig;
use node::error::{CONFIG, INTERNAL, NOT_FOUND};
use node::ipfs::config::IpfsConfig;
use node::{Failure, ipfs};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The name of the DHT peer with this index, from 0.
pub fn peer_name(index: u16) -> String {
    format!("d{index}")
}

/// Writes a DHT peer's configuration unless it has one.
///
/// # Errors
/// The folder can't be written.
pub fn configure(folder: &Folder, name: &str) -> Result<(), Failure> {
    let (home, path) = (folder.home(name), folder.dht_config(name));
    std::fs::create_dir_all(&home).map_err(|error| io_failure(CONFIG, "making", &home, &error))?;
    if path.exists() {
        return Ok(());
    }
    let config = IpfsConfig {
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".into()],
        bootstrap_file: Some("../dht-peers".into()),
        ..IpfsConfig::default()
    };
    write_config(&path, &config)
}

fn write_config(path: &Path, config: &IpfsConfig) -> Result<(), Failure> {
    write_whole(path, &toml::to_string(config).expect("the type has a TOML form"))
}

/// Where the DHT of another testnet begins.
///
/// # Errors
/// `not_found`: no testnet was started there, or its nodes did not say.
pub fn joined(plan: &DhtPlan) -> Result<Vec<String>, Failure> {
    let Some(dir) = &plan.join_dht else { return Ok(Vec::new()) };
    let file = TestnetFile::read(&dir.join("testnet.json"))?;
    let addresses = file.map(|file| addresses(&file.validators, &file.dht_peers));
    addresses.filter(|addresses| !addresses.is_empty()).ok_or_else(|| {
        let what =
            format!("{} holds no started testnet, so its DHT can't be joined", dir.display());
        Failure::new(NOT_FOUND, what)
            .help(format!("quorate-testnet up --detach --dir {}", dir.display()))
    })
}

/// Says where the DHT begins; the nodes read it again by themselves.
///
/// # Errors
/// The file can't be written.
pub fn write_bootstrap(
    folder: &Folder,
    validators: &[Validator],
    dht_peers: &[DhtPeer],
    joined: &[String],
) -> Result<(), Failure> {
    let mut lines = addresses(validators, dht_peers);
    lines.extend_from_slice(joined);
    lines.push(String::new());
    write_whole(&folder.dht_peers(), &lines.join("\n"))
}

fn addresses(validators: &[Validator], dht_peers: &[DhtPeer]) -> Vec<String> {
    if dht_peers.is_empty() {
        return validators.iter().flat_map(|validator| validator.ipfs.clone()).collect();
    }
    dht_peers.iter().flat_map(|peer| peer.ipfs.clone()).collect()
}

/// Runs a DHT peer until it is told to stop: SIGTERM, SIGINT, or standard input as said. Writes
/// `ready.json` (`{"pid", "ipfs"}`) beside its configuration once it listens.
///
/// # Errors
/// A [`Failure`] whose code gives the exit status.
pub fn run(config: &Path, stop_with_stdin: bool) -> Result<(), Failure> {
    node::cli::start_log(&LogConfig::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    runtime.block_on(serve(config, stop_with_stdin))
}

async fn serve(path: &Path, stop_with_stdin: bool) -> Result<(), Failure> {
    let failed = |error| io_failure(CONFIG, "reading", path, &error);
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let refused = |error: toml::de::Error| {
        Failure::new(CONFIG, format!("{}: {error}; nothing was started", path.display()))
    };
    let mut config: IpfsConfig = toml::from_str(&text).map_err(refused)?;
    let home = path.parent().unwrap_or(Path::new("."));
    let mut stop = StopSignals::listen()?;
    let embedded = Embedded::start(config.embedded(&home.join("ipfs"))?, Arc::new(NoProofs)).await;
    let embedded = Arc::new(embedded.map_err(|error| ipfs::failure(&error))?);
    let status = embedded.status().await;
    let info = status.map_err(|error| Failure::new(INTERNAL, error.to_string()))?.info;
    let bare =
        info.addresses.iter().map(|address| ipfs_adapter::swarm::pool::split(address.clone()).0);
    // The next start takes the same ports.
    config.listen = bare.map(|address| address.to_string()).collect();
    write_config(path, &config)?;
    let named = config.listen.iter().map(|address| format!("{address}/p2p/{}", info.peer));
    let named: Vec<String> = named.collect();
    tracing::info!(?named, "listening");
    let ready = json!({"pid": std::process::id(), "ipfs": named});
    write_whole(&home.join("ready.json"), &ready.to_string())?;
    let bootstrap = home.join(config.bootstrap_file.unwrap_or_else(|| PathBuf::from("dht-peers")));
    tokio::select! {
        () = ipfs::follow(&bootstrap, &embedded) => {}
        () = stop.received() => {}
        () = stdin_closed(stop_with_stdin) => {}
    }
    embedded.stop().await;
    Ok(())
}

/// Waits until standard input closes, if it is to be watched.
pub(crate) async fn stdin_closed(is_watched: bool) {
    if !is_watched {
        return std::future::pending().await;
    }
    let (closed_in, closed) = oneshot::channel::<()>();
    let watcher = std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut bytes = [0; 64];
        while std::io::stdin().read(&mut bytes).is_ok_and(|count| count > 0) {}
        drop(closed_in);
    });
    match watcher {
        // The sender only ever goes away.
        Ok(_) => drop(closed.await),
        Err(error) => {
            tracing::error!(%error, "standard input can't be watched");
            std::future::pending().await
        }
    }
}
