//! SIGKILL in the middle of writing: what was flushed is there, what is there is sound.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use ipfs_adapter::{Blocks, Content, Label, Pin, Pins, Sled};
use tempfile::TempDir;

const QUOTA: u64 = 64 << 20;
/// Set for the child only: the store that it writes to.
const STORE: &str = "IPFS_ADAPTER_KILL_TEST_STORE";
const ROUNDS: u64 = 4;

fn content(number: u64) -> Content {
    Content::of(number.to_le_bytes().repeat(64)).expect("short content")
}

fn pin(number: u64) -> Pin {
    let label = Label::new(&number.to_le_bytes()).expect("a short label");
    Pin { id: content(number).id(), label }
}

/// Does nothing as a test; in the child of the test below it writes until it is killed, and says
/// each number on standard output once it is flushed.
#[test]
fn writer() {
    let Some(path) = env::var_os(STORE) else { return };
    let store = Sled::open(Path::new(&path), QUOTA).expect("the store opens after a kill");
    // The last one again: its pin may have died with the writer before.
    let mut number = store.usage().count.saturating_sub(1);
    let mut output = std::io::stdout();
    loop {
        store.put(&content(number)).expect("the quota is far");
        store.pin(&[pin(number)]).expect("pinned for the first time");
        store.flush().expect("flushed");
        writeln!(output, "\nflushed {number}").expect("the parent reads");
        number += 1;
    }
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let directory = TempDir::new().expect("a temporary directory");
    for round in 1..=ROUNDS {
        let last = write_and_kill(directory.path(), 20 * round);
        let store = Sled::open(directory.path(), QUOTA).expect("the store opens after a kill");
        for number in 0..=last {
            let id = content(number).id();
            assert_eq!(store.get(id), Ok(Some(content(number))), "block {number} of {last}");
            assert_eq!(store.labels(&[id]), Ok(vec![Some(pin(number).label)]));
        }
        let usage = store.usage();
        assert!(usage.count > last, "{usage:?} but {last} was flushed");
        assert_eq!(usage.bytes, usage.count * 512);
    }
}

/// Runs the writer until it has flushed `count` more, kills it, and gives the last number flushed.
fn write_and_kill(path: &Path, count: u64) -> u64 {
    let mut child = Command::new(env::current_exe().expect("this test has a path"))
        .args(["--exact", "writer", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut flushed = lines
        .map(|line| line.expect("the child writes text"))
        .filter_map(|line| line.strip_prefix("flushed ")?.parse::<u64>().ok());
    let first = flushed.next().expect("the child flushes");
    let mut last = first;
    while last < first + count {
        last = flushed.next().expect("the child goes on");
    }
    child.kill().expect("the child is killed");
    // What it had written before it died is flushed too.
    last = flushed.last().unwrap_or(last);
    child.wait().expect("the child is joined");
    last
}
