//! The command line reads what INTERFACE.md says.

use super::*;
use clap::CommandFactory;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_holds_together() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_command_of_the_interface_is_read() {
    let lines = [
        "quorate run --config node.toml",
        "quorate keys new k",
        "quorate keys show k",
        "quorate address k",
        "quorate transfer alice bob 12.5",
        "quorate transfer alice bob 12.5 --asset QRT --memo hi --wait submitted",
        "quorate transfer alice bob --count 1000 --receipt r.json",
        "quorate transfer alice bob --token ab --token cd",
        "quorate transfer alice bob 3 --token ab --sign-only t.bin",
        "quorate transfer alice bob 1 --dry-run",
        "quorate submit t.bin --wait final --receipt r",
        "quorate issue alice --name points --decimals 2 --supply 1000",
        "quorate issue alice --name painting --content p.png",
        "quorate balance alice",
        "quorate tokens did:key:z6Mk",
        "quorate tx show ab",
        "quorate tx wait ab",
        "quorate tx retry ab",
        "quorate tx list",
        "quorate token show ab",
        "quorate token history ab",
        "quorate token verify ab",
        "quorate receipt verify r.json --genesis g.json",
        "quorate content put f",
        "quorate content get bafkrei --out f",
        "quorate content pin bafkrei --timeout 30s",
        "quorate content stat bafkrei --json",
        "quorate status",
        "quorate health",
        "quorate peers",
        "quorate store info --home d",
        "quorate store verify --home d --genesis g --key k",
        "quorate bench load --rate 100 --duration 2s",
        "quorate bench load --clients 8 --tokens-per-transfer 10 --batch 4 --nodes 3",
        "quorate completions bash",
        "quorate man",
        "quorate help exit-codes",
        "quorate --json --testnet d --node http://a:1 --node v3 --home h --timeout 10s -q status",
        "quorate status --json -v",
    ];
    for line in lines {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let lines = [
        "quorate",
        "quorate nothing",
        "quorate transfer alice bob",
        "quorate transfer alice",
        "quorate transfer alice bob 1 --count 2",
        "quorate transfer alice bob --count 2 --token ab",
        "quorate transfer alice bob --count many",
        "quorate transfer alice bob 1 --token ab --asset QRT",
        "quorate transfer alice bob 1 --dry-run --sign-only f",
        "quorate transfer alice bob 1 --sign-only f --receipt r",
        "quorate transfer alice bob 1 --wait forever",
        "quorate issue alice --name n",
        "quorate issue alice --name n --decimals 2",
        "quorate issue alice --name n --decimals 2 --supply 1 --content f",
        "quorate bench load --rate 1 --clients 2",
        "quorate status --timeout soon",
        "quorate status -q -v",
    ];
    for line in lines {
        let refused = parse(line).expect_err(line);
        assert_ne!(refused.kind(), ErrorKind::DisplayHelp, "{line}");
    }
}

#[test]
fn global_flags_are_read_before_and_after_the_command() {
    for line in ["quorate --json --timeout 250ms status", "quorate status --json --timeout 250ms"] {
        let read = parse(line).expect("good");
        assert!(read.global.json);
        assert_eq!(read.global.timeout, Some(Duration::from_millis(250)));
    }
}

#[test]
fn times_have_units() {
    assert_eq!(parse_time("10s"), Ok(Duration::from_secs(10)));
    assert_eq!(parse_time("10"), Ok(Duration::from_secs(10)));
    assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
    for bad in ["", "s", "-1s", "1.5s", "1h", "10 s", "99999999999999999999s"] {
        assert!(parse_time(bad).is_err(), "{bad:?}");
    }
    assert!(parse_time("18446744073709551615m").is_err());
    assert!(parse_time("18446744073709551615s").is_err(), "no clock goes that far");
    assert_eq!(parse_time("43200m"), Ok(Duration::from_secs(30 * 24 * 3_600)));
    assert!(parse_time("43201m").is_err());
}
