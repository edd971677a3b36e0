//! Catching up against the live rate of the same run (protocol §5): seven nodes in one process with
//! real QUIC and real stores; one is stopped, the six others make transfers final, the one is
//! started again. Live: from the first submitted to the last durably final. Catching up: from the
//! first peer's word how far it is until the node has applied all; how long connecting took before
//! that is said beside it (up to a second: peers dial with growing pauses).
//!
//! Measured on 2 vCPU that others used, too, `--profile dev`, 60,000 missed, three rounds: live
//! 3,800-5,400/s, caught up 42,000-49,000/s, ratio 7.8-12.8 (4.5-9.3 with connecting). Before
//! verification went to the CPU pool and batches were handed on as bytes, with less other load:
//! 8,400-11,800/s live and 30,000-49,000/s with connecting, ratio 2.5-5.9.
//!
//! `cargo bench -p benches --bench catch_up`; `QUORATE_MISSED` is how many transfers it misses,
//! `TMPDIR` chooses the disk. Plain, without criterion: one run takes seconds and changes the
//! stores.

use benches::Fixture;
use benches::seven::Seven;
use std::time::Duration;

/// Transfers missed unless `QUORATE_MISSED` says otherwise.
const MISSED: u32 = 20_000;
/// Transfers handed in at once.
const AT_ONCE: usize = 5_000;
/// Who is away.
const ABSENT: u16 = 6;
/// Times over.
const ROUNDS: usize = 3;

fn main() {
    let missed = std::env::var("QUORATE_MISSED").ok().and_then(|text| text.parse().ok());
    let missed: u32 = missed.unwrap_or(MISSED);
    let rounds: Vec<f64> = (0..ROUNDS).map(|_| round(missed)).collect();
    let best = rounds.iter().copied().fold(0.0, f64::max);
    let worst = rounds.iter().copied().fold(f64::INFINITY, f64::min);
    println!("catch_up::ratio/missed={missed} {worst:.1} to {best:.1} (bar: 5)");
}

/// One stop, live load and start; returns how many times faster catching up is.
fn round(missed: u32) -> f64 {
    let fixture = Fixture::new(missed);
    let count = usize::try_from(missed).expect("32 bits");
    let transfers = fixture.transfers(count);
    let mut seven = Seven::start(&fixture);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    seven.stop_member(ABSENT);
    let mut live = Duration::ZERO;
    for some in transfers.chunks(AT_ONCE) {
        live += runtime.block_on(seven.settle(some.to_vec(), &[0, 1, 2, 3, 4, 5])).0;
    }
    let (told, all) = runtime.block_on(seven.start_member(ABSENT));
    let caught_up = all.saturating_sub(told);
    let rate = |time: Duration| f64::from(missed) / time.as_secs_f64();
    let ratio = rate(caught_up) / rate(live);
    println!(
        "catch_up/missed={missed} live {:.0}/s, caught up {:.0}/s in {caught_up:?} after \
         {told:?} of connecting, ratio {ratio:.1}, with connecting {:.1}",
        rate(live),
        rate(caught_up),
        rate(all) / rate(live),
    );
    seven.stop();
    ratio
}
