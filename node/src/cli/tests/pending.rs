//! Transfers whose outcome is not known: never told as failed, and followed up by the same bytes.

use super::*;
use crate::api::tests::server::{PATIENCE, start};
use crate::client::tests::{broken, problem, silent};
use serde_json::Value;

/// A testnet of one running node, a wallet, and a transfer in a file.
struct Scene {
    server: Server,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (server, folder) = (start(1), tempfile::tempdir().expect("a folder"));
        running(&server, folder.path());
        Self { server, folder }
    }

    fn run(&self, words: &[&str]) -> Result<Answer, Failure> {
        let home = self.folder.path().join("wallet");
        answer(&[&["--testnet", path(self.folder.path()), "--home", path(&home)], words].concat())
    }

    /// The one file of signed bytes in the wallet.
    fn stored(&self) -> Vec<u8> {
        let wallet = self.folder.path().join("wallet").join(self.server.network.id.to_string());
        let files = std::fs::read_dir(wallet.join("transfers")).expect("a wallet");
        let files = files.map(|file| file.expect("an entry").path());
        let mut signed = files.filter(|path| path.extension().is_some_and(|end| end == "bin"));
        let bytes = std::fs::read(signed.next().expect("stored")).expect("there");
        assert_eq!(signed.next(), None);
        bytes
    }

    /// Ids and status words of what `tx list` shows.
    fn listed(&self, words: &[&str]) -> Vec<(String, String)> {
        let list = self.run(&[&["tx", "list"], words].concat()).expect("a list").document;
        let word = |row: &Value, key: &str| row[key].as_str().expect("a word").to_string();
        let rows = list["transfers"].as_array().expect("transfers").iter();
        rows.map(|row| (word(row, "id"), word(row, "status"))).collect()
    }
}

#[test]
fn an_unknown_outcome_is_pending_until_the_same_bytes_have_ended() {
    let scene = Scene::new();
    let file = scene.folder.path().join("signed");
    scene.run(&["transfer", "rich", "bob", "1.5", "--sign-only", path(&file)]).expect("signed");
    assert_eq!(scene.listed(&["--pending"])[0].1, "signed");
    let nothing = scene.run(&["tx", "retry"]).expect("nothing was ever sent");
    assert_eq!((nothing.exit, &nothing.document["transfers"]), (0, &Value::Array(Vec::new())));
    let (url, bodies) = silent();
    let line = ["--node", &url, "--timeout", "1s", "submit", path(&file)];
    let failure = scene.run(&line).expect_err("no answer");
    assert_eq!((failure.code.slug, failure.code.exit), ("outcome_unknown", 7));
    assert!(failure.help.iter().any(|help| help.contains("tx retry")), "{failure:?}");
    assert_eq!(bodies.recv_timeout(PATIENCE), Ok(scene.stored()));
    let pending = scene.listed(&["--pending"]);
    assert_eq!((pending.len(), pending[0].1.as_str()), (1, "unknown"));
    // Who never got it does not make it a failure.
    let waited = scene.run(&["--timeout", "200ms", "tx", "wait"]).expect("a list");
    assert_eq!((waited.exit, &waited.document["transfers"][0]["status"]), (7, &"unknown".into()));
    let retried = scene.run(&["tx", "retry"]).expect("the node answers");
    assert_eq!((retried.exit, &retried.document["transfers"][0]["status"]), (0, &"final".into()));
    assert_eq!(scene.listed(&["--pending"]), []);
    assert_eq!(scene.listed(&[]), [(pending[0].0.clone(), "final".to_string())]);
    // Again: the same answer, and the receipt of what happened once.
    let receipt = scene.folder.path().join("receipt.json");
    let again = ["tx", "retry", &pending[0].0, "--receipt", path(&receipt)];
    assert_eq!(scene.run(&again).expect("final").document["status"], "final");
    let verified = scene.run(&["receipt", "verify", path(&receipt)]).expect("it holds").document;
    assert_eq!(verified["id"], pending[0].0);
    let balance = scene.run(&["balance", "bob"]).expect("a balance").document;
    assert_eq!(balance["balances"][0]["amount"], "1.5", "paid once");
    assert_eq!(slug(&["tx", "retry", "--receipt", path(&receipt)]), "usage");
}

#[test]
fn a_silent_first_node_delays_a_payment_by_seconds_and_pays_once() {
    let scene = Scene::new();
    let (url, bodies) = silent();
    let node = scene.server.url();
    let line =
        ["--node", &url, "--node", &node, "--timeout", "60s", "transfer", "rich", "bob", "1.5"];
    let began = std::time::Instant::now();
    let paid = scene.run(&line).expect("the second node answers").document;
    assert!(began.elapsed() < PATIENCE, "half of a minute would be too long");
    assert_eq!(paid["status"], "final");
    let stored = scene.stored();
    let mut sent = std::iter::from_fn(|| bodies.try_recv().ok());
    assert!(sent.any(|body| body == stored), "the silent one had the same bytes");
    let began = std::time::Instant::now();
    let id = paid["id"].as_str().expect("an id");
    let nodes = ["--node", &url, "--node", &node, "--timeout", "60s"];
    let shown = scene.run(&[&nodes[..], &["tx", "wait", id]].concat()).expect("final").document;
    assert_eq!(shown["status"], "final");
    assert!(began.elapsed() < PATIENCE, "who knows the end is not kept waiting by the silent");
}

#[test]
fn a_busy_node_is_sent_the_same_bytes_again_for_as_long_as_the_timeout_says() {
    let scene = Scene::new();
    let file = scene.folder.path().join("signed");
    scene.run(&["transfer", "rich", "bob", "1.5", "--sign-only", path(&file)]).expect("signed");
    let (url, bodies) = broken(100, &problem(429, "overloaded", 5));
    let failure = scene.run(&["--node", &url, "--timeout", "3s", "submit", path(&file)]);
    assert_eq!(failure.expect_err("it stays busy").code.slug, "overloaded");
    let sent: Vec<_> = std::iter::from_fn(|| bodies.try_recv().ok()).collect();
    let stored = scene.stored();
    assert!(sent.len() > 1 && sent.iter().all(|body| *body == stored), "{}", sent.len());
    assert_eq!(scene.listed(&["--pending"])[0].1, "signed", "nobody has taken it");
}

#[test]
fn a_retry_that_is_refused_frees_no_token_of_what_may_have_been_sent() {
    let scene = Scene::new();
    let file = scene.folder.path().join("signed");
    scene.run(&["transfer", "rich", "bob", "1.5", "--sign-only", path(&file)]).expect("signed");
    let (url, _bodies) = silent();
    let line = ["--node", &url, "--timeout", "1s", "submit", path(&file)];
    assert_eq!(scene.run(&line).expect_err("no answer").code.slug, "outcome_unknown");
    let id = scene.listed(&["--pending"])[0].0.clone();
    for (http, slug, exit) in [(503, "no_quorum", 8), (429, "overloaded", 5)] {
        let (url, _bodies) = broken(100, &problem(http, slug, exit));
        for again in [&["tx", "retry", &id][..], &["submit", path(&file)]] {
            let line = [&["--node", &url, "--timeout", "300ms"], again].concat();
            let failure = scene.run(&line).expect_err("refused");
            assert_eq!((failure.code.slug, failure.code.exit), ("outcome_unknown", 7), "{slug}");
            assert_eq!(scene.listed(&["--pending"]), [(id.clone(), "unknown".into())]);
        }
        assert_eq!(slug_of(scene.run(&["tx", "forget", &id])), "usage", "it may have been sent");
    }
    let paid = scene.run(&["tx", "retry", &id]).expect("the node answers").document;
    assert_eq!(paid["status"], "final");
}

fn slug_of(outcome: Result<Answer, Failure>) -> &'static str {
    outcome.expect_err("refused").code.slug
}
