//! Recovery with real processes: an owner splits the locks of its own tokens, and gets every one of
//! them back.

#[path = "processes/agreement.rs"]
mod agreement;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;
#[path = "recovery/splitting.rs"]
mod splitting;

use agreement::{check_supply, wait_until_even};
use running::{Place, wait_until};
use serde_json::Value;
use splitting::{Splitter, tokens_of};

/// How often locks are split; `QUORATE_RECOVERY_ROUNDS` says otherwise.
fn rounds() -> usize {
    let rounds = std::env::var("QUORATE_RECOVERY_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(6)
}

/// The sets of tokens that each of an owner's transfers spends, in places of three.
const SPENDS: [&[&[usize]]; 4] =
    [&[&[0], &[0]], &[&[0, 1], &[1, 2]], &[&[0, 1, 2], &[0], &[2]], &[&[0, 1], &[1, 2], &[0, 2]]];

#[test]
fn an_owner_that_splits_its_locks_gets_every_token_back() {
    let place = Place::new();
    let document = place.up(7);
    let splitter = Splitter::new(&document);
    let (mut locked, mut freed, mut completed) = (0, 0, 0);
    for round in 0..rounds() {
        let tokens = tokens_of(&place, "alice", 3);
        let spends = SPENDS[round % SPENDS.len()];
        let outcomes = splitter.split(round, &tokens, spends);
        let finals: Vec<&Value> = outcomes.iter().filter(|o| o["status"] == "final").collect();
        let ids: std::collections::BTreeSet<String> =
            finals.iter().map(|outcome| outcome["id"].to_string()).collect();
        locked += outcomes.iter().filter(|o| o["status"] == "locked").count();
        let names = tokens.iter().map(|token| token["id"].as_str().expect("an id"));
        let names: Vec<&str> = names.collect();
        let recovered = place.quorate(&format!("recover {} --timeout 30s", names.join(" "))).ok();
        let rows = recovered["tokens"].as_array().expect("tokens");
        assert_eq!(rows.len(), 3, "{recovered}");
        freed += rows.iter().filter(|row| row["status"] == "freed").count();
        completed += rows.iter().filter(|row| row["status"] == "completed").count();
        assert!(rows.iter().all(|row| row["status"] != "unknown"), "{recovered}");
        splitter.check_one_final(&place, &tokens, &ids);
    }
    wait_until_even(&place);
    check_supply(&place);
    splitting::check_unlocked(&place, &document);
    eprintln!("{} rounds: {locked} locked, {freed} freed, {completed} completed", rounds());
    // What was locked can be spent like anything else.
    let paid = place.quorate("transfer alice bob 20").ok();
    assert_eq!(paid["status"], "final");
}

#[test]
fn an_orphan_ends_by_itself_although_client_and_proposer_are_gone() {
    let place = Place::new();
    let document = place.up(7);
    // Four lock it and can't make a quorum; then the proposer among them dies.
    let orphaned = || {
        let token = tokens_of(&place, "alice", 1).remove(0);
        let id = token["id"].as_str().expect("an id");
        place.testnet("pause v4 v5 v6").ok();
        let words = format!("--node v0 transfer alice bob --token {id} --wait submitted");
        let sent = place.quorate(&words);
        let is_locked = || {
            let shown = place.quorate(&format!("--node v1 token show {id}"));
            (shown.json["locked_by"] == sent.json["id"]).then_some(())
        };
        let is_proposed = sent.exit == 0 && wait_until(is_locked).is_some();
        place.testnet("kill v0").ok();
        place.testnet("resume v4 v5 v6").ok();
        let transfer = sent.json["id"].as_str().map(String::from);
        // On a slow machine the silence of three may be noticed before: nothing is proposed then.
        if is_proposed {
            return transfer;
        }
        place.testnet("start v0").ok();
        None
    };
    let transfer = (0..10).find_map(|_| orphaned()).expect("a proposal without outcome");
    let is_final = || {
        let shown = place.quorate(&format!("--node v1 tx show {transfer}"));
        (shown.json["status"] == "final").then_some(())
    };
    wait_until(is_final).expect("it ends by itself");
    place.testnet("start v0").ok();
    wait_until_even(&place);
    check_supply(&place);
    splitting::check_unlocked(&place, &document);
}
