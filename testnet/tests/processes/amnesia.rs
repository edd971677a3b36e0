//! A validator whose store was lost serves and never votes, until its operator overrides that.

use crate::running::{Place, wait_until};
use serde_json::Value;
use std::path::PathBuf;

fn journal(place: &Place) -> PathBuf {
    place.dir().join("v3").join("journal")
}

/// What `status` shows of v3.
fn of_v3(place: &Place) -> Value {
    let status = place.quorate("status").ok();
    let validators = status["validators"].as_array().expect("validators").iter();
    validators.into_iter().find(|v| v["name"] == "v3").expect("v3").clone()
}

/// Pays, and looks for votes of v3; returns whether there were any.
fn has_vote_of_v3(place: &Place) -> bool {
    let paid = place.quorate("--node v0 transfer alice bob 1").ok();
    assert_eq!(paid["status"], "final");
    let votes = |phase: &str| paid["votes"][phase].as_array().expect("votes").clone();
    votes("lock").iter().chain(&votes("commit")).any(|name| name == "v3")
}

fn restart(place: &Place) -> Value {
    place.testnet("kill v3").ok();
    place.testnet("start v3").ok()["validators"][0]["ready"].clone()
}

fn catches_up(place: &Place) {
    wait_until(|| (of_v3(place)["lag"] == 0).then_some(())).expect("it catches up");
}

#[test]
fn a_validator_that_lost_its_store_serves_and_never_votes_until_that_is_overridden() {
    let place = Place::new();
    place.up(7);
    assert!(!place.dir().join("v3/first-start").exists(), "it is used up");
    place.quorate("--node v0 transfer alice bob 1").ok();
    assert_eq!(restart(&place), true, "a kill loses nothing");
    // Five of seven are left: without v3 nothing is final.
    place.testnet("kill v5 v6").ok();
    assert!(has_vote_of_v3(&place));
    place.testnet("start v5 v6").ok();
    place.testnet("kill v3").ok();
    std::fs::remove_dir_all(journal(&place)).expect("it is lost");
    for start in ["after the loss", "with the journal made anew", "with all others"] {
        let is_ready = if start == "with all others" {
            place.testnet("down").ok();
            place.testnet("up --detach").ok();
            place.testnet("status").ok()["validators"][3]["ready"].clone()
        } else {
            restart(&place)
        };
        assert_eq!(is_ready, false, "{start}");
        assert!((0..3).all(|_| !has_vote_of_v3(&place)), "{start}");
        catches_up(&place);
        let shown = of_v3(&place);
        assert_eq!((&shown["mode"], &shown["ready"]), (&"silent".into(), &false.into()), "{start}");
        let why = shown["failed"].as_str().expect("a reason");
        assert!(why.contains("store was lost") && why.contains("vote_after_damage"), "{why}");
        let refused = place.quorate("--node v3 transfer alice bob 1");
        assert!(refused.exit != 0 && refused.words.contains("does not vote"), "{refused:?}");
        assert!(journal(&place).is_dir());
    }
    place.testnet("kill v3").ok();
    let home = place.dir().join("v3").display().to_string();
    let info = place.quorate(&format!("store info --home {home}")).ok();
    assert!(info["silence"].is_string(), "{info}");
    let init = place.quorate(&format!("store init --key-never-voted --home {home}"));
    assert_eq!(init.failed(3), "config");
    let path = place.dir().join("v3/node.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let with = text.replace("vote_after_damage = false", "vote_after_damage = true");
    assert_ne!(text, with);
    std::fs::write(&path, with).expect("written");
    assert_eq!(restart(&place), true, "overridden");
    std::fs::write(&path, text).expect("written");
    assert_eq!(restart(&place), true, "once is enough");
    place.testnet("kill v5 v6").ok();
    assert!(has_vote_of_v3(&place));
}
