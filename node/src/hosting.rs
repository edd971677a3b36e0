//! A wallet node: hosts addresses, receives for them, tells what they have. It holds no private
//! key, proposes nothing and votes for nothing.
//!
//! ```text
//!  validators' APIs ◀─ drain: lists of f+1, merged ─▶ fetch: receipts in shares from all
//!        │                                                     │
//!        └─ follow: streams of f+1 ─News, 65,536─▶ fetch ──────┤
//!                                                              ▼
//!                         API ◀── book, heads ◀── receive: verify, journal, move (blocking pool)
//! ```
//!
//! One list more than validators may lie: f+1 of them hold an honest one, so that a delivery can't
//! be hidden; nothing that a list says is believed without its receipt. What streams miss, the next
//! drain finds: at each opening of a stream, after a gap, and once in a while.
//!
//! Threads: the main thread's runtime (drain, follow), its blocking threads (receive), "api".

mod drain;
mod fetch;
mod follow;
mod gap;
mod look_up;
mod source;

use crate::config::WalletConfig;
use crate::error::{CONFIG, Failure, INTERNAL, STORE_FAILED};
use crate::node::start::{join_api, listen, lock_store, locked, port, start_api, stop_signals};
use crate::node::{RunOptions, load_network};
use crate::notify::{self, News};
use crate::receive::{Options, Receiver};
use crate::store_lock::StoreLock;
use ledger::{Address, Network, Receipt, TokenId, TransferId};
use parking_lot::Mutex;
use source::Source;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// How long tasks on blocking threads may take to end.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// A running wallet node, as its API and its tasks share it.
pub struct Hosting {
    /// The configuration it was started with.
    pub config: WalletConfig,
    /// The checked genesis.
    pub network: Arc<Network>,
    /// All that it has received.
    pub receiver: Receiver,
    /// The validators that it asks.
    pub sources: Vec<Source>,
    /// Whether a drain from enough validators has ended.
    pub is_drained: AtomicBool,
    /// Drains that ended.
    pub drains: AtomicU64,
    /// The last token that was looked up because not all lists named its state.
    looked_up: Mutex<TokenId>,
    /// A receipt that waited for others when the last drain ended.
    waiting: Mutex<Option<TransferId>>,
    /// Tells that a drain is wanted.
    pub drain_wanted: Notify,
    /// Becomes true when the node is to end.
    pub stopping: watch::Sender<bool>,
    /// Where the API listens.
    pub api_address: SocketAddr,
    /// When the node started.
    pub started: Instant,
    /// Released when nobody writes any more: a batch may outlive the loop by a sync.
    _lock: StoreLock,
}

impl Hosting {
    /// How many validators' lists make a drain that can't be lied to: f+1 of n = 3f+1, by count, or
    /// all that are configured.
    pub fn lists_needed(&self) -> usize {
        let members = self.network.committee.members().len();
        (members.saturating_sub(1) / 3 + 1).min(self.sources.len())
    }

    /// Whether balances are those of the network, as far as validators told.
    pub fn is_ready(&self) -> bool {
        use std::sync::atomic::Ordering;
        self.is_drained.load(Ordering::SeqCst) && self.lacking().is_none()
    }

    /// Why balances are not those of the network, though a drain has ended.
    pub fn lacking(&self) -> Option<String> {
        if let Some(why) = self.receiver.failed().or_else(|| self.receiver.full()) {
            return Some(why);
        }
        if let Some((count, token)) = self.receiver.book().overtaken_count() {
            return Some(format!(
                "{count} tokens have moved on, and where they are now is not known yet: token \
                 {token}; they are in no balance, and the next drain asks again"
            ));
        }
        let waiting = *self.waiting.lock();
        waiting.map(|id| {
            format!("receipt {id} waits for others that no validator gave; the next drain asks")
        })
    }

    /// The hosted addresses, ascending.
    pub fn addresses(&self) -> Vec<Address> {
        self.receiver.hosted().iter().copied().collect()
    }

    /// Asks the node to end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Verifies a batch on a blocking thread: those that hold.
    async fn verified(self: &Arc<Self>, receipts: Vec<Receipt>) -> Vec<Receipt> {
        let hosting = self.clone();
        let verifying = move || hosting.receiver.verify(receipts);
        match tokio::task::spawn_blocking(verifying).await {
            Ok(verified) => verified,
            Err(error) => {
                tracing::error!(%error, "verifying ended early");
                Vec::new()
            }
        }
    }

    /// Receives a batch on a blocking thread.
    ///
    /// # Errors
    /// `store_failed`, `overloaded`, `too_large`; nothing was received, or the disk did not say so.
    pub async fn receive(
        self: &Arc<Self>,
        receipts: Vec<Receipt>,
    ) -> Result<Vec<crate::receive::Outcome>, Failure> {
        let hosting = self.clone();
        let receiving = move || {
            use crate::receive::Exclusion::{CompareAndSwap, Guards};
            // A lone receipt has nobody to wait for: it is compared and swapped.
            let exclusion = if receipts.len() == 1 { CompareAndSwap } else { Guards };
            hosting.receiver.receive(receipts, exclusion)
        };
        let received = tokio::task::spawn_blocking(receiving).await;
        let received = received.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
        received.map_err(|error| source::refused(&error))
    }
}

/// Runs a wallet node on this thread until it is told to stop. Writes `home/ready.json`
/// (`{"name","pid","api":"http://…"}`) once it listens, and removes it at the end.
///
/// # Errors
/// A [`Failure`] whose code gives the exit status.
pub fn run(config: WalletConfig, options: RunOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
    let ended = runtime.block_on(run_inside(config, options));
    runtime.shutdown_timeout(STOP_WAIT);
    ended
}

async fn run_inside(config: WalletConfig, options: RunOptions) -> Result<(), Failure> {
    let network = Arc::new(load_network(&config.genesis)?);
    let home = config.home.clone();
    let sources = config.wallet.nodes.iter().map(|url| Source::new(url));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    std::fs::create_dir_all(&home)
        .map_err(|error| Failure::new(CONFIG, format!("home {}: {error}", home.display())))?;
    let lock = lock_store(&home).await.map_err(|error| locked(&error))?;
    let listener = listen(config.api.listen)?;
    let api_address = listener.local_addr().map_err(|error| port(config.api.listen, &error))?;
    let receiver = open(&config, &network).await?;
    let (stopping, _) = watch::channel(false);
    let hosting = Arc::new(Hosting {
        config,
        network,
        receiver,
        sources,
        is_drained: AtomicBool::new(false),
        drains: AtomicU64::new(0),
        looked_up: Mutex::default(),
        waiting: Mutex::default(),
        drain_wanted: Notify::new(),
        stopping,
        api_address,
        started: Instant::now(),
        _lock: lock,
    });
    let (served, failed) = (hosting.clone(), hosting.clone());
    let serve = move |listener, stop| crate::api::serve_wallet(served, listener, stop);
    let (api_stop, api_thread) = start_api(listener, serve, move || failed.stop())?;
    let ready = home.join("ready.json");
    write_ready(&ready, &hosting)?;
    tracing::info!(api = %api_address, addresses = hosting.receiver.hosted().len(), "listening");
    notify::tell(News::Ready);
    let signalled = hosting.clone();
    let signals = tokio::spawn(stop_signals(move || signalled.stop(), options));
    follow::follow(&hosting).await;
    notify::tell(News::Stopping);
    signals.abort();
    api_stop.send_replace(true);
    join_api(api_thread).await;
    if let Err(error) = std::fs::remove_file(&ready) {
        tracing::debug!(%error, "the ready file was gone already");
    }
    let failed = hosting.receiver.failed();
    drop(hosting);
    match failed {
        Some(why) => Err(Failure::new(STORE_FAILED, format!("the node has stopped: {why}"))
            .help("make room on the disk and start it again: what is missing comes again")),
        None => Ok(()),
    }
}

async fn open(config: &WalletConfig, network: &Arc<Network>) -> Result<Receiver, Failure> {
    let (home, network) = (config.home.clone(), network.clone());
    let hosted = config.wallet.addresses.iter().copied().collect();
    let opening = move || Receiver::open(&home, network, hosted, Options::default());
    let opened = tokio::task::spawn_blocking(opening).await;
    let opened = opened.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    opened.map_err(|error| {
        let dir = config.home.join("received");
        let what = format!("what was received, in {}: {error}; nothing was changed", dir.display());
        Failure::new(CONFIG, what)
            .help(format!("move {} away: all that lives comes again", dir.display()))
    })
}

fn write_ready(path: &Path, hosting: &Hosting) -> Result<(), Failure> {
    let document = serde_json::json!({
        "name": hosting.config.name,
        "pid": std::process::id(),
        "api": format!("http://{}", hosting.api_address),
    });
    let temporary = path.with_extension("new");
    let written = std::fs::write(&temporary, format!("{document}\n"))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| Failure::new(CONFIG, format!("{}: {error}", path.display())))
}
