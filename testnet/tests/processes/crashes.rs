//! Losing all validators at once in the middle of a load, and owners that sign twice.

use crate::agreement::{check_supply, wait_until_even};
use crate::running::{Place, wait_until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};

const ALL: &str = "v0 v1 v2 v3 v4 v5 v6";
/// Payments that are final before everything is killed.
const FINAL_BEFORE_KILL: usize = 6;
const PAYERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Rounds of a test: few by default, more where an environment variable says so.
fn rounds(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number of rounds"))
}

/// Pays until told to stop; returns the ids of what was reported final.
fn pay_until(place: &Place, is_over: &AtomicBool, finals: &Mutex<Vec<String>>, from: &str) {
    while !is_over.load(Ordering::SeqCst) {
        let paid = place.quorate(&format!("transfer {from} judy 0.001 --timeout 3s"));
        if paid.exit == 0 {
            let id = paid.json["id"].as_str().expect("an id").to_string();
            finals.lock().expect("no panic").push(id);
        }
    }
}

#[test]
fn what_was_final_is_final_after_all_seven_were_killed() {
    let place = Place::new();
    place.up(7);
    let finals = Mutex::new(Vec::new());
    for round in 0..rounds("QUORATE_CRASH_ROUNDS", 2) {
        let before = finals.lock().expect("no panic").len();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for from in PAYERS {
                scope.spawn(|| pay_until(&place, &is_over, &finals, from));
            }
            let wanted = before + FINAL_BEFORE_KILL;
            let is_enough = || (finals.lock().expect("no panic").len() >= wanted).then_some(());
            let enough = wait_until(is_enough);
            let killed = place.testnet(&format!("kill {ALL}"));
            is_over.store(true, Ordering::SeqCst);
            enough.expect("payments become final");
            killed.ok();
        });
        for name in ALL.split(' ') {
            let home = place.dir().join(name);
            let words = format!("store verify --home {}", home.display());
            assert_eq!(place.quorate(&words).ok()["verified"], true, "{name} in round {round}");
        }
        place.testnet(&format!("start {ALL}")).ok();
        wait_until_even(&place);
        for id in finals.lock().expect("no panic").iter() {
            let shown = place.quorate(&format!("tx show {id}")).ok();
            assert_eq!(shown["status"], "final", "{id} in round {round}");
        }
        check_supply(&place);
    }
}

#[test]
fn two_conflicting_transfers_are_never_both_final() {
    let place = Place::new();
    place.up(7);
    for round in 0..rounds("QUORATE_CONFLICT_ROUNDS", 10) {
        let tokens = place.quorate("tokens alice").ok();
        let tokens = tokens["tokens"].as_array().expect("tokens").iter();
        let free = tokens.into_iter().find(|token| token["locked_by"].is_null());
        let id = free.expect("a free token")["id"].as_str().expect("an id");
        let sign = |to: &str| {
            let file = place.path(&format!("{round}-{to}"));
            let words = format!("transfer alice {to} --token {id} --sign-only {}", file.display());
            place.quorate(&words).ok();
            file
        };
        let files = [sign("bob"), sign("carol")];
        let start = Barrier::new(2);
        let submit = |index: usize| {
            start.wait();
            let file = files[index].display();
            place.quorate(&format!("--node v{} submit {file} --timeout 5s", index * 3))
        };
        let ended = std::thread::scope(|scope| {
            let other = scope.spawn(|| submit(1));
            [submit(0), other.join().expect("no panic")]
        });
        let finals = ended.iter().filter(|ended| ended.json["status"] == "final").count();
        assert!(finals <= 1, "round {round}: {ended:?}");
        let is_told = |exit: i32| [0, 5, 6, 7].contains(&exit);
        assert!(ended.iter().all(|ended| is_told(ended.exit)), "round {round}: {ended:?}");
    }
    check_supply(&place);
}
