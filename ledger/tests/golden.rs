//! Golden bytes: one file for each object that is hashed, signed, stored or sent. They are what
//! other versions and other software see; a difference here is a change of the protocol.
//!
//! The files hold lower-case hexadecimal digits, 32 bytes a line.

#[path = "../src/fixture.rs"]
mod fixture;

use fixture::*;
use ledger::{
    Address, Ballot, Canonical, Certificate, Digest, Entry, Network, Output, Phase, Receipt,
    SignedTransfer, TokenState, Transfer, TransferId, Vote,
};
use std::{env, fs, path::PathBuf};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    hex::decode(text.lines().collect::<String>()).expect("golden files are hexadecimal")
}

/// Compares with the file, and returns what the file holds.
fn check(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = directory().join(name).with_extension("hex");
    if env::var_os("QUORATE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, to_hex(bytes)).expect("the golden directory can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let found = to_hex(bytes);
    let differs = golden.lines().zip(found.lines()).position(|(golden, found)| golden != found);
    let line = differs.unwrap_or(golden.lines().count().min(found.lines().count())) + 1;
    assert!(
        golden == found,
        "the bytes of {name} differ from {} at line {line}.\n\
         found {} bytes:\n{found}\n\
         Ids, signatures and stores of other versions depend on these bytes. If the change \
         is meant, commit it by itself with the files that this writes:\n\
         QUORATE_BLESS=1 cargo test -p ledger --test golden",
        path.display(),
        bytes.len(),
    );
    from_hex(&golden)
}

/// Compares with the file, and decodes the file and encodes it again.
fn check_object<T: Canonical + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let golden = check(name, &value.to_bytes());
    let decoded = T::from_bytes(&golden).expect("golden bytes are canonical");
    assert_eq!(decoded, *value, "{name}");
    assert_eq!(decoded.to_bytes(), golden, "{name}");
}

/// A batch of two: entry 0 is ordinary, entry 1 in round 1 of recovery.
fn entries(network: &Network) -> [Entry; 2] {
    let recovered = payment(network, 2);
    [
        Entry::ordinary(signed(everything(network))),
        Entry { signed: signed(recovered), round: 1, justification: b"reports".to_vec() },
    ]
}

const BOTH: &[bool] = &[true, true];
const FIRST: &[bool] = &[true, false];

fn final_receipt(network: &Network) -> Receipt {
    let entries = entries(network);
    let votes: [(u16, &[bool]); 4] = [(0, BOTH), (1, FIRST), (2, BOTH), (3, BOTH)];
    receipt(&entries, 1, certificate(network, Phase::Commit, &entries, &votes))
}

fn made(network: &Network) -> TokenState {
    let transfer = everything(network);
    transfer.made(transfer.id())[0].state
}

#[test]
fn transfer() {
    let network = network();
    let transfer = everything(&network);
    assert_eq!(transfer.check(&network), Ok(()));
    let has = |kind: fn(&Output) -> bool| transfer.outputs.iter().any(kind);
    assert!(has(|output| matches!(output, Output::Move { .. })));
    assert!(has(|output| matches!(output, Output::Create { .. })));
    assert!(has(|output| matches!(output, Output::Issue { .. })));
    check_object::<Transfer>("transfer", &transfer);
    check_object::<TransferId>("transfer-id", &transfer.id());
    check("transfer-statement", &transfer.statement(transfer.id()));
}

#[test]
fn signed_transfer() {
    check_object::<SignedTransfer>("signed-transfer", &signed(everything(&network())));
}

#[test]
fn entry() {
    let [ordinary, recovered] = entries(&network());
    check_object::<Entry>("entry-round-0", &ordinary);
    check_object::<Entry>("entry-round-1", &recovered);
    check_object::<Digest>("leaf-round-0", &ordinary.leaf(ordinary.signed.transfer.id()));
    check_object::<Digest>("leaf-round-1", &recovered.leaf(recovered.signed.transfer.id()));
}

#[test]
fn ballot_and_vote() {
    let network = network();
    let lock = ballot(&network, Phase::Lock, &entries(&network), FIRST);
    let commit = Ballot { phase: Phase::Commit, ..lock.clone() };
    check("ballot-statement-lock", &lock.statement(&network.id));
    check("ballot-statement-commit", &commit.statement(&network.id));
    check_object::<Ballot>("ballot", &lock);
    check_object::<Vote>("vote", &vote(&network, 2, &lock));
}

#[test]
fn certificate_and_receipt() {
    let network = network();
    let receipt = final_receipt(&network);
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1);
    assert!(receipt.verify(&network, &mut rng).is_ok());
    check_object::<Certificate>("certificate", &receipt.certificate);
    check_object::<Receipt>("receipt", &receipt);
}

#[test]
fn genesis_id() {
    check_object("genesis-id", &network().id);
}

#[test]
fn token_state_and_cid() {
    let state = made(&network());
    check_object::<TokenState>("token-state", &state);
    let cid = check("token-state-cid", &state.cid());
    let text = ledger::cid_text(&state.cid());
    assert_eq!(ledger::parse_cid(&text).map(|cid| cid.to_vec()), Some(cid));
}

#[test]
fn address_bytes_and_text() {
    let address = address(ALICE);
    check_object::<Address>("address", &address);
    let text = check("address-text", address.to_string().as_bytes());
    let text = String::from_utf8(text).expect("a did:key is ASCII");
    assert_eq!(text.parse(), Ok(address));
}

#[test]
fn no_golden_file_is_left_over() {
    let files = fs::read_dir(directory()).expect("the golden directory can be read");
    let source = include_str!("golden.rs");
    for file in files {
        let path = file.expect("the golden directory can be read").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("an ASCII name");
        assert!(
            source.contains(&format!("(\"{name}\"")),
            "{} is compared by no test",
            path.display()
        );
    }
}
