//! The server: accepts connections, bounds them, and ends soon when told to, whoever still holds
//! one.

use super::Api;
use super::limits::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEADER_TIME_MAX, STOP_TIME_MAX};
use crate::handle::Handle;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// After an error of `accept`, like too many open files, the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the API on `listener` until `stop` is ready, then gives connections half a second to
/// finish what they answer and closes them. All tasks have ended when it returns.
pub async fn serve(handle: Handle, listener: TcpListener, stop: impl Future<Output = ()>) {
    serve_router(listener, stop, |stopping| Api::new(handle, stopping).router()).await;
}

/// The same for any router; it is made with what becomes true when the server ends.
pub(super) async fn serve_router(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    router: impl FnOnce(watch::Receiver<bool>) -> Router,
) {
    let (stopped, stopping) = watch::channel(false);
    let router = router(stopping.clone());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => log_ended(ended),
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(router.clone(), stream, stopping.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the API can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stopped.send_replace(true);
    let ending = async {
        while let Some(ended) = connections.join_next().await {
            log_ended(ended);
        }
    };
    if tokio::time::timeout(STOP_TIME_MAX, ending).await.is_err() {
        connections.shutdown().await;
    }
}

/// A connection's own errors are its client's business; a panic is ours.
fn log_ended(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection of the API ended by a panic");
    }
}

async fn connection(router: Router, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX);
    builder.max_buf_size(HEAD_BYTES_MAX).half_close(false).keep_alive(true);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = super::stopped(&mut stopping) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the API ended");
    }
}
