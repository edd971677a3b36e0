//! Catching up with real processes: a validator that was down while others worked, one that lost
//! its store and joins from a snapshot, one that is restored from a backup.
//!
//! `QUORATE_MISSED` says how many transfers are missed: 3,000 unless told; 20,000 in CI; 100,000 by
//! hand.

#[path = "processes/agreement.rs"]
mod agreement;
#[path = "processes/folders.rs"]
mod folders;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;

use agreement::{check_supply, wait_until_even};
use folders::copy;
use running::{Place, block_on, wait_until};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Transfers missed unless `QUORATE_MISSED` says otherwise.
const MISSED: u64 = 3_000;
/// From so many on, catching up takes longer than a few looks at it.
const MISSED_LONG: u64 = 20_000;

fn missed() -> u64 {
    std::env::var("QUORATE_MISSED").ok().and_then(|text| text.parse().ok()).unwrap_or(MISSED)
}

/// What `status` shows of a validator.
fn of(place: &Place, name: &str) -> Value {
    let status = place.quorate("status").ok();
    let validators = status["validators"].as_array().expect("validators").iter();
    validators.into_iter().find(|v| v["name"] == name).expect("a validator").clone()
}

fn applied(place: &Place) -> u64 {
    of(place, "v0")["applied"].as_u64().expect("a count")
}

/// Loads the first validators until so many more transfers are final.
fn load(place: &Place, count: u64) {
    let end = applied(place) + count;
    while applied(place) < end {
        place.quorate("bench load --clients 16 --batch 50 --duration 1s --warm-up 0s").ok();
    }
}

fn wait_until_current(place: &Place, name: &str) {
    wait_until(|| (of(place, name)["lag"] == 0).then_some(())).expect("it catches up");
}

/// What `GET /v1/node` says of catching up, when it says something.
fn behind(api: &str) -> Option<u64> {
    let document = block_on(testnet::probe::document(api, "/v1/node"))?;
    document["catching_up"]["behind"].as_u64()
}

/// Pays, with all of the other members named down but `name`'s quorum.
fn is_voted_for_by(place: &Place, name: &str) -> bool {
    let paid = place.quorate("--node v0 transfer alice bob 1").ok();
    assert_eq!(paid["status"], "final");
    let votes = |phase: &str| paid["votes"][phase].as_array().expect("votes").clone();
    votes("lock").iter().chain(&votes("commit")).any(|voter| voter == name)
}

/// All of a home but key and configuration.
fn empty(home: &Path) {
    for entry in std::fs::read_dir(home).expect("a home").flatten() {
        let name = entry.file_name();
        if name == "key" || name == "node.toml" {
            continue;
        }
        let path = entry.path();
        let is_folder = entry.file_type().expect("a type").is_dir();
        let gone =
            if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        gone.expect("removed");
    }
}

#[test]
fn a_validator_that_was_down_is_back_and_votes_under_load_and_shows_its_progress() {
    let place = Place::new();
    let document = place.up(7);
    let api = document["validators"][6]["api"].as_str().expect("an address").to_string();
    place.testnet("kill v6").ok();
    load(&place, missed());
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut seen = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                seen.extend(behind(&api));
            }
            seen
        });
        let loading = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                place.quorate("bench load --rate 100 --duration 1s --warm-up 0s").ok();
            }
        });
        let started = place.testnet("start v6").ok();
        let is_ready = started["validators"][0]["ready"] == true;
        is_over.store(true, Ordering::SeqCst);
        loading.join().expect("the load ends");
        assert!(is_ready, "{started}");
        looking.join().expect("the looks end")
    });
    assert!(seen.first().is_some_and(|first| *first > 0), "it shows that it is behind: {seen:?}");
    if missed() >= MISSED_LONG {
        // It began as far behind as it has missed; on a fast machine the first look may be late.
        let is_less = seen[0] < missed() || seen.windows(2).any(|pair| pair[1] < pair[0]);
        assert!(is_less, "it shows that it comes nearer: {seen:?}");
    }
    wait_until_even(&place);
    assert_eq!(behind(&api), None);
    // Five of seven are left: without v6 nothing is final.
    place.testnet("kill v4 v5").ok();
    assert!(is_voted_for_by(&place, "v6"));
    check_supply(&place);
}

#[test]
fn a_process_that_takes_over_a_key_joins_from_a_snapshot_serves_and_casts_no_vote() {
    let place = Place::new();
    place.up(7);
    place.testnet("kill v5").ok();
    let home = place.dir().join("v5");
    let path = home.join("node.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let with = text.replace("snapshot_lag = 20000", "snapshot_lag = 500");
    assert_ne!(text, with);
    std::fs::write(&path, with).expect("written");
    load(&place, 1_000);
    empty(&home);
    let started = place.testnet("start v5").ok();
    assert_eq!(started["validators"][0]["ready"], false, "{started}");
    wait_until_current(&place, "v5");
    let log = std::fs::read_to_string(home.join("log")).expect("a log");
    assert!(log.contains("joined from a snapshot"), "{log}");
    assert!(home.join("silent").exists());
    let balance = |node: &str| place.quorate(&format!("--node {node} balance alice")).ok();
    let amount = |node: &str| balance(node)["balances"].clone();
    assert_eq!(amount("v5"), amount("v0"));
    load(&place, 200);
    wait_until_current(&place, "v5");
    let shown = of(&place, "v5");
    assert_eq!((&shown["mode"], &shown["ready"]), (&"silent".into(), &false.into()));
    assert!((0..3).all(|_| !is_voted_for_by(&place, "v5")));
    wait_until_current(&place, "v5");
    assert_eq!(amount("v5"), amount("v0"));
    check_supply(&place);
    // What it has joined from is there after a restart.
    place.testnet("kill v5").ok();
    let info = place.quorate(&format!("store verify --home {}", home.display())).ok();
    assert_eq!((&info["verified"], info["silence"].is_string()), (&true.into(), true), "{info}");
    place.testnet("start v5").ok();
    wait_until_current(&place, "v5");
    assert_eq!(amount("v5"), amount("v0"));
}

#[test]
fn a_backup_holds_all_tips_and_who_is_restored_from_it_is_silent() {
    let place = Place::new();
    place.up(4);
    load(&place, 100);
    place.testnet("kill v3").ok();
    let (home, file) = (place.dir().join("v3"), place.path("backup"));
    let (home_word, file_word) = (home.display(), file.display());
    let take = format!("store snapshot --home {home_word} --out {file_word}");
    let taken = place.quorate(&take).ok();
    assert!(taken["applied"].as_u64().is_some_and(|applied| applied >= 100), "{taken}");
    assert_eq!(place.quorate(&take).failed(3), "config");
    let restore = format!("store restore --home {home_word} {file_word}");
    assert_eq!(place.quorate(&restore).failed(3), "config");
    empty(&home);
    let good = std::fs::read(&file).expect("a backup");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(&file, &bad).expect("written");
    assert_eq!(place.quorate(&restore).failed(9), "verification_failed");
    assert!(!home.join("journal").exists(), "nothing was written");
    std::fs::write(&file, &good).expect("written");
    let restored = place.quorate(&restore).ok();
    assert_eq!(restored["applied"], taken["applied"]);
    load(&place, 100);
    let started = place.testnet("start v3").ok();
    assert_eq!(started["validators"][0]["ready"], false, "{started}");
    wait_until_current(&place, "v3");
    assert_eq!(of(&place, "v3")["mode"], "silent");
    check_supply(&place);
}

#[test]
fn a_rolled_back_validator_that_cannot_write_its_mark_is_shown_its_votes_again() {
    let place = Place::new();
    place.up(4);
    load(&place, 100);
    place.testnet("kill v3").ok();
    let (home, older) = (place.dir().join("v3"), place.path("older"));
    copy(&home, &older);
    place.testnet("start v3").ok();
    // Three are a quorum: nothing is final without v3's votes.
    place.testnet("kill v2").ok();
    load(&place, 100);
    place.testnet("kill v3").ok();
    std::fs::remove_dir_all(&home).expect("removed");
    copy(&older, &home);
    // Where the mark is written first; now it can't be.
    let in_the_way = home.join(".silent.new");
    std::fs::create_dir(&in_the_way).expect("made");
    // It may fail before or after `start` has seen it ready.
    drop(place.testnet("start v3"));
    let log = || std::fs::read_to_string(home.join("log")).unwrap_or_default();
    wait_until(|| log().contains("the mark `silent` can't be written").then_some(()))
        .unwrap_or_else(|| panic!("it meets its own votes: {}", log()));
    drop(place.testnet("kill v3"));
    assert!(!home.join("silent").exists());
    std::fs::remove_dir(&in_the_way).expect("removed");
    drop(place.testnet("start v3"));
    wait_until(|| (of(&place, "v3")["mode"] == "silent").then_some(()))
        .unwrap_or_else(|| panic!("it is shown them again: {}", log()));
    assert!(home.join("silent").exists());
}
