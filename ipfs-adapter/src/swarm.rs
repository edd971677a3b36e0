//! The node's place in the peer-to-peer network: one swarm, one event loop that owns it, and the
//! stream tasks beside it.
//!
//! ```text
//!  Embedded ─Command─▶ ┌ EventLoop: swarm, Manager, links, pool ┐ ◀─LinkEvent─ link tasks
//!   (handles)          │ events ▶ Manager ▶ actions ▶ links/kad │ ◀─new keys── serve tasks
//!                      └────────────────────────────────────────┘  proof, Bitswap: own tasks
//! ```
//!
//! Everything runs on the runtime on which [`start`] was called; the node gives it a thread of its
//! own. Nothing outside the loop touches the swarm.

pub mod behaviour;
mod event_loop;
pub mod gate;
mod link;
pub mod pool;
pub mod proof;
pub mod serve;
pub mod streams;

use std::{path::PathBuf, sync::Arc};

use libp2p::{Multiaddr, PeerId, StreamProtocol, identity::Keypair};
use tokio::sync::{mpsc, oneshot};

use crate::{
    ContentId, FindOptions, NodeInfo, Provided, Provider, Reporter,
    query::{
        metrics::{PeerScore, QueryMetrics},
        preset::Preset,
    },
    records::Records,
};

/// The batched protocol's name, as the swarm takes it.
const PROVIDERS: StreamProtocol = StreamProtocol::new(crate::batch::PROTOCOL);

/// Commands that wait for the loop; more are refused as busy.
pub const COMMANDS_MAX: usize = 1_024;

/// Why the swarm can't start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwarmError {
    /// Kademlia's protocol name must begin with a slash.
    #[error("{name:?} is no protocol name; it begins with a slash, as /quorate/kad/1.0.0 does")]
    Protocol {
        /// What was configured.
        name: String,
    },
    /// The transports can't be made.
    #[error("no transport could be made from the node's key")]
    Transport,
    /// An address can't be listened on.
    #[error("can't listen on {address}: {why}")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// What libp2p says.
        why: String,
    },
}

/// What a swarm is started with.
pub struct SwarmConfig {
    /// The node's identity in the peer-to-peer network; not its vote key.
    pub keypair: Keypair,
    /// What differs from node to node.
    pub settings: behaviour::Settings,
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
    /// Peers to start from, `/p2p/…` at the end where it is known.
    pub bootstrap: Vec<Multiaddr>,
    /// Where met peers are remembered.
    pub pool_file: Option<PathBuf>,
    /// How queries are run.
    pub preset: Preset,
    /// Who provides what.
    pub records: Arc<Records>,
    /// What backs this node's records.
    pub proofs: Arc<dyn proof::Proofs>,
}

/// What the loop is asked.
#[derive(Debug)]
pub enum Command {
    /// Who provides these keys?
    Find {
        /// The keys.
        keys: Vec<ContentId>,
        /// How.
        options: FindOptions,
        /// Where to.
        reporter: Reporter,
    },
    /// Announce these keys.
    Announce {
        /// The keys.
        keys: Vec<ContentId>,
        /// Where to.
        reply: oneshot::Sender<Provided>,
    },
    /// Be connected to this peer.
    Connect {
        /// Whom.
        provider: Provider,
        /// Whether it is.
        reply: oneshot::Sender<bool>,
    },
    /// More peers to start from.
    Bootstrap(Vec<Multiaddr>),
    /// A provider has shown what it announced, or has not.
    Judge {
        /// Whom.
        peer: PeerId,
        /// What.
        is_good: bool,
    },
    /// How things are.
    Status(oneshot::Sender<Status>),
    /// End.
    Stop,
}

/// How the node's place in the network is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who and where this node is.
    pub info: NodeInfo,
    /// Connected peers.
    pub connected: Vec<PeerId>,
    /// Those of them that speak the batched protocol.
    pub batch_peers: usize,
    /// Peers in Kademlia's table.
    pub table: usize,
    /// Figures of the queries.
    pub queries: QueryMetrics,
    /// Peers by score.
    pub scores: Vec<PeerScore>,
}

/// What a started swarm hands out.
pub struct Started {
    /// To the loop.
    pub commands: mpsc::Sender<Command>,
    /// For tasks that open streams of their own: proofs, Bitswap.
    pub control: streams::Control,
    /// The loop's end; it ends with [`Command::Stop`] or when all senders are gone.
    pub ended: tokio::task::JoinHandle<()>,
}

/// Starts the loop on the current tokio runtime. It listens when this returns.
///
/// # Errors
/// Every [`SwarmError`].
pub async fn start(config: SwarmConfig) -> Result<Started, SwarmError> {
    let (commands_in, commands) = mpsc::channel(COMMANDS_MAX);
    let event_loop = event_loop::EventLoop::new(config, commands).await?;
    let control = event_loop.control();
    let ended = tokio::spawn(event_loop.run());
    Ok(Started { commands: commands_in, control, ended })
}
