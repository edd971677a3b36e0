//! The node's configuration file (TOML). Unknown keys are errors that name the nearest known one;
//! relative paths are taken from the file's folder.

mod wallet;
pub use wallet::{Config, WALLET_NODES_MAX, WalletConfig, WalletSection};

use crate::error::{CONFIG, Failure};
use crate::index::Engine;
use crate::ipfs::config::IpfsConfig;
use crate::telemetry::TelemetryConfig;
use ipfs_adapter::chunks::ChunkConfig;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// One node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The member's name in the genesis file.
    pub name: String,
    /// The node's folder: store, lock file, ready file.
    pub home: PathBuf,
    /// The genesis file.
    pub genesis: PathBuf,
    /// The member's key file, mode 0600.
    pub key: PathBuf,
    /// The file with the key file's passphrase, mode 0600, where it is under one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_passphrase_file: Option<PathBuf>,
    /// Whether a crash may leave a core dump, which holds the member's key.
    #[serde(default)]
    pub core_dumps: bool,
    /// The file that says where the members are: `name = "host:port"` lines. Read again when it
    /// changes.
    pub peers: PathBuf,
    /// QUIC between validators.
    #[serde(default)]
    pub quic: QuicConfig,
    /// The HTTP API.
    #[serde(default)]
    pub api: ApiConfig,
    /// Validation.
    #[serde(default)]
    pub validation: ValidationConfig,
    /// The store.
    #[serde(default)]
    pub store: StoreConfig,
    /// The node's part in the peer-to-peer network.
    #[serde(default)]
    pub ipfs: IpfsConfig,
    /// How work is spread.
    #[serde(default)]
    pub performance: PerformanceConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// Traces, in a build that has them.
    #[serde(default, skip_serializing_if = "TelemetryConfig::is_empty")]
    pub telemetry: TelemetryConfig,
}

/// QUIC between validators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuicConfig {
    /// UDP address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// First guess of a round trip, ms: small on loopback and in one data centre.
    pub initial_rtt_ms: u64,
}

impl Default for QuicConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), initial_rtt_ms: 20 }
    }
}

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// TCP address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host header values accepted beside loopback names and the listening address.
    pub hosts: Vec<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), hosts: Vec::new() }
    }
}

/// Validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Skip the DHT stage, and only that.
    pub trusted_network: bool,
    /// Threads of the CPU pool; 0 takes one a core.
    pub threads: usize,
    /// What the DHT's silence means: `proceed`, the verdict of the other stages stands, or
    /// `unknown`, the transfer waits (strict).
    pub dht_silence: DhtSilence,
    /// How long the DHT stage waits for answers and proofs, ms.
    pub dht_deadline_ms: u64,
}

/// What silence of the DHT means for a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DhtSilence {
    /// No veto: the verdict of the other stages stands, marked.
    #[default]
    Proceed,
    /// Not known: neither a lock nor a vote.
    Unknown,
}

/// How work is spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerformanceConfig {
    /// Content in chunks.
    pub chunks: ChunkConfig,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self {
            trusted_network: true,
            threads: 0,
            dht_silence: DhtSilence::default(),
            dht_deadline_ms: 250,
        }
    }
}

/// The store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The engine that keeps the index on disk. Another than the last time: it is built anew from
    /// the journal at the next start.
    pub index: Engine,
    /// A node without a store, so one that never votes, joins from a peer's snapshot when the peers
    /// have applied more transfers than this; 0 for never.
    pub snapshot_lag: u64,
    /// Vote although the store was lost, rolled back or found damaged, or a fork was found: what
    /// this member promised may be forgotten. Risks a double vote, and with it everybody's safety;
    /// see PROTOCOL.md section 5. One start with it is enough.
    pub vote_after_damage: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { index: Engine::default(), snapshot_lag: 20_000, vote_after_damage: false }
    }
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter of `tracing-subscriber`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: "text".into() }
    }
}

/// All keys, for naming the nearest one.
const KEYS: &[&str] = &[
    "name",
    "home",
    "genesis",
    "key",
    "key_passphrase_file",
    "core_dumps",
    "peers",
    "quic",
    "quic.listen",
    "quic.initial_rtt_ms",
    "api",
    "api.listen",
    "api.hosts",
    "validation",
    "validation.trusted_network",
    "validation.threads",
    "validation.dht_silence",
    "validation.dht_deadline_ms",
    "store",
    "store.index",
    "store.snapshot_lag",
    "store.vote_after_damage",
    "ipfs",
    "ipfs.enabled",
    "ipfs.listen",
    "ipfs.bootstrap",
    "ipfs.bootstrap_file",
    "ipfs.kad_protocol",
    "ipfs.mode",
    "ipfs.allow_private",
    "ipfs.preset",
    "ipfs.announce",
    "ipfs.republish_hours",
    "ipfs.content_bytes_max",
    "ipfs.records_max",
    "ipfs.kubo",
    "performance",
    "performance.chunks",
    "performance.chunks.max_concurrent_retrievals",
    "performance.chunks.max_concurrent_uploads",
    "performance.chunks.chunk_timeout_secs",
    "performance.chunks.retry_failed_chunks",
    "performance.chunks.prefer_fast_peers",
    "performance.chunks.peer_response_timeout_secs",
    "log",
    "log.level",
    "log.format",
    "telemetry",
    "telemetry.endpoint",
];

impl NodeConfig {
    /// Reads a file and makes its paths absolute.
    ///
    /// # Errors
    /// A [`Failure`] of code `config` that says what to change.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let failed = |what: String| {
            let what =
                format!("configuration {}: {what}; the node was not started", path.display());
            Failure::new(CONFIG, what).help(format!("edit {}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if let Some(problem) = unknown_key(&table, "") {
            return Err(failed(problem));
        }
        let mut config: Self = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if !matches!(config.log.format.as_str(), "text" | "json") {
            return Err(failed("log.format is \"text\" or \"json\"".into()));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [&mut config.home, &mut config.genesis, &mut config.key, &mut config.peers] {
            *path = folder.join(&*path);
        }
        let files = [&mut config.ipfs.bootstrap_file, &mut config.key_passphrase_file];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        let chunks = config.performance.chunks.check();
        chunks.map_err(|error| failed(format!("performance.chunks: {error}")))?;
        let needs_ipfs = !config.validation.trusted_network;
        if needs_ipfs && !config.ipfs.enabled {
            return Err(failed(
                "validation.trusted_network = false asks the DHT, and ipfs.enabled = false".into(),
            ));
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

fn unknown_key(table: &toml::Table, prefix: &str) -> Option<String> {
    unknown_key_of(KEYS, table, prefix)
}

/// The first key of a table that is not among the known ones, with the nearest of those.
fn unknown_key_of(keys: &[&str], table: &toml::Table, prefix: &str) -> Option<String> {
    for (key, value) in table {
        let full = format!("{prefix}{key}");
        if !keys.contains(&full.as_str()) {
            let nearest = keys.iter().max_by(|a, b| {
                let score = |known: &str| strsim::jaro_winkler(known, &full);
                score(a).total_cmp(&score(b))
            });
            let nearest = nearest.copied().unwrap_or("name");
            return Some(format!("unknown key {full:?}; did you mean {nearest:?}?"));
        }
        if let Some(found) =
            value.as_table().and_then(|t| unknown_key_of(keys, t, &format!("{full}.")))
        {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> String {
        "name=\"v0\"\nhome=\"h\"\ngenesis=\"g.json\"\nkey=\"k\"\npeers=\"p.toml\"\n".into()
    }

    #[test]
    fn defaults_round_trip_and_every_key_is_listed() {
        let config: NodeConfig = toml::from_str(&minimal()).expect("the minimal file");
        assert_eq!(toml::from_str::<NodeConfig>(&config.to_toml()), Ok(config.clone()));
        let table: toml::Table = toml::from_str(&config.to_toml()).expect("it is TOML");
        assert_eq!(unknown_key(&table, ""), None);
    }

    #[test]
    fn the_book_has_every_key() {
        let book = include_str!("../book/src/configuration.md");
        for key in KEYS {
            let section = format!("{key}.");
            let is_section = KEYS.iter().any(|other| other.starts_with(&section));
            let row = format!("\n| `{key}` | ");
            assert!(is_section || book.contains(&row), "{key}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        let text = minimal() + "[api]\nlissten = \"127.0.0.1:1\"\n";
        std::fs::write(&path, text).expect("writing");
        let failure = NodeConfig::load(&path).expect_err("a typo");
        assert_eq!(failure.code, CONFIG);
        assert!(failure.message.contains("\"api.listen\""), "{}", failure.message);
    }

    #[test]
    fn an_unknown_engine_is_told_with_those_that_there_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        for engine in Engine::ALL {
            let text = minimal() + &format!("[store]\nindex = \"{engine}\"\n");
            std::fs::write(&path, text).expect("writing");
            let config = NodeConfig::load(&path).expect("a good file");
            assert_eq!(config.store.index, engine);
            assert_eq!(engine.word().parse(), Ok(engine));
        }
        std::fs::write(&path, minimal() + "[store]\nindex = \"redb\"\n").expect("writing");
        let failure = NodeConfig::load(&path).expect_err("no such engine");
        assert_eq!(failure.code, CONFIG);
        for word in ["index = \"redb\"", "sled", "fjall", "not started"] {
            assert!(failure.message.contains(word), "{word} in {}", failure.message);
        }
        assert_eq!("redb".parse::<Engine>(), Err(crate::index::UnknownEngine));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        std::fs::write(&path, minimal()).expect("writing");
        let config = NodeConfig::load(&path).expect("a good file");
        assert_eq!(config.home, folder.path().join("h"));
    }
}
