//! Texts that people, other programs and disks hand in: genesis, configuration, peers, faults, key
//! files, evidence, addresses, amounts, CIDs, command lines. Each is refused, or is taken and its
//! own form is taken for the same.

use super::Target;
use super::fixture;
use super::objects;
use super::scratch::Scratch;
use crate::faults::{Faults, Slow};
use crate::folder::Folder;
use crate::registry::{TESTNET_SCHEMA, TestnetFile};
use clap::Parser;
use ipfs_adapter::ContentId;
use ledger::{Address, Genesis, Name, format_amount, parse_amount};
use node::config::Config;
use node::view::{EvidenceRow, verify_evidence};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

/// The target.
pub const TARGET: Target =
    Target { name: "texts", check, seeds, bytes_max: 8 * 1024, memory_max: (24 << 20, 1_024) };

/// How each kind is looked at, by the first byte.
const KINDS: &[fn(&str)] = &[
    genesis,
    configuration,
    testnet,
    faults,
    key_file,
    evidence,
    address,
    amount,
    cid,
    name,
    command_line,
    testnet_line,
    partition,
    peers,
    time,
];

/// One kind, by the first byte, of the rest.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    KINDS[usize::from(*kind) % KINDS.len()](&String::from_utf8_lossy(bytes));
}

fn genesis(text: &str) {
    let Ok(genesis) = Genesis::from_json(text) else { return };
    let again = Genesis::from_json(&genesis.to_json()).expect("its own text");
    assert_eq!(again, genesis);
    let Ok(network) = genesis.network() else { return };
    assert_eq!(again.network().map(|network| network.id), Ok(network.id));
    let (weight, quorum) = (network.committee.total(), network.committee.quorum());
    assert!(quorum <= weight && quorum > weight - quorum, "two quorums meet");
    network.tokens().take(3).for_each(|made| assert!(made.amount > 0));
}

fn configuration(text: &str) {
    let scratch = Scratch::new();
    let path = scratch.write("node.toml", text.as_bytes());
    let Ok(config) = Config::load(&path) else { return };
    let written = match &config {
        Config::Validator(config) => config.to_toml(),
        Config::Wallet(config) => config.to_toml(),
    };
    let path = scratch.write("again.toml", written.as_bytes());
    let again = Config::load(&path).expect("its own text");
    let is_same = match (&config, &again) {
        (Config::Validator(one), Config::Validator(other)) => one == other,
        (Config::Wallet(one), Config::Wallet(other)) => one == other,
        _ => false,
    };
    assert!(is_same, "{written}");
}

fn testnet(text: &str) {
    let scratch = Scratch::new();
    let path = scratch.write("testnet.json", text.as_bytes());
    let Ok(Some(file)) = TestnetFile::read(&path) else { return };
    file.write(&path).expect("a folder of ours");
    assert_eq!(TestnetFile::read(&path).ok().flatten().as_ref(), Some(&file));
    drop(Faults::none(&file, 1));
}

fn faults(text: &str) {
    let scratch = Scratch::new();
    scratch.write("faults.toml", text.as_bytes());
    let folder = Folder::at(scratch.path()).expect("a folder");
    let Ok(Some(faults)) = Faults::read(&folder) else { return };
    let mut written = faults.clone();
    match written.write(&folder) {
        Ok(_) => assert_eq!(Faults::read(&folder).ok().flatten(), Some(written)),
        Err(_) => assert!(faults.version >= u64::MAX >> 1, "a good folder takes it"),
    }
    for one in &faults.validators {
        for other in &faults.validators {
            let there = faults.link(&one.name, &other.name);
            assert_eq!(there, faults.link(&other.name, &one.name), "a link is the same both ways");
        }
    }
}

fn key_file(text: &str) {
    let scratch = Scratch::new();
    let path = scratch.write("key", text.as_bytes());
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode).expect("a file of ours");
    let Ok(keypair) = node::keyfile::load(&path) else { return };
    let address = Address(keypair.public()).to_string();
    assert!(text.contains(&address), "the key is of the address that the file names");
}

fn evidence(text: &str) {
    let network = fixture::network();
    let Ok(rows) = verify_evidence(text, network) else { return };
    let (owner, votes) = objects::evidence();
    let known: [EvidenceRow; 2] =
        [EvidenceRow::of(network, 1, &owner), EvidenceRow::of(network, 2, &votes)];
    for row in rows {
        let of = |row: &EvidenceRow| {
            let mut value = serde_json::to_value(row).expect("strings and numbers");
            value["position"] = 0.into();
            value
        };
        assert!(known.iter().any(|known| of(known) == of(&row)), "nobody else is guilty: {row:?}");
    }
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text, "an address has one text");
    }
}

fn amount(text: &str) {
    let Some((decimals, text)) = text.split_at_checked(1) else { return };
    let decimals = decimals.as_bytes()[0] % 19;
    let Ok(units) = parse_amount(text, decimals) else { return };
    assert_eq!(parse_amount(&format_amount(units, decimals), decimals), Ok(units));
    assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{text:?}");
}

fn cid(text: &str) {
    if let Some(cid) = ledger::parse_cid(text).filter(|_| text.starts_with('b')) {
        // The case of base 32 means nothing.
        let own = ledger::cid_text(&cid);
        assert!(own.eq_ignore_ascii_case(text), "{text:?} is read as {own}");
    }
    if let Ok(id) = text.parse::<ContentId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ContentId::from_bytes(&id.to_bytes()), Ok(id));
    }
}

fn name(text: &str) {
    if let Ok(name) = Name::new(text) {
        assert_eq!(name.as_str(), text);
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(['\n', ' ']).collect()
}

fn command_line(text: &str) {
    if let Err(error) = node::cli::CommandLine::try_parse_from(words(text)) {
        error.render();
    }
}

fn testnet_line(text: &str) {
    if let Err(error) = crate::args::CommandLine::try_parse_from(words(text)) {
        error.render();
    }
}

/// A partition of seven validators, and faults on one of them.
fn partition(text: &str) {
    let mut faults: Faults = toml::from_str(&faults_text()).expect("a good file");
    if faults.part(text).is_ok() {
        let named: Vec<&String> = faults.groups.iter().flatten().collect();
        let mut distinct = named.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((named.len(), distinct.len()), (7, 7), "each is on one side");
        assert!(faults.groups.len() > 1);
    }
    let slow = Slow { delay_ms: 1, ..Slow::default() };
    if faults.set_slow(text, slow).is_ok() {
        assert!(faults.slow.contains_key(text));
    }
}

fn peers(text: &str) {
    if let Ok(places) = node::peers_file::parse(text) {
        let again = toml::to_string(&places).expect("strings");
        assert_eq!(node::peers_file::parse(&again).ok(), Some(places));
    }
}

fn time(text: &str) {
    drop(node::cli::args::parse_time(text));
}

/// No faults between seven validators.
fn faults_text() -> String {
    let mut text = "version = 1\nseed = 2\ngroups = []\n[slow]\n".to_string();
    for index in 0..7 {
        text += &format!("[[validators]]\nname = \"v{index}\"\nquic = \"127.0.0.1:{index}\"\n");
    }
    text
}

static KEY_TEXT: LazyLock<String> = LazyLock::new(|| {
    let scratch = Scratch::new();
    let path = scratch.path().join("key");
    node::keyfile::create(&path, fixture::owner_key(0)).expect("a key file");
    std::fs::read_to_string(path).expect("it was just made")
});

/// One good text of each kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let network = fixture::network();
    let address = fixture::address(0);
    let validator = "name = \"v0\"\nhome = \"h\"\ngenesis = \"g\"\nkey = \"k\"\npeers = \"p\"\n\
        [quic]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\nhosts = [\"a\"]\n\
        [validation]\ntrusted_network = true\nthreads = 2\n[ipfs]\nenabled = false\n\
        [performance.chunks]\n[store]\n[log]\nlevel = \"info\"\nformat = \"json\"\n";
    let wallet = format!(
        "name = \"till\"\nhome = \"h\"\ngenesis = \"g\"\n[wallet]\naddresses = [\"{address}\"]\n\
         nodes = [\"http://127.0.0.1:1\"]\n"
    );
    let testnet = serde_json::json!({
        "schema": TESTNET_SCHEMA, "ok": true, "network": "00", "name": "n", "quorum": 5,
        "genesis": "g", "dir": Path::new("d"), "keeper": null, "validators": [], "accounts": [],
    });
    let (owner, votes) = objects::evidence();
    let row = |position, evidence| {
        let row = EvidenceRow::of(network, position, evidence);
        serde_json::to_string(&row).expect("strings and numbers")
    };
    let texts: Vec<(u8, String)> = vec![
        (0, fixture::genesis().to_json()),
        (1, validator.into()),
        (1, wallet),
        (2, testnet.to_string()),
        (3, faults_text()),
        (4, KEY_TEXT.clone()),
        (5, row(1, &owner)),
        (5, row(2, &votes)),
        (6, address.to_string()),
        (7, "218446744073709551.615".into()),
        (7, "00".into()),
        (8, ledger::cid_text(&fixture::coin(0).state.cid())),
        (8, "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG".into()),
        (9, "v0".into()),
        (10, format!("quorate\ntransfer\n--to\n{address}\n--amount\n1.5\n--wait\nfinal")),
        (10, "quorate\nbench\nload\n--duration\n10s".into()),
        (11, "quorate-testnet up --validators 7 --base-port 0".into()),
        (11, "quorate-testnet slow v1 --delay 50ms --lose 1%".into()),
        (12, "v0,v1/v2,v3".into()),
        (12, "v0".into()),
        (13, "v0 = \"127.0.0.1:1\"\nv1 = \"localhost:2\"\n".into()),
        (14, "1m30s".into()),
    ];
    let seed = |(index, (kind, text)): (usize, (u8, String))| {
        (format!("kind-{kind:02}-{index:02}"), [vec![kind], text.into_bytes()].concat())
    };
    texts.into_iter().enumerate().map(seed).collect()
}
