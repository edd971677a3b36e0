//! API stub until the branch lands.

use crate::handle::Handle;

/// Serves.
pub async fn serve(
    handle: Handle,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()>,
) {
    drop((handle, listener));
    stop.await;
}
