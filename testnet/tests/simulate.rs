//! The simulator's commands: exit statuses, documents, and one seed in two processes.

use serde_json::Value;
use std::process::{Command, Output};

fn testnet(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-testnet"));
    command.args(words.split(' ')).output().expect("the program runs")
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one document")
}

#[test]
fn seeds_that_hold_end_with_status_0_and_one_document() {
    let output = testnet("--json sim --seeds 1..3 --threads 2");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document = document(&output);
    assert_eq!(document["schema"], "quorate.sim/1");
    assert_eq!(document["ok"], true);
    assert_eq!(document["seeds"]["held"], 2);
    assert!(document["events"].as_u64().is_some_and(|events| events > 1_000), "{document}");
    assert_eq!(document["failures"], Value::Array(Vec::new()));
}

#[test]
fn wrong_ranges_are_refused() {
    for words in ["sim --seeds 3", "sim --seeds 5..5", "sim --seed 1 --seeds 1..2", "replay"] {
        assert_eq!(testnet(words).status.code(), Some(2), "{words}");
    }
}

#[test]
fn one_seed_is_one_run_in_any_process() {
    let replay = || document(&testnet("--json replay 5 --trace --last 40"));
    let (one, other) = (replay(), replay());
    assert_eq!(one, other);
    assert_eq!(one["schema"], "quorate.sim-replay/1");
    assert_eq!(one["lines"].as_array().map(Vec::len), Some(40));
    let here = testnet::sim::run(5).expect("it holds");
    assert_eq!(one["trace"], format!("{:016x}", here.trace));
}
