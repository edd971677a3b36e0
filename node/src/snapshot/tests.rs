//! What a reader believes of a snapshot: every kind of damage and lie gives its error, and what was
//! restored is what was there.

use super::make::{bytes_of, make};
use super::*;
use crate::index::{Engine, over_both_engines};
use crate::store::{self, Alone, Cause, RestoreError, Store, open_alone, tests_network};
use crate::store::{first_start, verify};
use consensus::{Mode, Outcome};
use ledger::{
    Address, AssetDefinition, AssetKind, Input, Keypair, Made, Output, Transfer, TransferId,
};
use std::path::Path;
use std::sync::Arc;

over_both_engines!(a_restored_store_has_the_tips_and_never_votes);

fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

fn address(number: u8) -> Address {
    Address(key(number).public())
}

fn input(made: &Made) -> Input {
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

fn transfer(inputs: &[Made], outputs: Vec<Output>) -> Transfer {
    let network = tests_network();
    let inputs: Vec<Input> = inputs.iter().map(input).collect();
    let owner = address(2);
    let (network, memo) = (network.id, String::new());
    Transfer { network, epoch: 0, owner, inputs, outputs, memo }
}

fn send(alone: &mut Alone, transfer: Transfer, owner: u8) -> Vec<Made> {
    let (id, outcome) = alone.send(transfer.clone(), owner);
    assert_eq!(outcome, Some(Outcome::Final));
    transfer.made(id)
}

fn move_to(to: u8) -> Output {
    Output::Move { input: 0, to: address(to) }
}

/// Some moves, one of them twice; a coin that ended in two; one of those moved on; an asset issued
/// and moved.
fn ledger(home: &Path) -> Alone {
    let mut alone = open_alone(home);
    let genesis: Vec<Made> = alone.network.tokens().collect();
    for position in 0..4 {
        assert_eq!(alone.pay(position, 3).1, Some(Outcome::Final));
    }
    let asset = genesis[5].asset;
    let part = |amount| Output::Create { asset, amount, to: address(3) };
    let parts = send(&mut alone, transfer(&genesis[5..6], vec![part(400), part(600)]), 2);
    let mut on = transfer(&parts[..1], vec![move_to(4)]);
    on.owner = address(3);
    send(&mut alone, on, 3);
    let definition =
        AssetDefinition { name: "ART".into(), kind: AssetKind::Fungible { decimals: 0 } };
    let issue = Output::Issue { definition, supply: 7, to: address(3) };
    let issued = send(&mut alone, transfer(&genesis[6..7], vec![move_to(2), issue]), 2);
    let mut on = transfer(&issued[1..], vec![move_to(4)]);
    on.owner = address(3);
    send(&mut alone, on, 3);
    alone
}

fn made_of(store: &Store) -> Snapshot {
    make(store, &tests_network(), &|| false).expect("it can be made")
}

fn snapshot() -> Snapshot {
    let home = tempfile::tempdir().expect("a folder");
    made_of(&ledger(home.path()).store)
}

fn tips_of(tips: &consensus::Tips) -> Vec<(TokenId, consensus::Tip)> {
    let mut all: Vec<_> = tips.tokens().map(|(token, tip)| (*token, *tip)).collect();
    all.sort_by_key(|(token, _)| *token);
    all
}

/// Reads and checks changed contents under a right trailer.
fn checked(snapshot: &Snapshot) -> Result<Checked, SnapshotError> {
    Snapshot::from_bytes(&snapshot.to_bytes())?.check(&tests_network())
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let trailer = hash_untagged(&bytes);
    trailer.write(&mut bytes);
    bytes
}

#[test]
fn what_is_made_holds_and_says_where_every_token_stands() {
    let home = tempfile::tempdir().expect("a folder");
    let alone = ledger(home.path());
    let snapshot = made_of(&alone.store);
    let bytes = bytes_of(&snapshot).expect("small");
    assert_eq!(Snapshot::from_bytes(&bytes), Ok(snapshot.clone()));
    let found = snapshot.check(&alone.network).expect("it holds");
    let tips = alone.validator.tips();
    assert_eq!(tips_of(&found.tips), tips_of(tips));
    assert_eq!((found.tips.applied(), found.tips.digest()), (tips.applied(), tips.digest()));
    assert_eq!(found.issued.len(), 1);
    let assets = |tips: &consensus::Tips| {
        let assets = tips.assets().map(|(id, asset)| (*id, asset.clone()));
        assets.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(assets(&found.tips), assets(tips));
}

#[test]
fn damage_and_other_files_are_refused() {
    let bytes = snapshot().to_bytes();
    for at in (MAGIC.len()..bytes.len()).step_by(131) {
        let mut bad = bytes.clone();
        bad[at] ^= 4;
        assert_eq!(Snapshot::from_bytes(&bad), Err(SnapshotError::Damaged), "byte {at}");
    }
    assert_eq!(Snapshot::from_bytes(b"quorate.snapshot/2\n"), Err(SnapshotError::NoSnapshot));
    for length in [MAGIC.len(), MAGIC.len() + 31, bytes.len() - 1] {
        assert!(Snapshot::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let body = &bytes[..bytes.len() - TRAILER_BYTES];
    let short = sealed(body[..body.len() - 1].to_vec());
    assert!(matches!(Snapshot::from_bytes(&short), Err(SnapshotError::Decode(_))));
    let long = sealed([body, &[0]].concat());
    let found = Snapshot::from_bytes(&long);
    assert_eq!(found, Err(SnapshotError::Decode(DecodeError::Trailing(1))));
    let large = vec![0; SNAPSHOT_BYTES_MAX + 1];
    let bytes = large.len();
    assert_eq!(Snapshot::from_bytes(&large), Err(SnapshotError::TooLarge { bytes }));
}

#[test]
fn counts_above_the_limits_are_refused_before_anything_is_allocated() {
    let empty = Snapshot { lines: Vec::new(), groups: Vec::new(), ..snapshot() }.to_bytes();
    let at = empty.len() - TRAILER_BYTES - 8;
    let claim = |at: usize, count: usize| {
        let mut bad = empty[..empty.len() - TRAILER_BYTES].to_vec();
        let count = u32::try_from(count).expect("small");
        bad[at..at + 4].copy_from_slice(&count.to_le_bytes());
        Snapshot::from_bytes(&sealed(bad))
    };
    for (at, max) in [(at, LINES_MAX), (at + 4, GROUPS_MAX)] {
        let found = claim(at, max + 1);
        let is_refused = matches!(found, Err(SnapshotError::Decode(DecodeError::TooMany { .. })));
        assert!(is_refused, "{found:?}");
        let found = claim(at, max);
        let short = matches!(found, Err(SnapshotError::Decode(DecodeError::Truncated { .. })));
        assert!(short, "{found:?}");
    }
}

#[test]
fn another_network_is_refused() {
    let mut other = snapshot();
    other.network = NetworkId(Digest([9; 32]));
    assert_eq!(checked(&other).err(), Some(SnapshotError::OtherNetwork(other.network)));
    let other = Snapshot { epoch: 1, ..snapshot() };
    assert_eq!(checked(&other).err(), Some(SnapshotError::OtherNetwork(other.network)));
}

#[test]
fn a_tip_that_its_receipt_does_not_make_is_refused() {
    let good = snapshot();
    let mut bad = good.clone();
    let link = &mut bad.groups[0].links[0];
    if let Output::Move { to, .. } | Output::Create { to, .. } =
        &mut link.signed.transfer.outputs[0]
    {
        *to = address(9);
    }
    let (batch, index) = (bad.groups[0].certificate.batch, bad.groups[0].links[0].index);
    let unproved = Some(SnapshotError::Unproved { batch, index });
    assert_eq!(checked(&bad).err(), unproved);
    let mut bad = good.clone();
    bad.groups[0].links[0].path.push(Digest([1; 32]));
    assert_eq!(checked(&bad).err(), unproved);
    let mut bad = good.clone();
    bad.groups[0].count = 2;
    assert_eq!(checked(&bad).err(), unproved);
    let mut bad = good;
    bad.groups[0].certificate.groups[0].votes[0].signature.0[0] ^= 1;
    assert!(matches!(checked(&bad).err(), Some(SnapshotError::Certificate { .. })));
}

#[test]
fn a_log_that_does_not_fit_the_links_is_refused() {
    let good = snapshot();
    let mut bad = good.clone();
    bad.applied += 1;
    let found = good.applied;
    let count = SnapshotError::Count { said: found + 1, found };
    assert_eq!(checked(&bad).err(), Some(count));
    let mut bad = good.clone();
    let batch = bad.groups[0].certificate.batch;
    bad.lines.retain(|line| line.batch != batch);
    bad.applied -= 1;
    assert_eq!(checked(&bad).err(), Some(SnapshotError::Log(batch)));
    let mut bad = good.clone();
    bad.lines.push(bad.lines[0].clone());
    bad.applied += 1;
    assert_eq!(checked(&bad).err(), Some(SnapshotError::Log(bad.lines[0].batch)));
    let mut bad = good.clone();
    bad.groups.push(bad.groups[0].clone());
    assert!(matches!(checked(&bad).err(), Some(SnapshotError::Decode(_))), "each group once");
    let mut bad = good;
    let twice = bad.groups[0].links[0].clone();
    bad.groups[0].links.push(twice);
    assert!(matches!(checked(&bad).err(), Some(SnapshotError::Decode(_))), "each link once");
}

fn without(snapshot: &Snapshot, is_gone: impl Fn(&Transfer) -> bool) -> Snapshot {
    let mut rest = snapshot.clone();
    for group in &mut rest.groups {
        group.links.retain(|link| !is_gone(&link.signed.transfer));
    }
    rest.groups.retain(|group| !group.links.is_empty());
    assert_ne!(rest.groups.len(), snapshot.groups.len(), "something is gone");
    rest
}

#[test]
fn a_missing_link_of_an_ended_token_is_told_by_the_supply() {
    let is_split = |transfer: &Transfer| matches!(transfer.outputs[0], Output::Create { .. });
    let found = checked(&without(&snapshot(), is_split)).err();
    // The split coin is back, and the part that moved on is there, too.
    let is_told =
        matches!(found, Some(SnapshotError::Supply { issued: 100_000, live: 100_400, .. }));
    assert!(is_told, "{found:?}");
}

#[test]
fn an_asset_that_nobody_issued_and_two_links_of_one_state_are_refused() {
    let is_issue = |transfer: &Transfer| {
        transfer.outputs.iter().any(|output| matches!(output, Output::Issue { .. }))
    };
    let found = checked(&without(&snapshot(), is_issue)).err();
    assert!(matches!(found, Some(SnapshotError::Asset(_))), "{found:?}");
    let mut bad = snapshot();
    let mut fork = bad.groups[0].clone();
    if let Output::Move { to, .. } | Output::Create { to, .. } =
        &mut fork.links[0].signed.transfer.outputs[0]
    {
        *to = address(9);
    }
    bad.groups.push(fork);
    // No quorum certifies both; the tips alone would tell.
    let found = bad.tips(&tests_network()).err();
    assert!(matches!(found, Some(SnapshotError::Contradiction(_))), "{found:?}");
}

fn open(home: &Path) -> store::Opened {
    store::open(home, &tests_network(), 0, &key(1), &store::tests_config(false)).expect("it opens")
}

fn a_restored_store_has_the_tips_and_never_votes(engine: Engine) {
    store::tests_on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let mut alone = ledger(home.path());
    let snapshot = made_of(&alone.store);
    let restored = tempfile::tempdir().expect("a folder");
    let network: Arc<ledger::Network> = tests_network();
    first_start::permit(restored.path(), &network.id, &key(1)).expect("permitted");
    let damaged = store::restore(restored.path(), &network, b"nothing");
    assert!(matches!(damaged, Err(RestoreError::Snapshot(_))));
    assert!(!restored.path().join("silent").exists(), "nothing was written");
    let bytes = snapshot.to_bytes();
    store::restore(restored.path(), &network, &bytes).expect("it holds");
    assert!(restored.path().join("silent").exists());
    assert!(!restored.path().join("first-start").exists(), "the permission is used up");
    let again = store::restore(restored.path(), &network, &bytes);
    assert_eq!(again.err(), Some(RestoreError::NotEmpty));
    let before = tips_of(alone.validator.tips());
    let (id, _) = alone.pay(10, 3);
    let last = alone.store.line_count() - 1;
    let line = alone.store.log(last, 1).expect("readable").remove(0);
    let newer = alone.store.applied_batch(&line.batch).expect("readable").expect("it is there");
    for is_rebuilt in [false, true] {
        if is_rebuilt {
            std::fs::remove_dir_all(restored.path().join("index")).expect("removed");
        }
        let opened = open(restored.path());
        assert_eq!(opened.silence.map(|silence| silence.cause), Some(Cause::Restored));
        assert_eq!(opened.validator.mode(), Mode::Silent);
        assert_eq!(tips_of(opened.validator.tips()), before);
        assert_eq!(opened.store.log(0, 100).as_ref(), Ok(&snapshot.lines));
        assert!(opened.store.has_base());
        let batch = snapshot.lines[0].batch;
        assert_eq!(opened.store.applied_places(&batch), Ok(Vec::new()), "its bytes are not here");
        assert_eq!(opened.store.receipt(&TransferId::default()), Ok(None));
        assert_eq!(made_of(&opened.store), snapshot, "it is passed on");
    }
    let report = verify(restored.path(), &network, 0, &key(1)).expect("readable");
    assert_eq!((report.problems, report.applied), (Vec::new(), snapshot.applied));
    let opened = open(restored.path());
    let (store, mut validator) = (opened.store, opened.validator);
    let proven = crate::sync::check::check(&network, newer).expect("it holds");
    let step = validator.proven(1, proven.applied, proven.batch, proven.checked);
    let persisted = store.persist(&step.persist, &step.applied, validator.tips(), false);
    persisted.expect("the disk is well");
    assert!(store.is_final(&id));
    assert_eq!(made_of(&store), made_of(&alone.store));
    drop((store, validator));
    let opened = open(restored.path());
    assert_eq!(tips_of(opened.validator.tips()), tips_of(alone.validator.tips()));
}
