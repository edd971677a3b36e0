//! The network and its nodes: `quorate.network/1`, `quorate.node/1`, `quorate.validators/1`,
//! `quorate.health/1`.

use super::text::{AddressText, IdText};
use super::{CatchingUp, Schema};
use crate::handle::{PeerView, Shared};
use consensus::Mode;
use ledger::{Address, AssetId, Name, Network, NetworkId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use utoipa::ToSchema;

/// Longest wait for the embedded IPFS node's figures.
const DHT_ANSWER: Duration = Duration::from_millis(500);

/// The network as its genesis says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NetworkDocument {
    /// `quorate.network/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The network id.
    #[schema(value_type = IdText)]
    pub network: NetworkId,
    /// The network's name.
    #[schema(value_type = String)]
    pub name: Name,
    /// The epoch.
    pub epoch: u64,
    /// The committee, in the order of the members' indexes.
    pub committee: Vec<MemberRow>,
    /// Vote weight that is enough.
    pub quorum: u64,
    /// Vote weight of all members.
    pub weight: u64,
    /// The genesis assets.
    pub assets: Vec<AssetRow>,
}

/// A member of the committee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberRow {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// The key it votes with.
    #[schema(value_type = AddressText)]
    pub key: Address,
    /// Its vote weight.
    pub weight: u64,
}

/// A genesis asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssetRow {
    /// Its name.
    pub name: String,
    /// Its id.
    #[schema(value_type = IdText)]
    pub id: AssetId,
    /// Its decimals.
    pub decimals: u8,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeDocument {
    /// `quorate.node/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The member's name.
    pub name: String,
    /// The network id.
    #[schema(value_type = IdText)]
    pub network: NetworkId,
    /// The program's version.
    pub version: String,
    /// `voting`, `catching_up` or `silent`.
    pub mode: String,
    /// Caught up, voting and connected to a quorum.
    pub ready: bool,
    /// Distinct final transfers applied.
    pub applied: u64,
    /// XOR of their ids: equal at two nodes that applied the same set.
    pub digest: String,
    /// Batches applied.
    pub batches: u64,
    /// Token states that have a lock or a promise.
    pub locks: u64,
    /// Vote weight that was heard from lately, this node's included.
    pub reachable: u64,
    /// Vote weight that is enough.
    pub quorum: u64,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Where its API listens.
    pub api: String,
    /// Where its QUIC listens.
    #[schema(value_type = String)]
    pub quic: SocketAddr,
    /// Why it does not vote: its store has failed, or it is silent for good.
    pub failed: Option<String>,
    /// How far behind it is; `None` when it is not catching up.
    #[serde(default)]
    pub catching_up: Option<CatchingUp>,
    /// Its place in the DHT; from `GET /v1/node` only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dht: Option<DhtState>,
}

/// How a node stands with the DHT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DhtState {
    /// Whether the embedded IPFS node runs.
    pub enabled: bool,
    /// Whether transfers are judged without the DHT.
    pub trusted_network: bool,
    /// Connected peers; `None` when the embedded node does not say.
    pub peers: Option<u64>,
    /// Peers in Kademlia's table; likewise.
    pub table: Option<u64>,
}

/// The committee as one node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValidatorsDocument {
    /// `quorate.validators/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// Name of the node that looks.
    pub seen_by: String,
    /// In the order of the members' indexes.
    pub validators: Vec<ValidatorRow>,
}

/// One validator as a node sees it. Of itself it knows no link: those fields are zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValidatorRow {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// The key it votes with.
    #[schema(value_type = AddressText)]
    pub key: Address,
    /// Its vote weight.
    pub weight: u64,
    /// Whether it is the node that looks.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// Whether it was heard from lately.
    pub up: bool,
    /// Where it is dialled.
    #[schema(value_type = Option<String>)]
    pub address: Option<SocketAddr>,
    /// Where its link goes, while that is up.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub link: Option<SocketAddr>,
    /// Distinct final transfers that it said it has applied.
    pub applied: u64,
    /// Round trip, µs.
    pub rtt_us: u64,
    /// UDP payload sent to it.
    pub bytes_sent: u64,
    /// UDP payload received from it.
    pub bytes_received: u64,
    /// Messages dropped because its queue was full or its link down.
    pub dropped: u64,
    /// Rules it broke.
    pub blamed: u64,
    /// Why its link is down.
    pub error: Option<String>,
}

/// Whether a node is alive, or ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthDocument {
    /// `quorate.health/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// Whether it is what was asked: alive, or ready.
    pub ok: bool,
    /// The member's name.
    pub name: String,
    /// Caught up, voting and connected to a quorum.
    pub ready: bool,
    /// `voting`, `catching_up` or `silent`.
    pub mode: String,
    /// Vote weight that was heard from lately, this node's included.
    pub reachable: u64,
    /// Vote weight that is enough.
    pub quorum: u64,
    /// Names of the members that were not heard from lately.
    pub down: Vec<String>,
    /// Why it does not vote: its store has failed, or it is silent for good.
    pub failed: Option<String>,
}

fn mode_word(mode: Mode) -> String {
    match mode {
        Mode::Voting => "voting",
        Mode::CatchingUp => "catching_up",
        Mode::Silent => "silent",
    }
    .into()
}

impl NetworkDocument {
    /// From the genesis.
    pub fn of(network: &Network) -> Self {
        let committee = &network.committee;
        let members = committee.members().iter().map(|member| MemberRow {
            name: member.name.clone(),
            key: Address(member.key),
            weight: member.weight,
        });
        let assets = network.assets.iter().map(|(id, definition)| AssetRow {
            name: definition.name.clone(),
            id: *id,
            decimals: definition.decimals(),
        });
        Self {
            schema: "quorate.network/1".into(),
            ok: true,
            network: network.id,
            name: network.name.clone(),
            epoch: network.epoch,
            committee: members.collect(),
            quorum: committee.quorum(),
            weight: committee.total(),
            assets: assets.collect(),
        }
    }
}

impl NodeDocument {
    /// As it stands now.
    pub fn of(shared: &Shared) -> Self {
        let (reachable, quorum) = shared.reachable_weight();
        let ready = shared.is_ready();
        let validator = shared.validator.read();
        let tips = validator.tips();
        Self {
            schema: "quorate.node/1".into(),
            ok: true,
            name: shared.name_of(shared.member),
            network: shared.network.id,
            version: env!("CARGO_PKG_VERSION").into(),
            mode: mode_word(validator.mode()),
            ready,
            applied: tips.applied(),
            digest: tips.digest().to_string(),
            batches: shared.store.line_count(),
            locks: super::count(validator.locks().count()),
            reachable,
            quorum,
            uptime_s: shared.started.elapsed().as_secs(),
            api: format!("http://{}", shared.api_address),
            quic: shared.quic_address,
            failed: shared.why_silent(),
            catching_up: shared.lag.read().map(CatchingUp::from),
            dht: None,
        }
    }
}

impl DhtState {
    /// As it stands now; asks the embedded node, which answers at once unless it is overloaded.
    pub async fn of(shared: &Shared) -> Self {
        let status = match &shared.ipfs {
            Some(ipfs) => tokio::time::timeout(DHT_ANSWER, ipfs.embedded.status()).await.ok(),
            None => None,
        };
        let status = status.and_then(Result::ok);
        Self {
            enabled: shared.ipfs.is_some(),
            trusted_network: shared.config.validation.trusted_network,
            peers: status.as_ref().map(|status| super::count(status.connected.len())),
            table: status.map(|status| super::count(status.table)),
        }
    }
}

impl ValidatorsDocument {
    /// As this node sees them now.
    pub fn of(shared: &Shared) -> Self {
        let applied = shared.validator.read().tips().applied();
        let peers = shared.peers.read();
        let members = (0u16..).zip(shared.network.committee.members());
        let row = |(index, member): (u16, &ledger::Member)| {
            let is_self = index == shared.member;
            let peer: Option<&PeerView> = peers.iter().find(|peer| peer.member == index);
            ValidatorRow {
                name: member.name.clone(),
                key: Address(member.key),
                weight: member.weight,
                is_self,
                up: is_self || peer.is_some_and(|peer| peer.is_reachable),
                address: match is_self {
                    true => Some(shared.quic_address),
                    false => peer.and_then(|peer| peer.address),
                },
                link: peer.and_then(|peer| peer.link),
                applied: if is_self { applied } else { peer.map_or(0, |peer| peer.applied) },
                rtt_us: peer.map_or(0, |peer| peer.rtt_us),
                bytes_sent: peer.map_or(0, |peer| peer.bytes.0),
                bytes_received: peer.map_or(0, |peer| peer.bytes.1),
                dropped: peer.map_or(0, |peer| peer.dropped),
                blamed: peer.map_or(0, |peer| peer.blamed),
                error: peer.and_then(|peer| peer.error.clone()),
            }
        };
        Self {
            schema: "quorate.validators/1".into(),
            ok: true,
            seen_by: shared.name_of(shared.member),
            validators: members.map(row).collect(),
        }
    }
}

impl HealthDocument {
    /// As it stands now; `ok` says whether it is ready.
    pub fn of(shared: &Shared) -> Self {
        let (reachable, quorum) = shared.reachable_weight();
        let ready = shared.is_ready();
        Self {
            schema: "quorate.health/1".into(),
            ok: ready,
            name: shared.name_of(shared.member),
            ready,
            mode: mode_word(shared.validator.read().mode()),
            reachable,
            quorum,
            down: shared.unreachable_names(),
            failed: shared.why_silent(),
        }
    }
}
