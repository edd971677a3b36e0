//! The node's place in the peer-to-peer network: `quorate.dht/1`.

use super::Schema;
use crate::error::{CONFIG, Failure, INTERNAL};
use crate::ipfs::IpfsNode;
use ipfs_adapter::records::Statistics;
use ipfs_adapter::{BitswapStats, Blocks, PeerScore, QueryMetrics};
use serde::Serialize;
use utoipa::ToSchema;

/// How the embedded node is, and what it did since its start.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DhtDocument {
    /// `quorate.dht/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// Its name in that network.
    pub peer: String,
    /// Where it listens, `/p2p/…` at the end.
    pub addresses: Vec<String>,
    /// Kademlia's protocol name.
    pub protocol: String,
    /// Peers that it is connected to.
    pub connected: Vec<String>,
    /// How many of them speak the batched protocol.
    pub batch_peers: usize,
    /// Peers in Kademlia's table.
    pub table: usize,
    /// What queries did; times in µs.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub queries: QueryMetrics,
    /// Answered messages of all that ended, 0 to 1.
    pub success_rate: f64,
    /// Peers by score.
    #[schema(value_type = Vec<Object>)]
    pub scores: Vec<PeerScore>,
    /// Who provides what, as this node keeps it.
    pub records: RecordsRow,
    /// Blocks to and from other peers.
    pub bitswap: BitswapRow,
    /// The store of blocks.
    pub content: ContentRow,
    /// The daemon's address in the configuration.
    pub kubo: Option<String>,
}

/// Provider records.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct RecordsRow {
    /// Keys of others.
    pub keys: usize,
    /// Their providers, one counted for each key.
    pub providers: usize,
    /// Distinct providers.
    pub peers: usize,
    /// Keys that this node provides itself.
    pub own: usize,
    /// Records that were refused.
    pub refused: u64,
}

/// Bitswap.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct BitswapRow {
    /// Blocks sent to peers.
    pub blocks_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Blocks that came and were wanted.
    pub blocks_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// What came and was not wanted; wrong hashes are among them.
    pub unwanted: u64,
    /// What was over a limit.
    pub refused: u64,
    /// Broken messages.
    pub malformed: u64,
}

/// The store of blocks.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ContentRow {
    /// Blocks held.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The quota.
    pub bytes_max: u64,
}

impl DhtDocument {
    /// Of a running node; waits for its loop's answer.
    ///
    /// # Errors
    /// `config` where it is switched off; `internal` when its loop does not answer.
    pub async fn of(ipfs: Option<&IpfsNode>, protocol: &str) -> Result<Self, Failure> {
        let ipfs = ipfs.ok_or_else(switched_off)?;
        let status = ipfs.embedded.status().await;
        let status = status.map_err(|error| {
            Failure::new(INTERNAL, format!("the IPFS node: {error}; nothing was changed"))
                .help("ask again in a second")
        })?;
        let permille = u32::try_from(status.queries.success_permille).unwrap_or(1_000);
        let usage = ipfs.embedded.store().usage();
        Ok(Self {
            schema: "quorate.dht/1".into(),
            ok: true,
            peer: status.info.peer.to_string(),
            addresses: ipfs.addresses.iter().map(ToString::to_string).collect(),
            protocol: protocol.into(),
            connected: status.connected.iter().map(ToString::to_string).collect(),
            batch_peers: status.batch_peers,
            table: status.table,
            queries: status.queries,
            success_rate: f64::from(permille) / 1_000.0,
            scores: status.scores,
            records: RecordsRow::of(&ipfs.embedded.records().statistics()),
            bitswap: BitswapRow::of(&ipfs.embedded.bitswap_stats()),
            content: ContentRow {
                blocks: usage.count,
                bytes: usage.bytes,
                bytes_max: usage.bytes_max,
            },
            kubo: ipfs.kubo_url.clone(),
        })
    }
}

/// The failure of whatever needs the embedded node, where there is none.
pub fn switched_off() -> Failure {
    let what = "this node runs no IPFS node (ipfs.enabled = false); nothing was done";
    Failure::new(CONFIG, what).help("ask another node, or switch it on in the configuration")
}

impl RecordsRow {
    fn of(found: &Statistics) -> Self {
        Self {
            keys: found.keys,
            providers: found.providers,
            peers: found.peers,
            own: found.own,
            refused: found.refused,
        }
    }
}

impl BitswapRow {
    fn of(found: &BitswapStats) -> Self {
        Self {
            blocks_sent: found.blocks_sent,
            bytes_sent: found.bytes_sent,
            blocks_received: found.blocks_received,
            bytes_received: found.bytes_received,
            unwanted: found.unwanted,
            refused: found.refused,
            malformed: found.malformed,
        }
    }
}
