//! Following: streams of f+1 validators, and the loop that drains and receives. A stream that ends
//! is opened again, with growing pauses; meanwhile another validator is followed.

use super::Hosting;
use super::drain::drain;
use super::gap::fill;
use crate::client::StreamEvent;
use crate::inbox::FETCH_MAX;
use crate::receive::Outcome;
use ledger::{Receipt, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// News that wait to be fetched, 48 bytes each; when it is full, a drain finds what was left out.
const NEWS_MAX: usize = 65_536;
/// A drain without an occasion: what all streams missed is found after this time.
const DRAIN_EVERY: Duration = Duration::from_secs(30);
/// The first and the longest pause after a drain that was not whole, or a stream that ended.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The shortest time from the end of a drain to the next that a stream, or a caller, asks for.
const WANTED_EVERY: Duration = Duration::from_secs(1);
/// How long one validator may take for the receipts of its news.
const NEWS_TIME_MAX: Duration = Duration::from_millis(500);
/// For how long one that took longer is not asked for its news; drains find them.
const SLOW_FOR: Duration = Duration::from_secs(10);
/// How long a gap that news show is filled; then a drain does.
const FILL_TIME_MAX: Duration = Duration::from_secs(1);

/// Validators that were too slow, each with until when it is passed over: one a source at most.
type Slow = BTreeMap<usize, Instant>;

/// Which validator told of which transfer.
type News = (usize, TransferId);

/// When the next drain begins.
struct Schedule {
    next: Instant,
    /// Before, none begins that somebody asked for.
    allowed: Instant,
    pause: Duration,
    is_wanted: bool,
}

impl Schedule {
    fn new(now: Instant) -> Self {
        Self { next: now, allowed: now, pause: PAUSES.0, is_wanted: false }
    }

    /// Somebody asks for a drain.
    fn want(&mut self, now: Instant) {
        self.next = self.next.min(now.max(self.allowed));
        self.is_wanted = true;
    }

    /// A drain begins.
    fn begin(&mut self) {
        self.is_wanted = false;
    }

    /// The drain has ended; what was asked for meanwhile comes after a while.
    fn end(&mut self, is_whole: bool, now: Instant) {
        self.pause = if is_whole { PAUSES.0 } else { (2 * self.pause).min(PAUSES.1) };
        self.allowed = now + WANTED_EVERY;
        self.next = now + if is_whole { DRAIN_EVERY } else { self.pause };
        if self.is_wanted {
            self.next = self.next.min(self.allowed);
        }
    }
}

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
        let mut schedule = Schedule::new(Instant::now());
        let mut slow = Slow::new();
        // At most one: news are received meanwhile.
        let mut draining = JoinSet::new();
        loop {
            tokio::select! {
                () = hosting.drain_wanted.notified() => schedule.want(Instant::now()),
                () = sleep_until(schedule.next), if draining.is_empty() => {
                    schedule.begin();
                    let hosting = hosting.clone();
                    draining.spawn(async move { drain(&hosting).await });
                }
                Some(ended) = draining.join_next() => {
                    let is_whole = ended.is_ok_and(|drained| drained.is_whole);
                    schedule.end(is_whole, Instant::now());
                }
                first = news.recv() => {
                    // The senders are alive as long as the streams' tasks.
                    let Some(first) = first else { break };
                    let mut batch = vec![first];
                    while batch.len() < FETCH_MAX && let Ok(more) = news.try_recv() {
                        batch.push(more);
                    }
                    if !receive(hosting, batch, &mut slow).await {
                        schedule.want(Instant::now());
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
/// answered; if not, a drain finds what is missing. Who was too slow is passed over for a while.
async fn receive(hosting: &Arc<Hosting>, news: Vec<News>, slow: &mut Slow) -> bool {
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
        if slow.get(&index).is_some_and(|until| Instant::now() < *until) {
            have_answered = false;
            continue;
        }
        let answer = timeout(NEWS_TIME_MAX, source.client.fetch_receipts(&ids)).await;
        if answer.is_err() {
            slow.insert(index, Instant::now() + SLOW_FOR);
        }
        let answer = answer.ok().and_then(|answer| source.saw(answer));
        have_answered &= answer.is_some();
        let (named, receipts, is_whole) = asked_for(&ids, answer.unwrap_or_default());
        have_answered &= is_whole;
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
    let filled = fill(hosting, gaps, Instant::now() + FILL_TIME_MAX).await;
    have_answered && filled.waiting.is_empty()
}

/// Of an answer what was asked for, each once, by id, and whether it is likely all that there is: a
/// long one may have been cut.
fn asked_for(ids: &[TransferId], answer: Vec<Receipt>) -> (Vec<TransferId>, Vec<Receipt>, bool) {
    let mut asked: BTreeSet<TransferId> = ids.iter().copied().collect();
    let named = answer.into_iter().map(|one| (one.entry.signed.transfer.id(), one));
    let (named, receipts): (Vec<TransferId>, Vec<Receipt>) =
        named.filter(|(id, _)| asked.remove(id)).unzip();
    let is_all = asked.is_empty() || receipts.is_empty();
    (named, receipts, is_all)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::World;

    #[test]
    fn drains_that_are_asked_for_keep_a_distance() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert_eq!(schedule.next, start, "the first one waits for nothing");
        schedule.want(start);
        schedule.begin();
        schedule.end(true, start);
        assert_eq!(schedule.next, start + DRAIN_EVERY, "it was begun after it was asked for");
        for _ in 0..1_000 {
            schedule.want(start);
        }
        assert_eq!(schedule.next, start + WANTED_EVERY);
        schedule.begin();
        schedule.want(start + WANTED_EVERY);
        schedule.end(true, start + 2 * WANTED_EVERY);
        assert_eq!(schedule.next, start + 3 * WANTED_EVERY, "asked for while it ran");
        schedule.begin();
        schedule.end(false, start);
        assert_eq!(schedule.next, start + 2 * PAUSES.0, "what is not whole goes on soon");
    }

    #[test]
    fn what_was_not_asked_for_is_not_taken_nor_the_same_twice() {
        let mut world = World::new();
        let all = world.payments(3);
        let ids: Vec<TransferId> = all.iter().map(|one| one.entry.signed.transfer.id()).collect();
        let answer = vec![all[2].clone(), all[0].clone(), all[0].clone()];
        let (named, receipts, is_whole) = asked_for(&ids[..1], answer);
        assert_eq!((named, receipts), (vec![ids[0]], vec![all[0].clone()]));
        assert!(is_whole);
    }
}
