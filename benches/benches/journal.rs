//! What durability costs: group commits of the journal, and what reading one record costs, on a
//! real disk. The index is in `index`.
//!
//! `TMPDIR` chooses the disk; on tmpfs the figures mean nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use node::journal::{Journal, Options};

/// Framed this is the 240-byte row of shared/LIMITS.md and a little more.
const RECORD_BYTES: usize = 240;

fn open(dir: &Path) -> Journal {
    let options = Options { create: true, ..Options::new([7; 32]) };
    Journal::open(dir, options, &mut |_, _, _| {}).expect("a fresh directory").0
}

/// Append `records` records, then wait until the last is durable.
fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal::commit");
    for records in [1_u64, 100, 1_000] {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = open(dir.path());
        let payload = vec![9; RECORD_BYTES];
        group.throughput(Throughput::Elements(records));
        group.bench_function(format!("records={records}"), |bencher| {
            bencher.iter(|| {
                let mut last = 0;
                for _ in 0..records {
                    last = journal.append(1, payload.clone()).expect("room").sequence;
                }
                let deadline = Instant::now() + Duration::from_secs(30);
                journal.wait_durable(last, deadline).expect("durable");
            });
        });
        journal.close().expect("closed");
    }
    group.finish();
}

/// One random read of a written record.
fn read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = open(dir.path());
    let locations: Vec<_> = (0..10_000)
        .map(|_| journal.append(1, vec![9; RECORD_BYTES]).expect("room").location)
        .collect();
    journal.wait_durable(9_999, Instant::now() + Duration::from_secs(30)).expect("durable");
    let mut index = 0;
    criterion.bench_function("journal::read", |bencher| {
        bencher.iter(|| {
            index = (index + 7_919) % locations.len();
            journal.read(locations[index]).expect("valid")
        });
    });
}

criterion_group!(suite, commit, read);
criterion_main!(suite);
