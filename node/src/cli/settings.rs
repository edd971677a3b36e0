//! What the flags, the environment and the client's configuration file say together. clap has put
//! flags before the environment; the file fills what both leave open, defaults the rest.

use super::args::{Global, parse_time};
use crate::error::{CONFIG, Failure};
use crate::keyfile::passphrase::Unlock;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a command waits for an outcome when nobody says otherwise: longer than the proposer
/// takes to call it unknown.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Keys of the file.
const KEYS: [&str; 5] = ["testnet", "node", "home", "timeout", "genesis"];

/// The client's configuration file (TOML), all of it optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// A testnet's folder.
    pub testnet: Option<PathBuf>,
    /// URLs of nodes, tried in this order.
    #[serde(default)]
    pub node: Vec<String>,
    /// Where signed transfers are kept.
    pub home: Option<PathBuf>,
    /// Like `10s`.
    pub timeout: Option<String>,
    /// The genesis file.
    pub genesis: Option<PathBuf>,
}

/// What holds for this command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A testnet's folder, when one is named.
    pub testnet: Option<PathBuf>,
    /// URLs or names of nodes.
    pub nodes: Vec<String>,
    /// Where signed transfers are kept, when that is said.
    pub home: Option<PathBuf>,
    /// How long to wait for an outcome.
    pub timeout: Duration,
    /// The genesis file, when it is named.
    pub genesis: Option<PathBuf>,
    /// How key files under a passphrase are opened.
    pub unlock: Unlock,
    /// One document on standard output, and nothing else.
    pub is_json: bool,
    /// No notes on standard error.
    pub is_quiet: bool,
    /// More notes on standard error.
    pub is_verbose: bool,
}

impl Settings {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// `config` when the file can't be used.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let file = match &global.config {
            Some(path) => ClientConfig::load(path)?,
            None => ClientConfig::default(),
        };
        let given = |path: &Option<PathBuf>| path.clone().filter(|p| !p.as_os_str().is_empty());
        let nodes: Vec<String> =
            global.node.iter().filter(|node| !node.is_empty()).cloned().collect();
        let of_file = file.timeout.as_deref().map(parse_time).transpose();
        let of_file = of_file.map_err(|error| Failure::new(CONFIG, format!("timeout: {error}")))?;
        Ok(Self {
            testnet: given(&global.testnet).or(file.testnet),
            nodes: if nodes.is_empty() { file.node } else { nodes },
            home: given(&global.home).or(file.home),
            timeout: global.timeout.or(of_file).unwrap_or(TIMEOUT_DEFAULT),
            genesis: file.genesis,
            unlock: super::keys::unlock(global),
            is_json: global.json,
            is_quiet: global.quiet,
            is_verbose: global.verbose,
        })
    }
}

impl ClientConfig {
    /// Reads the file; relative paths are taken from its folder.
    ///
    /// # Errors
    /// `config`; an unknown key is told with the nearest known one.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let failed = |what: String| {
            Failure::new(CONFIG, format!("configuration {shown}: {what}; nothing was sent"))
                .help(format!("edit {shown}"))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = nearest(key, KEYS).unwrap_or(KEYS[0]);
            return Err(failed(format!("unknown key {key:?}; did you mean {nearest:?}?")));
        }
        let mut config: Self = table.try_into().map_err(|error| failed(format!("{error}")))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [&mut config.testnet, &mut config.home, &mut config.genesis] {
            *path = path.take().map(|path| folder.join(path));
        }
        Ok(config)
    }
}

/// The known word that is most like the one that was written.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |word: &str| strsim::jaro_winkler(word, written);
    known.into_iter().max_by(|a, b| score(a).total_cmp(&score(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("client.toml");
        std::fs::write(&path, text).expect("written");
        (folder, path)
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let (folder, path) = config("node = [\"http://a:1\"]\ntimeout = \"3s\"\nhome = \"h\"\n");
        let mut global = Global { config: Some(path), ..Global::default() };
        let settings = Settings::new(&global).expect("good");
        assert_eq!(settings.nodes, ["http://a:1"]);
        assert_eq!(settings.timeout, Duration::from_secs(3));
        assert_eq!(settings.home, Some(folder.path().join("h")));
        global.node = vec!["http://b:2".into()];
        global.timeout = Some(Duration::from_secs(1));
        global.home = Some("/elsewhere".into());
        let settings = Settings::new(&global).expect("good");
        assert_eq!(settings.nodes, ["http://b:2"]);
        assert_eq!(settings.timeout, Duration::from_secs(1));
        assert_eq!(settings.home, Some("/elsewhere".into()));
        let settings = Settings::new(&Global::default()).expect("good");
        assert_eq!(settings.timeout, TIMEOUT_DEFAULT);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let (_folder, path) = config("tiemout = \"3s\"\n");
        let failure = ClientConfig::load(&path).expect_err("a typo");
        assert_eq!(failure.code, CONFIG);
        assert!(failure.message.contains("\"timeout\""), "{}", failure.message);
        let (_folder, path) = config("timeout = \"3 parsecs\"\n");
        let global = Global { config: Some(path), ..Global::default() };
        assert_eq!(Settings::new(&global).map_err(|failure| failure.code), Err(CONFIG));
    }
}
