//! What `top` knows: the last look, and what looks of the last minute say of rate and finality.
//! Fed with documents and a time that the caller counts; it has no clock and asks nobody.

use super::finality::Buckets;
use super::look::{Asked, Look};
use super::row::{Row, Rows};
use crate::cli::shown::shown;
use crate::view::BatchRow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far back it looks, s.
pub(super) const MINUTE_S: u64 = 60;
const MINUTE_MS: u64 = MINUTE_S * 1_000;
/// Looks that are remembered: a minute of the shortest pause that makes sense. The oldest goes.
const SAMPLES_MAX: usize = 1_024;

/// What `top` knows.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Final transfers by time, ms; of looks that somebody answered, oldest first.
    samples: VecDeque<(u64, u64)>,
    /// Transfers that ended before a look and after the one before it.
    ended: VecDeque<(u64, Buckets)>,
    /// Since its start, by the node's URL: what it said last.
    told: BTreeMap<String, Buckets>,
    last: Option<(u64, Look)>,
}

/// What is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// Name and id of the network; empty while nobody has answered.
    pub(super) network: String,
    /// Whether something becomes final, and why not.
    pub(super) standing: Standing,
    /// Distinct final transfers.
    pub(super) applied: Option<u64>,
    /// Of them a second, between the last two looks.
    pub(super) rate: u64,
    /// Of them a second, over the last minute.
    pub(super) mean: u64,
    /// Of them in each whole second, the newest last; as long as it has looked, at most a minute.
    pub(super) seconds: Vec<u64>,
    /// Times of the transfers that ended in the last minute.
    pub(super) finality: Finality,
    /// The validators, in the committee's order.
    pub(super) rows: Vec<Row>,
    /// What an operator has to know of single validators.
    pub(super) notes: Vec<String>,
    /// The newest batches, oldest first.
    pub(super) batches: Vec<BatchRow>,
    /// Who sees the links.
    pub(super) seen_by: Option<String>,
}

/// Times of transfers, µs; `u64::MAX` is longer than any bound of the histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finality {
    /// Half of them took no longer; `None` without a transfer.
    pub(super) p50_us: Option<u64>,
    /// 99 of 100 took no longer.
    pub(super) p99_us: Option<u64>,
    /// How many there were.
    pub(super) count: u64,
}

/// Whether the network works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first look is under way.
    #[default]
    Asking,
    /// Nobody answers.
    Silence,
    /// Fewer vote than are needed.
    NoQuorum(Weights),
    /// Enough vote, and not one node that answers takes transfers.
    NotReady(Weights),
    /// It works.
    Ready(Weights),
}

/// Vote weight, and nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    /// Of those who vote, as far as is known.
    pub(super) voting: u64,
    /// Of all.
    pub(super) all: u64,
    /// That is enough.
    pub(super) quorum: u64,
    /// Nodes that take transfers.
    pub(super) ready: usize,
    /// Nodes that were asked.
    pub(super) asked: usize,
}

impl State {
    /// Takes a look of this time, ms. Times do not fall.
    pub(super) fn take(&mut self, now_ms: u64, look: Look) {
        if let Some(applied) = foremost(&look.nodes) {
            push(&mut self.samples, (now_ms, applied));
        }
        let mut ended = Buckets::default();
        for asked in &look.nodes {
            let Some(buckets) = &asked.finality else { continue };
            // What was before the first look is of no minute.
            if let Some(before) = self.told.get(&asked.address.url) {
                ended.add(&buckets.since(before));
            }
            self.told.insert(asked.address.url.clone(), buckets.clone());
        }
        push(&mut self.ended, (now_ms, ended));
        let oldest = now_ms.saturating_sub(MINUTE_MS);
        // One of before the minute stays, so that its first second is known.
        while self.samples.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.samples.pop_front();
        }
        while self.ended.front().is_some_and(|(at, _)| *at < oldest) {
            self.ended.pop_front();
        }
        self.last = Some((now_ms, look));
    }

    /// What is to be drawn.
    pub(super) fn view(&self) -> View {
        let Some((now_ms, look)) = &self.last else { return View::default() };
        let Rows { rows, notes, weights, network } = Rows::of(look);
        let is_answered = look.nodes.iter().any(|asked| asked.node.is_some());
        let standing = match weights {
            _ if !is_answered => Standing::Silence,
            weights if weights.voting < weights.quorum => Standing::NoQuorum(weights),
            weights if weights.ready == 0 => Standing::NotReady(weights),
            weights => Standing::Ready(weights),
        };
        let mut ended = Buckets::default();
        self.ended.iter().for_each(|(_, buckets)| ended.add(buckets));
        View {
            network,
            standing,
            applied: self.samples.back().map(|(_, applied)| *applied),
            rate: self.samples.len().checked_sub(2).map_or(0, |before| self.rate_since(before)),
            mean: self.rate_since(0),
            seconds: self.seconds(*now_ms),
            finality: Finality {
                p50_us: ended.quantile(50),
                p99_us: ended.quantile(99),
                count: ended.count(),
            },
            rows,
            notes,
            batches: look.batches.clone(),
            seen_by: look.seen.as_ref().map(|seen| shown(&seen.seen_by)),
        }
    }

    /// Final transfers a second since a sample.
    fn rate_since(&self, index: usize) -> u64 {
        let (first, last) = (self.samples.get(index), self.samples.back());
        let (Some((from_ms, before)), Some((to_ms, after))) = (first, last) else { return 0 };
        let count = u128::from(after.saturating_sub(*before));
        let ms = u128::from((to_ms - from_ms).max(1));
        u64::try_from(count * 1_000 / ms).unwrap_or(u64::MAX)
    }

    /// Final transfers in each second up to now. Between two looks they are taken to have come
    /// evenly.
    fn seconds(&self, now_ms: u64) -> Vec<u64> {
        let Some((first_ms, _)) = self.samples.front() else { return Vec::new() };
        let known = (now_ms - first_ms).div_ceil(1_000).min(MINUTE_S);
        let at = |ago_s: u64| self.applied_at(now_ms.saturating_sub(ago_s * 1_000));
        (0..known).rev().map(|ago_s| at(ago_s).saturating_sub(at(ago_s + 1))).collect()
    }

    /// Final transfers at a time.
    fn applied_at(&self, ms: u64) -> u64 {
        let next = self.samples.partition_point(|(at, _)| *at < ms);
        let before = next.checked_sub(1).and_then(|before| self.samples.get(before));
        match (before, self.samples.get(next)) {
            (Some((from_ms, from)), Some((to_ms, to))) => {
                let count = u128::from(to.saturating_sub(*from));
                let part = count * u128::from(ms - from_ms) / u128::from((to_ms - from_ms).max(1));
                from + u64::try_from(part).unwrap_or(u64::MAX)
            }
            (Some((_, applied)), None) | (None, Some((_, applied))) => *applied,
            (None, None) => 0,
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= SAMPLES_MAX {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// The network is as far as its foremost node.
fn foremost(nodes: &[Asked]) -> Option<u64> {
    nodes.iter().filter_map(|asked| asked.node.as_ref()).map(|node| node.applied).max()
}

/// A time as ms, for [`State::take`].
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
