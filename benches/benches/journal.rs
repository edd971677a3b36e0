//! What durability costs: group commits of the journal, checkpoints of the index, on a real disk.
//!
//! `TMPDIR` chooses the disk; on tmpfs the figures mean nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use node::index::{Index, Position};
use node::journal::{Journal, Options};

/// Framed this is the 240-byte row of shared/LIMITS.md and a little more.
const RECORD_BYTES: usize = 240;
/// Rows of one index checkpoint.
const CHECKPOINT_ROWS: u64 = 10_000;

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

/// A checkpoint of rows of 112 bytes: new keys, and updates of old ones.
fn checkpoint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index::checkpoint");
    group.sample_size(10);
    group.throughput(Throughput::Elements(CHECKPOINT_ROWS));
    for is_update in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut index = Index::create(dir.path()).expect("created");
        let mut round = 0_u64;
        let name = if is_update { "updates" } else { "new" };
        group.bench_function(format!("{name}/rows={CHECKPOINT_ROWS}"), |bencher| {
            bencher.iter(|| {
                round += 1;
                let generation = if is_update { 0 } else { round };
                for row in 0..CHECKPOINT_ROWS {
                    // Multiplied by an odd number: distinct, and in no order.
                    let key = (generation << 20 | row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let value = [round.to_le_bytes(); 10];
                    index.put(&[key.to_be_bytes(); 4].concat(), value.as_flattened());
                }
                let position = Position { segment: 0, offset: round };
                let job = index.begin_checkpoint(position).expect("none is running");
                let done = job.run().expect("written");
                index.finish_checkpoint(done);
            });
        });
    }
    group.finish();
}

criterion_group!(suite, commit, read, checkpoint);
criterion_main!(suite);
