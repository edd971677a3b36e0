//! Many seeds, one after the other or on several threads: how many hold, how fast, and the first
//! that does not.

use super::{Failure, Machinery, Report};
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
    /// What happened to machines.
    pub machines: Machinery,
    /// Those that did not hold, by seed.
    pub failures: Vec<Failure>,
}

/// Runs every seed on `threads` threads; `told` hears of each failure at once.
///
/// # Panics
/// When a run panics: that is a failure, too, and names its seed above.
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
            found.take(super::run(seed), &told);
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

impl Summary {
    fn take(&mut self, found: Result<Report, Failure>, told: &(impl Fn(&Failure) + Sync)) {
        match found {
            Ok(report) => {
                self.seeds += 1;
                self.events += report.events;
                self.virtual_us += report.end_us;
                self.finals += report.finals;
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
    }
}
