//! What a batch costs before and after the wire: its canonical bytes, zstd over them, the frame
//! (both), the way back, ids with their Merkle root, root and path alone.
//!
//! `cargo bench -p benches --bench batch`, one of them with `-- batch::decode`. Entries are of the
//! hard kind, see `Fixture::next_transfers`. What the bytes come to is in the suite `bytes`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::Fixture;
use consensus::limits::ZSTD_LEVEL;
use consensus::{Batch, Message, Proposal, codec};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ledger::{Canonical, Digest, merkle};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const ENTRIES: [u32; 3] = [10, 100, 1_000];

fn batches() -> impl Iterator<Item = (u32, Arc<Proposal>, Arc<Batch>)> {
    ENTRIES.into_iter().map(|entries| {
        let count = usize::try_from(entries).expect("32 bits");
        let fixture = Fixture::new(entries);
        let (proposal, batch) = fixture.propose(fixture.next_transfers(count));
        (entries, proposal, batch)
    })
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

fn frames(criterion: &mut Criterion) {
    for (entries, proposal, _) in batches() {
        let message = Message::Propose(Proposal::clone(&proposal));
        let bytes = message.to_bytes();
        let frame = codec::encode(&message);
        let decoded: Message = codec::decode(&frame).expect("its own frame");
        assert_eq!(decoded, message);
        group(criterion, "batch::bytes", entries).bench_function(
            format!("entries={entries}"),
            |bencher| {
                bencher.iter(|| black_box(&message).to_bytes());
            },
        );
        group(criterion, "batch::compress", entries).bench_function(
            format!("entries={entries}"),
            |bencher| {
                bencher
                    .iter(|| zstd::bulk::compress(black_box(&bytes), ZSTD_LEVEL).expect("packed"));
            },
        );
        group(criterion, "batch::encode", entries).bench_function(
            format!("entries={entries}"),
            |bencher| {
                bencher.iter(|| codec::encode(black_box(&message)));
            },
        );
        group(criterion, "batch::decode", entries).bench_function(
            format!("entries={entries}"),
            |bencher| {
                bencher
                    .iter(|| codec::decode::<Message>(black_box(&frame)).expect("its own frame"));
            },
        );
    }
}

fn tree(criterion: &mut Criterion) {
    for (entries, proposal, batch) in batches() {
        let pairs = batch.entries().iter().zip(batch.ids());
        let leaves: Vec<Digest> = pairs.map(|(entry, id)| entry.leaf(*id)).collect();
        group(criterion, "merkle::root", entries).bench_function(
            format!("leaves={entries}"),
            |bencher| {
                bencher.iter(|| merkle::root(black_box(&leaves)));
            },
        );
        group(criterion, "merkle::path", entries).bench_function(
            format!("leaves={entries}"),
            |bencher| {
                bencher.iter(|| merkle::path(black_box(&leaves), leaves.len() / 2));
            },
        );
        group(criterion, "merkle::ids_and_root", entries).bench_function(
            format!("leaves={entries}"),
            |bencher| {
                bencher.iter(|| Batch::of(black_box(&proposal)).expect("its own root"));
            },
        );
    }
}

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(20);
    targets = frames, tree
}
criterion_main!(suite);
