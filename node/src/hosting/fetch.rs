//! Fetching receipts: in disjoint shares from all validators that answer, each at its own pace; the
//! share of a silent one goes to the others. What one alone has told of is asked of that one alone.
//! After the deadline what is left counts as not found, and is told. Nothing is believed here.

use super::Hosting;
use crate::inbox::FETCH_MAX;
use crate::receive::Outcome;
use ledger::{Receipt, TransferId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Fewest ids that are worth a question of their own.
const SHARE_MIN: usize = 16;
/// Most ids of one share: its receipts fit an answer, and a slow validator holds up few.
const SHARE_MAX: usize = 256;
/// Shares that each validator gets, if all are equally fast.
const SHARES_EACH: usize = 2;

const _: () = assert!(SHARE_MAX <= FETCH_MAX);

/// What is done with the receipts that come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// They are received as they come.
    Receive,
    /// They are handed back.
    Keep,
}

/// What came of fetching.
#[derive(Default)]
pub(super) struct Fetched {
    /// Those that wait for others: which, and for whom.
    pub(super) gaps: BTreeMap<TransferId, Vec<TransferId>>,
    /// Those that were handed back.
    pub(super) receipts: Vec<Receipt>,
    /// Ids that nobody had.
    pub(super) missing: Vec<TransferId>,
    /// How many were received.
    pub(super) received: usize,
    /// Whether the deadline left ids that an honest validator may have and was not asked for.
    pub(super) is_cut: bool,
}

struct Share {
    ids: Vec<TransferId>,
    /// Sources that did not have them.
    asked: BTreeSet<usize>,
}

struct Work {
    shares: Mutex<Shares>,
    changed: Notify,
    done: Mutex<Fetched>,
}

struct Shares {
    waiting: VecDeque<Share>,
    /// Shares that somebody works on, and may give back.
    in_flight: usize,
}

/// Fetches the receipts of these transfers until the deadline, each from one validator that has
/// it; of what one source alone has told, that one is asked.
pub(super) async fn fetch(
    hosting: &Arc<Hosting>,
    ids: impl IntoIterator<Item = (TransferId, Option<usize>)>,
    then: Then,
    until: Instant,
) -> Fetched {
    let wanted = ids.into_iter().filter(|(id, _)| !hosting.receiver.has(id));
    let sources = hosting.sources.len();
    let waiting = shares(wanted, sources);
    if waiting.is_empty() {
        return Fetched::default();
    }
    let shares = Mutex::new(Shares { waiting, in_flight: 0 });
    let work = Arc::new(Work { shares, changed: Notify::new(), done: Mutex::default() });
    let mut workers = JoinSet::new();
    for index in 0..sources {
        workers.spawn(worker(hosting.clone(), work.clone(), (index, until), then));
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a fetching task ended early");
        }
    }
    let mut done = std::mem::take(&mut *work.done.lock());
    let left = std::mem::take(&mut work.shares.lock().waiting);
    // Who was asked in vain, and one less than f+1 others, may leave nobody honest.
    done.is_cut = left.iter().any(|share| share.asked.len() + hosting.lists_needed() <= sources);
    done.missing.extend(left.into_iter().flat_map(|share| share.ids));
    done
}

/// The shares of what is wanted: those of a lone teller are as if all others had been asked.
fn shares(
    wanted: impl Iterator<Item = (TransferId, Option<usize>)>,
    sources: usize,
) -> VecDeque<Share> {
    let mut by_teller: BTreeMap<Option<usize>, Vec<TransferId>> = BTreeMap::new();
    for (id, teller) in wanted {
        by_teller.entry(teller).or_default().push(id);
    }
    let mut shares = VecDeque::new();
    for (teller, ids) in by_teller {
        let size = ids.len().div_ceil(sources * SHARES_EACH).clamp(SHARE_MIN, SHARE_MAX);
        let asked = (0..sources).filter(|index| teller.is_some_and(|teller| teller != *index));
        let asked: BTreeSet<usize> = asked.collect();
        let share = |ids: &[TransferId]| Share { ids: ids.to_vec(), asked: asked.clone() };
        shares.extend(ids.chunks(size).map(share));
    }
    shares
}

/// Asks one validator for one share after the other, until the deadline.
async fn worker(
    hosting: Arc<Hosting>,
    work: Arc<Work>,
    (index, until): (usize, Instant),
    then: Then,
) {
    while Instant::now() < until
        && let Some(mut share) = work.next(index).await
    {
        let source = &hosting.sources[index];
        let answer = timeout_at(until, source.client.fetch_receipts(&share.ids)).await;
        let answer = answer.ok().and_then(|answer| source.saw(answer));
        let is_silent = answer.is_none();
        let receipts = answer.unwrap_or_default();
        let mut asked: BTreeSet<TransferId> = share.ids.iter().copied().collect();
        let named = receipts.into_iter().map(|r| (r.entry.signed.transfer.id(), r));
        // What was not asked for is not taken, nor the same twice.
        let named: Vec<(TransferId, Receipt)> = named.filter(|(id, _)| asked.remove(id)).collect();
        let is_some = !named.is_empty();
        share.ids.retain(|id| asked.contains(id));
        let bad = take(&hosting, &work, named, then).await;
        // An answer may be cut, in bytes or in time, and its sender have the rest. An empty one, or
        // one with a receipt that proves nothing, is all that it has to say.
        let is_cut = is_some && bad.is_empty();
        share.ids.extend(bad);
        if !is_cut {
            share.asked.insert(index);
        }
        work.give_back(share, hosting.sources.len());
        if is_silent {
            break;
        }
    }
}

/// Receives, or keeps; returns the ids whose receipts prove nothing and are wanted from others.
async fn take(
    hosting: &Arc<Hosting>,
    work: &Work,
    named: Vec<(TransferId, Receipt)>,
    then: Then,
) -> Vec<TransferId> {
    if named.is_empty() {
        return Vec::new();
    }
    let (ids, receipts): (Vec<TransferId>, Vec<Receipt>) = named.into_iter().unzip();
    if then == Then::Keep {
        let good = hosting.verified(receipts).await;
        let id = |receipt: &Receipt| receipt.entry.signed.transfer.id();
        let kept: BTreeSet<TransferId> = good.iter().map(id).collect();
        work.done.lock().receipts.extend(good);
        return ids.into_iter().filter(|id| !kept.contains(id)).collect();
    }
    let outcomes = match hosting.receive(receipts).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            tracing::error!(%error, "a batch was not received");
            work.done.lock().missing.extend(ids);
            return Vec::new();
        }
    };
    let mut done = work.done.lock();
    let mut bad = Vec::new();
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        match outcome {
            Outcome::New => done.received += 1,
            Outcome::Gap(missing) => drop(done.gaps.insert(id, missing)),
            Outcome::Refused(error) => {
                tracing::warn!(%id, %error, "a validator gave a receipt that proves nothing");
                bad.push(id);
            }
            Outcome::Duplicate | Outcome::Old | Outcome::Foreign => {}
            Outcome::Fork | Outcome::Full => tracing::warn!(%id, ?outcome, "not received"),
        }
    }
    bad
}

impl Work {
    /// The next share that source `index` was not asked for; waits while others may give one back.
    async fn next(&self, index: usize) -> Option<Share> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut shares = self.shares.lock();
                let new = shares.waiting.iter().position(|share| !share.asked.contains(&index));
                if let Some(share) = new.and_then(|at| shares.waiting.remove(at)) {
                    shares.in_flight += 1;
                    return Some(share);
                }
                if shares.in_flight == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// What is left of a share goes to those who were not asked; nobody left: it is missing.
    fn give_back(&self, share: Share, sources: usize) {
        let mut shares = self.shares.lock();
        shares.in_flight -= 1;
        if share.ids.is_empty() {
        } else if share.asked.len() >= sources {
            self.done.lock().missing.extend(share.ids);
        } else {
            shares.waiting.push_back(share);
        }
        drop(shares);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_alone_has_told_is_asked_of_that_one() {
        let id = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            TransferId(ledger::Digest(bytes))
        };
        let told = (0..1_000).map(|number| (id(number), Some(2)));
        let all = shares(told.chain((1_000..1_100).map(|number| (id(number), None))), 4);
        let (lone, common): (Vec<&Share>, _) = all.iter().partition(|share| share.asked.len() == 3);
        assert!(lone.iter().all(|share| !share.asked.contains(&2)));
        assert_eq!(lone.iter().map(|share| share.ids.len()).sum::<usize>(), 1_000);
        assert!(common.iter().all(|share| share.asked.is_empty()));
        assert_eq!(common.iter().map(|share| share.ids.len()).sum::<usize>(), 100);
        assert!(all.iter().all(|share| share.ids.len() <= SHARE_MAX));
    }
}
