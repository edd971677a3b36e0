//! What locking costs: the table alone, and the validator's step around it (tips asked again in
//! sequence, records, the signed vote), and the steps that a Lock and a Commit certificate lead to.
//!
//! `cargo bench -p benches --bench locks`. 1,000 states, each of a transfer of its own; memory
//! only, what durability adds is in the suite `journal`. Building and dropping a validator is not
//! timed.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::{Fixture, rng};
use consensus::judge::judge;
use consensus::lock::{Held, Locks};
use consensus::{CheckedCertificate, Judged, Validator};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use ledger::{Address, Entry, Input, Phase, TransferId};
use std::hint::black_box;
use std::time::Duration;

const STATES: u32 = 1_000;

/// Owner and inputs of a transfer with the lock that it wants.
type Wanted = (Address, Vec<Input>, Held);

fn wanted(fixture: &Fixture) -> Vec<Wanted> {
    let (_, batch) = fixture.propose(fixture.transfers(fixture.coins.len()));
    let pairs = batch.entries().iter().zip(batch.ids());
    let held = |transfer: TransferId| Held { round: 0, transfer, batch: batch.id() };
    let of = |(entry, id): (&Entry, &TransferId)| {
        let transfer = &entry.signed.transfer;
        (transfer.owner, transfer.inputs.clone(), held(*id))
    };
    pairs.map(of).collect()
}

fn lock_all(locks: &mut Locks, wanted: &[Wanted]) {
    for (owner, inputs, held) in wanted {
        assert!(locks.lock(*owner, inputs, *held).expect("it is free"));
    }
}

fn accept_all(locks: &mut Locks, wanted: &[Wanted]) {
    for (_, inputs, held) in wanted {
        assert!(locks.accept(inputs, *held).expect("round 0 is promised"));
    }
}

/// A group of one bench, `name/…`, over so many elements.
fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    elements: u32,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(elements)));
    group
}

fn table(criterion: &mut Criterion) {
    let wanted = wanted(&Fixture::new(STATES));
    let mut locked = Locks::default();
    lock_all(&mut locked, &wanted);
    let mut accepted = locked.clone();
    accept_all(&mut accepted, &wanted);
    group(criterion, "locks::lock", STATES).bench_function(format!("states={STATES}"), |bencher| {
        let lock = |locks: &mut Locks| lock_all(locks, black_box(&wanted));
        bencher.iter_batched_ref(Locks::default, lock, BatchSize::SmallInput);
    });
    group(criterion, "locks::accept", STATES).bench_function(
        format!("states={STATES}"),
        |bencher| {
            let accept = |locks: &mut Locks| accept_all(locks, black_box(&wanted));
            bencher.iter_batched_ref(|| locked.clone(), accept, BatchSize::SmallInput);
        },
    );
    group(criterion, "locks::release", STATES).bench_function(
        format!("states={STATES}"),
        |bencher| {
            let release = |locks: &mut Locks| {
                for (owner, inputs, _) in &wanted {
                    locks.release(*owner, black_box(inputs));
                }
            };
            bencher.iter_batched_ref(|| accepted.clone(), release, BatchSize::SmallInput);
        },
    );
}

/// The three steps of a batch at one validator, each from the state that the one before left.
fn steps(criterion: &mut Criterion) {
    let fixture = Fixture::new(STATES);
    let (proposal, batch) = fixture.propose(fixture.transfers(fixture.coins.len()));
    let check = |phase| {
        let certificate = fixture.certificate(phase, &batch);
        CheckedCertificate::check(certificate, &fixture.network, &mut rng()).expect("good votes")
    };
    let (lock, commit) = (check(Phase::Lock), check(Phase::Commit));
    let mut fresh = fixture.validator();
    let step = fresh.proposed(0, 0, proposal.clone());
    assert_eq!(step.judge.len(), 1);
    let judged = judge(fresh.tips(), proposal, None, &mut rand::rng());
    let mut locked = fresh.clone();
    assert_eq!(locked.judged(0, judged.clone()).persist.len(), 2);
    let mut accepted = locked.clone();
    assert_eq!(accepted.certified(0, lock.clone()).persist.len(), 1);

    group(criterion, "validator::judged", STATES).bench_function(
        format!("batch={STATES}"),
        |bencher| {
            let setup = || (fresh.clone(), Some(judged.clone()));
            let judged = |(validator, judged): &mut (Validator, Option<Judged>)| {
                validator.judged(0, judged.take().expect("once"))
            };
            bencher.iter_batched_ref(setup, judged, BatchSize::PerIteration);
        },
    );
    let certified =
        [("validator::accepted", &locked, &lock), ("validator::applied", &accepted, &commit)];
    for (name, before, certificate) in certified {
        group(criterion, name, STATES).bench_function(format!("batch={STATES}"), |bencher| {
            let setup = || (before.clone(), Some(certificate.clone()));
            let step = |(validator, checked): &mut (Validator, Option<CheckedCertificate>)| {
                validator.certified(0, checked.take().expect("once"))
            };
            bencher.iter_batched_ref(setup, step, BatchSize::PerIteration);
        });
    }
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(20);
    targets = table, steps
}
criterion_main!(suite);
