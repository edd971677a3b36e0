//! Counts, and does not time: bytes of payload for a transfer over one link, batched and as JSON
//! one by one. `cargo bench -p benches --bench bytes` prints the table; the same run prints the
//! same figures.
//!
//! `raw` is the batch before zstd, `frame` after, `votes` two answers and two certificates; `json`
//! is one request for the transfer and one reply for each of two votes, without headers and
//! certificates. All are bytes for one transfer.

use benches::Fixture;
use benches::wire::Exchange;

fn main() {
    println!("bytes a transfer and link, one token each, parties all distinct, payload only");
    println!("batch    raw  frame  votes batched |  json  votes    all | batched/json");
    for count in [1, 10, 100, 1_000] {
        let fixture = Fixture::new(u32::try_from(count).expect("small"));
        let found = Exchange::of(&fixture, count);
        println!(
            "{count:>5} {:>6} {:>6} {:>6} {:>7} | {:>5} {:>6} {:>6} | {:>5.1} %",
            found.raw / count,
            found.proposal / count,
            found.votes / count,
            found.batched() / count,
            found.json_transfers / count,
            found.json_votes / count,
            found.json() / count,
            percent(found.batched(), found.json()),
        );
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let float = |bytes: usize| f64::from(u32::try_from(bytes).expect("a few MiB"));
    100.0 * float(part) / float(whole)
}
