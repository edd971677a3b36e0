//! Being dialled: bounded handshakes, and each good one handed to its member's link.
//!
//! What is not authenticated costs little: a first packet waits in a bounded queue, above a few
//! handshakes an address must prove that it receives, and a handshake has a deadline.

use super::identity::{Admission, Expected, Verifier};
use super::limits::{HANDSHAKES_MAX, HANDSHAKES_RETRY_ABOVE, HANDSHAKES_STRANGERS_MAX};
use super::link::{Established, LinkError, establish, joined};
use super::{Shared, tls};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, Connection, Incoming};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Refusals are logged at most this often as warnings: anybody can cause them.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts connections until the transport closes.
pub(super) async fn run(shared: Arc<Shared>, verifier: Arc<Verifier>) {
    let mut handshakes: JoinSet<Result<(), (SocketAddr, LinkError)>> = JoinSet::new();
    let mut warned_at = None;
    loop {
        tokio::select! {
            biased;
            () = shared.is_closing() => break,
            Some(ended) = handshakes.join_next() => {
                if let Err((address, error)) = joined(ended) {
                    note_refusal(&shared, &verifier, address, error, &mut warned_at);
                }
            }
            incoming = shared.endpoint.accept() => {
                let Some(incoming) = incoming else { break };
                let address = incoming.remote_address();
                match admit(&shared, incoming, handshakes.len()) {
                    Ok(None) => {}
                    Ok(Some(connecting)) => {
                        let shared = shared.clone();
                        handshakes.spawn(async move {
                            welcome(&shared, connecting).await.map_err(|error| (address, error))
                        });
                    }
                    Err(error) => note_refusal(&shared, &verifier, address, error, &mut warned_at),
                }
            }
        }
    }
    handshakes.shutdown().await;
}

/// Whether a handshake may begin while `under_way` others are. QUIC reads the first packet here, so
/// that a peer of another version fails here already.
fn admit(
    shared: &Shared,
    incoming: Incoming,
    under_way: usize,
) -> Result<Option<Connecting>, LinkError> {
    let address = incoming.remote_address().ip();
    let is_members =
        shared.links().any(|link| link.address.borrow().is_some_and(|known| known.ip() == address));
    let max = if is_members { HANDSHAKES_MAX } else { HANDSHAKES_STRANGERS_MAX };
    if under_way >= max {
        // Silence costs less than an answer.
        incoming.ignore();
        return Ok(None);
    }
    if under_way >= HANDSHAKES_RETRY_ABOVE && !incoming.remote_address_validated() {
        incoming.retry().expect("an address that is not validated may be asked to retry");
        return Ok(None);
    }
    Ok(Some(incoming.accept()?))
}

/// Completes one handshake and hands the connection to its member's link.
async fn welcome(shared: &Shared, connecting: Connecting) -> Result<(), LinkError> {
    let handshake = async {
        let connection = connecting.await?;
        let member = peer(&connection, &shared.admission, Expected::Lower)?;
        establish(shared, connection).await.map(|established| (member, established))
    };
    let (member, established): (u16, Established) =
        tokio::time::timeout(shared.timings.handshake, handshake)
            .await
            .map_err(|_| LinkError::HandshakeTooSlow)??;
    shared.link(member).expect("only other members are admitted").offer(established);
    Ok(())
}

/// The member at the other end of a finished handshake: the certificate is judged a second time, by
/// what rustls kept of it, and the protocol too.
pub(super) fn peer(
    connection: &Connection,
    admission: &Admission,
    expected: Expected,
) -> Result<u16, LinkError> {
    let handshake = connection.handshake_data().and_then(|data| data.downcast().ok());
    let protocol = handshake.and_then(|data: Box<HandshakeData>| data.protocol);
    if protocol != Some(tls::alpn()) {
        return Err(LinkError::version_mismatch());
    }
    let chain = connection.peer_identity().and_then(|chain| chain.downcast().ok());
    let chain: Vec<CertificateDer<'static>> = chain.map_or_else(Vec::new, |chain| *chain);
    Ok(admission.member(&chain, expected)?)
}

/// Counts and logs a handshake that failed. A peer of another version never shows its certificate,
/// so it is known by its address: nodes dial from the socket they listen on.
fn note_refusal(
    shared: &Shared,
    verifier: &Verifier,
    address: SocketAddr,
    error: LinkError,
    warned_at: &mut Option<Instant>,
) {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    // With several handshakes at once the reason may be another one's; it is for the log alone.
    let reason = verifier.take_refusal();
    let now = Instant::now();
    if warned_at.is_none_or(|at| now.duration_since(at) >= WARNING_INTERVAL) {
        *warned_at = Some(now);
        match &reason {
            Some(reason) => tracing::warn!(%address, %reason, "refused a connection"),
            None => tracing::warn!(%address, reason = %error, "refused a connection"),
        }
    }
    if matches!(error, LinkError::VersionMismatch { .. }) {
        let known = shared.links().find(|link| *link.address.borrow() == Some(address));
        if let Some(link) = known {
            link.failed(error);
        }
    }
}
