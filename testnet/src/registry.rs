//! Which testnets run: `DIR/testnet.json` describes one, the registry lists those of this user.

use crate::output::io_failure;
use crate::process::{Process, State};
use node::Failure;
use node::error::{CONFIG, NOT_FOUND};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Schema of `testnet.json`.
pub const TESTNET_SCHEMA: &str = "quorate.testnet/1";

/// `DIR/testnet.json`: a testnet that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestnetFile {
    /// [`TESTNET_SCHEMA`].
    pub schema: String,
    /// Always true: it is also the answer of `up`.
    pub ok: bool,
    /// The network's id, hexadecimal.
    pub network: String,
    /// The network's name.
    pub name: String,
    /// Vote weight of a quorum.
    pub quorum: u64,
    /// The genesis file.
    pub genesis: PathBuf,
    /// The testnet's folder.
    pub dir: PathBuf,
    /// The foreground `up` or `demo` that the nodes end with; none when detached.
    pub keeper: Option<Keeper>,
    /// Whether the DHT is asked about every transfer.
    #[serde(default)]
    pub untrusted: bool,
    /// The validators, in the committee's order.
    pub validators: Vec<Validator>,
    /// Processes that are only DHT nodes.
    #[serde(default)]
    pub dht_peers: Vec<DhtPeer>,
    /// What stands between the validators while there are faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// The process that a foreground testnet ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeper {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// Its end of the pipe that is the nodes' standard input.
    pub fd: i32,
}

/// One validator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validator {
    /// Its name in the genesis file.
    pub name: String,
    /// Its process, the last one if it is down.
    #[serde(flatten)]
    pub process: Process,
    /// Its HTTP API, `http://host:port`.
    pub api: String,
    /// Its QUIC address, `host:port`.
    pub quic: String,
    /// Its multiaddresses in the peer-to-peer network, `/p2p/…` at the end.
    #[serde(default)]
    pub ipfs: Vec<String>,
    /// Its folder.
    pub home: PathBuf,
}

/// One process that is only a DHT node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DhtPeer {
    /// Its name.
    pub name: String,
    /// Its process, the last one if it is down.
    #[serde(flatten)]
    pub process: Process,
    /// Its multiaddresses, `/p2p/…` at the end.
    pub ipfs: Vec<String>,
    /// Its folder.
    pub home: PathBuf,
}

/// What stands between the validators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    /// Its process.
    #[serde(flatten)]
    pub process: Process,
    /// Its folder.
    pub home: PathBuf,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its address, a did:key.
    pub address: String,
    /// Its key file.
    pub key: PathBuf,
}

impl TestnetFile {
    /// Reads the file; `None` when the folder has none.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let failed = |error| io_failure(CONFIG, "reading", path, &error);
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| failed(e.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the file in one step.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).expect("strings and numbers only");
        write_whole(path, &(text + "\n"))
    }

    /// Names and processes of its validators and DHT peers.
    pub fn members(&self) -> impl Iterator<Item = (&str, Process)> {
        let validators = self.validators.iter().map(|one| (one.name.as_str(), one.process));
        validators.chain(self.dht_peers.iter().map(|one| (one.name.as_str(), one.process)))
    }

    /// The processes of its validators and DHT peers, and the relay.
    pub fn processes(&self) -> Vec<Process> {
        self.members().map(|(_, process)| process).chain(self.relay()).collect()
    }

    /// The relay, while it is there.
    pub fn relay(&self) -> Option<Process> {
        self.relay.as_ref().map(|relay| relay.process).filter(|process| process.is_alive())
    }

    /// Whether any of its processes is there.
    pub fn is_running(&self) -> bool {
        let mut processes = self.processes();
        processes.extend(self.keeper.map(|keeper| keeper.process));
        processes.iter().any(|process| process.state() != State::Gone)
    }

    /// The process of the validator or DHT peer of this name.
    ///
    /// # Errors
    /// `not_found`, with the names there are.
    pub fn process(&self, name: &str) -> Result<Process, Failure> {
        let found = self.members().find(|(known, _)| *known == name);
        found.map(|(_, process)| process).ok_or_else(|| {
            let names: Vec<&str> = self.members().map(|(name, _)| name).collect();
            let what = format!("no validator is called {name:?}; nothing was done");
            Failure::new(NOT_FOUND, what).help(format!("use one of {}", names.join(" ")))
        })
    }

    /// The validator of this name; `None` for a DHT peer.
    pub fn validator(&mut self, name: &str) -> Option<&mut Validator> {
        self.validators.iter_mut().find(|validator| validator.name == name)
    }

    /// The DHT peer of this name.
    pub fn dht_peer(&mut self, name: &str) -> Option<&mut DhtPeer> {
        self.dht_peers.iter_mut().find(|peer| peer.name == name)
    }
}

/// One line of the registry: `<pid of up>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The testnet's folder.
    pub dir: PathBuf,
    /// When it was started, in milliseconds since 1970.
    pub started: u64,
}

/// The registry of this user.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry of this user: a folder that nobody else can write.
    ///
    /// # Errors
    /// It can't be made, or it is somebody else's.
    pub fn open() -> Result<Self, Failure> {
        let base = std::env::var_os("XDG_RUNTIME_DIR").filter(|base| !base.is_empty());
        let base = base.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let user = rustix::process::getuid();
        let folder = base.join(format!("quorate-testnets-{}", user.as_raw()));
        let failed = |error| io_failure(CONFIG, "the registry of testnets", &folder, &error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let found = std::fs::symlink_metadata(&folder).map_err(failed)?;
        if !found.is_dir() || found.uid() != user.as_raw() {
            let what = format!("the registry {} is somebody else's", folder.display());
            return Err(Failure::new(CONFIG, what).help("set XDG_RUNTIME_DIR to a folder of yours"));
        }
        Ok(Self { folder })
    }

    /// Lists a testnet.
    ///
    /// # Errors
    /// The registry can't be written.
    pub fn add(&self, dir: &Path) -> Result<(), Failure> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let entry = Entry { dir: dir.into(), started };
        self.remove(dir)?;
        let text = serde_json::to_string(&entry).expect("a path of this system");
        write_whole(&self.folder.join(format!("{}.json", std::process::id())), &text)
    }

    /// Takes a testnet off the list; it need not be there.
    ///
    /// # Errors
    /// The registry can't be written.
    pub fn remove(&self, dir: &Path) -> Result<(), Failure> {
        for (path, _) in self.entries()?.into_iter().filter(|(_, entry)| entry.dir == dir) {
            remove_if_there(&path)?;
        }
        Ok(())
    }

    /// The folder of the newest testnet of which something runs; else of the newest that was not
    /// taken down.
    ///
    /// # Errors
    /// `not_found`.
    pub fn newest(&self) -> Result<PathBuf, Failure> {
        let mut entries = self.entries()?;
        entries.retain(|(_, entry)| entry.dir.join("testnet.json").exists());
        let is_running = |entry: &Entry| {
            let file = TestnetFile::read(&entry.dir.join("testnet.json"));
            file.is_ok_and(|file| file.is_some_and(|file| file.is_running()))
        };
        let newest = entries.iter().max_by_key(|(_, entry)| (is_running(entry), entry.started));
        newest.map(|(_, entry)| entry.dir.clone()).ok_or_else(|| {
            Failure::new(NOT_FOUND, "no testnet of yours is running; nothing was done")
                .help("quorate-testnet up --detach")
                .help("or name its folder with --dir")
        })
    }

    /// Unreadable entries are passed over: each is written in one step, so they are not ours.
    fn entries(&self) -> Result<Vec<(PathBuf, Entry)>, Failure> {
        let failed = |error| io_failure(CONFIG, "reading", &self.folder, &error);
        let mut entries = Vec::new();
        for file in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let is_entry = path.extension().is_some_and(|extension| extension == "json");
            let bytes = std::fs::read(&path).ok().filter(|_| is_entry);
            let entry = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            entries.extend(entry.map(|entry| (path, entry)));
        }
        Ok(entries)
    }
}

/// Writes a file so that readers see the old one or the new one.
///
/// # Errors
/// The folder can't be written.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| io_failure(CONFIG, "writing", path, &error);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let mut file = std::fs::File::create(&fresh).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

/// Removes a file that may be gone already.
///
/// # Errors
/// It is there and can't be removed.
pub fn remove_if_there(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_failure(CONFIG, "removing", path, &error))
        }
        _ => Ok(()),
    }
}
