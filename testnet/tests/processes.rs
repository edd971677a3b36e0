//! `quorate-testnet` with real processes: what it starts, it also ends.

#[path = "processes/agreement.rs"]
mod agreement;
#[path = "processes/amnesia.rs"]
mod amnesia;
#[path = "processes/crashes.rs"]
mod crashes;
#[path = "processes/panel.rs"]
mod panel;
#[path = "processes/running.rs"]
mod running;
#[path = "processes/terminal.rs"]
mod terminal;
#[path = "processes/transfers.rs"]
mod transfers;

use running::{Place, all_end, is_mentioned, processes};
use serde_json::Value;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn addresses(document: &Value) -> Vec<String> {
    let accounts = document["accounts"].as_array().expect("accounts").iter();
    accounts.map(|account| account["address"].as_str().expect("an address").into()).collect()
}

#[test]
fn up_and_down_leave_no_process() {
    let place = Place::new();
    let document = place.up(7);
    assert_eq!(document["schema"], "quorate.testnet/1");
    assert_eq!(document["quorum"], 5);
    let processes = processes(&document);
    assert_eq!(processes.len(), 7);
    assert!(processes.iter().all(|process| process.is_alive()));
    let key = Path::new(document["accounts"][0]["key"].as_str().expect("a path"));
    let mode = std::fs::metadata(key).expect("a key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let status = place.run(["status"]).ok();
    assert_eq!(status["running"], 7, "the newest testnet is found: {status}");
    assert!(status["validators"].as_array().expect("a list").iter().all(|v| v["ready"] == true));
    let down = place.testnet("down").ok();
    assert_eq!(down["stopped"].as_array().map(Vec::len), Some(7));
    assert!(processes.iter().all(|process| !process.is_alive()));
    assert!(!is_mentioned(&place.dir()));
    let again = place.testnet("down").ok();
    assert_eq!(again["stopped"].as_array().map(Vec::len), Some(0));
    assert_eq!(place.run(["down"]).ok()["dir"], Value::Null);
    assert_eq!(place.run(["status"]).failed(2), "not_found");
}

#[test]
fn the_same_seed_gives_the_same_addresses_and_network() {
    let places = [Place::new(), Place::new(), Place::new()];
    let up = |place: &Place, seed: u64| {
        let document = place.testnet(&format!("up --detach -n 4 --accounts 12 --seed {seed}")).ok();
        place.testnet("down").ok();
        document
    };
    let documents = [up(&places[0], 7), up(&places[1], 7), up(&places[2], 8)];
    assert_eq!(addresses(&documents[0]), addresses(&documents[1]));
    assert_eq!(documents[0]["network"], documents[1]["network"]);
    assert_ne!(addresses(&documents[0]), addresses(&documents[2]));
    assert_ne!(documents[0]["network"], documents[2]["network"]);
    assert_eq!(documents[0]["accounts"][0]["name"], "alice");
    assert_eq!(documents[0]["accounts"][11]["name"], "acct-12");
}

#[test]
fn nodes_end_with_a_killed_foreground_command() {
    let place = Place::new();
    let (mut child, document) = place.foreground("up -n 4");
    place.testnet("kill v1").ok();
    let started = place.testnet("start v1").ok();
    let mut all = processes(&document);
    all.extend(processes(&started));
    child.kill().expect("killed");
    child.wait().expect("waited for");
    assert!(all_end(&all), "nodes outlive their parent");
    assert!(!is_mentioned(&place.dir()));
}

#[test]
fn a_foreground_command_ends_well_when_told() {
    let place = Place::new();
    let (mut child, document) = place.foreground("up -n 4");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("signalled");
    assert_eq!(child.wait().expect("waited for").code(), Some(0));
    assert!(all_end(&processes(&document)));
    std::fs::remove_file(place.dir().join("testnet.json")).expect("removed");
    let (mut child, document) = place.foreground("up");
    let down = place.testnet("down").ok();
    assert_eq!(down["stopped"].as_array().map(Vec::len), Some(4));
    assert_eq!(child.wait().expect("waited for").code(), Some(0));
    assert!(all_end(&processes(&document)));
}

#[test]
fn validators_are_paused_resumed_killed_and_started() {
    let place = Place::new();
    let document = place.up(4);
    assert_eq!(place.states(), ["running"; 4]);
    place.testnet("pause v2").ok();
    place.testnet("kill v3").ok();
    assert_eq!(place.states(), ["running", "running", "paused", "down"]);
    place.testnet("kill v3").ok();
    assert_eq!(place.testnet("pause v3").failed(2), "usage");
    assert_eq!(place.testnet("start v0").failed(10), "busy");
    assert_eq!(place.testnet("kill v9").failed(2), "not_found");
    place.testnet("resume v2").ok();
    let started = place.testnet("start v3").ok();
    let (old, new) = (&document["validators"][3], &started["validators"][0]);
    assert_eq!(new["ready"], true, "{started}");
    assert_eq!((&new["api"], &new["quic"]), (&old["api"], &old["quic"]), "free ports are kept");
    assert_ne!(new["pid"], old["pid"]);
    assert_eq!(place.states(), ["running"; 4]);
    place.testnet("pause v1").ok();
    assert_eq!(place.testnet("down").ok()["stopped"].as_array().map(Vec::len), Some(4));
    assert_eq!(place.states(), ["down"; 4]);
}

#[test]
fn a_second_up_on_one_folder_is_refused() {
    let place = Place::new();
    let document = place.up(4);
    let second = place.testnet("up --detach");
    assert_eq!(second.json["error"]["details"]["pid"], document["validators"][0]["pid"]);
    assert!(second.words.contains("down --dir"), "{second:?}");
    assert_eq!(second.failed(10), "busy");
    assert_eq!(place.states(), ["running"; 4], "the first one is not disturbed");
    place.testnet("down").ok();
    assert_eq!(place.testnet("up --detach -n 5").failed(2), "usage");
    let again = place.testnet("up --detach -n 4").ok();
    assert_eq!(addresses(&again), addresses(&document), "the folder's testnet goes on");
}

#[test]
fn reset_keeps_genesis_and_keys_only() {
    let place = Place::new();
    let document = place.up(4);
    let mark = place.dir().join("v0").join("mark");
    std::fs::write(&mark, "of the store").expect("written");
    let after = place.testnet("reset").ok();
    assert!(!mark.exists());
    assert_eq!(after["network"], document["network"]);
    assert_eq!(addresses(&after), addresses(&document));
    assert!(processes(&document).iter().all(|process| !process.is_alive()));
    assert_eq!(place.states(), ["running"; 4]);
}

#[test]
fn one_failing_validator_stops_the_others() {
    let place = Place::new();
    place.up(4);
    place.testnet("down").ok();
    let key = place.dir().join("v2").join("key");
    std::fs::write(&key, "no key").expect("written");
    let failed = place.testnet("up --detach");
    assert!(failed.words.contains("v2 ended before it was ready"), "{failed:?}");
    assert!(failed.words.contains("  | "), "its log is shown: {failed:?}");
    failed.failed(3);
    assert!(!is_mentioned(&place.dir()));
}

#[test]
fn a_port_in_use_is_told() {
    let place = Place::new();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("an address").port();
    let failed = place.testnet(&format!("up --detach -n 4 --port {port}"));
    assert_eq!(failed.failed(10), "busy");
    assert!(!is_mentioned(&place.dir()));
}

#[test]
fn init_writes_for_real_machines_and_overwrites_nothing() {
    let place = Place::new();
    let out = place.path("out").display().to_string();
    let document = place.run(["init", "-n", "7", "--out", &out]).ok();
    assert_eq!(document["homes"].as_array().map(Vec::len), Some(7));
    for name in [
        "genesis.json",
        "peers.toml",
        "v6/node.toml",
        "v6/key",
        "v6/genesis.json",
        "v6/first-start",
    ] {
        assert!(Path::new(&out).join(name).exists(), "{name}");
    }
    let genesis = std::fs::read(Path::new(&out).join("genesis.json")).expect("a genesis");
    assert_eq!(place.run(["init", "--out", &out]).failed(3), "config");
    assert_eq!(std::fs::read(Path::new(&out).join("genesis.json")).expect("it"), genesis);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let place = Place::new();
    assert_eq!(place.run(["up", "--nonsense"]).failed(2), "usage");
    assert_eq!(place.run(["kill"]).failed(2), "usage");
    assert_eq!(place.run(["up", "-n", "0"]).failed(2), "usage");
    assert_eq!(place.testnet("up --dht-silence unknown").failed(2), "usage");
    assert_eq!(place.testnet("up --untrusted --dht-silence no").failed(2), "usage");
    let nowhere = format!("up --join-dht {}", place.path("nowhere").display());
    assert_eq!(place.testnet(&nowhere).failed(2), "not_found");
    assert_eq!(place.testnet("up --port 65533").failed(2), "usage");
}

#[test]
fn the_demo_ends_well_and_leaves_nothing() {
    let place = Place::new();
    let mut command = place.command();
    command.args(["demo", "--once"]);
    let ended = running::finish(command);
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert!(!is_mentioned(&place.tmp()));
    let left = std::fs::read_dir(place.tmp()).expect("a folder").count();
    assert_eq!(left, 0, "the demo's folder is gone");
}
