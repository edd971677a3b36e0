//! What all validators of a testnet have to agree on in the end.

use crate::running::{Place, wait_until};
use serde_json::Value;

/// The supply is what genesis made: ten accounts with a thousand tokens of 1.
pub fn check_supply(place: &Place) {
    let status = place.quorate("status").ok();
    assert_eq!(status["supply"][0]["issued"], "10000", "{status}");
    assert_eq!(status["supply"][0]["live"], "10000", "{status}");
}

/// Waits until every validator has applied the same and lags behind nobody.
pub fn wait_until_even(place: &Place) {
    let is_even = || {
        let status = place.quorate("status").ok();
        let validators = status["validators"].as_array().expect("validators").clone();
        let is_current = |v: &Value| v["ready"] == true && v["lag"] == 0;
        let is_same = |v: &Value| v["applied"] == validators[0]["applied"];
        validators.iter().all(|v| is_current(v) && is_same(v)).then_some(())
    };
    wait_until(is_even).expect("all validators catch up");
}
