//! `quorate top` in a real terminal: it shows the network, takes a new size, ends by every key and
//! signal that it names, and leaves the terminal as it was.

use crate::running::Place;
use std::process::{Command, Output};

/// Makes the pseudo-terminal; std can't.
const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/terminal.py");

fn top(place: &Place, how: &str, color: &str) -> Output {
    let program = place.command();
    let mut command = Command::new("python3");
    command.args([TERMINAL, how, "transfers"]).arg(program.get_program());
    command.args(["cli", "--", "--testnet"]).arg(place.dir()).args(["top", "--every", "100ms"]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("TERM", "xterm").env("NO_COLOR", color).output().expect("python3 runs")
}

#[test]
fn top_shows_the_network_and_gives_the_terminal_back() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("left out: there is no python3 here, which makes the pseudo-terminal");
        return;
    }
    let place = Place::new();
    place.up(4);
    for (how, color) in [("71", ""), ("1b", "1"), ("03", ""), ("signal", "")] {
        let output = top(&place, how, color);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{how}: {words}");
        let shown = String::from_utf8_lossy(&output.stdout);
        // Only what changes is written: what is blank before and after is jumped over.
        assert!(shown.contains("4 of 4 vote,"), "{how}: {shown:?}");
        assert!(shown.contains("v3"), "{how}: {shown:?}");
        assert_eq!(shown.contains("\x1b[0;32m"), color.is_empty(), "{how}: colours");
    }
}
