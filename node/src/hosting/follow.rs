//! Following: streams of f+1 validators, and the loop that drains and receives. A stream that ends
//! is opened again, with growing pauses; meanwhile another validator is followed.

use super::Hosting;
use super::drain::drain;
use super::fetch::CUT_BYTES_MIN;
use super::gap::fill;
use crate::client::StreamEvent;
use crate::inbox::FETCH_MAX;
use crate::receive::Outcome;
use ledger::{Canonical, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// News that wait to be fetched, 48 bytes each; when it is full, a drain finds what was left out.
const NEWS_MAX: usize = 65_536;
/// A drain without an occasion: what all streams missed is found after this time.
const DRAIN_EVERY: Duration = Duration::from_secs(30);
/// The first and the longest pause after a drain that was not whole, or a stream that ended.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Which validator told of which transfer.
type News = (usize, TransferId);

/// Drains and follows until the node is to end.
pub(super) async fn follow(hosting: &Arc<Hosting>) {
    let (news_in, mut news) = mpsc::channel(NEWS_MAX);
    let permits = Arc::new(Semaphore::new(hosting.lists_needed()));
    let mut streams = JoinSet::new();
    for index in 0..hosting.sources.len() {
        streams.spawn(stream(hosting.clone(), index, permits.clone(), news_in.clone()));
    }
    let mut stopping = hosting.stopping.subscribe();
    let working = async {
        let mut pause = PAUSES.0;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = hosting.drain_wanted.notified() => next = Instant::now(),
                () = sleep_until(next) => {
                    let drained = drain(hosting).await;
                    pause = if drained.is_whole { PAUSES.0 } else { (2 * pause).min(PAUSES.1) };
                    let wait = if drained.is_whole { DRAIN_EVERY } else { pause };
                    next = Instant::now() + wait;
                }
                first = news.recv() => {
                    // The senders are alive as long as the streams' tasks.
                    let Some(first) = first else { break };
                    let mut batch = vec![first];
                    while batch.len() < FETCH_MAX && let Ok(more) = news.try_recv() {
                        batch.push(more);
                    }
                    if !receive(hosting, batch).await {
                        next = next.min(Instant::now() + PAUSES.0);
                    }
                }
            }
            if hosting.receiver.failed().is_some() {
                break;
            }
        }
    };
    tokio::select! {
        () = working => {}
        // A sender that is gone says the same.
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    streams.shutdown().await;
}

/// Receives what was told of, from who told it: who has no receipt has told nothing. Whether all
/// answered; if not, a drain finds what is missing.
async fn receive(hosting: &Arc<Hosting>, news: Vec<News>) -> bool {
    let mut by_source: BTreeMap<usize, BTreeSet<TransferId>> = BTreeMap::new();
    for (index, id) in news {
        by_source.entry(index).or_default().insert(id);
    }
    let mut gaps = BTreeMap::new();
    let mut have_answered = true;
    for (index, ids) in by_source {
        let ids: Vec<TransferId> = ids.into_iter().filter(|id| !hosting.receiver.has(id)).collect();
        if ids.is_empty() {
            continue;
        }
        let source = &hosting.sources[index];
        let answer = source.saw(source.client.fetch_receipts(&ids).await);
        have_answered &= answer.is_some();
        let receipts = answer.unwrap_or_default();
        let named: Vec<TransferId> =
            receipts.iter().map(|receipt| receipt.entry.signed.transfer.id()).collect();
        let bytes: usize = receipts.iter().map(|receipt| receipt.to_bytes().len()).sum();
        // A long answer may have been cut.
        have_answered &= named.len() == ids.len() || bytes < CUT_BYTES_MIN;
        let outcomes = match hosting.receive(receipts).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::error!(%error, "a batch was not received");
                have_answered = false;
                continue;
            }
        };
        for (id, outcome) in named.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Gap(missing) => drop(gaps.insert(id, missing)),
                // Another of those who told of it may give a better one; else a drain does.
                Outcome::Refused(_) => have_answered = false,
                _ => {}
            }
        }
    }
    fill(hosting, gaps).await;
    have_answered
}

/// Follows one validator whenever there is a permit.
async fn stream(
    hosting: Arc<Hosting>,
    index: usize,
    permits: Arc<Semaphore>,
    news: mpsc::Sender<News>,
) {
    let addresses = hosting.addresses();
    let source = &hosting.sources[index];
    let mut pause = PAUSES.0;
    loop {
        let permit = permits.acquire().await.expect("the semaphore is never closed");
        let opened = source.saw(source.client.deliveries(&addresses).await);
        if let Some(mut deliveries) = opened {
            loop {
                match deliveries.next().await {
                    Ok(StreamEvent::Open) => {
                        pause = PAUSES.0;
                        hosting.drain_wanted.notify_one();
                    }
                    Ok(StreamEvent::Gap) => hosting.drain_wanted.notify_one(),
                    Ok(StreamEvent::Delivery(told)) => {
                        if news.try_send((index, told.id)).is_err() {
                            hosting.drain_wanted.notify_one();
                        }
                    }
                    Err(error) => {
                        tracing::debug!(url = %source.url, %error, "a stream ended");
                        break;
                    }
                }
            }
        }
        drop(permit);
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSES.1);
    }
}
