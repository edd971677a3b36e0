//! Two real Kubo daemons on loopback, wherever `ipfs` is on `PATH`: nothing is translated. Their
//! public network is switched off; their DHT is the one for local networks.

use std::{fs, path::Path, process::Stdio};

use ipfs_adapter::{Kubo, Multiaddr};
use serde_json::json;
use tokio::process::Command;

use crate::{
    contract::check_ipfs,
    daemon::{Daemon, client, connect},
};

#[tokio::test]
async fn kubo_keeps_the_contract() {
    let version = Command::new("ipfs").arg("version").stdin(Stdio::null()).output().await;
    let Ok(version) = version else {
        eprintln!("skipped: there is no `ipfs` on PATH");
        return;
    };
    eprintln!("running with {}", String::from_utf8_lossy(&version.stdout).trim());
    let (first, url, node) = start().await;
    let (second, _, other) = start().await;
    check_ipfs(&node, None).await;
    connect(&url, &node, &other).await;
    check_ipfs(&node, Some(&other)).await;
    first.stop().await;
    second.stop().await;
}

async fn start() -> (Daemon, String, Kubo) {
    let mut daemon = Daemon::start(|folder| {
        initialise(folder);
        let mut command = Command::new("ipfs");
        command.arg("daemon").env("IPFS_PATH", folder);
        command
    });
    daemon.line(|line| line.contains("Daemon is ready").then_some(())).await;
    let api = fs::read_to_string(daemon.folder().join("api")).expect("a running daemon writes it");
    let api: Multiaddr = api.trim().parse().expect("it is an address");
    let port = api.to_string().rsplit('/').next().map(String::from).expect("it ends in the port");
    let url = format!("http://127.0.0.1:{port}");
    let node = client(&url);
    (daemon, url, node)
}

/// A repository whose daemon listens on free ports of loopback and knows nobody.
fn initialise(folder: &Path) {
    let init = std::process::Command::new("ipfs")
        .args(["init", "--empty-repo"])
        .env("IPFS_PATH", folder)
        .output()
        .expect("`ipfs` runs");
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    let path = folder.join("config");
    let text = fs::read_to_string(&path).expect("init writes it");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let any = "/ip4/127.0.0.1/tcp/0";
    config["Addresses"]["API"] = json!(any);
    config["Addresses"]["Gateway"] = json!(any);
    config["Addresses"]["Swarm"] = json!([any]);
    config["AutoConf"] = json!({ "Enabled": false });
    config["AutoTLS"] = json!({ "Enabled": false });
    config["Bootstrap"] = json!([]);
    config["DNS"] = json!({ "Resolvers": {} });
    config["Discovery"]["MDNS"]["Enabled"] = json!(false);
    config["Ipns"]["DelegatedPublishers"] = json!([]);
    config["Routing"] = json!({
        "Type": "dhtserver",
        "LoopbackAddressesOnLanDHT": true,
        "DelegatedRouters": [],
    });
    fs::write(&path, config.to_string()).expect("the folder is ours");
}
