//! What a client command works with: the testnet's names, the network, the nodes, the wallet.

use super::answer::note;
use super::args::Global;
use super::settings::{Settings, nearest};
use crate::client::Client;
use crate::error::{Failure, INTERNAL, NOT_FOUND, UNREACHABLE, USAGE};
use crate::keyfile;
use crate::wallet::{Registry, TestnetFile, Wallet};
use ledger::{Address, AssetId, Keypair, Network, NetworkId, TransferId};
use std::future::Future;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a client command works with.
pub struct Context {
    /// Flags, environment and file.
    pub settings: Settings,
    testnet: Option<(PathBuf, TestnetFile)>,
}

/// What has to be known of a network to sign for it.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFacts {
    /// Its id.
    pub id: NetworkId,
    /// Its epoch.
    pub epoch: u64,
    /// Genesis assets: id, name, decimals.
    pub assets: Vec<(AssetId, String, u8)>,
}

/// A node to ask: the validator's name where the testnet tells, and its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// The validator's name, when it is known.
    pub name: Option<String>,
    /// URL of its API.
    pub url: String,
}

impl Context {
    /// Reads flags, environment, file and the testnet that they name, or the newest one running.
    ///
    /// # Errors
    /// `config`.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let settings = Settings::new(global)?;
        let testnet = match &settings.testnet {
            Some(dir) => {
                let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
                Some((dir.clone(), TestnetFile::load(&dir)?))
            }
            None => Registry::of_user().newest(),
        };
        Ok(Self { settings, testnet })
    }

    /// Does the work of a command on this thread.
    ///
    /// # Errors
    /// What the work says.
    pub fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
        runtime.block_on(work)
    }

    /// Whether somebody sits at a terminal who can be asked: neither a program nor a quiet command.
    pub fn is_interactive(&self) -> bool {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        is_terminal && !self.settings.is_quiet && !self.settings.is_json
    }

    /// A note for people, unless they asked for quiet.
    pub fn note(&self, text: &str) {
        if !self.settings.is_quiet {
            note(text);
        }
    }

    /// The testnet, when there is one.
    pub fn testnet(&self) -> Option<&TestnetFile> {
        self.testnet.as_ref().map(|(_, file)| file)
    }

    /// The nodes to ask, in order: those named, or the testnet's.
    ///
    /// # Errors
    /// `not_found` for a name that is no validator's; `unreachable` when nothing names a node.
    pub fn nodes(&self) -> Result<Vec<NodeAddress>, Failure> {
        let validators = self.testnet().map_or(&[][..], |file| &file.validators);
        if self.settings.nodes.is_empty() {
            if validators.is_empty() {
                let what = "no testnet of yours runs and no node is named; nothing was sent";
                return Err(Failure::new(UNREACHABLE, what)
                    .help("quorate-testnet up --detach")
                    .help(
                        "name a node with --node http://HOST:PORT, or a testnet with --testnet",
                    ));
            }
            let of = |validator: &crate::wallet::TestnetValidator| NodeAddress {
                name: Some(validator.name.clone()),
                url: validator.api.clone(),
            };
            return Ok(validators.iter().map(of).collect());
        }
        let of = |given: &String| {
            if given.contains("://") {
                let url = given.trim_end_matches('/');
                let known = validators.iter().find(|validator| validator.api == url);
                let name = known.map(|validator| validator.name.clone());
                return Ok(NodeAddress { name, url: url.into() });
            }
            let known = validators.iter().find(|validator| validator.name == *given);
            let known = known.ok_or_else(|| {
                unknown_name("validator", given, validators.iter().map(|v| v.name.as_str()))
            })?;
            Ok(NodeAddress { name: Some(known.name.clone()), url: known.api.clone() })
        };
        self.settings.nodes.iter().map(of).collect()
    }

    /// A client of the nodes to ask.
    ///
    /// # Errors
    /// As [`Context::nodes`]; `usage` for a bad URL.
    pub fn client(&self) -> Result<Client, Failure> {
        let urls = self.nodes()?.into_iter().map(|node| node.url);
        Client::new(urls, self.settings.timeout)
    }

    /// The genesis, checked: of this file, or the testnet's.
    ///
    /// # Errors
    /// `genesis`; `usage` when no file is named.
    pub fn genesis(&self, named: Option<&Path>) -> Result<Network, Failure> {
        let of_testnet = || self.testnet().map(|file| file.genesis.as_path());
        let path = named.or(self.settings.genesis.as_deref()).or_else(of_testnet);
        let Some(path) = path else {
            let what = "which network? No genesis file is named; nothing was checked";
            return Err(Failure::new(USAGE, what).help("name it with --genesis FILE"));
        };
        crate::node::load_network(path)
    }

    /// The network's id, epoch and assets: from the genesis file, or as a node tells.
    ///
    /// # Errors
    /// `genesis`, `unreachable`.
    pub async fn network(&self, client: &Client) -> Result<NetworkFacts, Failure> {
        if self.settings.genesis.is_some() || self.testnet.is_some() {
            return Ok(NetworkFacts::of(&self.genesis(None)?));
        }
        let found = client.network().await?;
        let assets = found.assets.into_iter().map(|asset| (asset.id, asset.name, asset.decimals));
        Ok(NetworkFacts { id: found.network, epoch: found.epoch, assets: assets.collect() })
    }

    /// The wallet of a network: `--home`, the testnet's, or the user's.
    ///
    /// # Errors
    /// `config` when it can't be used.
    pub fn wallet(&self, network: NetworkId) -> Result<Wallet, Failure> {
        let of_testnet = || self.testnet.as_ref().map(|(dir, _)| dir.join("wallet"));
        let home = self.settings.home.clone().or_else(of_testnet).or_else(data_home);
        let home = home.ok_or_else(|| {
            let what = "neither HOME nor XDG_DATA_HOME says where to keep signed transfers";
            Failure::new(USAGE, format!("{what}; nothing was sent")).help("name it with --home DIR")
        })?;
        Wallet::open(&home, network)
    }

    /// The key of FROM: an account's name, or a key file.
    ///
    /// # Errors
    /// `not_found` for a name that is neither; `key_file`.
    pub fn keypair(&self, from: &str) -> Result<Keypair, Failure> {
        if let Some(account) = self.testnet().and_then(|file| file.account(from)) {
            return keyfile::open(&account.key, &self.settings.unlock);
        }
        if Path::new(from).exists() {
            return keyfile::open(Path::new(from), &self.settings.unlock);
        }
        Err(self.unknown_account(from))
    }

    /// The address of TO: an account's name, or an address.
    ///
    /// # Errors
    /// `not_found` for an unknown name, `usage` for a damaged address.
    pub fn address(&self, to: &str) -> Result<Address, Failure> {
        if let Some(account) = self.testnet().and_then(|file| file.account(to)) {
            return Ok(account.address);
        }
        if to.starts_with("did:") {
            let what = |error| format!("{error}; nothing was sent");
            return to.parse().map_err(|error: ledger::AddressError| {
                Failure::new(USAGE, what(error)).help("compare the address with its owner's")
            });
        }
        Err(self.unknown_account(to))
    }

    /// The address of an account that is looked at: a name, an address, or a key file.
    ///
    /// # Errors
    /// As [`Context::address`] and [`Context::keypair`].
    pub fn account(&self, given: &str) -> Result<Address, Failure> {
        let is_named = self.testnet().is_some_and(|file| file.account(given).is_some());
        if !is_named && !given.starts_with("did:") && Path::new(given).exists() {
            return keyfile::address_in(Path::new(given));
        }
        self.address(given)
    }

    /// Names an address where the testnet knows it.
    pub fn name_of(&self, address: &Address) -> String {
        let accounts = self.testnet().map_or(&[][..], |file| &file.accounts);
        let known = accounts.iter().find(|account| account.address == *address);
        known.map_or_else(|| address.to_string(), |account| account.name.clone())
    }

    fn unknown_account(&self, name: &str) -> Failure {
        let accounts = self.testnet().map_or(&[][..], |file| &file.accounts);
        unknown_name("account", name, accounts.iter().map(|account| account.name.as_str()))
            .help("or use a key file (FROM) or a did:key address (TO)")
    }

    /// Until when to wait for an outcome.
    pub fn deadline(&self) -> tokio::time::Instant {
        let now = tokio::time::Instant::now();
        now.checked_add(self.settings.timeout).unwrap_or(now + Duration::from_secs(86_400))
    }
}

impl NetworkFacts {
    /// Of a checked genesis.
    pub fn of(network: &Network) -> Self {
        let assets = network.assets.iter();
        let assets =
            assets.map(|(id, asset)| (*id, asset.name.clone(), asset.decimals())).collect();
        Self { id: network.id, epoch: network.epoch, assets }
    }
}

/// Reads the id of a transfer.
///
/// # Errors
/// `usage`.
pub fn transfer_id(text: &str) -> Result<TransferId, Failure> {
    text.parse().map_err(|error: ledger::hash::BadId| {
        Failure::new(USAGE, format!("{error}; nothing was sent")).help("quorate tx list")
    })
}

fn unknown_name<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.into_iter().collect();
    let what = format!("there is no {kind} {name:?}; nothing was sent");
    match nearest(name, known.iter().copied()) {
        Some(nearest) => Failure::new(NOT_FOUND, what)
            .help(format!("did you mean {nearest}? Known: {}", known.join(", ")))
            .details(serde_json::json!({"name": name, "nearest": nearest, "known": known})),
        None => Failure::new(NOT_FOUND, what + " (and no testnet gives names)")
            .help("name the testnet with --testnet DIR"),
    }
}

fn data_home() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")));
    data.map(|data| data.join("quorate"))
}
