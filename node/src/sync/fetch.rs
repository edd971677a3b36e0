//! Fetching: what certificates name, what transfers build on, and who holds a lock. Tasks ask the
//! peers one after the other or all at once; what comes back goes to the driver.

use super::check::{Checked, Checker};
use super::{ASKS_MAX, FETCHES_MAX, Fetched, REPLY_WAIT, SPLIT_WAIT, Sync, Task};
use crate::pipeline::Admission;
use crate::transport::Transport;
use bytes::Bytes;
use consensus::proposer::VoteSplit;
use consensus::{Fetch, Reply, Request, codec};
use ledger::{BatchId, TokenId, TransferId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

impl Sync {
    /// Fetches what the validator asks for; dropped when too much is under way, it asks again.
    pub fn fetch(&mut self, transport: &Arc<Transport>, fetch: Fetch) {
        while self.fetches.try_join_next().is_some() {}
        if self.fetches.len() < FETCHES_MAX
            && let Some(task) = self.fetching(transport, fetch)
        {
            self.fetches.spawn(task);
        }
    }

    /// The same for a client's transfer, in room of its own.
    pub fn fetch_for_client(&mut self, transport: &Arc<Transport>, fetch: Fetch) {
        while self.asks.try_join_next().is_some() {}
        if self.asks.len() < ASKS_MAX
            && let Some(task) = self.fetching(transport, fetch)
        {
            self.asks.spawn(task);
        }
    }

    /// The task of a fetch; `None` when all of it is under way already.
    fn fetching(
        &mut self,
        transport: &Arc<Transport>,
        fetch: Fetch,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let own = self.own;
        let fetch = match fetch {
            Fetch::Parents { mut transfers, from } => {
                transfers.retain(|id| self.parents.insert(*id));
                if transfers.is_empty() {
                    return None;
                }
                Fetch::Parents { transfers, from }
            }
            other => other,
        };
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        let checker = self.checker.clone();
        let others: Vec<u16> = (0u16..).take(self.peers.len()).filter(|m| *m != own).collect();
        Some(async move {
            let task = match fetch {
                Fetch::Batch { batch, from } => {
                    fetch_batch(&transport, &fetched, batch, from).await;
                    Task::Other
                }
                Fetch::Parents { transfers, from } => {
                    let rest = others.into_iter().filter(|member| *member != from);
                    let order = std::iter::once(from).chain(rest).filter(|member| *member != own);
                    let request = Request::Transfers(transfers.clone());
                    for member in order {
                        let answer = ask_applied(&transport, &checker, member, &request).await;
                        let Some(checked) = answer else { continue };
                        let is_enough = !checked.proven.is_empty();
                        let generation = None;
                        let came = Fetched::Proven { from: member, generation, checked };
                        send(&fetched, came).await;
                        if is_enough {
                            break;
                        }
                    }
                    Task::Parents(transfers)
                }
            };
            send(&fetched, Fetched::Ended(task)).await;
        })
    }

    /// Asks all peers who holds the lock of a token; gives the transfer back when too much is asked
    /// for already.
    ///
    /// # Errors
    /// The transfer.
    pub fn ask_split(
        &mut self,
        transport: &Arc<Transport>,
        admission: Admission,
        token: TokenId,
        held_by: TransferId,
    ) -> Result<(), Box<Admission>> {
        while self.asks.try_join_next().is_some() {}
        if self.asks.len() >= ASKS_MAX {
            return Err(Box::new(admission));
        }
        let (transport, fetched) = (transport.clone(), self.fetched.clone());
        let own = self.own;
        let others: Vec<u16> = (0u16..).take(self.peers.len()).filter(|m| *m != own).collect();
        self.asks.spawn(async move {
            let mut asks = JoinSet::new();
            for member in others {
                let transport = transport.clone();
                asks.spawn(async move {
                    let request = Request::Locks(vec![token]);
                    let bytes = Bytes::from(codec::encode(&request));
                    let reply = transport.request(member, bytes, SPLIT_WAIT).await.ok()?;
                    match codec::decode(&reply) {
                        Ok(Reply::Locks(holders)) => Some((member, *holders.first()?)),
                        _ => None,
                    }
                });
            }
            let mut split = VoteSplit { ours: Vec::new(), others: BTreeMap::new() };
            for (member, holder) in asks.join_all().await.into_iter().flatten() {
                if holder == admission.entry.id() {
                    split.ours.push(member);
                } else if holder != TransferId::default() {
                    split.others.entry(holder).or_default().push(member);
                }
            }
            split.ours.sort_unstable();
            send(&fetched, Fetched::Split { admission, split, held_by }).await;
        });
        Ok(())
    }
}

async fn fetch_batch(
    transport: &Transport,
    fetched: &mpsc::Sender<Fetched>,
    batch: BatchId,
    from: Vec<u16>,
) {
    for member in from {
        let reply = ask(transport, member, &Request::Batches(vec![batch])).await;
        if let Some(Reply::Batches(batches)) = reply
            && let Some(proposal) = batches.into_iter().next()
        {
            return send(fetched, Fetched::Batch(proposal)).await;
        }
    }
}

/// Asks for batches with certificates; they are checked in the CPU pool.
pub(super) async fn ask_applied(
    transport: &Transport,
    checker: &Checker,
    member: u16,
    request: &Request,
) -> Option<Checked> {
    let frame = ask_frame(transport, member, request).await?;
    Some(checker.applied(frame).await)
}

pub(super) async fn ask(transport: &Transport, member: u16, request: &Request) -> Option<Reply> {
    codec::decode(&ask_frame(transport, member, request).await?).ok()
}

async fn ask_frame(transport: &Transport, member: u16, request: &Request) -> Option<Bytes> {
    let bytes = Bytes::from(codec::encode(request));
    match transport.request(member, bytes, REPLY_WAIT).await {
        Ok(reply) => Some(reply),
        Err(error) => {
            tracing::debug!(member, %error, "a peer did not answer");
            None
        }
    }
}

pub(super) async fn send(to: &mpsc::Sender<Fetched>, fetched: Fetched) {
    // The driver is gone only when the node ends.
    drop(to.send(fetched).await);
}
