//! The program as a whole, without a node: what is answered, and with which exit status.

use super::*;
use crate::api::tests::server::{Server, alice, genesis, start_ipfs};
use crate::error::{BUSY, CONFIG, KEY_FILE, NOT_FOUND, UNREACHABLE, VERIFICATION_FAILED};
use crate::store_lock::StoreLock;
use ledger::{Genesis, GenesisAsset, GenesisMember, GenesisTokens, Keypair, Name};
use std::path::Path;

fn answer(line: &[&str]) -> Result<Answer, Failure> {
    let line = ["quorate"].iter().chain(line).map(OsString::from);
    match CommandLine::try_parse_from(line) {
        Ok(line) => dispatch(line),
        Err(error) => of_clap(&error),
    }
}

/// The failure's slug; its document has every field, and its message says what to run next.
fn slug(line: &[&str]) -> &'static str {
    let failure = answer(line).expect_err("refused");
    let document = failure.document();
    assert_eq!(document["schema"], "quorate.error/1");
    assert_eq!(document["ok"], false);
    assert_eq!(document["error"]["exit"], failure.code.exit);
    assert!(failure.message.contains("nothing was"), "{}", failure.message);
    assert!(!failure.help.is_empty(), "{failure}");
    failure.code.slug
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

mod evidence;
mod pending;

const CID: &str = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

/// A testnet of one validator that does not run, and its accounts.
fn testnet(dir: &Path) {
    let key = |seed: u8, name: &str| {
        let keypair = Keypair::from_seed([seed; 32]);
        crate::keyfile::create(&dir.join(name), &keypair).expect("created");
        crate::keyfile::address_of(&keypair)
    };
    let (member, alice, bob) = (key(1, "v0.key"), key(2, "alice.key"), key(3, "bob.key"));
    let genesis = Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("test").expect("a name"),
        epoch: 1,
        committee: vec![GenesisMember {
            name: Name::new("v0").expect("a name"),
            key: member,
            weight: 1,
        }],
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
        tokens: vec![GenesisTokens {
            owner: alice,
            asset: "QRT".into(),
            amount: "1".into(),
            count: 10,
        }],
    };
    std::fs::write(dir.join("genesis.json"), genesis.to_json()).expect("written");
    let account = |name: &str, address| crate::wallet::TestnetAccount {
        name: name.into(),
        address,
        key: dir.join(format!("{name}.key")),
    };
    let file = crate::wallet::TestnetFile {
        schema: "quorate.testnet/1".into(),
        network: "test".into(),
        quorum: 1,
        genesis: dir.join("genesis.json"),
        validators: vec![crate::wallet::TestnetValidator {
            name: "v0".into(),
            pid: None,
            started: None,
            api: "http://127.0.0.1:1".into(),
            quic: "127.0.0.1:2".into(),
            home: dir.join("v0"),
        }],
        accounts: vec![account("alice", alice), account("bob", bob)],
    };
    file.save(dir).expect("saved");
}

#[test]
fn a_wrong_command_line_is_a_usage_error_with_a_document() {
    assert_eq!(slug(&["nothing"]), "usage");
    assert_eq!(slug(&["transfer", "alice"]), "usage");
    assert_eq!(slug(&["--timeout", "soon", "status"]), "usage");
    assert_eq!(slug(&["run"]), "usage");
    assert_eq!(slug(&["help", "trasnfer"]), NOT_FOUND.slug);
    let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    assert!(wants_json(&line(&["quorate", "nothing", "--json"])));
    assert!(!wants_json(&line(&["quorate", "--", "--json"])));
}

#[test]
fn help_of_all_kinds_is_an_answer() {
    for line in [&["help"][..], &["help", "transfer"], &["--help"], &["--version"], &["man"]] {
        let answer = answer(line).expect("an answer");
        assert_eq!(answer.exit, 0);
        assert_eq!(answer.document["text"], answer.text);
        assert!(!answer.text.is_empty());
    }
    let codes = answer(&["help", "exit-codes"]).expect("an answer");
    assert_eq!(codes.document["exits"].as_array().map(Vec::len), Some(11));
    let script = answer(&["completions", "bash"]).expect("an answer");
    assert!(script.text.contains("quorate"));
}

#[test]
fn keys_are_made_shown_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    let made = answer(&["keys", "new", path(&file)]).expect("made");
    let shown = answer(&["keys", "show", path(&file)]).expect("shown");
    assert_eq!(made.document["address"], shown.document["address"]);
    assert_eq!(answer(&["address", path(&file)]).expect("shown").text, shown.text);
    let again = answer(&["keys", "new", path(&file)]).expect_err("it exists");
    assert_eq!((again.code, again.code.exit), (KEY_FILE, 3));
    let seed = std::fs::read_to_string(&file).expect("ours");
    let seed: serde_json::Value = serde_json::from_str(&seed).expect("JSON");
    assert!(!shown.document.to_string().contains(seed["seed"].as_str().expect("a seed")));
}

#[test]
fn a_key_under_a_passphrase_is_made_changed_and_opened_by_its_file_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("0600");
        path
    };
    let (one, two) = (file("one", "correct horse\n"), file("two", "battery staple"));
    let key = folder.path().join("key");
    let given = ["--json", "--passphrase-file", path(&one)];
    let made = answer(&[&given[..], &["keys", "new", path(&key)]].concat()).expect("made");
    assert_eq!(made.document["passphrase"], true);
    let shown = answer(&["keys", "show", path(&key)]).expect("shown without the passphrase");
    assert_eq!(shown.document["address"], made.document["address"]);
    let change = ["keys", "passphrase", path(&key), "--new-passphrase-file", path(&two)];
    let refused = answer(&[&["--json"][..], &change].concat()).expect_err("it is not known");
    assert_eq!((refused.code, refused.code.exit), (KEY_FILE, 3));
    answer(&[&given[..], &change].concat()).expect("changed");
    let wrong = answer(&[&given[..], &["keys", "passphrase", path(&key), "--remove"]].concat());
    let wrong = wrong.expect_err("that was the old one");
    assert!(wrong.message.contains("the passphrase is wrong"), "{wrong}");
    assert_eq!(wrong.code.exit, 3);
    let given = ["--json", "--passphrase-file", path(&two)];
    let plain = answer(&[&given[..], &["keys", "passphrase", path(&key), "--remove"]].concat());
    assert_eq!(plain.expect("taken away").document["passphrase"], false);
    crate::keyfile::load(&key).expect("plain again");
}

#[test]
fn names_that_nobody_has_name_the_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    testnet(folder.path());
    let dir = path(folder.path());
    assert_eq!(slug(&["--testnet", dir, "transfer", "alcie", "bob", "1"]), NOT_FOUND.slug);
    let failure = answer(&["--testnet", dir, "transfer", "alice", "bbo", "1"]).expect_err("a typo");
    assert_eq!(failure.details["nearest"], "bob");
    assert_eq!(failure.code.exit, 2);
    assert_eq!(slug(&["--testnet", dir, "--node", "v9", "balance", "alice"]), NOT_FOUND.slug);
    assert_eq!(slug(&["--testnet", dir, "balance", "did:key:z6Mk"]), "usage");
    assert_eq!(slug(&["--testnet", dir, "tx", "show", "xyz"]), "usage");
}

#[test]
fn no_node_is_exit_4_and_no_testnet_is_exit_3() {
    let folder = tempfile::tempdir().expect("a folder");
    testnet(folder.path());
    let dir = path(folder.path());
    let file = folder.path().join("genesis.json");
    let dir_file = path(&file);
    for line in [
        &["balance", "alice"][..],
        &["tokens", "bob"],
        &["status"],
        &["health"],
        &["peers"],
        &["transfer", "alice", "bob", "1"],
        &["content", "put", dir_file],
        &["content", "get", CID],
        &["content", "pin", CID],
        &["content", "stat", CID],
    ] {
        let line: Vec<&str> = ["--testnet", dir].iter().chain(line).copied().collect();
        assert_eq!(slug(&line), UNREACHABLE.slug, "{line:?}");
    }
    let none = folder.path().join("none");
    let failure = answer(&["--testnet", path(&none), "status"]).expect_err("no testnet");
    assert_eq!((failure.code, failure.code.exit), (CONFIG, 3));
    let list = answer(&["--testnet", dir, "tx", "list"]).expect("an empty list");
    assert_eq!(list.document["transfers"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_file_that_is_no_transfer_or_receipt_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    testnet(folder.path());
    let (dir, file) = (path(folder.path()), folder.path().join("file"));
    for bytes in [&b""[..], b"{}", b"garbage", &[0xff; 300]] {
        std::fs::write(&file, bytes).expect("written");
        assert_eq!(slug(&["--testnet", dir, "submit", path(&file)]), "malformed");
        let check = ["--testnet", dir, "receipt", "verify", path(&file)];
        assert_eq!(slug(&check), VERIFICATION_FAILED.slug);
    }
    let missing = folder.path().join("missing");
    assert_eq!(slug(&["--testnet", dir, "submit", path(&missing)]), "usage");
}

#[test]
fn a_store_that_is_in_use_names_its_holder() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path();
    let line = ["store", "verify", "--home", path(home)];
    assert_eq!(answer(&line).map_err(|failure| failure.code), Err(CONFIG));
    std::fs::create_dir(home.join("journal")).expect("a folder");
    assert_eq!(answer(&line).map_err(|failure| failure.code), Err(CONFIG));
    let _held = StoreLock::acquire(home).expect("free");
    let failure = answer(&line).expect_err("busy");
    assert_eq!((failure.code, failure.code.exit), (BUSY, 10));
    assert_eq!(failure.details["pid"], std::process::id());
}

#[test]
fn a_first_start_is_permitted_in_an_empty_home_only_and_by_who_affirms_it() {
    let folder = tempfile::tempdir().expect("a folder");
    testnet(folder.path());
    let home = folder.path().join("home");
    let (genesis, key) = (folder.path().join("genesis.json"), folder.path().join("v0.key"));
    let line = ["store", "init", "--home", path(&home), "--genesis", path(&genesis), "--key"];
    let line = [&line[..], &[path(&key)]].concat();
    let permission = home.join("first-start");
    let failure = answer(&line).expect_err("refused");
    assert_eq!(failure.code.slug, "usage", "not by mistake");
    assert!(!permission.exists());
    let line = [&line[..], &["--key-never-voted"]].concat();
    let answered = answer(&line).expect("permitted");
    assert_eq!(answered.document["permission"], path(&permission));
    assert!(std::fs::read_to_string(&permission).expect("there").contains("did:key:"));
    answer(&line).expect("again, as nothing was started");
    for name in ["journal", "index", "silent", "silent.overridden"] {
        std::fs::create_dir(home.join(name)).expect("made");
        assert_eq!(slug(&line), CONFIG.slug, "{name}");
        std::fs::remove_dir(home.join(name)).expect("removed");
    }
}

/// The testnet file of a node that runs, and Alice's key.
fn running(server: &Server, dir: &Path) {
    testnet(dir);
    let mut file = crate::wallet::TestnetFile::load(dir).expect("just written");
    std::fs::write(dir.join("genesis.json"), genesis(1).to_json()).expect("written");
    file.validators[0].api = server.url();
    let key = dir.join("rich.key");
    crate::keyfile::create(&key, &alice()).expect("created");
    let address = crate::keyfile::address_of(&alice());
    file.accounts.push(crate::wallet::TestnetAccount { name: "rich".into(), address, key });
    file.save(dir).expect("saved");
}

#[test]
fn files_go_to_a_node_and_come_back() {
    let server = start_ipfs(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    running(&server, folder.path());
    let dir = path(folder.path());
    let (file, out) = (folder.path().join("file"), folder.path().join("out"));
    let line = |words: &[&str]| answer(&[&["--testnet", dir, "content"], words].concat());
    for bytes in [0, 5, 700_000u32] {
        let content: Vec<u8> = (0..bytes).map(|at| at.to_be_bytes()[3]).collect();
        std::fs::write(&file, &content).expect("written");
        let put = line(&["put", path(&file)]).expect("stored");
        assert_eq!(put.document["schema"], "quorate.content/1");
        assert_eq!(put.document["bytes"], bytes);
        let cid = put.document["cid"].as_str().expect("a CID").to_string();
        assert_eq!(put.text, format!("{cid}\n"));
        let got = line(&["get", &cid, "--out", path(&out)]).expect("got");
        assert_eq!((&got.document["bytes"], &got.document["ok"]), (&bytes.into(), &true.into()));
        assert!(std::fs::read(&out).expect("there") == content);
        let stat = line(&["stat", &cid]).expect("known");
        assert_eq!(
            (&stat.document["complete"], &stat.document["pinned"]),
            (&true.into(), &true.into())
        );
        assert_eq!(line(&["pin", &cid]).expect("pinned").document["cid"], cid);
    }
    std::fs::remove_file(&out).expect("there");
    let short = ["--testnet", dir, "--timeout", "200ms", "content"];
    let missing = [&short[..], &["get", CID, "--out", path(&out)]].concat();
    let failure = answer(&missing).expect_err("nobody has it");
    assert_eq!((failure.code.slug, failure.code.exit), ("content_not_found", 2));
    assert!(!out.exists());
    let left = std::fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok);
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
    assert_eq!(slug(&["--testnet", dir, "--json", "content", "get", CID]), "usage");
    assert_eq!(slug(&["--testnet", dir, "content", "get", "Qm"]), "usage");
    assert_eq!(slug(&["--testnet", dir, "content", "put", path(folder.path())]), "usage");
}

#[test]
fn an_items_content_is_named_by_its_root_and_kept_by_the_node() {
    let server = start_ipfs(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    running(&server, folder.path());
    let dir = path(folder.path());
    let file = folder.path().join("picture");
    let content: Vec<u8> = (0..700_000u32).map(|at| at.to_be_bytes()[2]).collect();
    std::fs::write(&file, &content).expect("written");
    let line = ["--testnet", dir, "issue", "rich", "--name", "picture", "--content", path(&file)];
    let issued = answer(&line).expect("issued");
    assert_eq!(issued.document["content_stored"], true, "{}", issued.document);
    let cid = issued.document["content"].as_str().expect("a CID").to_string();
    assert!(cid.starts_with("bafybei"), "{cid} is a DAG's root");
    let kept = answer(&["--testnet", dir, "content", "stat", &cid]).expect("known");
    assert_eq!(
        (&kept.document["bytes"], &kept.document["pinned"]),
        (&700_000.into(), &true.into())
    );
    let id = issued.document["asset_id"].as_str().expect("an id").parse().expect("an id");
    let validator = server.handle.shared.validator.read();
    let asset = validator.tips().asset(&id).expect("it is issued");
    let content = ledger::parse_cid(&cid).expect("a CID");
    assert_eq!(asset.definition.kind, ledger::AssetKind::Item { content });
}
