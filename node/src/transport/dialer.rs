//! Dialling one member with a higher index, again and again, until the transport closes.

use super::Shared;
use super::identity::{Expected, Verifier};
use super::link::{Established, Link, LinkError, establish};
use super::{listener, tls};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Dials whenever the link is down, or its peer has not been heard for a while: a peer that crashed
/// and restarted is dialled anew without waiting for the idle time.
pub(super) async fn run(
    shared: Arc<Shared>,
    link: Arc<Link>,
    config: quinn::ClientConfig,
    verifier: Arc<Verifier>,
) {
    tokio::select! {
        biased;
        () = shared.is_closing() => {}
        never = dial_for_ever(&shared, &link, &config, &verifier) => match never {}
    }
}

async fn dial_for_ever(
    shared: &Shared,
    link: &Link,
    config: &quinn::ClientConfig,
    verifier: &Verifier,
) -> std::convert::Infallible {
    let timings = &shared.timings;
    let mut pause = timings.backoff_min;
    let mut dialled_at: Option<Instant> = None;
    let mut place = link.address.subscribe();
    loop {
        while !link.needs_dial(timings.stale) {
            link.redial.notified().await;
        }
        // A connection that lived for a while earns a fresh start.
        if dialled_at.is_some_and(|at| at.elapsed() > timings.dial + timings.backoff_max) {
            pause = timings.backoff_min;
        } else if dialled_at.is_some() {
            tokio::select! {
                () = sleep(with_jitter(pause)) => pause = (pause * 2).min(timings.backoff_max),
                () = has_moved(&mut place) => pause = timings.backoff_min,
            }
        }
        let address = *place.borrow_and_update();
        let Some(address) = address else {
            has_moved(&mut place).await;
            continue;
        };
        dialled_at = Some(Instant::now());
        tokio::select! {
            result = dial(shared, link.member, address, config, verifier) => match result {
                Ok(established) => link.offer_dialled(address, established),
                Err(error) => link.failed(error),
            },
            // Nobody waits for an address that was taken back.
            () = has_moved(&mut place) => dialled_at = None,
        }
    }
}

/// Waits until the member's address is another than the one seen last.
async fn has_moved(place: &mut watch::Receiver<Option<SocketAddr>>) {
    place.changed().await.expect("the link, which we hold, has the sender");
}

/// One attempt.
async fn dial(
    shared: &Shared,
    member: u16,
    address: SocketAddr,
    config: &quinn::ClientConfig,
    verifier: &Verifier,
) -> Result<Established, LinkError> {
    let unreachable = LinkError::Unreachable { address };
    let connecting = shared.endpoint.connect_with(config.clone(), address, tls::SERVER_NAME);
    let connecting = connecting.map_err(|_| unreachable.clone())?;
    let deadline = Instant::now() + shared.timings.dial;
    let connection = match tokio::time::timeout_at(deadline, connecting).await {
        Err(_) => return Err(unreachable),
        Ok(Err(error)) => return Err(verifier.take_refusal().map_or(error.into(), Into::into)),
        Ok(Ok(connection)) => connection,
    };
    let expected = Expected::Exactly(member);
    listener::peer(&connection, &shared.admission, expected)?;
    let left = deadline.saturating_duration_since(Instant::now());
    timeout(left, establish(shared, connection)).await.map_err(|_| LinkError::HandshakeTooSlow)?
}

/// Up to a quarter more, so that members that lost each other together don't come back together.
fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(1.0..1.25))
}
