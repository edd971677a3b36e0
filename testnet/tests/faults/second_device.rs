//! Two wallets with one key, and a validator that lags: what one wallet has spent, the other does
//! not choose again and again.

use crate::running::Place;

#[test]
fn a_token_that_another_device_spent_is_not_chosen_twice_although_the_asked_node_lags() {
    let place = Place::new();
    place.up(7);
    place.testnet("partition v6").ok();
    let pay = |home: &str, nodes: &str, (to, what): (&str, &str)| {
        let home = place.path(home);
        place.quorate(&format!("--home {} {nodes} transfer alice {to} {what}", home.display()))
    };
    let tokens = place.quorate("--node v0 tokens alice").ok();
    let token = tokens["tokens"][0]["id"].as_str().expect("an id");
    let one = format!("--token {token}");
    assert_eq!(pay("first", "--node v0", ("carol", &one)).ok()["status"], "final");
    // v6 still shows the token; v0 is asked when v6 has no quorum.
    let lagging = "--node v6 --node v0";
    assert_eq!(pay("second", lagging, ("bob", &one)).failed(5), "already_spent");
    // All that are left: v6 shows one more.
    assert_eq!(pay("second", lagging, ("bob", "--count 999")).ok()["status"], "final");
    let balance = place.quorate("--node v0 balance bob").ok();
    assert_eq!(balance["balances"][0]["amount"], "1999", "each token once");
}
