//! The DHT falls silent in the middle of a load, killed or hung, and comes back.

use crate::agreement::{check_supply, wait_until_even};
use crate::paying::{Load, check_none_lost, is_complete, wait_until_complete};
use crate::running::{Ended, Place};
use std::time::{Duration, Instant};

const PEERS: &str = "d0 d1 d2";
/// Payments that are waited for in each phase.
const PHASE: usize = 6;
/// From the DHT's return to the first transfer that it has answered for.
const RECOVERY: Duration = Duration::from_secs(5);
/// A transfer asks the DHT twice, each time for 250 ms at most; the rest is for a busy machine.
const SILENT_US_MAX: u64 = 3_000_000;

/// How often the DHT goes and comes back: once by default, more where the variable says so.
fn rounds() -> u32 {
    let text = std::env::var("QUORATE_SILENCE_ROUNDS");
    text.map_or(1, |text| text.parse().expect("a number of rounds"))
}

fn up(words: &str) -> Place {
    let place = Place::new();
    place.testnet(&format!("up --detach --dht-peers 3 {words}")).ok();
    place
}

fn is_marked(mark: &'static str) -> impl Fn(&Ended) -> bool {
    move |ended| ended.exit == 0 && ended.json["dht"] == mark
}

/// Waits until a payment is answered for, and checks how long that took.
fn check_recovery(place: &Place, since: Instant) {
    loop {
        let paid = place.quorate("transfer erin judy 0.001");
        let is_back = paid.exit == 0 && is_complete(&paid.json);
        assert!(since.elapsed() < RECOVERY, "after {:?}: {paid:?}", since.elapsed());
        if is_back {
            return;
        }
    }
}

#[test]
fn killed_dht_peers_are_no_veto_and_a_trusted_network_does_not_notice() {
    let (place, trusted) = (up("-n 7 --untrusted"), up("-n 4"));
    wait_until_complete(&place);
    let (load, beside) = (Load::new(&place, ""), Load::new(&trusted, ""));
    std::thread::scope(|scope| {
        let (_stop, _stop_beside) = (load.until_dropped(), beside.until_dropped());
        for from in ["alice", "bob"] {
            scope.spawn(|| load.pay(from));
        }
        scope.spawn(|| beside.pay("alice"));
        assert!(load.wait_for(PHASE, is_marked("complete")));
        for _ in 0..rounds() {
            trusted.testnet(&format!("kill {PEERS}")).ok();
            place.testnet(&format!("kill {PEERS}")).ok();
            assert!(load.wait_for(PHASE, is_marked("incomplete")));
            assert!(beside.wait_for(PHASE, |ended| ended.exit == 0));
            place.testnet(&format!("start {PEERS}")).ok();
            check_recovery(&place, Instant::now());
            assert!(load.wait_for(PHASE, is_marked("complete")));
            trusted.testnet(&format!("start {PEERS}")).ok();
        }
    });
    for (place, ended) in [(&place, load.into_ended()), (&trusted, beside.into_ended())] {
        assert!(ended.iter().all(|ended| ended.exit == 0), "{ended:?}");
        check_none_lost(place, &ended);
        wait_until_even(place);
        check_supply(place);
    }
}

#[test]
fn in_strict_mode_silence_is_unknown_and_nothing_is_lost() {
    let place = up("-n 4 --untrusted --dht-silence unknown");
    wait_until_complete(&place);
    let load = Load::new(&place, "");
    std::thread::scope(|scope| {
        let _stop = load.until_dropped();
        for from in ["alice", "bob"] {
            scope.spawn(|| load.pay(from));
        }
        assert!(load.wait_for(PHASE, is_marked("complete")));
        for _ in 0..rounds() {
            place.testnet(&format!("kill {PEERS}")).ok();
            assert!(load.wait_for(2, |ended| ended.exit == 7));
            // Those that were under way have ended, so nothing becomes final any more.
            let applied = || place.quorate("status").ok()["validators"][0]["applied"].clone();
            let before = applied();
            let refused = place.quorate("transfer carol judy 1");
            assert_eq!(refused.failed(7), "outcome_unknown");
            assert_eq!(applied(), before, "nothing is accepted");
            place.testnet(&format!("start {PEERS}")).ok();
            check_recovery(&place, Instant::now());
            assert!(load.wait_for(PHASE, is_marked("complete")));
        }
    });
    let ended = load.into_ended();
    check_none_lost(&place, &ended);
    for unknown in ended.iter().filter(|ended| ended.exit != 0) {
        assert_eq!(unknown.exit, 7, "{unknown:?}");
        let id = unknown.json["error"]["details"]["transfer"].as_str();
        let id = id.or(unknown.json["id"].as_str()).expect("an id");
        let again = place.quorate(&format!("tx retry {id}")).ok();
        assert_eq!(again["status"], "final", "it was kept: {again}");
    }
    wait_until_even(&place);
    check_supply(&place);
}

#[test]
fn hung_dht_peers_delay_transfers_by_their_deadline_at_most() {
    let place = up("-n 4 --untrusted");
    wait_until_complete(&place);
    let load = Load::new(&place, "");
    std::thread::scope(|scope| {
        let _stop = load.until_dropped();
        for from in ["alice", "bob"] {
            scope.spawn(|| load.pay(from));
        }
        assert!(load.wait_for(PHASE, is_marked("complete")));
        for _ in 0..rounds() {
            place.testnet(&format!("pause {PEERS}")).ok();
            assert!(load.wait_for(PHASE, is_marked("incomplete")));
            place.testnet(&format!("resume {PEERS}")).ok();
            check_recovery(&place, Instant::now());
            assert!(load.wait_for(PHASE, is_marked("complete")));
        }
    });
    let ended = load.into_ended();
    for ended in &ended {
        assert_eq!(ended.exit, 0, "{ended:?}");
        let total = ended.json["stages_us"]["total"].as_u64().expect("µs");
        assert!(total < SILENT_US_MAX, "{ended:?}");
    }
    check_none_lost(&place, &ended);
    wait_until_even(&place);
    check_supply(&place);
}
