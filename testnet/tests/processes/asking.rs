//! What the validators of a testnet say themselves, each asked at its own address.

use crate::running::{Place, block_on, wait_until};
use serde_json::Value;

/// What the description says of a validator.
pub fn described(place: &Place, index: usize) -> Value {
    let text = std::fs::read(place.dir().join("testnet.json")).expect("a description");
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    file["validators"][index].clone()
}

/// What a node answers; `None` when it does not.
pub fn answer(api: &str, path: &str) -> Option<Value> {
    let asking = || block_on(testnet::probe::document(api, path));
    // On a thread of its own: whoever waits for a condition is within a runtime already.
    std::thread::scope(|scope| scope.spawn(asking).join()).expect("no panic")
}

/// What a validator answers; null when it does not.
pub fn ask(place: &Place, index: usize, path: &str) -> Value {
    let api = described(place, index)["api"].as_str().expect("a URL").to_string();
    answer(&api, path).unwrap_or_default()
}

/// Pays through v0, which has to end well, and returns the answer.
pub fn pay(place: &Place) -> Value {
    let paid = place.quorate("--node v0 transfer alice bob 1").ok();
    assert_eq!(paid["status"], "final");
    paid
}

/// Waits until these validators are ready and have applied the same transfers.
///
/// # Errors
/// They never are: what each says.
pub fn wait_until_same(place: &Place, indexes: &[usize]) -> Result<(), String> {
    let nodes = || indexes.iter().map(|index| ask(place, *index, "/v1/node")).collect::<Vec<_>>();
    let stands = |node: &Value| (node["applied"].clone(), node["digest"].clone());
    let same = wait_until(|| {
        let nodes = nodes();
        let is_good = |node: &Value| node["ready"] == true && stands(node) == stands(&nodes[0]);
        nodes.iter().all(is_good).then_some(())
    });
    same.ok_or_else(|| format!("not the same: {:?}", nodes()))
}
