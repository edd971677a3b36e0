//! A node of IPFS that runs beside this process: a Kubo daemon (0.39 or newer), asked over its RPC
//! API (docs.ipfs.tech/reference/kubo/rpc).
//!
//! ```text
//!  Ipfs (trait) ─▶ Kubo ─┬─ blocks    put, get, stat, add
//!                        ├─ pins      pin, unpin, are_pinned
//!                        ├─ find      queries: one task each, one request a key
//!                        ├─ provide   announcements
//!                        └─ store     the same blocks for files in chunks
//!                             └──▶ client: permit, POST, status ─▶ answer: bounded bytes, JSON
//! ```
//!
//! Written against Kubo's documented API and its source. A daemon is not believed: blocks are
//! hashed here, every answer is bounded, every call has a deadline, and the calls under way are
//! counted (a call that waits for its turn uses up its deadline). A daemon that is not there is
//! [`IpfsError::Unreachable`], one that does not answer [`IpfsError::Timeout`], one that says no
//! [`IpfsError::Refused`], and another program on its port [`IpfsError::Nonsense`].
//!
//! What it does *not* do: start, configure or watch the daemon, or cache anything.

mod address;
mod answer;
mod blocks;
mod client;
mod event;
mod find;
mod pins;
mod provide;
mod store;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{runtime::Handle, task::JoinSet};

pub use store::KuboBlocks;

use self::{
    client::{Call, Chain, Client, within},
    provide::Announcing,
};
use crate::{
    BlockStat, Content, ContentId, FindOptions, Ipfs, IpfsError, NodeInfo, PeerId, Provided, Query,
    QueryId,
};

/// The most connections to a daemon: Kubo serves each call from a goroutine of its own and has no
/// limit, so this one is for the sockets of this process.
const CONNECTIONS_MAX: usize = 256;
/// The most queries at a time; each has a task and, at most, [`KeyAnswer`](crate::KeyAnswer)s of
/// 4,096 keys (about 0.3 MB without providers).
const QUERIES_MAX: usize = 64;
/// What `ipfs add` cuts files into.
const CHUNK_BYTES: usize = 256 << 10;

/// Names of queries begin here: those of a node in this process count from 0.
static QUERY_NEXT: AtomicU64 = AtomicU64::new(1 << 63);

/// Where a daemon is and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KuboConfig {
    /// Like `http://127.0.0.1:5001`: plain HTTP, on this machine.
    pub url: String,
    /// Other hosts that are allowed in `url`. The RPC API is an administrator's: whoever reads
    /// along or answers in its place rules the daemon.
    pub hosts_allowed: Vec<String>,
    /// The deadline of calls that are not given one; calls over many ids get one for each 128.
    pub timeout: Duration,
    /// The most calls at a time (1 to 256); three quarters of them may be look-ups.
    pub connections_max: usize,
}

impl Default for KuboConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:5001".into(),
            hosts_allowed: Vec::new(),
            timeout: Duration::from_secs(10),
            connections_max: 16,
        }
    }
}

/// A daemon's word about its version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// Like `0.39.0`.
    pub version: String,
    /// Where in the source it was built from; may be empty.
    #[serde(default)]
    pub commit: String,
}

/// A Kubo daemon. Dropping it ends its queries.
pub struct Kubo {
    client: Arc<Client>,
    finding: Arc<Chain>,
    announcing: Announcing,
    runtime: Handle,
    /// The queries under way; at most [`QUERIES_MAX`].
    queries: Mutex<JoinSet<()>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    #[serde(rename = "ID")]
    id: String,
    addresses: Option<Vec<String>>,
    agent_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Peers {
    peers: Option<Vec<Peer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    peer: String,
}

impl Kubo {
    /// A daemon at this address. Opens no connection: the daemon may come up later. Whether it is
    /// there is what [`Ipfs::info`] tells. Its queries run on the tokio runtime of the caller.
    ///
    /// # Errors
    /// [`IpfsError::Address`] for an address that may not be used; [`IpfsError::Stopped`] outside
    /// a tokio runtime.
    pub fn connect(config: KuboConfig) -> Result<Self, IpfsError> {
        let base = address::parse(&config.url, &config.hosts_allowed)?;
        let runtime = Handle::try_current().map_err(|_| IpfsError::Stopped)?;
        let client = Arc::new(Client::new(base, config.timeout, config.connections_max)?);
        let finding = Arc::new(Chain::new(&["routing/findprovs", "dht/findprovs"]));
        let queries = Mutex::new(JoinSet::new());
        Ok(Self { client, finding, announcing: Announcing::new(), runtime, queries })
    }

    /// The daemon's version.
    ///
    /// # Errors
    /// As every call.
    pub async fn version(&self) -> Result<Version, IpfsError> {
        let work = async { self.client.open(Call::new("version")).await?.json().await };
        within(self.client.timeout, work).await
    }

    async fn identity(&self) -> Result<NodeInfo, IpfsError> {
        let work = async { self.client.open(Call::new("id")).await?.json::<Identity>().await };
        let identity = within(self.client.timeout, work).await?;
        let peer = identity.id.parse().map_err(|_| IpfsError::Nonsense { call: "id" })?;
        let addresses = event::addresses(peer, identity.addresses.unwrap_or_default());
        Ok(NodeInfo { peer, addresses, agent: identity.agent_version })
    }
}

/// The peers that the daemon is connected to; one connection more is no second peer.
async fn peers(client: &Client) -> Result<Vec<PeerId>, IpfsError> {
    let peers: Peers = client.open(Call::new("swarm/peers")).await?.json().await?;
    let mut ids = Vec::new();
    for Peer { peer } in peers.peers.unwrap_or_default() {
        ids.push(peer.parse().map_err(|_| IpfsError::Nonsense { call: "swarm/peers" })?);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

impl Ipfs for Kubo {
    fn info(&self) -> BoxFuture<'_, Result<NodeInfo, IpfsError>> {
        self.identity().boxed()
    }

    fn peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>> {
        within(self.client.timeout, peers(&self.client)).boxed()
    }

    fn put(&self, content: Content) -> BoxFuture<'_, Result<(), IpfsError>> {
        self.put_block(content).boxed()
    }

    fn get_local(&self, id: ContentId) -> BoxFuture<'_, Result<Option<Content>, IpfsError>> {
        self.local_block(id).boxed()
    }

    fn get(
        &self,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Option<Content>, IpfsError>> {
        self.any_block(id, deadline).boxed()
    }

    fn stat(&self, id: ContentId) -> BoxFuture<'_, Result<Option<BlockStat>, IpfsError>> {
        self.local_stat(id).boxed()
    }

    fn pin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>> {
        self.pin_all(ids).boxed()
    }

    fn unpin(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<(), IpfsError>> {
        self.unpin_all(ids).boxed()
    }

    fn are_pinned(&self, ids: Vec<ContentId>) -> BoxFuture<'_, Result<Vec<bool>, IpfsError>> {
        self.pinned(ids).boxed()
    }

    fn find(&self, keys: Vec<ContentId>, options: FindOptions) -> Result<Query, IpfsError> {
        Query::check_keys(&keys)?;
        let mut queries = self.queries.lock();
        while queries.try_join_next().is_some() {}
        if queries.len() >= QUERIES_MAX {
            return Err(IpfsError::Busy { count: queries.len() });
        }
        let id = QueryId(QUERY_NEXT.fetch_add(1, Ordering::Relaxed));
        let (query, reporter) = Query::new(id);
        let (client, chain) = (Arc::clone(&self.client), Arc::clone(&self.finding));
        let work = find::run(client, chain, keys, options, reporter);
        queries.spawn_on(work, &self.runtime);
        Ok(query)
    }

    fn provide(&self, keys: Vec<ContentId>) -> BoxFuture<'_, Result<Provided, IpfsError>> {
        let deadline = self.announce_deadline(keys.len());
        within(deadline, self.announce(keys)).boxed()
    }
}
