//! What one validator does on this machine, from a proposal on its way to the Commit vote, durable
//! (issue "As fast as signatures allow", row 1): a whole node - QUIC, pipeline, locks, journal with
//! fdatasync, index - and a played committee, whose messages were signed before. FastPay's method
//! for one authority: everything on this machine's cores, one load thread.
//!
//! `cargo bench -p benches --bench one_validator`. Plain, without criterion: a round takes seconds
//! and uses its tokens up. `QUORATE_TRANSFERS` is how many a round has (20,000, as FastPay's),
//! `QUORATE_ROUNDS` how many rounds (5), `QUORATE_IDLE_TOKENS` how many more tokens there are that
//! nobody moves (0), `TMPDIR` chooses the disk. CPU is the whole process', the
//! load's part included.

use benches::Fixture;
use benches::cpu::Cpu;
use benches::one::{One, Prepared};
use node::metrics::resident_bytes;

/// Batches in flight.
const WINDOW: usize = 4;
/// Transfers in a batch.
const BATCHES: [usize; 3] = [10, 100, 1_000];

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let transfers = number("QUORATE_TRANSFERS", 20_000);
    let rounds = number("QUORATE_ROUNDS", 5);
    let idle = number("QUORATE_IDLE_TOKENS", 0);
    let mut counts = vec![1; usize::try_from(transfers).expect("32 bits")];
    // A hundred to an owner.
    counts.extend(std::iter::repeat_n(100, usize::try_from(idle / 100).expect("32 bits")));
    let mut fixture = Fixture::with_tokens(&counts);
    fixture.coins.truncate(usize::try_from(transfers).expect("32 bits"));
    let all = fixture.transfers(fixture.coins.len());
    for size in BATCHES {
        // Ten at a time are told on fewer, or the round would be all round trips.
        let some = if size < 100 { &all[..all.len() / 10] } else { &all[..] };
        let prepare = |chunk: &[_]| Prepared::new(&fixture, chunk.to_vec());
        let batches: Vec<Prepared> = some.chunks(size).map(prepare).collect();
        let mut rates: Vec<f64> = (0..rounds).map(|_| round(&fixture, &batches)).collect();
        rates.sort_by(f64::total_cmp);
        let (least, median) = (rates[0], rates[rates.len() / 2]);
        let most = rates[rates.len() - 1];
        println!("one_validator/batch={size} {median:.0}/s median, {least:.0} to {most:.0}");
    }
}

/// One fresh node takes all batches; returns transfers a second.
fn round(fixture: &Fixture, batches: &[Prepared]) -> f64 {
    let transfers: u64 = batches.iter().map(|batch| count(batch.count)).sum();
    let wire: u64 = batches.iter().map(|batch| count(batch.proposal_bytes())).sum();
    let mut one = One::start(fixture);
    let cpu = Cpu::now();
    let elapsed = one.settle(batches, WINDOW);
    let spent_ns = cpu.spent_ns() / transfers;
    let rows = one.handle.shared.metrics.index_rows.get();
    let rate = f64::from(u32::try_from(transfers).expect("few")) / elapsed.as_secs_f64();
    println!(
        "  {transfers} in {elapsed:?}: {rate:.0}/s, {}.{} µs CPU each, {} B proposed each, \
         {rows} index rows and {} MiB in memory",
        spent_ns / 1_000,
        spent_ns / 100 % 10,
        wire / transfers,
        resident_bytes().unwrap_or(0) >> 20,
    );
    one.stop();
    rate
}

fn count(count: usize) -> u64 {
    u64::try_from(count).expect("64 bits")
}
