//! Local testnets as files: `testnet.json` in a testnet's folder, and one registry per user that
//! says which testnets run. `quorate-testnet` writes both; the client commands read them.

use super::process::Process;
use crate::error::{CONFIG, Failure};
use ledger::Address;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The schema that `testnet.json` names.
pub const TESTNET_SCHEMA: &str = "quorate.testnet/1";
/// The file's name in a testnet's folder.
pub const TESTNET_FILE: &str = "testnet.json";
/// Files looked at in the registry; more than anybody runs.
const REGISTERED_MAX: usize = 1_000;

/// `testnet.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestnetFile {
    /// `quorate.testnet/1`.
    pub schema: String,
    /// The network's name.
    pub network: String,
    /// Weight of a quorum.
    pub quorum: u64,
    /// The genesis file, absolute.
    pub genesis: PathBuf,
    /// The validators in committee order.
    pub validators: Vec<TestnetValidator>,
    /// The accounts with their keys.
    pub accounts: Vec<TestnetAccount>,
}

/// One validator of a testnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestnetValidator {
    /// Its name.
    pub name: String,
    /// Its process, the last one if it is down; `None` when it was never started.
    pub pid: Option<u32>,
    /// When that process started, ticks since boot: another one may have its number by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// URL of its API.
    pub api: String,
    /// Where QUIC listens.
    pub quic: String,
    /// Its folder, absolute.
    pub home: PathBuf,
}

/// One account of a testnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestnetAccount {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its key file, absolute.
    pub key: PathBuf,
}

impl TestnetFile {
    /// Reads `dir/testnet.json`.
    ///
    /// # Errors
    /// `config` when it is not there or not what its schema says.
    pub fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(TESTNET_FILE);
        let failed = |what: String| {
            let what = format!("testnet {}: {what}; nothing was sent", path.display());
            Failure::new(CONFIG, what)
                .help(format!("quorate-testnet up --detach --dir {}", dir.display()))
        };
        let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let file: Self = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if file.schema != TESTNET_SCHEMA {
            return Err(failed(format!("it names schema {:?}", file.schema)));
        }
        Ok(file)
    }

    /// Writes `dir/testnet.json` whole: a reader sees the old or the new one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        crate::durable::replace(&dir.join(TESTNET_FILE), text.as_bytes())
    }

    /// The account with this name.
    pub fn account(&self, name: &str) -> Option<&TestnetAccount> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// Whether one of its validators runs.
    pub fn is_running(&self) -> bool {
        self.validators.iter().any(|validator| validator.process().is_some())
    }
}

impl TestnetValidator {
    /// Its process, if that runs.
    pub fn process(&self) -> Option<Process> {
        let found = Process::running(self.pid?)?;
        self.started.is_none_or(|started| started == found.started).then_some(found)
    }
}

/// What the registry holds of one testnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The testnet's folder, absolute.
    pub dir: PathBuf,
    /// When it was started, since 1970; in one unit throughout a registry.
    pub started: u64,
}

/// Which testnets of this user run: a folder with one file a testnet, `<pid>.json`.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry of this user: `$XDG_RUNTIME_DIR` or `/tmp`, `quorate-testnets-<uid>`.
    pub fn of_user() -> Self {
        let base = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        let base = base.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        Self::at(&base)
    }

    /// The registry of this user in another folder.
    pub fn at(base: &Path) -> Self {
        let uid = rustix::process::getuid().as_raw();
        Self { folder: base.join(format!("quorate-testnets-{uid}")) }
    }

    /// Enters a testnet under the number of its first process.
    ///
    /// # Errors
    /// What the file system says; `PermissionDenied` when the folder is not this user's alone.
    pub fn enter(&self, pid: u32, testnet: &Registered) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !self.is_ours() {
            let what = format!("{} is not this user's alone", self.folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let text = serde_json::to_vec(testnet).map_err(io::Error::other)?;
        crate::durable::replace(&self.entry(pid), &text)
    }

    /// Takes a testnet out; it is no error if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn leave(&self, pid: u32) -> io::Result<()> {
        match std::fs::remove_file(self.entry(pid)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Folder and file of the newest testnet that runs.
    pub fn newest(&self) -> Option<(PathBuf, TestnetFile)> {
        self.running().into_iter().next()
    }

    /// Folders and files of the testnets that run, newest first. What can't be read is left out.
    pub fn running(&self) -> Vec<(PathBuf, TestnetFile)> {
        let mut entries = self.entries();
        entries.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.dir.cmp(&b.dir)));
        entries.dedup_by(|a, b| a.dir == b.dir);
        let load = |entry: Registered| Some((TestnetFile::load(&entry.dir).ok()?, entry.dir));
        let found = entries.into_iter().filter_map(load);
        found.filter(|(file, _)| file.is_running()).map(|(file, dir)| (dir, file)).collect()
    }

    fn entries(&self) -> Vec<Registered> {
        if !self.is_ours() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path()).take(REGISTERED_MAX);
        let json = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        json.filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok()).collect()
    }

    /// In `/tmp` anybody could have made a folder of this name and say what alice's key is.
    fn is_ours(&self) -> bool {
        std::fs::symlink_metadata(&self.folder).is_ok_and(|found| {
            let is_private = found.permissions().mode() & 0o077 == 0;
            found.is_dir() && is_private && found.uid() == rustix::process::getuid().as_raw()
        })
    }

    fn entry(&self, pid: u32) -> PathBuf {
        self.folder.join(format!("{pid}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn testnet(dir: &Path, pid: Option<u32>) -> TestnetFile {
        let validator = TestnetValidator {
            name: "v0".into(),
            pid,
            started: None,
            api: "http://127.0.0.1:1".into(),
            quic: "127.0.0.1:2".into(),
            home: dir.join("v0"),
        };
        let file = TestnetFile {
            schema: TESTNET_SCHEMA.into(),
            network: "ab".into(),
            quorum: 1,
            genesis: dir.join("genesis.json"),
            validators: vec![validator],
            accounts: Vec::new(),
        };
        std::fs::create_dir_all(dir).expect("a folder");
        file.save(dir).expect("saved");
        file
    }

    #[test]
    fn the_newest_testnet_that_runs_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::at(folder.path());
        assert_eq!(registry.newest(), None);
        let me = Some(std::process::id());
        let dirs = ["old", "new", "dead", "gone"].map(|name| folder.path().join(name));
        testnet(&dirs[0], me);
        let newest = testnet(&dirs[1], me);
        testnet(&dirs[2], None);
        for (index, dir) in (1..).zip(&dirs) {
            let entry = Registered { dir: dir.clone(), started: u64::from(index) };
            registry.enter(index, &entry).expect("entered");
        }
        assert_eq!(registry.newest(), Some((dirs[1].clone(), newest)));
        assert_eq!(registry.running().len(), 2);
        registry.leave(2).expect("left");
        registry.leave(2).expect("again");
        assert_eq!(registry.newest().map(|(dir, _)| dir), Some(dirs[0].clone()));
    }

    #[test]
    fn a_registry_that_others_can_write_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::at(folder.path());
        let dir = folder.path().join("net");
        testnet(&dir, Some(std::process::id()));
        let entry = Registered { dir, started: 1 };
        registry.enter(1, &entry).expect("entered");
        assert!(registry.newest().is_some());
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&registry.folder, open).expect("changed");
        assert_eq!(registry.newest(), None);
        let refused = registry.enter(2, &entry).expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_testnet_file_that_is_none_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(TestnetFile::load(folder.path()).map_err(|f| f.code), Err(CONFIG));
        let mut file = testnet(folder.path(), None);
        assert_eq!(TestnetFile::load(folder.path()), Ok(file.clone()));
        file.schema = "other/1".into();
        file.save(folder.path()).expect("saved");
        assert_eq!(TestnetFile::load(folder.path()).map_err(|f| f.code), Err(CONFIG));
    }
}
