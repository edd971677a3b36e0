//! Receiving: how long until tokens that were delivered are verified, durable and owned, on a real
//! journal with fdatasync (`TMPDIR` chooses the disk; on tmpfs the figures mean nothing).
//!
//! Two baselines, both with real work: `sequential` is the source design's receiver, one lock for
//! all, one token after the other, each verified whole and synced by itself; `sequential + 30 ms`
//! adds the delay that the source design measured between taking and giving back its lock (28.5 and
//! 31.4 ms in its log, "each token is processed sequentially with ~30ms per token": the third
//! optimization in the owner's notes), which was the I/O of its wallet and its IPFS daemon.

use benches::{Coin, Fixture, NEWCOMERS};
use consensus::Batch;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::{Address, Entry, Made, Phase, Receipt, TokenId, TokenState};
use node::journal::{Journal, Options as JournalOptions};
use node::receive::chain::Chain;
use node::receive::guard::Guards;
use node::receive::heads::{Heads, Move};
use node::receive::{Exclusion, Options, Outcome, Receiver};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Deliveries a batch.
const TOKENS: [usize; 3] = [10, 100, 1_000];
/// What the source design measured a token.
const MEASURED_DELAY: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(30);

/// Receipts of `count` payments by as many senders to one receiver, final in one batch.
fn delivered(fixture: &Fixture, count: usize) -> Vec<Receipt> {
    let pay = |coin: &Coin| fixture.pay(&[*coin], NEWCOMERS);
    let entries = fixture.coins[..count].iter().map(pay).map(Entry::ordinary).collect();
    let batch = Batch::new(entries);
    let certificate = fixture.certificate(Phase::Commit, &batch);
    let receipts = batch.receipts();
    (0..count).map(|index| receipts.of(index, &certificate)).collect()
}

fn receiver(fixture: &Fixture, threads: usize) -> (Receiver, TempDir) {
    let home = tempfile::tempdir().expect("a folder");
    let hosted = BTreeSet::from([Address(benches::holder_key(NEWCOMERS).public())]);
    let options = Options { threads };
    let receiver = Receiver::open(home.path(), fixture.network.clone(), hosted, options);
    (receiver.expect("opened"), home)
}

/// The source design's receiver: one lock, one token after the other.
struct Sequential {
    state: Mutex<HashMap<TokenId, TokenState>>,
    journal: Journal,
    delay: Duration,
    _home: TempDir,
}

impl Sequential {
    fn new(delay: Duration) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let options = JournalOptions { create: true, ..JournalOptions::new([7; 32]) };
        let journal = Journal::open(&home.path().join("j"), options, &mut |_, _, _| {});
        let journal = journal.expect("a fresh directory").0;
        Self { state: Mutex::default(), journal, delay, _home: home }
    }

    fn receive(&self, fixture: &Fixture, receipts: &[Receipt]) {
        for receipt in receipts {
            let mut state = self.state.lock();
            let verified = receipt.verify(&fixture.network, &mut rand::rng()).expect("it holds");
            let made = verified.transfer().transfer().made(verified.id());
            let bytes = ledger::Canonical::to_bytes(receipt);
            let ticket = self.journal.append(1, bytes).expect("room");
            let deadline = Instant::now() + PATIENCE;
            self.journal.wait_durable(ticket.sequence, deadline).expect("durable");
            wait(self.delay);
            for made in made {
                state.insert(made.state.token, made.state);
            }
        }
    }
}

/// Waits without work, as for an answer from elsewhere.
fn wait(time: Duration) {
    if time > Duration::ZERO {
        let never = Mutex::new(());
        let ended = Condvar::new().wait_for(&mut never.lock(), time);
        assert!(ended.timed_out());
    }
}

fn durable(criterion: &mut Criterion) {
    let fixture = Fixture::new(1_000);
    let mut group = criterion.benchmark_group("receive::durable");
    for tokens in TOKENS {
        group.sample_size(20);
        let receipts = delivered(&fixture, tokens);
        group.throughput(Throughput::Elements(u64::try_from(tokens).expect("small")));
        group.bench_function(BenchmarkId::new("ours", tokens), |bencher| {
            bencher.iter_batched(
                || (receiver(&fixture, 0), receipts.clone()),
                |(opened, receipts)| {
                    let outcomes = opened.0.receive(receipts, Exclusion::Guards);
                    let outcomes = outcomes.expect("received");
                    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::New));
                    opened
                },
                BatchSize::PerIteration,
            );
        });
        let baseline = |delay| (Sequential::new(delay), receipts.clone());
        group.bench_function(BenchmarkId::new("sequential", tokens), |bencher| {
            bencher.iter_batched(
                || baseline(Duration::ZERO),
                |(sequential, receipts)| {
                    sequential.receive(&fixture, &receipts);
                    sequential
                },
                BatchSize::PerIteration,
            );
        });
        if tokens > 100 {
            // 1,000 times 30 ms are 30 s a sample; the two before tell the slope.
            continue;
        }
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("sequential + 30 ms", tokens), |bencher| {
            bencher.iter_batched(
                || baseline(MEASURED_DELAY),
                |(sequential, receipts)| {
                    sequential.receive(&fixture, &receipts);
                    sequential
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// 1,000 tokens with one thread and with two: verifying is what scales.
fn threads(criterion: &mut Criterion) {
    let fixture = Fixture::new(1_000);
    let receipts = delivered(&fixture, 1_000);
    let mut group = criterion.benchmark_group("receive::threads");
    group.sample_size(20);
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("tokens=1000", threads), |bencher| {
            bencher.iter_batched(
                || (receiver(&fixture, threads), receipts.clone()),
                |(opened, receipts)| {
                    opened.0.receive(receipts, Exclusion::Guards).expect("received");
                    opened
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The same receipts delivered at the same time on four threads, one by one, as several validators
/// push them: durable, with guards and with compare-and-swap.
fn pushed(criterion: &mut Criterion) {
    let fixture = Fixture::new(16);
    let receipts = delivered(&fixture, 16);
    let mut group = criterion.benchmark_group("receive::pushed by four");
    group.sample_size(20);
    for exclusion in [Exclusion::Guards, Exclusion::CompareAndSwap] {
        group.bench_function(format!("{exclusion:?}"), |bencher| {
            bencher.iter_batched(
                || receiver(&fixture, 1),
                |opened| {
                    std::thread::scope(|scope| {
                        for _ in 0..4 {
                            scope.spawn(|| {
                                for receipt in &receipts {
                                    let one = vec![receipt.clone()];
                                    opened.0.receive(one, exclusion).expect("received");
                                }
                            });
                        }
                    });
                    opened
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// How heads are kept from each other in memory alone.
#[derive(Clone, Copy, Debug)]
enum Way {
    OneLock,
    Guards,
    CompareAndSwap,
}

/// Moves of one head each, by two threads, over so many tokens.
fn heads(criterion: &mut Criterion) {
    const MOVES: usize = 1_000;
    let fixture = Fixture::new(1_000);
    let tokens: Vec<Made> = fixture.network.tokens().collect();
    let mut group = criterion.benchmark_group("receive::heads, 2 threads x 1000 moves");
    for among in [1, 1_000] {
        for way in [Way::OneLock, Way::Guards, Way::CompareAndSwap] {
            let heads = Heads::new(1_000);
            let guards = Guards::new(1_000);
            let lock = Mutex::new(());
            let chains: Vec<Arc<Chain>> =
                tokens.iter().map(|made| Arc::new(Chain::of(made))).collect();
            let once = |index: usize| {
                let token = tokens[index].state.token;
                let next = || chains[index].clone();
                let go = || {
                    let seen = heads.see(&token).expect("room");
                    heads.move_all(&[Move { seen, next: next() }])
                };
                match way {
                    Way::OneLock => {
                        let held = lock.lock();
                        assert!(go());
                        drop(held);
                    }
                    Way::Guards => {
                        let held = guards.take(&BTreeSet::from([token])).expect("room");
                        assert!(go());
                        drop(held);
                    }
                    Way::CompareAndSwap => while !go() {},
                }
            };
            group.bench_function(format!("{way:?}/tokens={among}"), |bencher| {
                bencher.iter(|| {
                    std::thread::scope(|scope| {
                        for thread in 0..2 {
                            let once = &once;
                            scope.spawn(move || {
                                for at in 0..MOVES {
                                    once((at * 7 + thread * 500) % among);
                                }
                            });
                        }
                    });
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = durable, threads, pushed, heads
}
criterion_main!(suite);
