//! Transfers through real nodes: with some of them down, and started again.

use crate::agreement::{check_supply, wait_until_even};
use crate::running::{Place, wait_until};

/// An account's amount of QRT.
pub fn balance(place: &Place, name: &str) -> String {
    let document = place.quorate(&format!("balance {name}")).ok();
    let rows = document["balances"].as_array().expect("balances").iter();
    let row = rows.into_iter().find(|row| row["asset"] == "QRT");
    row.map_or_else(|| "0".into(), |row| row["amount"].as_str().expect("an amount").into())
}

#[test]
fn a_payment_is_final_and_its_receipt_holds_offline() {
    let place = Place::new();
    place.up(7);
    let receipt = place.path("receipt.json");
    let words = format!("transfer alice bob 12.5 --receipt {}", receipt.display());
    let paid = place.quorate(&words).ok();
    assert_eq!(paid["status"], "final");
    assert!(paid["votes"]["commit"].as_array().is_some_and(|votes| votes.len() >= 5), "{paid}");
    assert_eq!(
        (balance(&place, "alice"), balance(&place, "bob")),
        ("987.5".into(), "1012.5".into())
    );
    check_supply(&place);
    place.testnet("down").ok();
    let genesis = place.dir().join("genesis.json");
    let check = format!("receipt verify {} --genesis {}", receipt.display(), genesis.display());
    place.quorate(&check).ok();
    let text = std::fs::read_to_string(&receipt).expect("a receipt");
    // Any digit of the owner's transfer, changed.
    let at = text.rfind(|c: char| c.is_ascii_digit()).expect("a digit");
    let other = if &text[at..=at] == "1" { "2" } else { "1" };
    let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
    std::fs::write(&receipt, changed).expect("written");
    assert_eq!(place.quorate(&check).failed(9), "verification_failed");
}

#[test]
fn two_of_seven_may_be_down_and_the_third_may_not() {
    let place = Place::new();
    place.up(7);
    place.testnet("kill v5 v6").ok();
    assert_eq!(place.quorate("transfer alice bob 1.5").ok()["status"], "final");
    place.testnet("kill v4").ok();
    let refused = place.quorate("transfer alice bob 2 --timeout 5s");
    assert!([7, 8].contains(&refused.exit), "{refused:?}");
    // By now everybody has noticed: nothing is proposed any more.
    let is_refused = || (place.quorate("transfer carol dave 2").exit == 8).then_some(());
    wait_until(is_refused).expect("no quorum is told as such");
    let started = place.testnet("start v4 v5 v6").ok();
    assert_eq!(started["validators"].as_array().map(Vec::len), Some(3));
    wait_until_even(&place);
    let through = place.quorate("--node v6 transfer erin frank 3").ok();
    assert_eq!(through["status"], "final");
    wait_until_even(&place);
    check_supply(&place);
}

#[test]
fn a_paused_validator_is_not_waited_for() {
    let place = Place::new();
    place.up(7);
    place.testnet("pause v1 v2").ok();
    assert_eq!(place.quorate("transfer alice bob 1").ok()["status"], "final");
    place.testnet("resume v1 v2").ok();
    wait_until_even(&place);
    check_supply(&place);
}
