//! Untrusted testnets with real processes: every transfer is asked about in the DHT, by validators
//! that are the DHT themselves or clients of processes that are nothing else.

#[path = "processes/agreement.rs"]
mod agreement;
#[path = "untrusted/paying.rs"]
mod paying;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;
#[path = "untrusted/silence.rs"]
mod silence;
#[path = "untrusted/two_networks.rs"]
mod two_networks;

use agreement::{check_supply, wait_until_even};
use paying::{is_complete, wait_until_complete};
use running::{Place, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;

/// The multiaddresses of all validators in a description.
fn addresses(document: &Value) -> BTreeSet<String> {
    let validators = document["validators"].as_array().expect("validators").iter();
    let addresses = validators.flat_map(|v| v["ipfs"].as_array().expect("addresses").clone());
    addresses.map(|address| address.as_str().expect("an address").to_string()).collect()
}

/// The lines of `dht-peers`.
fn bootstrap(place: &Place) -> BTreeSet<String> {
    let text = std::fs::read_to_string(place.dir().join("dht-peers")).expect("a file");
    text.lines().map(String::from).collect()
}

#[test]
fn seven_untrusted_validators_ask_each_other_and_survive_a_kill() {
    let place = Place::new();
    let document = place.testnet("up --detach --untrusted").ok();
    assert_eq!(document["untrusted"], true);
    let first = addresses(&document);
    assert!(first.len() >= 7 && first.iter().all(|address| address.contains("/p2p/")), "{first:?}");
    assert_eq!(bootstrap(&place), first);
    let config = std::fs::read_to_string(place.dir().join("v6/node.toml")).expect("a file");
    assert!(config.contains("trusted_network = false"), "{config}");
    wait_until_complete(&place);
    place.testnet("kill v3").ok();
    assert_eq!(place.quorate("transfer alice bob 1").ok()["status"], "final");
    let started = place.testnet("start v3").ok();
    assert!(addresses(&started).is_subset(&bootstrap(&place)), "it is found where it is now");
    let is_met = || {
        let status = place.testnet("status").ok();
        (status["validators"][3]["dht"]["peers"].as_u64() > Some(0)).then_some(())
    };
    wait_until(is_met).expect("it meets the others");
    wait_until_even(&place);
    let through =
        || is_complete(&place.quorate("--node v3 transfer carol dave 1").ok()).then_some(());
    wait_until(through).expect("it asks the others");
    wait_until_even(&place);
    check_supply(&place);
    place.testnet("down").ok();
    for name in ["v0", "v3"] {
        let words = format!("store verify --home {}", place.dir().join(name).display());
        assert_eq!(place.quorate(&words).ok()["verified"], true, "{name}");
    }
}

#[test]
fn a_folder_stays_trusted_or_untrusted() {
    let place = Place::new();
    let document = place.testnet("up --detach -n 4 --untrusted --dht-peers 1").ok();
    assert_eq!(document["dht_peers"].as_array().map(Vec::len), Some(1), "{document}");
    let listens = document["dht_peers"][0]["ipfs"].clone();
    place.testnet("kill d0 v1").ok();
    assert_eq!(place.testnet("status").ok()["dht_peers"][0]["state"], "down");
    let started = place.testnet("start d0 v1").ok();
    assert_eq!(started["validators"][0]["ipfs"], listens, "it keeps its name and its port");
    let down = place.testnet("down").ok();
    assert_eq!(down["stopped"].as_array().map(Vec::len), Some(5));
    assert_eq!(place.testnet("up --detach --dht-peers 2").failed(2), "usage");
    let again = place.testnet("up --detach").ok();
    assert_eq!((&again["untrusted"], &again["dht_peers"][0]["ipfs"]), (&true.into(), &listens));
    wait_until_complete(&place);
    // The stores and the DHT forget together: no state is held to be spent by what is gone.
    place.testnet("reset").ok();
    wait_until_complete(&place);
    check_supply(&place);
    let trusted = Place::new();
    trusted.up(4);
    let paid = trusted.quorate("transfer alice bob 1").ok();
    assert_eq!(paid["dht"], Value::Null, "nobody was asked");
    trusted.testnet("down").ok();
    assert_eq!(trusted.testnet("up --detach --untrusted").failed(2), "usage");
}
