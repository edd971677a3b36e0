//! What a signature costs: made, checked alone, checked among others, as five votes of a
//! certificate, and in a batch that one bad signature spoils (an attacker's lever, charged to the
//! proposer).
//!
//! `cargo bench -p benches --bench signatures`. On one thread; distinct keys, distinct messages of
//! the size that owners sign. `time / count` is the figure to compare with `shared/LIMITS.md`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::{Fixture, holder_key, rng};
use consensus::CheckedCertificate;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::key::{Signed, verify_batch};
use ledger::{Phase, SignedTransfer};
use std::hint::black_box;
use std::time::Duration;

const COUNT_MAX: u32 = 1_024;

/// What the owners have signed: `statements[i]` is for `transfers[i]`.
fn statements(transfers: &[SignedTransfer]) -> Vec<Vec<u8>> {
    transfers.iter().map(|signed| signed.transfer.statement(signed.transfer.id())).collect()
}

fn items<'a>(transfers: &[SignedTransfer], statements: &'a [Vec<u8>]) -> Vec<Signed<'a>> {
    let pairs = transfers.iter().zip(statements);
    let item = |(signed, message): (&SignedTransfer, &'a Vec<u8>)| Signed {
        key: signed.transfer.owner.0,
        signature: signed.signature,
        message,
    };
    pairs.map(item).collect()
}

fn one(criterion: &mut Criterion) {
    let transfers = Fixture::new(64).transfers(64);
    let statements = statements(&transfers);
    let items = items(&transfers, &statements);
    let key = holder_key(0);
    criterion.bench_function("signatures::sign", |bencher| {
        bencher.iter(|| key.sign(black_box(&statements[0])));
    });
    let mut next = 0;
    criterion.bench_function("signatures::verify/count=1", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % items.len();
            let item = &items[next];
            assert!(item.key.verifies(&item.signature, item.message));
        });
    });
}

fn many(criterion: &mut Criterion) {
    let transfers = Fixture::new(COUNT_MAX).transfers(1_024);
    let statements = statements(&transfers);
    let items = items(&transfers, &statements);
    let mut rng = rng();
    let mut group = criterion.benchmark_group("signatures::verify_batch");
    for count in [1_u32, 8, 64, 256, COUNT_MAX] {
        let items = &items[..usize::try_from(count).expect("32 bits")];
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("count={count}"), |bencher| {
            bencher.iter(|| {
                assert!(verify_batch(black_box(items), &mut rng).iter().all(|valid| *valid));
            });
        });
    }
    let mut spoiled = items[..256].to_vec();
    spoiled[77].signature.0[0] ^= 1;
    group.throughput(Throughput::Elements(256));
    group.bench_function("count=256 bad=1", |bencher| {
        bencher.iter(|| {
            let valid = verify_batch(black_box(&spoiled), &mut rng);
            assert_eq!(valid.iter().filter(|valid| !**valid).count(), 1);
        });
    });
    group.finish();
}

fn certificate(criterion: &mut Criterion) {
    let fixture = Fixture::new(1_000);
    let (_, batch) = fixture.propose(fixture.transfers(1_000));
    let certificate = fixture.certificate(Phase::Lock, &batch);
    let mut rng = rng();
    criterion.bench_function("signatures::certificate/votes=5 batch=1000", |bencher| {
        bencher.iter(|| {
            CheckedCertificate::check(certificate.clone(), &fixture.network, &mut rng)
                .expect("five good votes")
        });
    });
    criterion.bench_function("signatures::vote_alone/batch=1000", |bencher| {
        let vote = fixture.vote(0, Phase::Lock, &batch);
        bencher.iter(|| assert!(vote.is_valid(&fixture.network.id, &fixture.network.committee)));
    });
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(20);
    targets = one, many, certificate
}
criterion_main!(suite);
