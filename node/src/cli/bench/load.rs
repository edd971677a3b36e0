//! The clients of a load: each sends a request, waits for all outcomes in it, and sends the next.

use super::lane::Lane;
use super::latency::Latencies;
use super::plan::Plan;
use super::series::Series;
use crate::cli::args::LoadArgs;
use crate::cli::context::Context;
use crate::client::{Client, Wait};
use crate::error::Failure;
use crate::view::{OutcomeRow, OutcomesDocument};
use bytes::Bytes;
use consensus::limits::BATCH_ENTRIES_MAX;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Pause of a client whose request was refused whole, so that it does not spin.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// What was counted since [`Load::begin`].
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Sent.
    pub submitted: u64,
    /// Final.
    pub is_final: u64,
    /// Rejected.
    pub rejected: u64,
    /// Votes split.
    pub locked: u64,
    /// Without outcome in time; the same bytes went out again.
    pub unknown: u64,
    /// Not taken; the same bytes went out again.
    pub refused: u64,
    /// Badly signed copies that were rejected as such.
    pub forged: u64,
    /// From a request's first byte, or from when it was due if it is late, to its whole answer.
    pub latency: Latencies,
    /// The same second by second.
    pub series: Series,
    /// When counting began.
    begun: Option<Instant>,
    /// The first thing that went wrong.
    pub first_error: Option<String>,
    /// Why the first rejected one was rejected: under load most errors are of those not taken.
    pub first_rejection: Option<String>,
}

/// Running clients.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    tally: Mutex<Tally>,
    is_over: AtomicBool,
    /// With `--rate`: transfers promised so far, and when the first was.
    slots: AtomicU64,
    started: Instant,
    rate: Option<u64>,
    /// Badly signed ones among a hundred.
    forged: usize,
}

impl Load {
    /// Starts the clients.
    ///
    /// # Errors
    /// `usage` for a bad URL.
    pub fn start(context: &Context, plan: Plan, args: &LoadArgs) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            tally: Mutex::default(),
            is_over: AtomicBool::new(false),
            slots: AtomicU64::new(0),
            started: Instant::now(),
            rate: args.rate,
            forged: usize::from(args.forged),
        });
        let mut nodes = Vec::with_capacity(plan.urls.len());
        for first in 0..plan.urls.len() {
            let mut urls = plan.urls.clone();
            urls.rotate_left(first);
            nodes.push(Arc::new(Client::new(urls, context.settings.timeout)?));
        }
        let mut tasks = JoinSet::new();
        for (index, lanes) in plan.clients.into_iter().enumerate() {
            let node = nodes[index % nodes.len()].clone();
            let shared = shared.clone();
            tasks.spawn(async move { shared.client(&node, lanes).await });
        }
        Ok(Self { shared, tasks })
    }

    /// Lets the clients run; returns early, and true, on Ctrl-C.
    pub async fn run(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => false,
            _ = tokio::signal::ctrl_c() => true,
        }
    }

    /// Forgets what was counted so far.
    pub fn begin(&self) {
        *self.shared.tally.lock() = Tally { begun: Some(Instant::now()), ..Tally::default() };
    }

    /// Takes what was counted and waits for the requests under way; those are no part of it.
    pub async fn finish(mut self) -> Tally {
        let tally = std::mem::take(&mut *self.shared.tally.lock());
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a client of the load ended badly");
            }
        }
        tally
    }
}

impl Shared {
    async fn client(&self, node: &Client, mut lanes: Vec<Lane>) {
        let mut owed = 0;
        while !lanes.is_empty() {
            let begin = self.pace(lanes.len()).await;
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let mut bytes: Vec<Bytes> = lanes.iter_mut().map(Lane::next).collect();
            self.forge(&mut bytes, &mut owed);
            let answer = node.submit_batch(&bytes, Wait::Final).await;
            match answer {
                Ok(answer) => lanes = self.count(lanes, answer, begin.elapsed()),
                Err(failure) => {
                    self.refuse(lanes.len(), &failure);
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    /// Adds badly signed copies, so that they are `forged` of a hundred in the long run.
    fn forge(&self, bytes: &mut Vec<Bytes>, owed: &mut usize) {
        let count = bytes.len();
        *owed += count * self.forged;
        for index in (0..count).cycle() {
            if *owed < 100 - self.forged || bytes.len() >= BATCH_ENTRIES_MAX {
                return;
            }
            *owed -= 100 - self.forged;
            let mut copy = bytes[index].to_vec();
            // In the middle of the signature's scalar: found out by nothing less than the check.
            let at = copy.len() - 20;
            copy[at] ^= 1;
            bytes.push(copy.into());
        }
    }

    /// With `--rate`: waits for the time of the next `count` transfers. A load that is behind its
    /// rate does not wait, and so catches up. Returns from when on their latency counts: what was
    /// due before is measured from then, or slow answers would hide how long others had to wait
    /// (coordinated omission).
    async fn pace(&self, count: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = self.rate.filter(|rate| *rate > 0) else { return now };
        let count = u64::try_from(count).expect("at most 4,096");
        let slot = self.slots.fetch_add(count, Ordering::Relaxed);
        let us = u128::from(slot) * 1_000_000 / u128::from(rate);
        let due = self.started + Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX));
        if due <= now {
            return due;
        }
        tokio::time::sleep_until(due).await;
        // The timer's own millisecond is not the network's.
        Instant::now()
    }

    /// Counts the outcomes; lanes whose tokens are gone are dropped.
    fn count(&self, lanes: Vec<Lane>, answer: OutcomesDocument, latency: Duration) -> Vec<Lane> {
        let mut tally = self.tally.lock();
        tally.submitted += u64::try_from(lanes.len()).expect("at most 4,096");
        let mut rows = answer.outcomes.into_iter();
        let mut kept = Vec::with_capacity(lanes.len());
        for mut lane in lanes {
            let is_kept = rows.next().is_none_or(|row| tally.add(&row, &mut lane, latency));
            if is_kept {
                kept.push(lane);
            }
        }
        let is_forged =
            |row: &OutcomeRow| row.error.as_ref().is_some_and(|e| e.code == "bad_signature");
        tally.forged += u64::try_from(rows.filter(is_forged).count()).expect("at most 4,096");
        kept
    }

    fn refuse(&self, count: usize, failure: &Failure) {
        let mut tally = self.tally.lock();
        let count = u64::try_from(count).expect("at most 4,096");
        tally.submitted += count;
        match failure.code.exit {
            7 => tally.unknown += count,
            _ => tally.refused += count,
        }
        tally.first_error.get_or_insert(failure.message.clone());
    }
}

impl Tally {
    /// Counts one outcome; whether the lane goes on.
    fn add(&mut self, row: &OutcomeRow, lane: &mut Lane, latency: Duration) -> bool {
        if let Some(error) = &row.error {
            self.first_error.get_or_insert(error.message.clone());
        }
        match row.status.as_str() {
            "final" => {
                self.is_final += 1;
                self.latency.push(latency);
                let at = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
                self.series.push(at, latency);
                lane.moved();
            }
            "rejected" => {
                self.rejected += 1;
                let why = row.error.as_ref().map(|error| error.message.clone());
                self.first_rejection = self.first_rejection.take().or(why);
                return false;
            }
            "locked" => {
                self.locked += 1;
                return false;
            }
            "signed" => self.refused += 1,
            _ => self.unknown += 1,
        }
        true
    }
}
