//! The wallet under threads, processes and crashes: one token is never promised twice, and what was
//! stored before a crash is there after it.

use super::*;
use ledger::{
    Address, AssetId, Input, Keypair, Output, TokenId, TokenState, Transfer,
    asset::genesis_asset_id, state::genesis_token_id,
};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// Tokens of the owner, one base unit each.
const TOKENS: u64 = 48;
/// Where a child process finds the wallet.
const CHILD_HOME: &str = "QUORATE_TEST_WALLET_HOME";
/// What the child does: how many transfers to sign, or `die` in the middle of one.
const CHILD_TASK: &str = "QUORATE_TEST_WALLET_TASK";

fn owner() -> Keypair {
    Keypair::from_seed([3; 32])
}

fn asset() -> AssetId {
    genesis_asset_id(0)
}

fn tokens() -> Vec<Input> {
    let of = |position| {
        let token = genesis_token_id(position);
        let state = TokenState { token, height: 0, made_by: TransferId::default() };
        Input { state, asset: asset(), amount: 1 }
    };
    (0..TOKENS).map(of).collect()
}

fn open(home: &Path) -> Wallet {
    Wallet::open(home, NetworkId::default()).expect("opened")
}

fn signed(inputs: Vec<Input>) -> SignedTransfer {
    let owner = Address(owner().public());
    let outputs = vec![Output::Move { input: 0, to: owner }];
    let memo = String::new();
    let transfer =
        Transfer { network: NetworkId::default(), epoch: 0, owner, inputs, outputs, memo };
    transfer.sign(&self::owner())
}

fn record(signed: &SignedTransfer) -> Record {
    Record {
        id: signed.transfer.id(),
        status: Progress::Submitted,
        from: signed.transfer.owner,
        to: None,
        asset: "QRT".into(),
        amount: "1".into(),
        tokens_spent: signed.transfer.inputs.len(),
        memo: String::new(),
        signed_s: 1,
    }
}

/// Signs a transfer of one free token, as the commands do; `None` when there is none left.
fn sign_one(wallet: &Wallet) -> Option<SignedTransfer> {
    let mut promises = wallet.promises().expect("held");
    let free: Vec<Input> =
        tokens().into_iter().filter(|token| promises.is_free(token)).take(1).collect();
    if free.is_empty() {
        return None;
    }
    let signed = signed(free);
    wallet.store(&signed, &record(&signed)).expect("stored");
    let promised = promises.promise(signed.transfer.id(), &signed, Progress::Submitted);
    promised.expect("written").expect("it was free");
    Some(signed)
}

/// Each token that a stored transfer spends, once for each time.
fn spent(wallet: &Wallet) -> Vec<TokenId> {
    let records = wallet.records().expect("readable");
    let of = |record: &Record| wallet.signed(&record.id).expect("readable").expect("stored");
    let inputs = records.iter().flat_map(|record| of(record).transfer.inputs);
    inputs.map(|input| input.state.token).collect()
}

fn check_all_spent_once(wallet: &Wallet) {
    let spent = spent(wallet);
    let distinct: BTreeSet<TokenId> = spent.iter().copied().collect();
    assert_eq!(spent.len(), distinct.len(), "a token was signed away twice");
    assert_eq!(distinct.len(), tokens().len(), "a token was left lying");
    assert_eq!(wallet.promises().expect("held").open().len(), tokens().len());
}

#[test]
fn threads_never_sign_one_token_twice() {
    let home = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let wallet = open(home.path());
                while sign_one(&wallet).is_some() {}
            });
        }
    });
    check_all_spent_once(&open(home.path()));
}

/// Not a test by itself: the body of the child processes.
#[test]
fn child() {
    let Some(home) = std::env::var_os(CHILD_HOME) else { return };
    let wallet = open(Path::new(&home));
    match std::env::var(CHILD_TASK).expect("said").as_str() {
        "all" => while sign_one(&wallet).is_some() {},
        "die stored" => {
            let held = wallet.promises().expect("held");
            let signed = signed(tokens().into_iter().take(1).collect());
            wallet.store(&signed, &record(&signed)).expect("stored");
            assert!(held.open().is_empty());
            std::process::abort();
        }
        "die promised" => {
            sign_one(&wallet).expect("free");
            let _held = wallet.promises().expect("held");
            std::process::abort();
        }
        other => panic!("no task {other}"),
    }
}

fn spawn_child(home: &Path, task: &str) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "wallet::tests::child"])
        .env(CHILD_HOME, home)
        .env(CHILD_TASK, task)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawned")
}

#[test]
fn processes_never_sign_one_token_twice() {
    let home = tempfile::tempdir().expect("a folder");
    let children: Vec<_> = (0..4).map(|_| spawn_child(home.path(), "all")).collect();
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    check_all_spent_once(&open(home.path()));
}

#[test]
fn what_a_dead_process_stored_is_there_and_its_lock_is_free() {
    for (task, promised) in [("die stored", 1), ("die promised", 1)] {
        let home = tempfile::tempdir().expect("a folder");
        assert!(!spawn_child(home.path(), task).wait().expect("ended").success());
        let wallet = open(home.path());
        let records = wallet.records().expect("readable");
        assert_eq!(records.len(), 1, "{task}");
        assert!(wallet.signed(&records[0].id).expect("readable").is_some());
        let promises = wallet.promises().expect("the lock is free");
        assert_eq!(promises.open().len(), promised, "{task}");
        assert!(!promises.open()[0].holder.is_alive());
    }
}

#[test]
fn a_token_comes_back_when_its_transfer_is_rejected_and_not_when_it_is_final() {
    let home = tempfile::tempdir().expect("a folder");
    let wallet = open(home.path());
    let first = sign_one(&wallet).expect("free");
    let input = first.transfer.inputs[0];
    let id = first.transfer.id();
    let is_free = |input: &Input| wallet.promises().expect("held").is_free(input);
    for status in [Progress::Unknown, Progress::Locked, Progress::Submitted] {
        wallet.settle(&id, status).expect("settled");
        assert!(!is_free(&input), "{status:?}");
    }
    wallet.settle(&id, Progress::Rejected).expect("settled");
    assert!(is_free(&input));
    assert_eq!(wallet.record(&id).expect("readable").expect("there").status, Progress::Rejected);

    let mut promises = wallet.promises().expect("held");
    let again = promises.promise(id, &first, Progress::Submitted).expect("written");
    assert_eq!(again, Ok(()));
    drop(promises);
    wallet.settle(&id, Progress::Final).expect("settled");
    assert!(!is_free(&input), "a node that lags still shows it");
    let mut later = input;
    later.state.height += 2;
    assert!(is_free(&later), "the token came back at another height");
}

#[test]
fn a_second_transfer_of_a_promised_token_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let wallet = open(home.path());
    let first = sign_one(&wallet).expect("free");
    let held_by = first.transfer.id();
    let token = first.transfer.inputs[0].state.token;
    let second = signed(tokens().into_iter().take(2).collect());
    wallet.store(&second, &record(&second)).expect("stored");
    let mut promises = wallet.promises().expect("held");
    let refused = promises.promise(second.transfer.id(), &second, Progress::Submitted);
    assert_eq!(refused, Ok(Err(Promised { token, held_by })));
    assert!(promises.is_free(&tokens()[1]));
    promises.forget(&held_by).expect("written");
    assert!(promises.is_free(&tokens()[0]));
}

#[test]
fn final_transfers_are_remembered_up_to_the_bound() {
    let home = tempfile::tempdir().expect("a folder");
    let wallet = open(home.path());
    let all = tokens();
    let mut count = 0;
    for (index, memo) in (0..200).map(|n| (usize::from(n % 2u8), n.to_string())) {
        let mut transfer = signed(vec![all[index]]).transfer;
        transfer.memo = memo;
        let signed = transfer.sign(&owner());
        wallet.store(&signed, &record(&signed)).expect("stored");
        wallet.settle(&signed.transfer.id(), Progress::Final).expect("settled");
        count += 1;
    }
    assert_eq!(count, 200);
    let text = std::fs::read_to_string(wallet.folder().join("ledger.json")).expect("there");
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(file["spent"].as_array().map(Vec::len), Some(128));
}

#[test]
fn a_state_spent_elsewhere_is_not_free_and_no_more_than_the_bound_are_remembered() {
    let home = tempfile::tempdir().expect("a folder");
    let wallet = open(home.path());
    let all = tokens();
    let state = all[0].state;
    let note = |token, height| {
        wallet.promises().expect("held").spent_elsewhere(token, height).expect("written");
    };
    note(state.token, state.height);
    note(state.token, state.height);
    let promises = wallet.promises().expect("held");
    assert!(!promises.is_free(&all[0]) && promises.is_free(&all[1]));
    let mut later = all[0];
    later.state.height += 1;
    assert!(promises.is_free(&later), "it came back since");
    drop(promises);
    for height in 1..=1_024 {
        note(all[1].state.token, height);
    }
    let promises = wallet.promises().expect("held");
    assert!(promises.is_free(&all[0]), "the oldest is forgotten");
    let path = wallet.folder().join("ledger.json");
    let text = std::fs::read_to_string(&path).expect("there");
    let mut file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(file["elsewhere"].as_array().map(Vec::len), Some(1_024));
    drop(promises);
    // Ten minutes later.
    file["elsewhere"][1_023]["until_s"] = 1.into();
    std::fs::write(&path, file.to_string()).expect("written");
    let mut newest = all[1];
    newest.state.height = 1_024;
    assert!(wallet.promises().expect("held").is_free(&newest));
    newest.state.height -= 1;
    assert!(!wallet.promises().expect("held").is_free(&newest));
}

#[test]
fn damage_is_told() {
    let home = tempfile::tempdir().expect("a folder");
    let wallet = open(home.path());
    let signed = sign_one(&wallet).expect("free");
    let id = signed.transfer.id();
    let files =
        [wallet.folder().join("ledger.json"), wallet.path(&id, "bin"), wallet.path(&id, "json")];
    for path in files {
        let whole = std::fs::read(&path).expect("there");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
        let found = wallet.settle(&id, Progress::Unknown).expect_err("damaged");
        assert_eq!(found.code, CONFIG);
        std::fs::write(&path, &whole).expect("mended");
    }
    wallet.settle(&id, Progress::Unknown).expect("whole again");
}
