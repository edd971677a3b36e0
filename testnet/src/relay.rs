//! The relay of a testnet: one process between all validators that delays, loses, doubles, reorders
//! and blocks datagrams, each link for itself, by a seed.
//!
//! ```text
//!  v0 ──▶ front v0-v3 ─ there ─▶ back v0-v3 ──▶ v3        one task and two sockets a link;
//!  v0 ◀── front v0-v3 ◀─ back ── back v0-v3 ◀── v3        the lower index dials
//!            ▲ orders (watch) │ applied (mpsc)
//!  DIR/faults.toml ──▶ follow ┴──▶ DIR/relay/ready.json: version in force, where each link is
//! ```
//! It is this program in its hidden role `relay`, started by the first `slow` or `partition`. It
//! never looks into a datagram. What it can't do: the validators' APIs and the DHT do not pass it.

pub mod direction;
mod link;

#[cfg(test)]
mod tests;

use crate::dht::stdin_closed;
use crate::faults::Faults;
use crate::folder::Folder;
use crate::launch::StopSignals;
use crate::output::io_failure;
use crate::registry::write_whole;
use direction::Counts;
use link::{Applied, Link};
use node::Failure;
use node::config::LogConfig;
use node::error::{INTERNAL, USAGE};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The relay's folder in the testnet's.
pub const NAME: &str = "relay";
/// Validators that it can stand between: two sockets for each of 435 links are below the usual
/// limit of 1,024 open files.
pub const VALIDATORS_MAX: u16 = 30;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// `DIR/relay/ready.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Its process.
    pub pid: u32,
    /// The faults that are in force on every link.
    pub version: u64,
    /// All links.
    pub links: Vec<LinkPlace>,
    /// What became of all datagrams until then.
    pub counts: Counts,
}

/// Where the relay stands in a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPlace {
    /// The member that dials.
    pub lower: String,
    /// The member that is dialled.
    pub higher: String,
    /// What the lower member dials.
    pub front: SocketAddr,
    /// From where the higher member is spoken to.
    pub back: SocketAddr,
}

impl Acknowledgement {
    /// What the relay wrote last; `None` before it did.
    pub fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.ready_file(NAME)).ok()?).ok()
    }

    /// Where the relay stands between a lower and a higher member.
    pub fn link(&self, lower: &str, higher: &str) -> Option<&LinkPlace> {
        self.links.iter().find(|link| link.lower == lower && link.higher == higher)
    }
}

/// A running relay, before anybody watches a file.
struct Relay {
    places: Vec<LinkPlace>,
    orders: watch::Sender<Arc<Faults>>,
    applied: mpsc::Receiver<Applied>,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Relay {
    /// Binds all links and starts them under these faults.
    async fn start(faults: Faults) -> std::io::Result<Self> {
        let count = u16::try_from(faults.validators.len()).unwrap_or(u16::MAX);
        if count > VALIDATORS_MAX {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        let mut links = Vec::new();
        for lower in 0..count {
            for higher in lower + 1..count {
                links.push(Link::bind(&faults, (lower, higher)).await?);
            }
        }
        let places = links.iter().map(Link::place).collect::<std::io::Result<Vec<_>>>()?;
        let (orders, following) = watch::channel(Arc::new(faults));
        // Each link has said it once at most before the next order.
        let (applied_in, applied) = mpsc::channel(links.len().max(1));
        let mut tasks = JoinSet::new();
        for link in links {
            tasks.spawn(link.run(following.clone(), applied_in.clone()));
        }
        Ok(Self { places, orders, applied, tasks })
    }

    /// Waits until these faults are in force on every link.
    async fn is_in_force(&mut self, version: u64) -> Counts {
        let (mut counts, mut links) = (Counts::default(), self.places.len());
        while links > 0 {
            let Some(applied) = self.applied.recv().await else { break };
            if applied.version == version {
                counts.add(&applied.counts);
                links -= 1;
            }
        }
        counts
    }

    /// Returns when a link has died.
    async fn died(tasks: &mut JoinSet<std::io::Result<()>>) -> Failure {
        let why = match tasks.join_next().await {
            None => return std::future::pending().await,
            Some(Ok(Ok(()))) => "it ended early".to_string(),
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(error)) => error.to_string(),
        };
        Failure::new(INTERNAL, format!("a link of the relay died: {why}"))
    }

    /// Follows the file for ever.
    async fn follow(&mut self, folder: &Folder) -> Result<std::convert::Infallible, Failure> {
        let mut version = self.orders.borrow().version;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let counts = self.is_in_force(version).await;
            tracing::info!(version, ?counts, "in force");
            let (pid, links) = (std::process::id(), self.places.clone());
            let document = Acknowledgement { pid, version, links, counts };
            let text = serde_json::to_string(&document).expect("strings and numbers only");
            write_whole(&folder.ready_file(NAME), &text)?;
            loop {
                looks.tick().await;
                match Faults::read(folder) {
                    Ok(Some(faults)) if faults.version != version => {
                        version = faults.version;
                        self.orders.send_replace(Arc::new(faults));
                        break;
                    }
                    Ok(_) => {}
                    Err(failure) => tracing::error!(%failure, "the faults can't be followed"),
                }
            }
        }
    }
}

/// Runs the relay of the testnet whose faults are in the file at `path`, until it is told to stop:
/// SIGTERM, SIGINT, or standard input as said.
///
/// # Errors
/// A [`Failure`] whose code gives the exit status.
pub fn run(path: &Path, stop_with_stdin: bool) -> Result<(), Failure> {
    node::cli::start_log(&LogConfig::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    runtime.block_on(serve(path, stop_with_stdin))
}

async fn serve(path: &Path, stop_with_stdin: bool) -> Result<(), Failure> {
    let folder = Folder::at(path.parent().unwrap_or(Path::new(".")))?;
    let mut stop = StopSignals::listen()?;
    let faults = Faults::read(&folder)?.ok_or_else(|| {
        Failure::new(USAGE, format!("{} is not there; nothing was started", path.display()))
    })?;
    let relay = Relay::start(faults).await;
    let mut relay = relay.map_err(|error| io_failure(INTERNAL, "binding for", path, &error))?;
    let mut tasks = std::mem::take(&mut relay.tasks);
    let ended = tokio::select! {
        never = relay.follow(&folder) => never.map(|never| match never {}),
        failure = Relay::died(&mut tasks) => Err(failure),
        () = stop.received() => Ok(()),
        () = stdin_closed(stop_with_stdin) => Ok(()),
    };
    // Without orders the links end.
    drop(relay);
    while let Some(task) = tasks.join_next().await {
        if let Err(error) = task {
            tracing::error!(%error, "a link of the relay died");
        }
    }
    ended
}
