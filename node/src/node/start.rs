//! What every kind of node does when it starts and ends: its lock, its port, the API's thread, the
//! signals. The order stands in `node` and `hosting`.

use super::RunOptions;
use crate::error::{BUSY, CONFIG, Code, Failure, INTERNAL};
use crate::store_lock::{LockError, StoreLock};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// How long the API's thread may take to end.
const API_STOP_WAIT: Duration = Duration::from_secs(1);

/// How long a start waits for the process before it to let go of the store.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// How often it looks.
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// Is ready when a server is to end.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the store's lock; waits shortly for a process that was killed and is still being cleared
/// away.
pub(crate) async fn lock_store(home: &Path) -> Result<StoreLock, LockError> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match StoreLock::acquire(home) {
            Err(LockError::Busy { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(LOCK_LOOK).await;
            }
            other => return other,
        }
    }
}

/// The failure of a home that can't be taken.
pub(crate) fn locked(error: &LockError) -> Failure {
    let code = match error {
        LockError::Busy { .. } => BUSY,
        LockError::Io { .. } => CONFIG,
    };
    Failure::new(code, format!("{error}; nothing was started"))
}

/// The failure of a port that can't be listened on.
pub(crate) fn port(address: SocketAddr, error: &std::io::Error) -> Failure {
    let is_busy = error.kind() == std::io::ErrorKind::AddrInUse;
    let code: Code = if is_busy { BUSY } else { CONFIG };
    Failure::new(code, format!("can't listen on {address}: {error}; nothing was started"))
        .help("choose another port, or 0 for a free one")
}

/// Listens, for a server that does not block.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).map_err(|error| port(address, &error))?;
    listener.set_nonblocking(true).map_err(|error| port(address, &error))?;
    Ok(listener)
}

/// The thread of an API.
pub(crate) type ApiThread = std::thread::JoinHandle<()>;

/// Runs an API on a thread of its own until the sender says so. `failed` is told when there is no
/// listener.
pub(crate) fn start_api<F: Future<Output = ()>>(
    listener: TcpListener,
    serve: impl FnOnce(tokio::net::TcpListener, Stop) -> F + Send + 'static,
    failed: impl FnOnce() + Send + 'static,
) -> Result<(tokio::sync::watch::Sender<bool>, ApiThread), Failure> {
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
    let thread = std::thread::Builder::new().name("api".into()).spawn(move || {
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "the API has no listener");
                    return failed();
                }
            };
            let stop: Stop = Box::pin(async move {
                // The sender is gone only when the node ends.
                drop(stopped.wait_for(|stopped| *stopped).await);
            });
            serve(listener, stop).await;
        });
        runtime.shutdown_timeout(API_STOP_WAIT);
    });
    let thread = thread.map_err(|error| Failure::new(INTERNAL, format!("no thread: {error}")))?;
    Ok((stop, thread))
}

/// Waits for the API's thread, not for long.
pub(crate) async fn join_api(thread: ApiThread) {
    let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
    let joined = tokio::time::timeout(2 * API_STOP_WAIT, joined).await;
    if !matches!(joined, Ok(Ok(true))) {
        tracing::warn!("the API's thread did not end in time");
    }
}

/// Tells the node to stop on SIGTERM, on SIGINT, or when standard input closes.
pub(crate) async fn stop_signals(stop: impl Fn() + Clone + Send + 'static, options: RunOptions) {
    use tokio::signal::unix::{SignalKind, signal};
    if options.stop_with_stdin {
        let stop = stop.clone();
        let watcher = std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut bytes = [0; 64];
            while std::io::stdin().read(&mut bytes).is_ok_and(|count| count > 0) {}
            stop();
        });
        if let Err(error) = watcher {
            tracing::error!(%error, "standard input can't be watched");
        }
    }
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be watched");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop();
}
