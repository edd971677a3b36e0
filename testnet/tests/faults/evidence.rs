//! An owner that signs twice while the validators are parted is found out when they meet again.

use crate::running::{Place, wait_until};
use serde_json::Value;
use std::path::PathBuf;

/// Partitions until both halves have taken their transfer before they knew that they were alone.
const ATTEMPTS_MAX: usize = 10;

/// Signs two transfers of one free token.
fn sign_two(place: &Place, attempt: usize) -> [PathBuf; 2] {
    let tokens = place.quorate("tokens alice").ok();
    let tokens = tokens["tokens"].as_array().expect("tokens");
    let id = tokens[attempt]["id"].as_str().expect("an id");
    ["bob", "carol"].map(|to| {
        let file = place.path(&format!("{attempt}-{to}"));
        let words = format!("transfer alice {to} --token {id} --sign-only {}", file.display());
        place.quorate(&words).ok();
        file
    })
}

/// What some node keeps.
fn kept(place: &Place) -> Option<Value> {
    (0..7).find_map(|index| {
        let list = place.quorate(&format!("--node v{index} evidence list")).ok();
        list["evidence"].as_array().is_some_and(|kept| !kept.is_empty()).then_some(list)
    })
}

#[test]
fn two_transfers_of_one_token_are_evidence_that_anybody_can_check_offline() {
    let place = Place::new();
    place.up(7);
    let is_taken_twice = (0..ATTEMPTS_MAX).any(|attempt| {
        let files = sign_two(&place, attempt);
        place.testnet("partition v0,v1,v2/v3,v4,v5,v6").ok();
        let submit = |node: &str, file: &PathBuf| {
            place.quorate(&format!("--node {node} submit {} --timeout 1s", file.display())).exit
        };
        let exits = std::thread::scope(|scope| {
            let other = scope.spawn(|| submit("v3", &files[1]));
            [submit("v0", &files[0]), other.join().expect("no panic")]
        });
        place.testnet("heal").ok();
        exits == [7, 7]
    });
    assert!(is_taken_twice, "both halves take one");
    let kept = wait_until(|| kept(&place)).expect("who saw both keeps the proof");
    let file = place.path("evidence.json");
    std::fs::write(&file, kept.to_string()).expect("written");
    place.testnet("down").ok();
    let genesis = place.dir().join("genesis.json");
    let check = format!("evidence verify {} --genesis {}", file.display(), genesis.display());
    let checked = place.quorate(&check).ok();
    assert_eq!((&checked["verified"], &checked["kind"]), (&true.into(), &"owner".into()));
    let one = kept["evidence"][0].to_string();
    std::fs::write(&file, one.replacen("owner", "votes", 1)).expect("written");
    assert_eq!(place.quorate(&check).failed(9), "verification_failed");
}
