//! `evidence list` and `evidence verify`.

use super::*;
use crate::api::tests::server::start;
use crate::view::evidence_tests::document;

#[test]
fn evidence_is_checked_offline_and_a_changed_file_proves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, genesis_file) = (folder.path().join("e.json"), folder.path().join("genesis.json"));
    std::fs::write(&genesis_file, genesis(4).to_json()).expect("written");
    let network = genesis(4).network().expect("a good genesis");
    let document = document(&network);
    let line = ["evidence", "verify", path(&file), "--genesis", path(&genesis_file)];
    let check = |text: &str| {
        std::fs::write(&file, text).expect("written");
        answer(&line)
    };
    let all = check(&serde_json::to_string(&document).expect("JSON")).expect("it holds");
    assert_eq!((all.exit, &all.document["schema"]), (0, &"quorate.evidence/1".into()));
    assert_eq!((&all.document["verified"], &all.document["count"]), (&true.into(), &2.into()));
    assert_eq!(all.document["evidence"][1]["member"], "v1");
    assert!(all.text.lines().count() == 2 && all.text.contains("verified: owner did:key:"));
    let item = serde_json::to_string_pretty(&document.evidence[0]).expect("JSON");
    let one = check(&item).expect("it holds").document;
    assert_eq!(
        (&one["kind"], &one["key"]),
        (&"owner".into(), &document.evidence[0].by.clone().into())
    );
    assert_eq!(one["contradiction"]["height"], 0);
    let votes = serde_json::to_string(&document.evidence[1]).expect("JSON");
    assert_eq!(check(&votes).expect("it holds").document["member"], "v1");
    for wrong in [
        "",
        "{}",
        "[]",
        "nonsense",
        &item.replace("\"round\": 0", "\"round\": 1"),
        &item.replace("owner", "votes"),
    ] {
        std::fs::write(&file, wrong).expect("written");
        assert_eq!(slug(&line), VERIFICATION_FAILED.slug, "{wrong}");
        assert_eq!(answer(&line).expect_err("refused").code.exit, 9);
    }
    std::fs::write(&file, [0xff, 0xfe]).expect("written");
    assert_eq!(slug(&line), VERIFICATION_FAILED.slug);
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(slug(&line), "usage");
}

#[test]
fn a_node_that_saw_nobody_misbehave_lists_nothing() {
    let server = start(1);
    let listed = answer(&["--node", &server.url(), "evidence", "list"]).expect("a list");
    assert_eq!(listed.document["evidence"].as_array().map(Vec::len), Some(0));
    assert!(listed.text.contains("no evidence"), "{}", listed.text);
}
