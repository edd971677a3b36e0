//! What the index costs with each of its engines, on a real disk: checkpoints of 50,000 rows, half
//! of them new random keys and half updates of old ones, as moved tokens are, and single reads; and
//! the same rows in redb, the third that was looked at, which has none of our checks to do.
//!
//! `cargo bench -p benches --bench index`. Plain, without criterion: an index grows with every
//! checkpoint, so no two are alike. Printed is the CPU of this process, threads of an engine
//! included. `QUORATE_CHECKPOINTS` is how many checkpoints there are (20), `QUORATE_INDEX` does one
//! engine only, `TMPDIR` chooses the disk.

use benches::cpu::Cpu;
use node::index::{Checkpoint, Engine, Index, Position};
use node::metrics::resident_bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, TableDefinition};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Rows of a checkpoint: what makes one due.
const ROWS: usize = node::index::DIRTY_ROWS_DUE;
/// Bytes of a key: a kind and an id.
const KEY_BYTES: usize = 33;
/// Bytes of a value: a tip's row.
const VALUE_BYTES: usize = 112;
/// Single reads that are timed.
const READS: u64 = 20_000;
/// redb's only table.
const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is compared: the narrow interface of all three.
trait Store {
    fn checkpoint(&mut self, rows: &Rows);
    fn has(&self, key: &[u8]) -> bool;
}

/// Our index, with its checks and sums.
struct Ours {
    index: Index,
    count: u64,
}

impl Store for Ours {
    fn checkpoint(&mut self, rows: &Rows) {
        rows.iter().for_each(|(key, value)| self.index.put(key, value));
        self.count += 1;
        let position = Position { segment: 0, offset: self.count };
        let job = self.index.begin_checkpoint(position).expect("none is running");
        let done: Checkpoint = job.run().expect("written");
        drop(self.index.finish_checkpoint(done));
    }

    fn has(&self, key: &[u8]) -> bool {
        self.index.get(key).expect("readable").is_some()
    }
}

impl Store for Database {
    fn checkpoint(&mut self, rows: &Rows) {
        let write = self.begin_write().expect("none is running");
        {
            let mut table = write.open_table(TABLE).expect("a table");
            for (key, value) in rows {
                table.insert(key.as_slice(), value.as_slice()).expect("written");
            }
        }
        write.commit().expect("durable");
    }

    fn has(&self, key: &[u8]) -> bool {
        let read = self.begin_read().expect("a reader");
        let table = read.open_table(TABLE).expect("a table");
        table.get(key).expect("readable").is_some()
    }
}

fn redb_in(dir: &Path) -> Database {
    let mut builder = Database::builder();
    builder.set_cache_size(32 << 20);
    builder.create(dir.join("rows.redb")).expect("a fresh directory")
}

fn key(random: &mut StdRng) -> Vec<u8> {
    let mut key = vec![b'k'; KEY_BYTES];
    random.fill_bytes(&mut key[1..]);
    key
}

/// CPU in tenths of a µs for each of `count`.
fn each(cpu: &Cpu, count: u64) -> String {
    let ns = cpu.spent_ns() / count;
    format!("{}.{} µs", ns / 1_000, ns / 100 % 10)
}

fn run(name: &str, store: &mut dyn Store, checkpoints: u32) {
    let mut random = StdRng::seed_from_u64(1);
    let mut known: Vec<Vec<u8>> = Vec::new();
    let rows_each = u64::try_from(ROWS).expect("a count");
    let mut cpu_ns = 0;
    for number in 1..=checkpoints {
        let mut rows = Rows::new();
        while rows.len() < ROWS {
            let is_new = rows.len() < ROWS / 2 || known.is_empty();
            let key = match is_new {
                true => key(&mut random),
                false => known[random.random_range(0..known.len())].clone(),
            };
            rows.insert(key, vec![random.random(); VALUE_BYTES]);
        }
        let (cpu, begin) = (Cpu::now(), Instant::now());
        store.checkpoint(&rows);
        cpu_ns += cpu.spent_ns();
        if number == 1 || number % 5 == 0 {
            let each = each(&cpu, rows_each);
            println!("  {name}, checkpoint {number}: {each} CPU a row, {:?}", begin.elapsed());
        }
        known.extend(rows.into_keys());
    }
    let hits = Cpu::now();
    let is_there = |_| store.has(&known[random.random_range(0..known.len())]);
    assert!((0..READS).all(is_there), "what was written is there");
    let hits = each(&hits, READS);
    let misses = Cpu::now();
    assert!((0..READS).all(|_| !store.has(&key(&mut random))), "and nothing else");
    let misses = each(&misses, READS);
    let ns = cpu_ns / (u64::from(checkpoints) * rows_each);
    println!(
        "index/engine={name} {}.{} µs CPU a row, read {hits}, read of nothing {misses}, \
         {} MiB in memory",
        ns / 1_000,
        ns / 100 % 10,
        resident_bytes().unwrap_or(0) >> 20,
    );
}

fn main() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let checkpoints: u32 = number("QUORATE_CHECKPOINTS").unwrap_or(20);
    let only = std::env::var("QUORATE_INDEX").ok();
    for engine in Engine::ALL {
        if only.as_deref().is_none_or(|only| only == engine.word()) {
            let dir = tempfile::tempdir().expect("a directory");
            let index = Index::create(dir.path(), engine).expect("created");
            run(engine.word(), &mut Ours { index, count: 0 }, checkpoints);
        }
    }
    if only.as_deref().is_none_or(|only| only == "redb") {
        let dir = tempfile::tempdir().expect("a directory");
        run("redb", &mut redb_in(dir.path()), checkpoints);
    }
}
