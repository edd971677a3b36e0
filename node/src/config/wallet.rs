//! The configuration of a wallet node: a file with `[wallet]` and without `key`. It names public
//! addresses only; no private key is ever read by a wallet node.

use super::{ApiConfig, LogConfig, NodeConfig, unknown_key_of};
use crate::error::{CONFIG, Failure};
use crate::inbox::HOSTED_MAX;
use ledger::Address;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most validators that a wallet node asks.
pub const WALLET_NODES_MAX: usize = 64;

/// What a node is configured to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// A validator: the file has a `key`.
    Validator(Box<NodeConfig>),
    /// A wallet node: the file has a `[wallet]`.
    Wallet(Box<WalletConfig>),
}

/// A wallet node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletConfig {
    /// What it is called in documents and logs.
    pub name: String,
    /// Its folder: what it has received, lock file, ready file.
    pub home: PathBuf,
    /// The genesis file.
    pub genesis: PathBuf,
    /// What it receives for, and from whom.
    pub wallet: WalletSection,
    /// The HTTP API.
    #[serde(default)]
    pub api: ApiConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
}

/// What a wallet node receives for, and from whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletSection {
    /// The addresses that it hosts, 1 to 1,024.
    pub addresses: Vec<Address>,
    /// URLs of validators' APIs, 1 to 64; with one more than may be faulty, none can hide a
    /// delivery.
    pub nodes: Vec<String>,
}

/// All keys of a wallet node's file, for naming the nearest one.
const KEYS: &[&str] = &[
    "name",
    "home",
    "genesis",
    "wallet",
    "wallet.addresses",
    "wallet.nodes",
    "api",
    "api.listen",
    "api.hosts",
    "log",
    "log.level",
    "log.format",
];

impl Config {
    /// Reads a file, as what it is: with a `[wallet]` a wallet node's, else a validator's.
    ///
    /// # Errors
    /// A [`Failure`] of code `config` that says what to change.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| failed(path, error))?;
        match (table.contains_key("key"), table.contains_key("wallet")) {
            (true, true) => {
                let why = "it has both a key and a [wallet]: a validator and a wallet node are \
                           two processes with a home each";
                Err(failed(path, why).help("take the key or the [wallet] out of the file"))
            }
            (false, false) => {
                let why = "it has neither a key (a validator) nor a [wallet] (a wallet node)";
                Err(failed(path, why))
            }
            (true, false) => NodeConfig::load(path).map(|config| Self::Validator(Box::new(config))),
            (false, true) => {
                WalletConfig::read(path, &text, &table).map(|config| Self::Wallet(Box::new(config)))
            }
        }
    }
}

impl WalletConfig {
    fn read(path: &Path, text: &str, table: &toml::Table) -> Result<Self, Failure> {
        if let Some(problem) = unknown_key_of(KEYS, table, "") {
            return Err(failed(path, problem));
        }
        let mut config: Self = toml::from_str(text).map_err(|error| failed(path, error))?;
        let WalletSection { addresses, nodes } = &config.wallet;
        let limits =
            [("addresses", addresses.len(), HOSTED_MAX), ("nodes", nodes.len(), WALLET_NODES_MAX)];
        for (what, found, max) in limits {
            if found == 0 || found > max {
                let why = format!("wallet.{what} has {found} entries, and 1 to {max} are allowed");
                return Err(failed(path, why));
            }
        }
        if !matches!(config.log.format.as_str(), "text" | "json") {
            return Err(failed(path, "log.format is \"text\" or \"json\""));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [&mut config.home, &mut config.genesis] {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: the types have a TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the types have a TOML form")
    }
}

fn failed(path: &Path, why: impl std::fmt::Display) -> Failure {
    let what = format!("configuration {}: {why}; the node was not started", path.display());
    Failure::new(CONFIG, what).help(format!("edit {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Keypair;

    fn load(text: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(&path)
    }

    fn address(number: u8) -> Address {
        Address(Keypair::from_seed([number; 32]).public())
    }

    fn wallet() -> WalletConfig {
        WalletConfig {
            name: "till".into(),
            home: "h".into(),
            genesis: "g.json".into(),
            wallet: WalletSection {
                addresses: vec![address(1)],
                nodes: vec!["http://127.0.0.1:1".into()],
            },
            api: ApiConfig::default(),
            log: LogConfig::default(),
        }
    }

    fn refused(text: &str, word: &str) {
        let failure = load(text).expect_err(word);
        assert_eq!(failure.code, CONFIG);
        assert!(failure.message.contains(word), "{}", failure.message);
    }

    #[test]
    fn a_file_is_a_validators_or_a_wallets_and_never_both() {
        let text = wallet().to_toml();
        assert!(matches!(load(&text), Ok(Config::Wallet(found)) if found.name == "till"));
        let validator = "name=\"v\"\nhome=\"h\"\ngenesis=\"g\"\nkey=\"k\"\npeers=\"p\"\n";
        assert!(matches!(load(validator), Ok(Config::Validator(_))));
        refused(&format!("key = \"k\"\n{text}"), "both a key and a [wallet]");
        refused("name=\"v\"\nhome=\"h\"\ngenesis=\"g\"\n", "neither a key");
    }

    #[test]
    fn what_a_wallet_needs_is_checked() {
        let with = |change: fn(&mut WalletSection)| {
            let mut config = wallet();
            change(&mut config.wallet);
            config.to_toml()
        };
        refused(&with(|w| w.addresses.clear()), "wallet.addresses has 0");
        refused(&with(|w| w.addresses = vec![w.addresses[0]; 1_025]), "1 to 1024");
        refused(&with(|w| w.nodes = vec!["x".into(); 65]), "1 to 64");
        refused(&with(|_| ()).replace("nodes", "notes"), "\"wallet.nodes\"");
        refused(&with(|_| ()).replace("did:key:z6Mk", "did:key:z6Mz"), "configuration");
    }
}
