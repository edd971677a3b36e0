//! Two networks of one genesis that share nothing but the DHT: what is spent in one is known, and
//! proven, in the other.

use crate::agreement::check_supply;
use crate::running::{Place, block_on, wait_until};
use serde_json::Value;
use testnet::probe;

/// What a node answers; from inside a wait as well, so on a thread of its own.
fn ask(api: &str, path: &str) -> Option<Vec<u8>> {
    let asked = std::thread::scope(|scope| scope.spawn(|| block_on(probe::body(api, path))).join());
    asked.expect("no panic")
}

/// The API of v0.
fn api(document: &Value) -> String {
    document["validators"][0]["api"].as_str().expect("an address").into()
}

/// Waits until each of its four validators is connected to the seven others of both networks.
fn wait_until_all_meet(place: &Place) {
    let all_meet = || {
        let status = place.testnet("status").ok();
        let validators = status["validators"].as_array().expect("validators").clone();
        validators.iter().all(|v| v["dht"]["peers"] == 7).then_some(())
    };
    wait_until(all_meet).expect("the DHT is one");
}

#[test]
fn a_state_spent_in_one_network_is_refused_in_the_other_with_its_proof() {
    let (place, other) = (Place::new(), Place::new());
    let first = place.testnet("up --detach -n 4 --untrusted --seed 7").ok();
    let words =
        format!("up --detach -n 4 --untrusted --seed 7 --join-dht {}", place.dir().display());
    let second = other.testnet(&words).ok();
    assert_eq!(first["network"], second["network"]);
    wait_until_all_meet(&place);
    wait_until_all_meet(&other);
    let tokens = place.quorate("tokens alice").ok();
    let token = tokens["tokens"][0]["id"].as_str().expect("an id").to_string();
    let spent = place.quorate(&format!("--node v0 transfer alice bob --token {token}")).ok();
    let id = spent["id"].as_str().expect("an id");
    let is_announced = || {
        let text = ask(&api(&first), "/metrics")?;
        let text = String::from_utf8(text).ok()?;
        let line = text.lines().find(|l| l.starts_with("quorate_announced_keys_total{result=\"st"));
        (line?.rsplit(' ').next()? != "0").then_some(())
    };
    wait_until(is_announced).expect("it is announced");
    let unspent = other.quorate("--node v0 transfer bob dave 1").ok();
    assert_eq!(unspent["status"], "final");
    let refused = other.quorate(&format!("--node v0 transfer alice carol --token {token}"));
    assert_eq!(refused.json["error"]["details"]["by"], id, "{refused:?}");
    assert_eq!(refused.failed(5), "already_spent");
    let proof = ask(&api(&second), &format!("/v1/receipts/{id}"));
    let file = other.path("proof");
    std::fs::write(&file, proof.expect("the receipt behind the refusal")).expect("written");
    let genesis = other.dir().join("genesis.json");
    let words = format!("receipt verify {} --genesis {}", file.display(), genesis.display());
    let verified = other.quorate(&words).ok();
    assert_eq!((&verified["verified"], &verified["id"]), (&true.into(), &id.into()));
    let status = other.quorate("status").ok();
    assert_eq!(status["validators"][0]["applied"], 1, "they share no store: {status}");
    check_supply(&place);
    check_supply(&other);
}
