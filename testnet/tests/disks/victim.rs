//! A testnet of four whose last validator is the victim: what it says, and whether it votes.

use crate::asking::wait_until_same;
use crate::running::{Place, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// The validator whose disk fails.
pub const VICTIM: &str = "v3";

/// Whether a program is installed; says so when it is not.
pub fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("not run: {program} is not installed");
    }
    is_there
}

/// Whether this is root; says so when it is not.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not run: mounting needs root");
    }
    is_root
}

/// The victim's folder.
pub fn home(place: &Place) -> PathBuf {
    place.dir().join(VICTIM)
}

/// Whether any vote for a payment is the victim's.
pub fn has_vote(paid: &Value) -> bool {
    let votes = |phase: &str| paid["votes"][phase].as_array().expect("votes").clone();
    votes("lock").iter().chain(&votes("commit")).any(|name| name == VICTIM)
}

/// Without v2 the victim's vote is needed for a quorum of three.
pub fn check_vote_counts(place: &Place) {
    place.testnet("kill v2").ok();
    let has_voted = wait_until(|| {
        let paid = place.quorate("--node v0 transfer alice bob 1 --timeout 5s");
        (paid.exit == 0 && has_vote(&paid.json)).then_some(())
    });
    has_voted.expect("the victim votes again");
    place.testnet("start v2").ok();
}

/// Waits until all four have applied the same and nobody is silent.
pub fn wait_until_even(place: &Place) {
    wait_until_same(place, &[0, 1, 2, 3]).unwrap_or_else(|what| panic!("{what}"));
}

/// No validator's log tells of a panic.
pub fn check_no_panic(place: &Place) {
    for index in 0..4 {
        let log = place.dir().join(format!("v{index}/log"));
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("panicked at"), "v{index}: {text}");
    }
}
