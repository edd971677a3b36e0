//! Full disks: of the log alone, and of the whole home; and too little memory.

use crate::asking::{ask, described, pay};
use crate::broken::{MANY_TOKENS, comes_back, falls_silent, fill_index};
use crate::mount::Mount;
use crate::running::Place;
use crate::victim::{
    VICTIM, check_no_panic, check_vote_counts, has, has_vote, home, is_root, wait_until_even,
};
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;
use testnet::process::Process;

#[test]
fn a_validator_goes_on_when_its_log_cannot_be_written() {
    let place = Place::new();
    place.up(4);
    place.testnet("kill v3").ok();
    // Whatever it writes there fails, as on a full disk.
    let log = home(&place).join("log");
    std::fs::remove_file(&log).expect("there");
    std::os::unix::fs::symlink("/dev/full", &log).expect("Linux has it");
    let started = place.testnet("start v3").ok();
    assert_eq!(started["validators"][0]["ready"], true, "{started}");
    place.testnet("kill v2").ok();
    assert!(has_vote(&pay(&place)), "and votes");
    assert_eq!(place.states()[3], "running");
}

/// Takes all space that is left.
fn fill(path: &std::path::Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
    let block = vec![1; 64 * 1024];
    for size in [block.len(), 512, 1] {
        while file.write_all(&block[..size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    std::fs::create_dir_all(home(&place)).expect("a folder");
    // Less than a journal's first segment takes.
    let mount = Mount::tmpfs(&home(&place), "40m");
    let failed = place.testnet("up --detach -n 4");
    assert!(failed.exit != 0, "{failed:?}");
    assert!(failed.words.contains(VICTIM) && failed.words.contains("journal"), "{failed:?}");
    mount.resize("100m");
    place.testnet("up --detach -n 4").ok();
    assert!(has_vote(&pay(&place)) || ask(&place, 3, "/v1/node")["mode"] == "voting");
    let filler = home(&place).join("filler");
    fill(&filler);
    for _ in 0..5 {
        pay(&place);
    }
    // Its journal has its space already, so it goes on; without v2 its vote counts.
    wait_until_even(&place);
    place.testnet("kill v2").ok();
    assert!(has_vote(&pay(&place)));
    std::fs::remove_file(&filler).expect("there");
    place.testnet("start v2").ok();
    wait_until_even(&place);
    place.testnet("kill v3").ok();
    fill(&filler);
    let started = place.testnet("start v3");
    if started.exit != 0 {
        let words = started.words.to_lowercase();
        assert!(words.contains("space") || words.contains("storagefull"), "{started:?}");
    }
    pay(&place);
    std::fs::remove_file(&filler).expect("space is there again");
    place.testnet("kill v3").ok();
    let started = place.testnet("start v3").ok();
    assert_eq!(started["validators"][0]["ready"], true, "{started}");
    wait_until_even(&place);
    check_vote_counts(&place);
    wait_until_even(&place);
    check_no_panic(&place);
    place.testnet("down").ok();
    drop(mount);
}

#[test]
fn a_checkpoint_that_finds_the_disk_full_is_told_and_loses_nothing() {
    if !is_root() {
        return;
    }
    for engine in ["sled", "fjall"] {
        let place = Place::new();
        std::fs::create_dir_all(home(&place)).expect("a folder");
        let mount = Mount::tmpfs(&home(&place), "120m");
        place.testnet(&format!("up --detach --index {engine} {MANY_TOKENS}")).ok();
        let filler = home(&place).join("filler");
        fill(&filler);
        fill_index(&place);
        let why = falls_silent(&place, || ());
        assert!(why.contains("the index of the store can't be written"), "{engine}: {why}");
        assert!(why.contains("has room, and restart"), "{engine}: {why}");
        assert!(!has_vote(&pay(&place)), "it does not vote");
        std::fs::remove_file(&filler).expect("space is there again");
        comes_back(&place);
        place.testnet("down").ok();
        drop(mount);
    }
}

#[test]
fn a_validator_without_memory_ends_and_comes_back() {
    if !has("prlimit") {
        return;
    }
    let place = Place::new();
    place.up(4);
    let process: Process = serde_json::from_value(described(&place, 3)).expect("a process");
    let pages = std::fs::read_to_string(format!("/proc/{}/statm", process.pid)).expect("statm");
    let pages: u64 = pages.split(' ').next().expect("a size").parse().expect("a number");
    // What it has and a little more: its next larger allocation fails.
    let limit = format!("--as={}", pages * 4_096 + 64 * 1_024);
    let pid = process.pid.to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit");
    assert!(set.success());
    for _ in 0..40 {
        pay(&place);
    }
    let others = place.states();
    assert_eq!(others[..3], ["running"; 3], "nobody else is troubled");
    place.testnet("kill v3").ok();
    let started = place.testnet("start v3").ok();
    assert_eq!(started["validators"][0]["ready"], true, "{started}");
    wait_until_even(&place);
    check_vote_counts(&place);
    wait_until_even(&place);
}
