//! How long it takes to judge a batch of single-token transfers (FEATURES.md A1), and beside it
//! what it took before (A4).
//!
//! * `prefetch`, `hash`, `all`: the node's stages, in a rayon pool of 1 and of 2 threads.
//!   `prefetch` has no parallel part. `all` is all four stages, with the trusted network's empty
//!   fourth.
//! * `sequential`: `consensus::judge`, the reference that the pipeline is tested against.
//! * `four_workers`: the source design, four threads that take one token at a time, see
//!   `benches/src/four_workers.rs`. On 2 cores it has both, so compare it with `threads=2`.
//!
//! Wall-clock time on a machine with other work favours whoever has more threads, so the CPU that
//! each form takes for a transfer is printed beside it: that is the figure to compare on shared
//! cores.
//!
//! `cargo bench -p benches --bench validate`, one size with `-- batch=1000`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::cpu::Cpu;
use benches::four_workers::FourWorkers;
use benches::{Fixture, MEMBERS, member_key};
use consensus::judge::judge;
use consensus::{Judge, Judged, Verdict};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use node::pipeline::{dht_check, hash, pin_check, prefetch};
use node::store::{self, Opened};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::hint::black_box;
use std::time::Duration;

/// Transfers of one token each.
const BATCHES: [u32; 3] = [10, 100, 1_000];
/// Rounds of 2,000 transfers in which the CPU is counted.
const CPU_ROUNDS: usize = 5;

/// A batch and a store that has never seen it.
struct Bench {
    fixture: Fixture,
    job: Judge,
    opened: Opened,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(transfers: u32) -> Self {
        let fixture = Fixture::new(transfers);
        let (proposal, _) = fixture.propose(fixture.transfers(fixture.coins.len()));
        let folder = tempfile::tempdir().expect("a folder");
        let own = MEMBERS - 1;
        let permitted =
            store::first_start::permit(folder.path(), &fixture.network.id, &member_key(own));
        permitted.expect("a first start");
        let config = node::config::StoreConfig::default();
        let opened = store::open(folder.path(), &fixture.network, own, &member_key(own), &config);
        let opened = opened.expect("an empty store opens");
        Self { fixture, job: Judge { proposal, only: None }, opened, folder }
    }

    fn all(&self) -> Judged {
        let prefetched = prefetch::prefetch(&self.opened.validator, self.job.clone());
        let hashed = hash::hash(&self.fixture.network, prefetched);
        let checked = pin_check::pin_check(|id| self.opened.store.is_final(id), hashed);
        dht_check::dht_check(checked, None, false)
    }

    fn check(&self, judged: &Judged) {
        assert!(judged.is_signed && judged.batch.is_ok());
        assert_eq!(judged.verdicts.len(), self.fixture.coins.len());
        assert!(judged.verdicts.iter().all(|verdict| *verdict == Some(Verdict::Valid)));
    }
}

/// Prints the CPU time, of all threads, that `run` takes for a transfer: the least of a few rounds,
/// as cold caches and other work only add to it.
fn tell_cpu<T>(name: &str, transfers: u32, mut run: impl FnMut() -> T) {
    let repeats = 2_000 / transfers;
    let round = || {
        let before = Cpu::now();
        for _ in 0..repeats {
            black_box(run());
        }
        before.spent_ns() / u64::from(repeats * transfers)
    };
    let least = std::iter::repeat_with(round).take(CPU_ROUNDS).min().expect("some rounds");
    println!(
        "  {name}/batch={transfers}: {}.{} µs CPU a transfer",
        least / 1_000,
        least / 100 % 10
    );
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

/// A group of one bench, `name/…`, over so many elements.
fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    elements: u32,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(elements)));
    group.sampling_mode(SamplingMode::Flat);
    group
}

fn validate(criterion: &mut Criterion) {
    for transfers in BATCHES {
        let bench = Bench::new(transfers);
        stages(criterion, &bench, transfers);
        slow(criterion, &bench, transfers);
        drop(bench.opened);
        bench.folder.close().expect("the folder goes");
    }
}

fn stages(criterion: &mut Criterion, bench: &Bench, transfers: u32) {
    group(criterion, "validate::prefetch", transfers).bench_function(
        format!("batch={transfers}"),
        |bencher| {
            let run = |job| prefetch::prefetch(&bench.opened.validator, job);
            bencher.iter_batched(|| bench.job.clone(), run, BatchSize::PerIteration);
        },
    );
    for threads in [1, 2] {
        let pool = pool(threads);
        group(criterion, "validate::hash", transfers).bench_function(
            format!("batch={transfers} threads={threads}"),
            |bencher| {
                let setup = || prefetch::prefetch(&bench.opened.validator, bench.job.clone());
                let run =
                    |prefetched| pool.install(|| hash::hash(&bench.fixture.network, prefetched));
                bencher.iter_batched(setup, run, BatchSize::PerIteration);
            },
        );
        bench.check(&pool.install(|| bench.all()));
        group(criterion, "validate::all", transfers).bench_function(
            format!("batch={transfers} threads={threads}"),
            |bencher| {
                bencher.iter_with_large_drop(|| pool.install(|| bench.all()));
            },
        );
        let name = format!("all threads={threads}");
        tell_cpu(&name, transfers, || pool.install(|| bench.all()));
    }
}

fn slow(criterion: &mut Criterion, bench: &Bench, transfers: u32) {
    let tips = bench.opened.validator.tips();
    let sequential = || judge(tips, bench.job.proposal.clone(), None, &mut rand::rng());
    bench.check(&sequential());
    group(criterion, "validate::sequential", transfers).bench_function(
        format!("batch={transfers}"),
        |bencher| {
            bencher.iter_with_large_drop(sequential);
        },
    );
    tell_cpu("sequential", transfers, sequential);
    let workers = FourWorkers::start(bench.opened.validator.clone());
    let verdicts = workers.judge(bench.job.proposal.clone());
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Valid));
    group(criterion, "validate::four_workers", transfers).bench_function(
        format!("batch={transfers}"),
        |bencher| {
            bencher.iter_with_large_drop(|| workers.judge(bench.job.proposal.clone()));
        },
    );
    let judge_by_four = || workers.judge(bench.job.proposal.clone());
    tell_cpu("four_workers", transfers, judge_by_four);
    workers.stop();
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(20);
    targets = validate
}
criterion_main!(suite);
