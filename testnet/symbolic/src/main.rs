//! `quorate-symbolic-sim FIRST COUNT [THREADS]`: seeds of the simulator with symbolic signatures,
//! which cost nothing, so that thousands run where real ones run by the dozen.
//! `quorate-symbolic-sim replay SEED [LAST]`: one of them again, with the last lines of its trace.
//!
//! The seam is the manifest beside this file and nothing else: it builds the very sources of
//! `ledger`, `consensus`, `node` and `testnet`, and puts `ed25519-zebra/` in the place of the real
//! crate. No cargo feature, no cfg and no switch of the product leads here, so no build of the
//! product can hold it. A seed is another run here than with real signatures: ids do not cover
//! signatures, but batch ids do.

use std::process::ExitCode;
use testnet::sim::plan::Plan;
use testnet::sim::{self, swarm};

/// Lines of a trace that are kept: more than any run has.
const LINES_MAX: usize = 4_000_000;

/// Shows one seed's plan and trace.
fn replay(seed: u64, last: usize) -> ExitCode {
    println!("{:?}", Plan::of(seed));
    let (result, lines) = sim::replay(seed, last);
    lines.iter().for_each(|line| println!("{line}"));
    match result {
        Ok(report) => println!("seed {seed} holds: {} events", report.events),
        Err(failure) => {
            println!("{failure}");
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let is_replay = std::env::args().nth(1).is_some_and(|word| word == "replay");
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    if let (true, Some(seed)) = (is_replay, numbers.first()) {
        let last = numbers.get(1).and_then(|last| usize::try_from(*last).ok());
        return replay(*seed, last.unwrap_or(LINES_MAX));
    }
    let (first, count, threads) = match numbers[..] {
        [first, count] => (first, count, 1),
        [first, count, threads] => (first, count, threads),
        _ => {
            eprintln!("quorate-symbolic-sim FIRST COUNT [THREADS] | replay SEED [LAST]");
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
