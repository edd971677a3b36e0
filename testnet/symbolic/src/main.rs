//! `quorate-symbolic-sim FIRST COUNT [THREADS]`: seeds of the simulator with symbolic signatures,
//! which cost nothing, so that thousands run where real ones run by the dozen.
//!
//! The seam is the manifest beside this file and nothing else: it builds the very sources of
//! `ledger`, `consensus`, `node` and `testnet`, and puts `ed25519-zebra/` in the place of the real
//! crate. No cargo feature, no cfg and no switch of the product leads here, so no build of the
//! product can hold it. A seed is another run here than with real signatures: ids do not cover
//! signatures, but batch ids do.

use std::process::ExitCode;
use testnet::sim::swarm;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (first, count, threads) = match numbers[..] {
        [first, count] => (first, count, 1),
        [first, count, threads] => (first, count, threads),
        _ => {
            eprintln!("quorate-symbolic-sim FIRST COUNT [THREADS]");
            return ExitCode::from(2);
        }
    };
    let threads = usize::try_from(threads).unwrap_or(1);
    let found = swarm::run(first..first.saturating_add(count), threads, |failure| {
        println!("{failure}");
    });
    print!("{}", found.table());
    println!(
        "{} seeds hold, {} fail, {} transfers final; {:.1} s, {:.1} seeds/s, {} events",
        found.seeds,
        found.failures.len(),
        found.finals,
        found.seconds,
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / found.seconds,
        found.events,
    );
    ExitCode::from(u8::from(!found.failures.is_empty()))
}
