//! `init`: genesis, configurations and keys for real machines. It starts nothing.

use crate::args::InitArgs;
use crate::output::{Output, io_failure};
use crate::plan::{DhtPlan, Plan};
use crate::registry::write_whole;
use node::error::CONFIG;
use node::store::first_start;
use node::{Failure, keyfile};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Port of QUIC in the files written.
const QUIC_PORT: u16 = 7400;
/// Port of the HTTP API in the files written.
const API_PORT: u16 = 7401;
/// Port of the peer-to-peer network in the files written, UDP and TCP.
const IPFS_PORT: u16 = 7402;

/// Runs `init`.
///
/// # Errors
/// The folder holds something, or can't be written; the numbers make no genesis.
pub fn init(args: &InitArgs, output: Output) -> Result<(), Failure> {
    let failed = |error| io_failure(CONFIG, "writing", &args.out, &error);
    let out = std::path::absolute(&args.out).map_err(failed)?;
    let plan = Plan {
        validators: args.validators,
        accounts: args.accounts,
        tokens: args.tokens,
        seed: None,
        dht: DhtPlan::default(),
    };
    let random = format!("network-{:08x}", rand::random::<u32>());
    let drawn = plan.draw(Some(args.network.as_deref().unwrap_or(&random)))?;
    claim(&out)?;
    let genesis = drawn.genesis.to_json();
    let names: Vec<&str> = drawn.validators.iter().map(|(name, _)| name.as_str()).collect();
    write_whole(&out.join("genesis.json"), &genesis)?;
    write_whole(&out.join("peers.toml"), &peers(&names))?;
    make(&out.join("accounts"))?;
    for (name, key) in &drawn.accounts {
        keyfile::create(&out.join("accounts").join(name), key)?;
    }
    for (name, key) in &drawn.validators {
        let home = out.join(name);
        make(&home)?;
        keyfile::create(&home.join("key"), key)?;
        first_start::permit(&home, &drawn.network.id, key).map_err(failed)?;
        write_whole(&home.join("genesis.json"), &genesis)?;
        write_whole(&home.join("peers.toml"), &peers(&names))?;
        write_whole(&home.join("node.toml"), &config(name))?;
    }
    let homes: Vec<PathBuf> = names.iter().map(|name| out.join(name)).collect();
    let document = json!({
        "schema": "quorate.init/1",
        "ok": true,
        "network": drawn.network.name.to_string(),
        "dir": out,
        "genesis": out.join("genesis.json"),
        "homes": homes,
        "accounts": out.join("accounts"),
    });
    output.answer(&document, &next_steps(&out, &names))
}

/// Makes the folder; one that holds something is refused.
fn claim(out: &Path) -> Result<(), Failure> {
    make(out)?;
    let failed = |error| io_failure(CONFIG, "reading", out, &error);
    if std::fs::read_dir(out).map_err(failed)?.next().is_none() {
        return Ok(());
    }
    let what = format!("{} is not empty; nothing was written", out.display());
    Err(Failure::new(CONFIG, what).help("name a new folder with --out"))
}

fn make(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| io_failure(CONFIG, "making", dir, &error))
}

fn peers(names: &[&str]) -> String {
    let lines: String =
        names.iter().map(|name| format!("{name} = \"{name}.example:{QUIC_PORT}\"\n")).collect();
    format!(
        "# Where the validators are: host and UDP port of each. Put in the real ones, on every\n\
         # machine. A running node reads this file again when it changes.\n{lines}"
    )
}

fn config(name: &str) -> String {
    format!(
        "# Configuration of validator {name}. Relative paths are taken from this file's folder.\n\
         name = \"{name}\"\n\
         home = \".\"\n\
         genesis = \"genesis.json\"\n\
         key = \"key\"\n\
         peers = \"peers.toml\"\n\n\
         # Between validators, UDP. Put the address of one network card in place of 0.0.0.0 if\n\
         # the machine has several; the other validators must reach it (see peers.toml).\n\
         [quic]\n\
         listen = \"0.0.0.0:{QUIC_PORT}\"\n\
         # First guess of a round trip, in milliseconds.\n\
         initial_rtt_ms = 100\n\n\
         # For clients, HTTP without encryption or passwords: loopback only. To open it, put a\n\
         # proxy in front, listen where that reaches, and name its host in `hosts`.\n\
         [api]\n\
         listen = \"127.0.0.1:{API_PORT}\"\n\
         hosts = []\n\n\
         [ipfs]\n\
         listen = [\"/ip4/0.0.0.0/udp/{IPFS_PORT}/quic-v1\", \"/ip4/0.0.0.0/tcp/{IPFS_PORT}\"]\n\
         bootstrap = []\n\n\
         [log]\n\
         level = \"info\"\n\
         format = \"text\"\n"
    )
}

fn next_steps(out: &Path, names: &[&str]) -> String {
    let out = out.display();
    let (first, count) = (names[0], names.len());
    format!(
        "Wrote genesis, configurations and keys for {count} validators to {out}; \
         nothing was started.\n\
         1. Put the validators' real addresses into peers.toml, the same in every folder.\n\
         2. Move each folder ({out}/{first} …) to its machine, over a safe way: it has a key,\n   \
         and the permission for one first start (first-start). Keep no copy of that.\n\
         3. On each machine: quorate run --config node.toml\n\
         The keys of the first accounts are in {out}/accounts; keep them safe."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_one_that_a_node_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        std::fs::write(&path, config("v0")).expect("written");
        let config = node::NodeConfig::load(&path).expect("a good configuration");
        assert_eq!(config.quic.listen.port(), QUIC_PORT);
        assert!(config.api.listen.ip().is_loopback());
        let embedded = config.ipfs.embedded(folder.path()).expect("good addresses");
        assert_eq!((embedded.listen.len(), embedded.allow_private), (2, false));
    }

    #[test]
    fn the_peers_are_toml() {
        let table: toml::Table = toml::from_str(&peers(&["v0", "v1"])).expect("TOML");
        assert_eq!(table.len(), 2);
    }
}
