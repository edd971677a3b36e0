//! Faults between real processes: slow and parted validators, and what holds while and after it.

#[path = "processes/agreement.rs"]
mod agreement;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/asking.rs"]
mod asking;
#[path = "faults/evidence.rs"]
mod evidence;
#[path = "faults/payers.rs"]
mod payers;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;
#[path = "faults/second_device.rs"]
mod second_device;

use agreement::{check_supply, wait_until_even};
use payers::{Payers, check_no_lock_is_left, check_states_are_equal, settle_all};
use running::{Place, all_end, is_mentioned, processes, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};
use testnet::process::Process;

/// How long a partition lasts, by default.
const PARTITION_SECONDS: u64 = 3;

/// The relay's process, as `status` tells.
fn relay(place: &Place) -> Option<Process> {
    let pid = place.testnet("status").ok()["relay"].as_u64()?;
    Process::of(u32::try_from(pid).expect("a process id"))
}

fn links(place: &Place, name: &str) -> Vec<Value> {
    let peers = place.quorate(&format!("--node {name} peers")).ok();
    let rows = peers["validators"].as_array().expect("validators").iter();
    rows.map(|row| row["link"].clone()).collect()
}

#[test]
fn three_and_four_apart_under_load_heal_without_a_fork_or_a_lock() {
    let place = Place::new();
    place.up(7);
    let seconds = std::env::var("QUORATE_PARTITION_SECONDS");
    let seconds = seconds.map_or(PARTITION_SECONDS, |text| text.parse().expect("seconds"));
    let payers = Payers::default();
    std::thread::scope(|scope| {
        let load = payers.start(scope, &place, &["v0", "v1", "v4", "v6"]);
        wait_until(|| (payers.finals() >= 4).then_some(())).expect("payments become final");
        let parted = place.testnet("partition v0,v1,v2/v3,v4,v5,v6").ok();
        assert_eq!(parted["partition"][0], serde_json::json!(["v0", "v1", "v2"]));
        let before = payers.finals();
        let end = Instant::now() + Duration::from_secs(seconds);
        wait_until(|| (Instant::now() >= end).then_some(())).expect("time goes by");
        let during = payers.finals() - before;
        // What had all its votes when the links were cut may still be told.
        assert!(during <= 4, "no side has a quorum: {during} payments became final");
        assert!(payers.others() > 0, "payments were tried");
        place.testnet("heal").ok();
        let healed = payers.finals();
        wait_until(|| (payers.finals() >= healed + 4).then_some(())).expect("they go on");
        drop(load);
    });
    wait_until_even(&place);
    settle_all(&place);
    wait_until_even(&place);
    check_states_are_equal(&place);
    check_supply(&place);
    check_no_lock_is_left(&place);
}

#[test]
fn five_of_seven_go_on_without_the_two_parted_and_these_catch_up() {
    let place = Place::new();
    place.up(7);
    place.testnet("partition v0,v1").ok();
    for from in ["alice", "bob", "carol"] {
        let paid = place.quorate(&format!("--node v4 transfer {from} dave 1")).ok();
        assert_eq!(paid["status"], "final");
    }
    let refused = || (place.quorate("--node v0 transfer erin dave 1").exit == 8).then_some(());
    wait_until(refused).expect("the two know that they are alone");
    let status = place.testnet("status").ok();
    assert_eq!(status["faults"]["partition"][0], serde_json::json!(["v0", "v1"]));
    place.testnet("heal").ok();
    assert_eq!(place.testnet("status").ok()["faults"], Value::Null);
    wait_until_even(&place);
    assert_eq!(place.quorate("--node v0 transfer erin dave 1").ok()["status"], "final");
    wait_until_even(&place);
    settle_all(&place);
    check_supply(&place);
    check_no_lock_is_left(&place);
}

#[test]
fn a_slow_validator_slows_nobody_else_and_what_it_proposes_takes_longer() {
    let place = Place::new();
    place.up(7);
    let slowed = place.testnet("slow v3 50ms").ok();
    assert_eq!(
        (&slowed["slow"][0]["name"], &slowed["slow"][0]["delay_ms"]),
        (&"v3".into(), &50.into())
    );
    let total = |node: &str| {
        let paid = place.quorate(&format!("--node {node} transfer alice bob 1")).ok();
        assert_eq!(paid["status"], "final");
        paid["stages_us"]["total"].as_u64().expect("a time")
    };
    // Proposed by it: two phases, each there and back.
    assert!(total("v3") >= 200_000);
    let others = (0..5).map(|_| total("v5")).min();
    assert!(others < Some(100_000), "the other six are a quorum: {others:?} µs");
    assert_eq!(place.testnet("slow v3 0ms").ok()["relay"], Value::Null);
    let again = wait_until(|| (total("v3") < 200_000).then_some(()));
    again.expect("it is fast again");
    wait_until_even(&place);
    check_supply(&place);
}

#[test]
fn the_relay_comes_with_the_first_fault_and_goes_with_the_last() {
    let place = Place::new();
    let document = place.up(4);
    let direct = links(&place, "v0");
    assert_eq!(relay(&place), None);
    assert_eq!(direct[1], document["validators"][1]["quic"]);
    place.testnet("slow v1 5ms --jitter 5ms --lose 10 --duplicate 10 --reorder 10").ok();
    let first = relay(&place).expect("a relay");
    let through = links(&place, "v0");
    assert!(through[1..].iter().zip(&direct[1..]).all(|(one, other)| one != other));
    place.testnet("partition v0/v1").ok();
    assert_eq!(relay(&place), Some(first), "one relay a testnet");
    let healed = place.testnet("heal").ok();
    assert_eq!(
        (&healed["schema"], &healed["relay"]),
        (&"quorate.testnet-faults/1".into(), &Value::Null)
    );
    assert!(!first.is_alive());
    assert_eq!(links(&place, "v0"), direct);
    place.testnet("heal").ok();
    place.testnet("partition v0").ok();
    let second = relay(&place).expect("a relay");
    let stopped = place.testnet("down").ok();
    assert_eq!(stopped["stopped"].as_array().map(Vec::len), Some(5));
    assert!(!second.is_alive());
    assert!(!is_mentioned(&place.dir()));
    // Nothing of it is left in the next run.
    place.testnet("up --detach").ok();
    assert_eq!(place.testnet("status").ok()["faults"], Value::Null);
    assert_eq!(place.quorate("transfer alice bob 1").ok()["status"], "final");
    place.testnet("slow v2 5ms").ok();
    let third = relay(&place).expect("a relay");
    place.testnet("kill v0 v1 v2 v3").ok();
    place.testnet("up --detach").ok();
    assert!(!third.is_alive(), "a start has no relay of another run");
}

#[test]
fn wrong_faults_are_usage_errors_that_change_nothing() {
    let place = Place::new();
    place.up(4);
    let unknown = place.testnet("slow v9 10ms");
    assert!(unknown.words.contains("v0 v1 v2 v3"), "{unknown:?}");
    assert_eq!(unknown.failed(2), "usage");
    for wrong in [
        "slow v1 quick",
        "slow v1 11s",
        "slow v1 1ms --lose 1001",
        "partition v0/v9",
        "partition v0,v1/v1",
        "partition v0,v1,v2,v3",
        "partition",
    ] {
        assert_eq!(place.testnet(wrong).failed(2), "usage", "{wrong}");
    }
    assert_eq!(relay(&place), None);
    place.testnet("down").ok();
    assert_eq!(place.testnet("partition v0/v1").failed(2), "usage");
    assert_eq!(place.testnet("heal").ok()["ok"], true);
}

#[test]
fn validators_are_killed_started_paused_and_resumed_with_faults_on() {
    let place = Place::new();
    place.up(7);
    place.testnet("partition v0,v1").ok();
    place.testnet("kill v1 v6").ok();
    place.testnet("start v1 v6").ok();
    place.testnet("pause v2").ok();
    place.testnet("resume v2").ok();
    let paid = || (place.quorate("--node v6 transfer alice bob 1").exit == 0).then_some(());
    wait_until(paid).expect("the five go on, with a restarted one");
    assert_ne!(place.quorate("--node v1 transfer carol bob 1 --timeout 3s").exit, 0);
    // One that is paused is moved, too: it must not go around the relay when it wakes.
    place.testnet("heal").ok();
    wait_until_even(&place);
    place.testnet("pause v0").ok();
    place.testnet("partition v0").ok();
    place.testnet("resume v0").ok();
    let alone =
        || (place.quorate("--node v0 transfer dave bob 1 --timeout 2s").exit == 8).then_some(());
    wait_until(alone).expect("it is alone");
    place.testnet("heal").ok();
    wait_until_even(&place);
    settle_all(&place);
    check_supply(&place);
}

#[test]
fn the_relay_ends_with_a_foreground_testnet() {
    let place = Place::new();
    let (mut child, document) = place.foreground("up -n 4");
    place.testnet("slow v1 5ms").ok();
    let mut all = processes(&document);
    all.extend(relay(&place));
    assert_eq!(all.len(), 5);
    child.kill().expect("killed");
    child.wait().expect("waited for");
    assert!(all_end(&all), "the relay outlives the testnet");
}
