//! One link of the relay: two sockets, one that the lower member dials and one that speaks to the
//! higher member, and both directions between them. One task owns all of it.

use super::direction::{Counts, Direction};
use crate::faults::Faults;
use bytes::Bytes;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes of the largest datagram there can be.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
/// Datagrams sent at one go before the sockets are read again: bursts in one direction don't starve
/// the other.
const SENT_AT_ONCE_MAX: usize = 256;

/// A link says that faults are in force on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied {
    /// Of these.
    pub(super) version: u64,
    /// What became of its datagrams so far.
    pub(super) counts: Counts,
}

/// One link.
pub(super) struct Link {
    /// The member that dials.
    lower: String,
    /// The member that is dialled.
    higher: String,
    front: UdpSocket,
    back: UdpSocket,
    /// From where the lower member spoke last.
    dialler: Option<SocketAddr>,
    /// Where the higher member listens.
    listener: SocketAddr,
    there: Direction,
    back_again: Direction,
}

impl Link {
    /// Binds the sockets; `lower` and `higher` are indices in `faults.validators`.
    pub(super) async fn bind(faults: &Faults, (lower, higher): (u16, u16)) -> io::Result<Self> {
        let place = |index: u16| &faults.validators[usize::from(index)];
        Ok(Self {
            lower: place(lower).name.clone(),
            higher: place(higher).name.clone(),
            front: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            back: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            dialler: None,
            listener: place(higher).quic,
            there: Direction::new(faults.seed, lower, higher),
            back_again: Direction::new(faults.seed, higher, lower),
        })
    }

    /// What others are told of it.
    pub(super) fn place(&self) -> io::Result<super::LinkPlace> {
        Ok(super::LinkPlace {
            lower: self.lower.clone(),
            higher: self.higher.clone(),
            front: self.front.local_addr()?,
            back: self.back.local_addr()?,
        })
    }

    /// Passes datagrams on until the orders end.
    pub(super) async fn run(
        mut self,
        mut orders: watch::Receiver<Arc<Faults>>,
        applied: mpsc::Sender<Applied>,
    ) -> io::Result<()> {
        let start = Instant::now();
        let (mut front, mut back) = (vec![0; DATAGRAM_BYTES_MAX], vec![0; DATAGRAM_BYTES_MAX]);
        orders.mark_changed();
        loop {
            let next_us = [&self.there, &self.back_again].map(Direction::next_due_us);
            let next_us = next_us.into_iter().flatten().min();
            tokio::select! {
                biased;
                changed = orders.changed() => {
                    let Ok(()) = changed else { return Ok(()) };
                    let version = self.obey(&orders.borrow_and_update().clone());
                    let mut counts = self.there.counts();
                    counts.add(&self.back_again.counts());
                    if applied.send(Applied { version, counts }).await.is_err() {
                        return Ok(());
                    }
                }
                () = reached(start, next_us) => {}
                received = self.front.recv_from(&mut front) => {
                    let (length, from) = received?;
                    self.dialler = Some(from);
                    let bytes = Bytes::copy_from_slice(&front[..length]);
                    self.there.arrive(elapsed_us(start), bytes);
                }
                received = self.back.recv_from(&mut back) => {
                    let (length, from) = received?;
                    if from == self.listener {
                        let bytes = Bytes::copy_from_slice(&back[..length]);
                        self.back_again.arrive(elapsed_us(start), bytes);
                    }
                }
            }
            self.pass_on(elapsed_us(start)).await;
        }
    }

    /// Takes the faults over, and where the higher member is now.
    fn obey(&mut self, faults: &Faults) -> u64 {
        self.there.set(faults.link(&self.lower, &self.higher));
        self.back_again.set(faults.link(&self.higher, &self.lower));
        let place = faults.validators.iter().find(|place| place.name == self.higher);
        self.listener = place.map_or(self.listener, |place| place.quic);
        faults.version
    }

    /// Sends what is due. A datagram that the system refuses is a lost one, as on any network.
    async fn pass_on(&mut self, now_us: u64) {
        for _ in 0..SENT_AT_ONCE_MAX {
            let (there, back_again) = (self.there.due(now_us), self.back_again.due(now_us));
            if there.is_none() && back_again.is_none() {
                return;
            }
            if let Some(bytes) = there {
                note(self.back.send_to(&bytes, self.listener).await);
            }
            if let (Some(bytes), Some(dialler)) = (back_again, self.dialler) {
                note(self.front.send_to(&bytes, dialler).await);
            }
        }
    }
}

fn note(sent: io::Result<usize>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "a datagram was not sent");
    }
}

fn elapsed_us(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Waits for a time; for ever without one.
async fn reached(start: Instant, at_us: Option<u64>) {
    match at_us {
        Some(at_us) => tokio::time::sleep_until(start + Duration::from_micros(at_us)).await,
        None => std::future::pending().await,
    }
}
