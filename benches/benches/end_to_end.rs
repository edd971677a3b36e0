//! Seven nodes in this process, from the client's bytes at one of them to durably final there: real
//! QUIC, real fdatasync, all seven on this machine's cores. No HTTP.
//!
//! * `idle/tokens=1`: one transfer after the other, each when all nodes have applied the one
//!   before.
//! * `idle/tokens=1000`: the same with one transfer of 1,000 tokens.
//! * `many/transfers=1000`: 1,000 transfers of 1,000 owners submitted at once, to one node or over
//!   seven; transfers/s is criterion's `elem/s`.
//!
//! `cargo bench -p benches --bench end_to_end`. `TMPDIR` chooses the disk; on tmpfs it is another
//! bench. Where the time goes follows each figure, as medians of the proposers' own stages;
//! criterion's own figure is near the mean, which a loaded machine pulls up.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::seven::Seven;
use benches::{Coin, Fixture, NEWCOMERS, made};
use consensus::Stages;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ledger::SignedTransfer;
use node::board::Entry;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Owners of one token each.
const SMALL: usize = 1_000;
/// Tokens of one more owner.
const LARGE: u64 = 1_000;

/// The network, and where every token is by now: tokens go on and on, so that no run uses them up.
struct World {
    runtime: Runtime,
    fixture: Fixture,
    seven: Seven,
    small: Vec<Coin>,
    large: Vec<Coin>,
    /// Since they were told last: the times that clients waited, and the stages of their transfers.
    waited: Vec<Duration>,
    stages: Vec<Stages>,
}

impl World {
    fn start() -> Self {
        let mut counts = vec![1; SMALL];
        counts.push(LARGE);
        let fixture = Fixture::with_tokens(&counts);
        let (small, large) = fixture.coins.split_at(SMALL);
        let (small, large) = (small.to_vec(), large.to_vec());
        let seven = Seven::start(&fixture);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        Self { runtime, fixture, seven, small, large, waited: Vec::new(), stages: Vec::new() }
    }

    /// Runs these transfers to their end and notes their stages.
    fn settle(&mut self, transfers: Vec<SignedTransfer>, members: &[usize]) -> Duration {
        let (elapsed, ends) = self.runtime.block_on(self.seven.settle(transfers, members));
        let of = |end: Entry| end.report.map(|report| report.stages);
        self.waited.push(elapsed);
        self.stages.extend(ends.into_iter().filter_map(of));
        elapsed
    }

    /// Moves small coin `index` to a holder who is no other coin's.
    fn move_small(&mut self, index: usize) -> SignedTransfer {
        let to = other(self.small[index].holder);
        let signed = self.fixture.pay(&[self.small[index]], to);
        self.small[index] = made(&signed, to)[0];
        signed
    }

    fn move_large(&mut self) -> SignedTransfer {
        let to = other(self.large[0].holder);
        let signed = self.fixture.pay(&self.large, to);
        self.large = made(&signed, to);
        signed
    }

    /// Prints medians of what was noted since the last time.
    fn tell(&mut self) {
        let mut waited = std::mem::take(&mut self.waited);
        waited.sort_unstable();
        println!("  client p50 {:?} of {}", waited[waited.len() / 2], waited.len());
        let stages = std::mem::take(&mut self.stages);
        let median = |of: fn(&Stages) -> u64| {
            let mut all: Vec<u64> = stages.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        println!(
            "  stages p50, µs: admit {} wait {} propose {} lock {} commit {} total {} (of {})",
            median(|s| s.admit),
            median(|s| s.batch_wait),
            median(|s| s.propose),
            median(|s| s.lock),
            median(|s| s.commit),
            median(|s| s.total),
            stages.len(),
        );
    }
}

/// The other home of a coin: its genesis holder, or that one's newcomer.
fn other(holder: u32) -> u32 {
    if holder < NEWCOMERS { holder + NEWCOMERS } else { holder - NEWCOMERS }
}

fn end_to_end(criterion: &mut Criterion) {
    let mut world = World::start();
    let mut group = criterion.benchmark_group("end_to_end::idle");
    group.sampling_mode(SamplingMode::Flat);
    let mut next = 0;
    group.sample_size(50);
    group.bench_function("tokens=1", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..iterations {
                next += 1;
                let signed = world.move_small(next % SMALL);
                elapsed += world.settle(vec![signed], &[next % 7]);
            }
            elapsed
        });
    });
    world.tell();
    group.sample_size(10);
    group.throughput(Throughput::Elements(LARGE));
    group.bench_function("tokens=1000", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..iterations {
                let signed = world.move_large();
                elapsed += world.settle(vec![signed], &[0]);
            }
            elapsed
        });
    });
    world.tell();
    group.finish();
    let mut group = criterion.benchmark_group("end_to_end::many");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Elements(LARGE));
    let several: [(&str, &[usize]); 2] = [("one", &[0]), ("seven", &[0, 1, 2, 3, 4, 5, 6])];
    for (name, members) in several {
        group.bench_function(format!("transfers={SMALL} nodes={name}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..iterations {
                    let transfers = (0..SMALL).map(|index| world.move_small(index)).collect();
                    elapsed += world.settle(transfers, members);
                }
                elapsed
            });
        });
        world.tell();
    }
    group.finish();
    world.seven.stop();
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    targets = end_to_end
}
criterion_main!(suite);
