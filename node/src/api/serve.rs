//! The server: accepts connections, bounds them, and ends soon when told to, whoever still holds
//! one. A client that takes nothing of what is written to it for too long is cut off.

use super::Api;
use super::limits::{
    CONNECTIONS_MAX, HEAD_BYTES_MAX, HEADER_TIME_MAX, STOP_TIME_MAX, WRITE_IDLE_MAX,
};
use crate::handle::Handle;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

/// After an error of `accept`, like too many open files, the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The API for connections that somebody else accepts. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    router: Router,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// Of this node; connections finish what they answer once `stopping` is true.
    pub fn new(handle: Handle, stopping: watch::Receiver<bool>) -> Self {
        Self { router: Api::new(handle, stopping.clone()).router(), stopping }
    }

    /// Serves one connection until one of both sides ends it.
    pub async fn connection(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX);
        builder.max_buf_size(HEAD_BYTES_MAX).half_close(false).keep_alive(true);
        let stream = TokioIo::new(Impatient::new(stream, WRITE_IDLE_MAX));
        let serving = builder.serve_connection(stream, TowerToHyperService::new(self.router));
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = super::stopped(&mut self.stopping) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection of the API ended");
        }
    }

    async fn tcp(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        self.connection(stream).await;
    }
}

/// Serves the API on `listener` until `stop` is ready, then gives connections half a second to
/// finish what they answer and closes them. All tasks have ended when it returns.
pub async fn serve(handle: Handle, listener: TcpListener, stop: impl Future<Output = ()>) {
    serve_router(listener, stop, |stopping| Api::new(handle, stopping).router()).await;
}

/// The same for any router; it is made with what becomes true when the server ends.
pub async fn serve_router(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    router: impl FnOnce(watch::Receiver<bool>) -> Router,
) {
    let (stopped, stopping) = watch::channel(false);
    let service = Service { router: router(stopping.clone()), stopping };
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => log_ended(ended),
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(service.clone().tcp(stream));
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

/// A connection that fails when it waits too long to take some of what is written.
struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    /// What came of a write, or that its time is over.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.waiting = None;
            return done;
        }
        let until = Instant::now() + self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits to be written is written by `poll_write`; a socket's flush does nothing.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn who_reads_nothing_is_cut_off_and_who_reads_is_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Impatient::new(near, WRITE_IDLE_MAX);
        let reading = tokio::spawn(async move {
            let mut all = [0; 64];
            far.read_exact(&mut all).await.map(|_| far)
        });
        near.write_all(&[7; 64]).await.expect("somebody reads");
        assert!(near.waiting.is_none());
        let _far = reading.await.expect("no panic").expect("it has read");
        near.patience = Duration::from_millis(20);
        let error = near.write_all(&[7; 8]).await.expect_err("nobody reads any more");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
