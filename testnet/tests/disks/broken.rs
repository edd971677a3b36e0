//! Disks that fail a sync or take long for it: `strace` makes the system call fail or wait.

use crate::asking::{ask, described, pay};
use crate::running::{Place, wait_until};
use crate::victim::{check_no_panic, check_vote_counts, has, has_vote, home, wait_until_even};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testnet::process::Process;

/// strace on the victim, until dropped.
struct Strace(Child);

impl Strace {
    fn inject(place: &Place, call: &str, how: &str) -> Self {
        Self::inject_at(place, call, how, None)
    }

    /// Only for calls on this file or folder, if one is given.
    fn inject_at(place: &Place, call: &str, how: &str, path: Option<&Path>) -> Self {
        let process: Process = serde_json::from_value(described(place, 3)).expect("a process");
        let inject = format!("inject={call}:{how}");
        let child = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
            .args(["-p", &process.pid.to_string()])
            .args(path.iter().flat_map(|path| [OsStr::new("-P"), path.as_os_str()]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        let strace = Self(child);
        let status = format!("/proc/{}/status", process.pid);
        let tracer = format!("TracerPid:\t{}", strace.0.id());
        let is_traced = || std::fs::read_to_string(&status).ok()?.contains(&tracer).then_some(());
        wait_until(is_traced).expect("strace may attach");
        strace
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let ended =
            Process::of(self.0.id()).map(|process| process.signal(rustix::process::Signal::TERM));
        drop(ended);
        drop(self.0.wait());
    }
}

#[test]
fn a_failed_sync_stops_the_votes_and_is_never_tried_again() {
    if !has("strace") {
        return;
    }
    for call in ["fdatasync", "pwrite64"] {
        let place = Place::new();
        place.up(4);
        pay(&place);
        let strace = Strace::inject(&place, call, "error=EIO:when=2");
        let why = falls_silent(&place, || drop(pay(&place)));
        assert!(why.contains("the journal's disk failed"), "{why}");
        assert!(why.contains("start it again") && why.contains("os code Some(5)"), "{why}");
        for _ in 0..3 {
            assert!(!has_vote(&pay(&place)), "it does not vote, though later syncs would do");
        }
        let refused = place.quorate("--node v3 transfer alice bob 1");
        assert!(refused.exit != 0, "{refused:?}");
        drop(strace);
        comes_back(&place);
    }
}

#[test]
fn a_failed_checkpoint_stops_the_votes_and_a_restart_loses_nothing() {
    if !has("strace") {
        return;
    }
    for (engine, synced) in [("sled", "index/sled-0"), ("fjall", "index/fjall-0/tree")] {
        check_failed_checkpoint(engine, Path::new(synced));
    }
}

/// `synced` is the folder that the engine syncs while a checkpoint is written.
fn check_failed_checkpoint(engine: &str, synced: &Path) {
    let place = Place::new();
    place.testnet(&format!("up --detach --index {engine} {MANY_TOKENS}")).ok();
    let index = home(&place).join(synced);
    assert!(index.is_dir(), "{} is where the index is", index.display());
    let strace = Strace::inject_at(&place, "fsync", "error=EIO", Some(&index));
    fill_index(&place);
    let why = falls_silent(&place, || ());
    assert!(why.contains("the index of the store can't be written"), "{why}");
    assert!(why.contains("see that its disk is well"), "{why}");
    assert!(!has_vote(&pay(&place)), "it does not vote");
    drop(strace);
    comes_back(&place);
}

/// Waits until the victim votes no more, `meanwhile` done again and again; why, as it says.
pub fn falls_silent(place: &Place, meanwhile: impl Fn()) -> String {
    let failed = wait_until(|| {
        meanwhile();
        let node = ask(place, 3, "/v1/node");
        (node["mode"] == "silent").then_some(node)
    });
    let why = failed.expect("the victim notices")["failed"].clone();
    why.as_str().expect("a reason").to_string()
}

/// Started again, the victim has lost nothing, and its vote counts.
pub fn comes_back(place: &Place) {
    place.testnet("kill v3").ok();
    assert_eq!(place.testnet("start v3").ok()["validators"][0]["ready"], true);
    wait_until_even(place);
    check_vote_counts(place);
    wait_until_even(place);
    check_no_panic(place);
}

/// Arguments of `up` that give tokens enough for [`fill_index`].
pub const MANY_TOKENS: &str = "-n 4 --accounts 17 --tokens 4096";

/// Moves so many tokens once that these are more rows than the index keeps in memory. The first two
/// accounts keep theirs.
pub fn fill_index(place: &Place) {
    let names = accounts(place);
    let (last, payers) = names.split_last().expect("seventeen");
    for payer in &payers[2..] {
        let many = format!("--node v0 transfer {payer} {last} --count 4096");
        assert_eq!(place.quorate(&many).ok()["status"], "final");
    }
}

/// The names of the testnet's accounts.
fn accounts(place: &Place) -> Vec<String> {
    let text = std::fs::read(place.dir().join("testnet.json")).expect("a description");
    let file: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let accounts = file["accounts"].as_array().expect("accounts").iter();
    accounts.map(|account| account["name"].as_str().expect("a name").into()).collect()
}

#[test]
fn nobody_waits_for_a_validator_with_a_slow_disk() {
    if !has("strace") {
        return;
    }
    let place = Place::new();
    place.up(4);
    pay(&place);
    // A sync takes longer than a client waits at all.
    let strace = Strace::inject(&place, "fdatasync", "delay_enter=20s");
    for _ in 0..5 {
        let paid = place.quorate("--node v0 transfer alice bob 1 --timeout 15s").ok();
        assert_eq!(paid["status"], "final");
        assert!(!has_vote(&paid), "its vote would have to wait for its disk: {paid}");
    }
    drop(strace);
    place.testnet("kill v3").ok();
    place.testnet("start v3").ok();
    wait_until_even(&place);
    check_no_panic(&place);
}
