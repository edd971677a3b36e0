//! A testnet's folder: where each file is, and writing them the first time.
//!
//! ```text
//! DIR/plan.json  genesis.json  peers.toml  dht-peers  faults.toml  testnet.json  lock (up)
//! DIR/control (who changes it now)
//! DIR/accounts/alice … judy
//! DIR/v0/node.toml  key  first-start (until then)  log  ready.json, and the node's store
//! DIR/v0/peers.toml (what v0 dials: with faults, that is the relay) DIR/relay/log  ready.json
//! DIR/d0/dht.toml  log  ready.json  ipfs/ (a DHT peer, see `dht.rs`)
//! ```

use crate::output::io_failure;
use crate::plan::{DhtPlan, Drawn, Plan};
use crate::registry::{Account, remove_if_there, write_whole};
use ledger::{Genesis, Keypair, Network};
use node::config::{ApiConfig, PerformanceConfig, QuicConfig, StoreConfig, ValidationConfig};
use node::error::{CONFIG, GENESIS, INTERNAL, KEY_FILE, USAGE};
use node::index::Engine;
use node::ipfs::config::{IpfsConfig, Mode};
use node::store::first_start;
use node::{Failure, NodeConfig, keyfile};
use serde::Deserialize;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Files of a validator's folder that are not its store and survive `reset`.
const KEPT: [&str; 3] = ["node.toml", "key", "dht.toml"];

/// A testnet's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Absolute.
    pub dir: PathBuf,
    /// The program that its processes run, in their roles: this one, for whoever is
    /// `quorate-testnet`.
    pub program: PathBuf,
    /// The engine of the validators' indexes, written into their configurations; `None` leaves what
    /// these say. `QUORATE_INDEX`, or `up --index`.
    pub index: Option<Engine>,
}

/// What a node writes into `ready.json` once it listens.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Its process.
    pub pid: u32,
    /// Its HTTP API, `http://host:port`; empty for a DHT peer.
    #[serde(default)]
    pub api: String,
    /// Its QUIC address, `host:port`; empty for a DHT peer.
    #[serde(default)]
    pub quic: String,
    /// Its multiaddresses in the peer-to-peer network.
    #[serde(default)]
    pub ipfs: Vec<String>,
}

impl Folder {
    /// The folder at `dir`, which need not exist yet.
    ///
    /// # Errors
    /// An empty path; this program has no path.
    pub fn at(dir: &Path) -> Result<Self, Failure> {
        let dir = std::path::absolute(dir);
        let dir = dir.map_err(|error| io_failure(CONFIG, "the folder", Path::new(""), &error))?;
        let program = std::env::current_exe();
        let program = program
            .map_err(|error| io_failure(INTERNAL, "finding", Path::new("this program"), &error))?;
        let index = std::env::var("QUORATE_INDEX").ok().map(|word| word.parse::<Engine>());
        let index = index.transpose().map_err(|unknown| {
            Failure::new(USAGE, format!("QUORATE_INDEX: {unknown}; nothing was started"))
        })?;
        Ok(Self { dir, program, index })
    }

    /// A fresh folder under the system's temporary one.
    ///
    /// # Errors
    /// It can't be made.
    pub fn fresh() -> Result<Self, Failure> {
        let name = format!("quorate-testnet-{}-{:08x}", std::process::id(), rand::random::<u32>());
        Self::at(&std::env::temp_dir().join(name))
    }

    /// The genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.dir.join("genesis.json")
    }

    /// The description of the running testnet.
    pub fn document(&self) -> PathBuf {
        self.dir.join("testnet.json")
    }

    /// Where the validators are, whatever stands between them.
    pub fn peers(&self) -> PathBuf {
        self.dir.join("peers.toml")
    }

    /// Where a validator dials the others; it watches it.
    pub fn peers_of(&self, name: &str) -> PathBuf {
        self.home(name).join("peers.toml")
    }

    /// What is wrong between the validators; the relay watches it.
    pub fn faults(&self) -> PathBuf {
        self.dir.join("faults.toml")
    }

    /// Where the DHT begins; the nodes watch it.
    pub fn dht_peers(&self) -> PathBuf {
        self.dir.join("dht-peers")
    }

    /// The file that is locked by who changes processes or the description.
    pub fn control(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// A validator's folder.
    pub fn home(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A validator's configuration.
    pub fn config(&self, name: &str) -> PathBuf {
        self.home(name).join("node.toml")
    }

    /// A DHT peer's configuration.
    pub fn dht_config(&self, name: &str) -> PathBuf {
        self.home(name).join("dht.toml")
    }

    /// What a validator printed.
    pub fn log(&self, name: &str) -> PathBuf {
        self.home(name).join("log")
    }

    /// What a validator writes once it listens.
    pub fn ready_file(&self, name: &str) -> PathBuf {
        self.home(name).join("ready.json")
    }

    /// What it wrote, once it did.
    pub fn ready(&self, name: &str) -> Option<Ready> {
        serde_json::from_slice(&fs::read(self.ready_file(name)).ok()?).ok()
    }

    fn account(&self, name: &str) -> PathBuf {
        self.dir.join("accounts").join(name)
    }

    /// The plan that the folder was written by; `None` when it holds no testnet.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn plan(&self) -> Result<Option<Plan>, Failure> {
        let path = self.dir.join("plan.json");
        let failed = |error| io_failure(CONFIG, "reading", &path, &error);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| failed(e.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes genesis and keys. The plan comes last: a folder with a plan is whole.
    ///
    /// # Errors
    /// Something can't be written, or is there already.
    pub fn write(&self, plan: &Plan, drawn: &Drawn) -> Result<(), Failure> {
        let made = |dir: PathBuf| {
            let failed = |error| io_failure(CONFIG, "making", &dir, &error);
            fs::create_dir_all(&dir).map_err(failed)
        };
        made(self.dir.join("accounts"))?;
        write_whole(&self.genesis(), &drawn.genesis.to_json())?;
        for (name, key) in &drawn.accounts {
            keyfile::create(&self.account(name), key)?;
        }
        for (name, key) in &drawn.validators {
            made(self.home(name))?;
            keyfile::create(&self.home(name).join("key"), key)?;
            self.permit(name, &drawn.network, key)?;
        }
        let text = serde_json::to_string(plan).expect("numbers and paths only");
        write_whole(&self.dir.join("plan.json"), &text)
    }

    /// The genesis in the folder, checked.
    ///
    /// # Errors
    /// It can't be read or is none.
    pub fn network(&self) -> Result<Network, Failure> {
        let path = self.genesis();
        let refused = |what: String| Failure::new(GENESIS, format!("{}: {what}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        let genesis = Genesis::from_json(&text).map_err(|error| refused(error.to_string()))?;
        genesis.network().map_err(|error| refused(error.to_string()))
    }

    /// The accounts in the folder, as their key files tell.
    ///
    /// # Errors
    /// A key file is missing or damaged.
    pub fn accounts(&self, plan: &Plan) -> Result<Vec<Account>, Failure> {
        let read = |index| {
            let name = crate::accounts::account_name(index);
            let key = self.account(&name);
            let failed = |error| io_failure(KEY_FILE, "reading the key file", &key, &error);
            let bytes = fs::read(&key).map_err(failed)?;
            let found: serde_json::Value =
                serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
            let address = found["address"].as_str().unwrap_or_default().to_string();
            Ok(Account { name, address, key })
        };
        (0..plan.accounts).map(read).collect()
    }

    /// Writes a validator's configuration; what it says about the store stays, but for the index's
    /// engine where another is asked for.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn configure(&self, name: &str, listen: Listen, dht: &DhtPlan) -> Result<(), Failure> {
        let old = NodeConfig::load(&self.config(name)).ok();
        let mode = if dht.dht_peers == 0 { Mode::Server } else { Mode::Client };
        let validation = ValidationConfig {
            trusted_network: !dht.untrusted,
            dht_silence: dht.dht_silence,
            threads: listen.threads,
            ..ValidationConfig::default()
        };
        let bootstrap_file = Some("../dht-peers".into());
        let mut store = old.map_or_else(StoreConfig::default, |old| old.store);
        store.index = self.index.unwrap_or(store.index);
        let config = NodeConfig {
            name: name.into(),
            home: ".".into(),
            genesis: "../genesis.json".into(),
            key: "key".into(),
            key_passphrase_file: None,
            core_dumps: false,
            peers: "peers.toml".into(),
            quic: QuicConfig { listen: listen.quic, ..QuicConfig::default() },
            api: ApiConfig { listen: listen.api, ..ApiConfig::default() },
            validation,
            ipfs: IpfsConfig { mode, bootstrap_file, ..IpfsConfig::default() },
            performance: PerformanceConfig::default(),
            store,
            log: node::config::LogConfig::default(),
            telemetry: Default::default(),
        };
        write_whole(&self.config(name), &config.to_toml())
    }

    /// Writes where the validators are, and where each of them dials the others: `dialled(who,
    /// whom)` where that is not the same. The nodes read it again by themselves.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write_peers(
        &self,
        peers: &[(&str, &str)],
        dialled: impl Fn(&str, &str) -> Option<SocketAddr>,
    ) -> Result<(), Failure> {
        let head = "# Where the validators are; read again when it changes.\n";
        let lines: String =
            peers.iter().map(|(name, quic)| format!("{name} = {quic:?}\n")).collect();
        write_whole(&self.peers(), &format!("{head}{lines}"))?;
        for (own, _) in peers {
            let line = |(name, quic): &(&str, &str)| match dialled(own, name) {
                Some(address) => format!("{name} = \"{address}\"\n"),
                None => format!("{name} = {quic:?}\n"),
            };
            let lines: String = peers.iter().map(line).collect();
            write_whole(&self.peers_of(own), &format!("{head}{lines}"))?;
        }
        Ok(())
    }

    /// Removes the records of all DHT peers and their names in the network.
    ///
    /// # Errors
    /// Something can't be removed.
    pub fn wipe_dht_peers(&self, plan: &DhtPlan) -> Result<(), Failure> {
        let names = (0..plan.dht_peers).map(crate::dht::peer_name);
        names.filter(|name| self.home(name).exists()).try_for_each(|name| self.wipe(&name))
    }

    /// Removes everything of all validators but keys and configurations, then permits their first
    /// starts. In this order, each step durable: one that forgets while others remember may vote
    /// twice.
    ///
    /// # Errors
    /// Something can't be removed or written; start over.
    pub fn wipe_all(&self, network: &Network) -> Result<(), Failure> {
        let names = || network.committee.members().iter().map(|member| member.name.as_str());
        names().try_for_each(|name| self.wipe(name))?;
        names().try_for_each(|name| {
            let key = keyfile::load(&self.home(name).join("key"))?;
            self.permit(name, network, &key)
        })
    }

    fn wipe(&self, name: &str) -> Result<(), Failure> {
        let home = self.home(name);
        let failed = |error| io_failure(CONFIG, "wiping", &home, &error);
        // What remembers goes before what silences: a reset that is cut short leaves nobody that
        // votes without knowing.
        for first in ["first-start", "journal"] {
            let path = home.join(first);
            match path.is_dir() {
                true => fs::remove_dir_all(&path).map_err(failed)?,
                false => remove_if_there(&path)?,
            }
        }
        fs::File::open(&home).and_then(|folder| folder.sync_all()).map_err(failed)?;
        for entry in fs::read_dir(&home).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if KEPT.iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            if entry.file_type().map_err(failed)?.is_dir() {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            } else {
                remove_if_there(&entry.path())?;
            }
        }
        fs::File::open(&home).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn permit(&self, name: &str, network: &Network, key: &Keypair) -> Result<(), Failure> {
        let home = self.home(name);
        let failed = |error| io_failure(CONFIG, "permitting the first start of", &home, &error);
        first_start::permit(&home, &network.id, key).map_err(failed)
    }
}

/// Where a validator listens and how many threads validate.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// UDP; port 0 takes a free one.
    pub quic: SocketAddr,
    /// TCP; port 0 takes a free one.
    pub api: SocketAddr,
    /// Threads of its CPU pool.
    pub threads: usize,
}

impl Listen {
    /// Loopback with these ports. The validators of a testnet share one machine, and all validate
    /// at the same time: each gets its share of the cores, at least one thread.
    pub fn loopback(quic: u16, api: u16, validators: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { quic: at(quic), api: at(api), threads: (cores / validators.max(1)).max(1) }
    }
}
