//! Many seeds, one after the other or on several threads: how many hold, how fast, and the first
//! that does not.

use super::coverage::{Coverage, points};
use super::{Failure, Machinery, Report};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds that held.
    pub seeds: u64,
    /// Events handled.
    pub events: u64,
    /// Virtual time, µs.
    pub virtual_us: u64,
    /// Wall-clock time, s.
    pub seconds: f64,
    /// Transfers final.
    pub finals: u64,
    /// Which rules fired, and what was refused.
    pub coverage: Coverage,
    /// The first seed that reached each point.
    pub first: BTreeMap<&'static str, u64>,
    /// What happened to machines.
    pub machines: Machinery,
    /// Those that did not hold, by seed.
    pub failures: Vec<Failure>,
}

/// Runs every seed on `threads` threads; `told` hears of each failure at once.
///
/// # Panics
/// When a thread can't be had.
pub fn run(seeds: Range<u64>, threads: usize, told: impl Fn(&Failure) + Sync) -> Summary {
    let begin = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut found = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return found;
            }
            found.take(one(seed), &told);
        }
    };
    let mut all = Summary::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.merge(worker.join().expect("a run does not panic"));
        }
    });
    all.failures.sort_by_key(|failure| failure.seed);
    all.seconds = begin.elapsed().as_secs_f64();
    all
}

/// A run that panics has failed, too: no input may do that.
fn one(seed: u64) -> Result<Report, Failure> {
    std::panic::catch_unwind(|| super::run(seed)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
        let what = text.unwrap_or_default();
        Err(Failure { seed, at_us: 0, invariant: "no_panic", what })
    })
}

impl Summary {
    fn take(&mut self, found: Result<Report, Failure>, told: &(impl Fn(&Failure) + Sync)) {
        match found {
            Ok(report) => {
                self.seeds += 1;
                self.events += report.events;
                self.virtual_us += report.end_us;
                self.finals += report.finals;
                for point in report.coverage.counts().keys() {
                    let first = self.first.entry(point).or_insert(report.seed);
                    *first = report.seed.min(*first);
                }
                self.coverage.add(&report.coverage);
                self.machines.add(&report.machines);
            }
            Err(failure) => {
                told(&failure);
                self.failures.push(failure);
            }
        }
    }

    /// Adds what further seeds came to; one after the other, so their times add up, too.
    pub fn merge(&mut self, other: Summary) {
        self.seconds += other.seconds;
        self.machines.add(&other.machines);
        self.seeds += other.seeds;
        self.events += other.events;
        self.virtual_us += other.virtual_us;
        self.finals += other.finals;
        self.failures.extend(other.failures);
        self.coverage.add(&other.coverage);
        for (point, seed) in other.first {
            let first = self.first.entry(point).or_insert(seed);
            *first = seed.min(*first);
        }
    }

    /// Every point with its count and the first seed that reached it; those that none reached say
    /// so.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (point, reach) in points::ALL {
            let count = self.coverage.of(point);
            let seed = match (self.first.get(point), reach) {
                (Some(seed), _) => format!("first by seed {seed}"),
                (None, points::Reach::Seeds) => "NOT REACHED".into(),
                (None, points::Reach::Unit { why, .. }) => format!("unit test only: {why}"),
            };
            writeln!(table, "{count:>10}  {point:<52} {seed}").expect("text takes all");
        }
        table
    }
}
