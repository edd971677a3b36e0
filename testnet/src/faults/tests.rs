//! What may be said of faults, and what follows for a link.

use super::*;

fn faults() -> Faults {
    let place = |index: u16| Place {
        name: format!("v{index}"),
        quic: SocketAddr::from(([127, 0, 0, 1], 1_000 + index)),
    };
    Faults {
        version: 0,
        seed: 1,
        groups: Vec::new(),
        slow: BTreeMap::new(),
        validators: (0..7).map(place).collect(),
    }
}

fn slow(delay_ms: u32) -> Slow {
    Slow { delay_ms, ..Slow::default() }
}

#[test]
fn who_is_not_named_is_one_more_group() {
    let mut faults = faults();
    faults.part("v0,v1/v2").expect("known names");
    assert_eq!(faults.groups, [vec!["v0", "v1"], vec!["v2"], vec!["v3", "v4", "v5", "v6"]]);
    assert!(faults.link("v0", "v2").is_blocked && faults.link("v3", "v1").is_blocked);
    assert!(!faults.link("v1", "v0").is_blocked && !faults.link("v6", "v3").is_blocked);
    faults.part("v6").expect("one against the others");
    assert!(faults.link("v6", "v3").is_blocked && !faults.link("v0", "v2").is_blocked);
}

#[test]
fn a_wrong_partition_changes_nothing() {
    let mut faults = faults();
    faults.part("v0/v1").expect("known names");
    let before = faults.clone();
    let all = "v0,v1,v2,v3,v4,v5,v6";
    for wrong in ["v0/v9", "v0,v0", "v0,v1/v1", "v0//v1", "", "v0,/v1", all] {
        let failure = faults.part(wrong).err().unwrap_or_else(|| panic!("{wrong:?} is refused"));
        assert_eq!(failure.code, USAGE, "{wrong:?}");
    }
    let failure = faults.part("v0/v9").expect_err("unknown");
    assert!(failure.help.iter().any(|help| help.contains("v0 v1 v2")), "{failure:?}");
    assert!(faults.set_slow("v7", slow(1)).is_err());
    assert_eq!(faults, before);
}

#[test]
fn delays_of_both_ends_add_up_and_are_taken_back() {
    let mut faults = faults();
    faults.set_slow("v3", slow(80)).expect("a name");
    faults.set_slow("v4", slow(5)).expect("a name");
    assert_eq!(faults.link("v3", "v4").delay_ms, 85);
    assert_eq!((faults.link("v0", "v3").delay_ms, faults.link("v3", "v0").delay_ms), (80, 80));
    assert_eq!(faults.link("v0", "v1"), Link::default());
    faults.set_slow("v3", Slow::default()).expect("a name");
    assert!(!faults.is_none());
    faults.set_slow("v4", Slow::default()).expect("a name");
    assert!(faults.is_none());
}

#[test]
fn the_file_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Folder::at(dir.path()).expect("a path");
    assert_eq!(Faults::read(&folder).expect("no file"), None);
    let mut written = faults();
    written.part("v0,v1/v2").expect("known names");
    written.set_slow("v3", Slow { lose_per_mille: 3, ..slow(80) }).expect("a name");
    assert_eq!(written.write(&folder).expect("written"), 1);
    assert_eq!(written.write(&folder).expect("written"), 2);
    assert_eq!(Faults::read(&folder).expect("a file"), Some(written));
    std::fs::write(folder.faults(), "version = 1\nnonsense = 2").expect("written");
    assert!(Faults::read(&folder).is_err());
}

#[test]
fn a_seed_of_64_bits_did_not_fit_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Folder::at(dir.path()).expect("a path");
    let file: TestnetFile = serde_json::from_value(serde_json::json!({
        "schema": "quorate.testnet/1", "ok": true, "network": "00", "name": "n", "quorum": 5,
        "genesis": "g", "dir": "d", "keeper": null, "validators": [], "accounts": [],
    }))
    .expect("a testnet");
    let mut calm = Faults::none(&file, u64::MAX).expect("no faults");
    assert_eq!(calm.write(&folder).expect("written"), 1);
    assert_eq!(Faults::read(&folder).expect("a file"), Some(calm));
}

#[test]
fn a_version_that_can_not_grow_any_more_was_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Folder::at(dir.path()).expect("a path");
    for version in [u64::MAX >> 1, u64::MAX] {
        let failure = Faults { version, ..faults() }.write(&folder).expect_err("no number left");
        assert_eq!(failure.code, CONFIG);
    }
}
