//! A wallet node as a process: started, killed, stopped; ended with the test.

use crate::running::{COMMAND_TIME, Place, block_on, wait_until};
use ledger::Address;
use node::Client;
use node::config::{ApiConfig, LogConfig, WalletConfig, WalletSection};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A wallet node that hosts one address.
pub struct Till {
    child: Child,
    home: PathBuf,
    config: PathBuf,
    address: Address,
    /// Its API.
    pub api: String,
    /// Asks it.
    pub client: Client,
}

impl Till {
    /// Starts one with a fresh home, and waits until it listens.
    pub fn start(place: &Place, name: &str, nodes: &[String], address: Address) -> Self {
        let home = place.path(name);
        let config = WalletConfig {
            name: name.into(),
            home: home.clone(),
            genesis: place.dir().join("genesis.json"),
            wallet: WalletSection { addresses: vec![address], nodes: nodes.to_vec() },
            api: ApiConfig::default(),
            log: LogConfig { level: "debug".into(), ..LogConfig::default() },
        };
        let path = place.path(&format!("{name}.toml"));
        std::fs::write(&path, config.to_toml()).expect("written");
        let (child, api) = run(place, &path, &home);
        let client = client(&api);
        Self { child, home, config: path, address, api, client }
    }

    /// Starts it again on its home.
    pub fn restart(&mut self, place: &Place) {
        let (child, api) = run(place, &self.config, &self.home);
        self.client = client(&api);
        (self.child, self.api) = (child, api);
    }

    /// Waits until it is ready.
    pub fn wait_ready(&self) {
        block_on(async {
            let until = Instant::now() + COMMAND_TIME;
            while !self.client.health().await.is_ok_and(|health| health.ready) {
                assert!(Instant::now() < until, "it becomes ready");
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// Amount of QRT and number of tokens.
    pub fn balance(&self) -> (String, u64) {
        block_on(self.look())
    }

    async fn look(&self) -> (String, u64) {
        let balance = self.client.account(self.address).await.expect("it answers");
        balance.balances.first().map_or(("0".into(), 0), |row| (row.amount.clone(), row.tokens))
    }

    /// Waits until amount and number of tokens are as they should be.
    pub fn wait_balance(&self, mut is_so: impl FnMut(&str, u64) -> bool) {
        block_on(async {
            let until = Instant::now() + COMMAND_TIME;
            loop {
                let (amount, tokens) = self.look().await;
                if is_so(&amount, tokens) {
                    return;
                }
                assert!(Instant::now() < until, "it has {amount}");
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
        // What it wrote there is of the process that was killed.
        drop(std::fs::remove_file(self.home.join("ready.json")));
    }

    /// SIGTERM; it ends well within 3 s.
    pub fn stop(&mut self) {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("signalled");
        assert_eq!(self.child.wait().expect("waited for").code(), Some(0));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert!(!self.home.join("ready.json").exists());
    }
}

impl Drop for Till {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.home.with_extension("log"));
            eprintln!("its log:\n{}", log.unwrap_or_default());
        }
    }
}

fn client(api: &str) -> Client {
    Client::new([api], Duration::from_secs(30)).expect("a URL")
}

fn run(place: &Place, config: &std::path::Path, home: &std::path::Path) -> (Child, String) {
    let mut command = place.command();
    let log = std::fs::File::create(home.with_extension("log")).expect("a log");
    command.args(["cli", "--", "run", "--config"]).arg(config).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().expect("started");
    let pid = child.id();
    let ready = home.join("ready.json");
    let api = || {
        let document: Value = serde_json::from_slice(&std::fs::read(&ready).ok()?).ok()?;
        (document["pid"] == pid).then(|| document["api"].as_str().expect("a URL").to_string())
    };
    let api = wait_until(api).expect("it listens");
    (child, api)
}
