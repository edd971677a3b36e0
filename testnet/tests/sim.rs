//! The simulator's runs: `QUORATE_SEED=n` replays one seed, `QUORATE_SEEDS=n` runs that many.

use std::{env, fs, path::Path};
use testnet::sim::coverage::Coverage;
use testnet::sim::coverage::points::{ALL, Reach};
use testnet::sim::recovery::Ends;
use testnet::sim::{self, Machinery, Mutant};

/// Seeds of a default run: about twenty seconds in the dev profile.
const SEEDS: u64 = 150;
/// Seeds in which a planted bug has to be found.
const MUTANT_SEEDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_seed_holds() {
    if let Some(seed) = number("QUORATE_SEED") {
        match sim::run(seed) {
            Ok(report) => println!("{report:#?}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let first = number("QUORATE_FIRST").unwrap_or(0);
    let seeds = number("QUORATE_SEEDS").unwrap_or(SEEDS);
    let (mut finals, mut settled_us) = (0, 0);
    let (mut ends, mut adopted, mut lonely) = (Ends::default(), 0, 0);
    let mut coverage = Coverage::default();
    let mut machines = Machinery::default();
    for seed in first..first + seeds {
        match sim::run(seed) {
            Ok(report) => {
                finals += report.finals;
                settled_us = settled_us.max(report.settled_us);
                ends.add(&report.ends);
                adopted += report.adopted;
                lonely += report.lonely;
                coverage.add(&report.coverage);
                machines.add(&report.machines);
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    println!("{seeds} seeds, {finals} transfers final, calm in at most {settled_us} µs");
    println!("{machines:?}");
    println!("{ends:?}, {adopted} orphaned batches adopted, {lonely} lonely payments final");
    assert!(finals > seeds, "the runs do something");
    if seeds >= SEEDS {
        // An accept that can no longer live comes up in one of several hundred seeds: `dead` is
        // printed above, and held by the tests of `consensus::recovery::claims`.
        let all = [ends.refresh, ends.again, adopted, lonely];
        assert!(!all.contains(&0), "every way to an end is gone: {all:?}");
        let missed =
            |(point, reach): &&(&str, Reach)| *reach == Reach::Seeds && coverage.of(point) == 0;
        let missed: Vec<&str> = ALL.iter().filter(missed).map(|(point, _)| *point).collect();
        assert!(missed.is_empty(), "rules and refusals that no seed reached: {missed:#?}");
        let idle = machines.rows().into_iter().find(|(_, count)| *count == 0);
        assert!(idle.is_none(), "every kind of machine fault happens: {machines:?}");
    }
}

#[test]
fn one_seed_is_one_run() {
    // In 216 a traitor shows signatures that are no points of the curve.
    for seed in [1, 2, 3, 216] {
        assert_eq!(sim::run(seed), sim::run(seed), "seed {seed}");
    }
    let trace = |seed| sim::run(seed).expect("it holds").trace;
    assert_ne!(trace(1), trace(2));
}

#[test]
fn every_planted_bug_is_found() {
    for mutant in Mutant::ALL {
        let mut runs = (0..MUTANT_SEEDS).map(|seed| sim::run_mutant(seed, mutant));
        let found = runs.find_map(Result::err);
        let failure = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        println!("{mutant:?}: seed {}, {}: {}", failure.seed, failure.invariant, failure.what);
        assert!(mutant.breaks().contains(&failure.invariant), "{mutant:?}: {failure}");
    }
}

#[test]
fn what_the_seeds_cannot_reach_has_a_unit_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (point, reach) in ALL {
        let Reach::Unit { why, test: (file, produced) } = reach else { continue };
        let text = fs::read_to_string(root.join(file)).expect("the file is where the list says");
        let is_tested = text.contains("#[test]") && text.contains(produced);
        assert!(is_tested, "{point} ({why}) is in no test of {file}");
    }
}
