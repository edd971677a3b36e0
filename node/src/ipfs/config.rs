//! The `[ipfs]` section: the embedded node, where it listens, whom it starts from.

use crate::config::ValidationConfig;
use crate::error::{CONFIG, Failure};
use ipfs_adapter::Multiaddr;
use ipfs_adapter::embedded::{EmbeddedConfig, KAD_PROTOCOL};
use ipfs_adapter::query::preset::Preset;
use ipfs_adapter::swarm::behaviour::is_private;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The node's part in the peer-to-peer network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IpfsConfig {
    /// Run the embedded node. Content and untrusted networks need it.
    pub enabled: bool,
    /// Multiaddresses to listen on; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Peers to start from, as multiaddresses, best with `/p2p/…` at the end.
    pub bootstrap: Vec<String>,
    /// A file with more of them, one a line; read again when it changes.
    pub bootstrap_file: Option<PathBuf>,
    /// Kademlia's protocol name: ours, or `/ipfs/kad/1.0.0` for the public network and
    /// `/ipfs/lan/kad/1.0.0` for Kubo's local one.
    pub kad_protocol: String,
    /// `server`: others may keep their records here. `client`: only ask.
    pub mode: Mode,
    /// Dial loopback and private addresses. By default what the listening addresses are.
    pub allow_private: Option<bool>,
    /// How queries are run: `balanced`, `interactive` or `high-throughput`.
    pub preset: Preset,
    /// Announce spent states. By default in untrusted networks only.
    pub announce: Option<bool>,
    /// Every how many hours everything is announced again.
    pub republish_hours: u32,
    /// Quota on stored content, bytes.
    pub content_bytes_max: u64,
    /// Keys of others whose providers are remembered.
    pub records_max: usize,
    /// A Kubo daemon's RPC address, `http://127.0.0.1:5001`: content lives there, and look-ups ask
    /// it, too.
    pub kubo: Option<String>,
}

/// What others may expect of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It keeps their records.
    Server,
    /// Nothing.
    Client,
}

impl Default for IpfsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".into(), "/ip4/127.0.0.1/tcp/0".into()],
            bootstrap: Vec::new(),
            bootstrap_file: None,
            kad_protocol: KAD_PROTOCOL.into(),
            mode: Mode::Server,
            allow_private: None,
            preset: Preset::Balanced,
            announce: None,
            republish_hours: 12,
            content_bytes_max: 1 << 30,
            records_max: 500_000,
            kubo: None,
        }
    }
}

impl IpfsConfig {
    /// Whether spent states are announced.
    pub fn announces(&self, validation: &ValidationConfig) -> bool {
        self.announce.unwrap_or(!validation.trusted_network)
    }

    /// The adapter's configuration.
    ///
    /// # Errors
    /// A [`Failure`] of code `config` that names the key.
    pub fn embedded(&self, home: &Path) -> Result<EmbeddedConfig, Failure> {
        let listen = parse("ipfs.listen", &self.listen)?;
        let is_local = !listen.is_empty() && listen.iter().all(is_private);
        Ok(EmbeddedConfig {
            home: home.into(),
            bootstrap: parse("ipfs.bootstrap", &self.bootstrap)?,
            listen,
            kad_protocol: self.kad_protocol.clone(),
            is_server: self.mode == Mode::Server,
            allow_private: self.allow_private.unwrap_or(is_local),
            preset: self.preset,
            block_bytes_max: self.content_bytes_max,
            records_max: self.records_max,
        })
    }
}

fn parse(key: &str, texts: &[String]) -> Result<Vec<Multiaddr>, Failure> {
    let one = |text: &String| {
        text.parse().map_err(|error| {
            let what = format!("{key}: {text:?} is no multiaddress ({error}); nothing was started");
            Failure::new(CONFIG, what).help("for example /ip4/127.0.0.1/udp/4001/quic-v1")
        })
    };
    texts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_dialled_where_one_listens_on_them() {
        let home = Path::new("/nowhere");
        let local = IpfsConfig::default().embedded(home).expect("the defaults");
        assert!(local.allow_private);
        let public = IpfsConfig {
            listen: vec!["/ip4/0.0.0.0/udp/4001/quic-v1".into()],
            ..IpfsConfig::default()
        };
        assert!(!public.embedded(home).expect("an address").allow_private);
        let wrong = IpfsConfig { bootstrap: vec!["localhost".into()], ..IpfsConfig::default() };
        let failure = wrong.embedded(home).expect_err("no multiaddress");
        assert!(failure.message.contains("ipfs.bootstrap"), "{}", failure.message);
    }
}
