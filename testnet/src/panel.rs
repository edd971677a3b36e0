//! The panel: the explorer of a testnet, with what no node may do: kill, start, pause, slow and
//! part validators, and pay from the testnet's accounts.
//!
//! ```text
//!  browser ─▶ gate: Host, Origin ─┬▶ /, /explorer/…     the explorer's files; its page is marked
//!                                 ├▶ /v1/…, /metrics    forward ─▶ upstream: a running validator
//!                                 ├▶ /testnet/kill …    orders, mpsc, 16 ─▶ one worker, in turn
//!                                 └▶ /testnet/transfer  payments: the wallet, blocking threads, 16
//! ```
//! It listens on 127.0.0.1 only, and is part of this program, which has the testnet's keys and may
//! signal its processes anyway: nodes get neither. Foreground `up` and `demo` serve one as well.

mod events;
mod forward;
mod gate;
mod orders;
mod payments;
mod routes;
mod state;
mod upstream;

use crate::args::PanelArgs;
use crate::control::{choose, describe};
use crate::folder::Folder;
use crate::launch::StopSignals;
use crate::output::{Output, io_failure};
use axum::Router;
use axum::routing::{any, get, post};
use node::Failure;
use node::api::{Explorer, no_such_method, no_such_route, serve_router};
use node::error::{BUSY, INTERNAL, USAGE};
use orders::Asked;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use upstream::Upstreams;

/// By this the page's scripts know that a panel serves them.
const MARK: &str = "<meta name=\"quorate-panel\" content=\"1\">";
/// Orders that wait for their turn; one beyond is refused as overloaded.
const ORDERS_MAX: usize = 16;
/// Payments under way; one beyond is refused as overloaded.
const PAYMENTS_MAX: usize = 16;
/// Requests passed on to validators, streams included; one beyond is refused as overloaded. A
/// browser has six connections; each here takes two of some 1,024 open files.
const FORWARDS_MAX: usize = 256;

/// A panel that listens and does not yet answer.
pub struct Panel {
    folder: Folder,
    listener: TcpListener,
    address: SocketAddr,
    /// Told when a process that it started has ended.
    children: Signal,
}

/// What the routes share. Cheap to clone.
#[derive(Clone)]
struct Desk {
    folder: Folder,
    explorer: Arc<Explorer>,
    upstreams: Arc<Upstreams>,
    orders: mpsc::Sender<Asked>,
    payments: Arc<Semaphore>,
    forwards: Arc<Semaphore>,
    /// Becomes true when the panel ends.
    stopping: watch::Receiver<bool>,
}

impl Panel {
    /// Binds a port of 127.0.0.1, a free one for 0.
    ///
    /// # Errors
    /// `busy`: the port is in use.
    pub async fn bind(folder: &Folder, port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
            let what = format!("the panel can't have port {port}: {error}; nothing was started");
            Failure::new(BUSY, what).help("leave --port out: a free one is taken")
        })?;
        let failed = |what, error| io_failure(INTERNAL, what, Path::new("the panel"), &error);
        let address = listener.local_addr().map_err(|error| failed("the address of", error))?;
        let children = signal(SignalKind::child()).map_err(|error| failed("signals for", error))?;
        Ok(Self { folder: folder.clone(), listener, address, children })
    }

    /// Where a browser finds it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `stop` is ready, then ends within three seconds, whoever still holds a
    /// connection: those have half a second, an order that is being carried out two.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopped, stopping) = watch::channel(false);
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let desk = Desk::new(self.folder.clone(), orders, stopping.clone());
        let stop = async {
            stop.await;
            stopped.send_replace(true);
        };
        let port = self.address.port();
        let serving = serve_router(self.listener, stop, |_| desk.router(port));
        let working = orders::work(self.folder, queue, self.children, stopping);
        tokio::join!(serving, working);
    }
}

impl Desk {
    fn new(folder: Folder, orders: mpsc::Sender<Asked>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            explorer: Arc::new(Explorer::marked(MARK)),
            upstreams: Arc::new(Upstreams::new(folder.clone())),
            folder,
            orders,
            payments: Arc::new(Semaphore::new(PAYMENTS_MAX)),
            forwards: Arc::new(Semaphore::new(FORWARDS_MAX)),
            stopping,
        }
    }

    fn router(self, port: u16) -> Router {
        Router::new()
            .route("/", get(routes::page))
            .route("/explorer/{file}", get(routes::file))
            .route("/testnet/state", get(routes::state))
            .route("/testnet/kill", post(routes::kill))
            .route("/testnet/start", post(routes::start))
            .route("/testnet/pause", post(routes::pause))
            .route("/testnet/resume", post(routes::resume))
            .route("/testnet/slow", post(routes::slow))
            .route("/testnet/partition", post(routes::partition))
            .route("/testnet/heal", post(routes::heal))
            .route("/testnet/transfer", post(routes::transfer))
            .route("/testnet/faucet", post(routes::faucet))
            .route("/v1/{*rest}", any(forward::forward))
            .route("/metrics", any(forward::forward))
            .route("/openapi.json", any(forward::forward))
            .fallback(no_such_route)
            .method_not_allowed_fallback(no_such_method)
            .layer(axum::middleware::from_fn_with_state(port, gate::pass))
            .with_state(self)
    }
}

/// Waits until the panel ends.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Runs `panel`.
///
/// # Errors
/// There is no such testnet, none of its validators runs, or the port is in use.
pub async fn panel(args: &PanelArgs, output: Output) -> Result<(), Failure> {
    let mut stop = StopSignals::listen()?;
    let folder = choose(&args.testnet)?;
    let file = describe(&folder)?;
    let dir = folder.dir.display();
    if !file.validators.iter().any(|validator| validator.process.is_alive()) {
        let what = format!("no validator of the testnet in {dir} runs; nothing was started");
        return Err(Failure::new(USAGE, what).help(format!("quorate-testnet up --dir {dir}")));
    }
    let panel = Panel::bind(&folder, args.port).await?;
    let url = panel.url();
    let document = json!({
        "schema": "quorate.testnet-panel/1",
        "ok": true,
        "url": url,
        "name": file.name,
        "dir": folder.dir,
    });
    let text = format!("panel of {}: {url}/\nfolder:   {dir}\nstop:     Ctrl-C", file.name);
    output.answer(&document, &text)?;
    panel.run(stop.received()).await;
    Ok(())
}
