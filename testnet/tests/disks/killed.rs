//! A validator that is killed while its index is written.

use crate::asking::{ask, described};
use crate::broken::{MANY_TOKENS, fill_index};
use crate::running::{Place, wait_until};
use crate::victim::{VICTIM, check_no_panic, check_vote_counts, home, wait_until_even};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use testnet::process::Process;

/// Path and length of every file below a folder.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        match meta.is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((entry.path(), meta.len())),
        }
    }
    found.sort();
    found
}

/// Nothing is lost, whichever engine the index has, and whichever it had when it was killed.
#[test]
fn a_validator_killed_in_a_checkpoint_comes_back_with_either_engine_and_has_all() {
    for (engine, other) in [("sled", "fjall"), ("fjall", "sled")] {
        let place = Place::new();
        place.testnet(&format!("up --detach --index {engine} {MANY_TOKENS}")).ok();
        let index = home(&place).join("index");
        let before = files(&index);
        let victim: Process = serde_json::from_value(described(&place, 3)).expect("a process");
        std::thread::scope(|scope| {
            let filling = scope.spawn(|| fill_index(&place));
            let is_written = wait_until(|| (files(&index) != before).then_some(()));
            let killed = victim.signal(Signal::KILL);
            is_written.expect("a checkpoint begins");
            killed.expect("it ran");
            filling.join().expect("three others are a quorum");
        });
        check_comes_back(&place);
        // And with the other engine, from its journal.
        place.testnet(&format!("kill {VICTIM}")).ok();
        let config = home(&place).join("node.toml");
        let text = std::fs::read_to_string(&config).expect("a file");
        let line = |engine: &str| format!("index = \"{engine}\"");
        assert!(text.contains(&line(engine)), "{text}");
        std::fs::write(&config, text.replace(&line(engine), &line(other))).expect("written");
        check_comes_back(&place);
        assert!(files(&index).iter().all(|(path, _)| path.to_string_lossy().contains(other)));
        let log = std::fs::read_to_string(home(&place).join("log")).expect("its log");
        let told = format!("its files are {engine}'s and the configuration says {other}");
        assert!(log.contains(&told), "{log}");
        check_vote_counts(&place);
        wait_until_even(&place);
        check_no_panic(&place);
    }
}

/// Started again, the victim has what the others have.
fn check_comes_back(place: &Place) {
    let started = place.testnet(&format!("start {VICTIM}")).ok();
    assert_eq!(started["validators"][0]["ready"], true, "{started}");
    wait_until_even(place);
    assert_eq!(ask(place, 3, "/v1/supply"), ask(place, 0, "/v1/supply"));
    assert_eq!(ask(place, 3, "/v1/node")["digest"], ask(place, 0, "/v1/node")["digest"]);
}
