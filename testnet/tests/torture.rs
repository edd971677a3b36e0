//! Clients pay while validators are killed, paused, parted and slowed; then everything that they
//! were told is checked. `QUORATE_TORTURE_SECONDS=n` tortures longer, `QUORATE_TORTURE_KILLS=n`
//! kills so many processes, `QUORATE_SEED=n` chooses other deeds.

#[path = "processes/running.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod running;

use running::{Ended, Place, finish_within, is_mentioned};
use serde_json::Value;
use std::time::Duration;

/// Time beside the torture: the start, the end, and the check of what was paid.
const REST: Duration = Duration::from_secs(400);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn torture(place: &Place, seconds: u64, words: &str) -> Ended {
    let mut command = place.command();
    command.args(["--json", "torture", "--seconds", &seconds.to_string()]);
    command.args(["--seed", &number("QUORATE_SEED", 1).to_string()]);
    command.args(words.split_whitespace());
    finish_within(command, REST + Duration::from_secs(seconds))
}

/// It did something, and all of it held.
fn check_report(place: &Place, ended: Ended) -> Value {
    let words = ended.words.clone();
    let report = ended.ok();
    assert_eq!(report["check"]["problems"], serde_json::json!([]), "{report}");
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).expect("a count");
    let acknowledged = count("/check/acknowledged");
    assert!(acknowledged > 0 && count("/check/final") >= acknowledged, "{report}");
    assert_eq!(count("/check/final"), count("/check/receipts_verified"), "{report}");
    assert!(count("/check/histories_compared") > 0, "{report}");
    assert!(count("/kills") > 0, "{words}");
    assert!(!is_mentioned(&place.tmp()), "a process is left");
    let left = std::fs::read_dir(place.tmp()).expect("a folder").count();
    assert_eq!(left, 0, "the folder of a torture that ended well is gone");
    eprintln!("{report:#}");
    report
}

#[test]
fn what_clients_were_told_holds_after_a_torture() {
    let place = Place::new();
    let seconds = number("QUORATE_TORTURE_SECONDS", 4);
    let size = if seconds > 10 { "" } else { "-n 4 --clients 2 --batch 4 --pause 500ms" };
    check_report(&place, torture(&place, seconds, size));
}

#[test]
fn killed_validators_come_back_with_all_that_was_acknowledged() {
    let kills = number("QUORATE_TORTURE_KILLS", 8);
    let place = Place::new();
    let size = if kills > 50 { "" } else { "-n 4 --clients 2 --batch 4" };
    let words = format!("--faults kill --pause 600ms --kills {kills} {size}");
    let report = check_report(&place, torture(&place, kills * 2, &words));
    assert!(report["kills"].as_u64() >= Some(kills), "{report}");
}
