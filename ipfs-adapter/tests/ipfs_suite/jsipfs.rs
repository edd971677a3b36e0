//! Two js-ipfs daemons: a foreign implementation that speaks nearly Kubo's RPC API. What it does
//! differently is translated by a proxy (`quirks.rs`), so that the product knows Kubo only.

use std::{env, path::PathBuf};

use tokio::process::Command;

use crate::{
    contract::check_ipfs,
    daemon::{Daemon, client, connect},
    quirks::Proxy,
};

/// Where `interop/install` has installed js-ipfs.
const FOLDER: &str = "QUORATE_JSIPFS";

#[tokio::test]
async fn js_ipfs_keeps_the_contract() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else {
        eprintln!("skipped: {FOLDER} is not set (ipfs-adapter/tests/interop/install)");
        return;
    };
    let start = |folder: &PathBuf| {
        let script = |name: &str| folder.join(name).into_os_string();
        Daemon::start(|repository| {
            let mut command = Command::new("node");
            command.arg("--import").arg(script("polyfill.mjs")).arg(script("daemon.mjs"));
            command.arg(repository.join("repository"));
            command
        })
    };
    let (mut first, mut second) = (start(&folder), start(&folder));
    let (first_url, second_url) = (ready(&mut first).await, ready(&mut second).await);
    let first_proxy = Proxy::start(&first_url).await;
    let second_proxy = Proxy::start(&second_url).await;
    let (node, other) = (client(&first_proxy.url), client(&second_proxy.url));
    check_ipfs(&node, None).await;
    connect(&first_url, &node, &other).await;
    check_ipfs(&node, Some(&other)).await;
    first.stop().await;
    second.stop().await;
}

async fn ready(daemon: &mut Daemon) -> String {
    let url = |line: &str| {
        let said: serde_json::Value = serde_json::from_str(line).ok()?;
        said["ready"].as_str().map(String::from)
    };
    daemon.line(url).await
}
