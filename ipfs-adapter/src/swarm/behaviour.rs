//! What the swarm is made of: Kademlia, identify, ping, streams for our own protocols, the dial
//! gate and limits, over QUIC and TCP. Its settings carry their reasons.

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    Multiaddr, StreamProtocol, Swarm, Transport,
    connection_limits::{self, ConnectionLimits},
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, OrTransport, global_only},
        upgrade,
    },
    futures::future::Either,
    identify,
    identity::{Keypair, PublicKey},
    kad, noise, ping, quic,
    swarm::{Config, NetworkBehaviour},
    tcp, yamux,
};

use super::{SwarmError, gate::Gate, streams::Streams};
use crate::records::KadRecords;

/// How long a remote procedure call of Kademlia may take. The crate's 10 s let five hung peers
/// bring look-ups to 10 a second (`shared/IPFS.md`).
const KAD_CALL_MAX: Duration = Duration::from_millis(1_500);
/// A whole look-up of Kademlia; the query manager ends most earlier.
const KAD_QUERY_MAX: Duration = Duration::from_secs(10);
/// Peers of one distance: a network of validators fits whole into the table.
const BUCKET_PEERS: usize = 256;
/// Replicas of a record, as everywhere in IPFS.
pub const REPLICATION: usize = 20;
/// A QUIC handshake with somebody who is there takes a few round trips.
const HANDSHAKE_MAX: Duration = Duration::from_secs(2);
/// A silent connection is given up; the keep-alive comes four times as often.
const IDLE_MAX_MS: u32 = 4_000;
/// Connections are kept: dialling again for each look-up costs milliseconds (`shared/IPFS.md`).
const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(600);
/// Bytes that a peer may send ahead on one stream, and in all: the largest frame is below 2 MiB.
const STREAM_BYTES: u32 = 4 << 20;
const CONNECTION_BYTES: u32 = 8 << 20;
/// Streams that one peer may have open.
const STREAMS_MAX: u32 = 64;

/// Connections in all; each costs about 160 KB (`shared/IPFS.md`).
const CONNECTIONS_MAX: u32 = 512;
/// Of them, those that others may open: own dials always find room.
const CONNECTIONS_INCOMING_MAX: u32 = 384;
/// Two when both sides dial at once, two more over the other transport.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Handshakes under way.
const PENDING_MAX: u32 = 128;

/// The parts, each the owner of one protocol.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    /// First, so that it can deny a dial before the others think about it.
    pub gate: Gate,
    /// Limits on connections.
    pub limits: connection_limits::Behaviour,
    /// The DHT.
    pub kad: kad::Behaviour<KadRecords>,
    /// Who speaks what, and where.
    pub identify: identify::Behaviour,
    /// Dead connections are noticed.
    pub ping: ping::Behaviour,
    /// Streams of the batched look-up, proofs and Bitswap.
    pub streams: Streams,
}

/// What differs from node to node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Kademlia's protocol name: ours, or that of a public network.
    pub kad_protocol: String,
    /// Whether others may keep their records here and count on us.
    pub is_server: bool,
    /// Whether loopback and private addresses are dialled.
    pub allow_private: bool,
}

/// Builds the swarm; it listens nowhere yet.
///
/// # Errors
/// [`SwarmError::Protocol`], [`SwarmError::Transport`].
pub(super) fn build(
    keypair: &Keypair,
    settings: &Settings,
    records: KadRecords,
) -> Result<Swarm<Behaviour>, SwarmError> {
    let protocol = StreamProtocol::try_from_owned(settings.kad_protocol.clone())
        .map_err(|_| SwarmError::Protocol { name: settings.kad_protocol.clone() })?;
    let peer = keypair.public().to_peer_id();
    let mut kad = kad::Behaviour::with_config(peer, records, kad_config(protocol));
    let mode = if settings.is_server { kad::Mode::Server } else { kad::Mode::Client };
    kad.set_mode(Some(mode));
    let limits = ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_INCOMING_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX));
    let behaviour = Behaviour {
        gate: Gate::default(),
        limits: connection_limits::Behaviour::new(limits),
        kad,
        identify: identify::Behaviour::new(identify_config(keypair.public())),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(15))),
        streams: Streams::new(),
    };
    let config = Config::with_tokio_executor().with_idle_connection_timeout(CONNECTION_IDLE_MAX);
    Ok(Swarm::new(transport(keypair, settings.allow_private)?, behaviour, peer, config))
}

fn kad_config(protocol: StreamProtocol) -> kad::Config {
    let mut config = kad::Config::new(protocol);
    config
        .set_replication_factor(NonZeroUsize::new(REPLICATION).expect("it is not 0"))
        .set_kbucket_size(NonZeroUsize::new(BUCKET_PEERS).expect("it is not 0"))
        .set_substreams_timeout(KAD_CALL_MAX)
        .set_query_timeout(KAD_QUERY_MAX)
        // Peers are entered after identify has told that they serve, with their real addresses.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        // The loop stores them, and forgets what it has cached of the key.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        // The health check does it.
        .set_periodic_bootstrap_interval(None)
        // Records are announced again in batches; one look-up each would be the crate's way.
        .set_provider_publication_interval(None)
        .set_publication_interval(None)
        .set_replication_interval(None);
    config
}

fn identify_config(key: PublicKey) -> identify::Config {
    let agent = concat!("quorate/", env!("CARGO_PKG_VERSION"));
    identify::Config::new("/quorate/1.0.0".into(), key)
        .with_agent_version(agent.into())
        .with_push_listen_addr_updates(true)
}

type Muxed = Boxed<(libp2p::PeerId, StreamMuxerBox)>;

fn transport(keypair: &Keypair, allow_private: bool) -> Result<Muxed, SwarmError> {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_MAX;
    config.max_idle_timeout = IDLE_MAX_MS;
    config.keep_alive_interval = Duration::from_millis(u64::from(IDLE_MAX_MS) / 4);
    config.max_concurrent_stream_limit = STREAMS_MAX;
    config.max_stream_data = STREAM_BYTES;
    config.max_connection_data = CONNECTION_BYTES;
    let quic = quic::tokio::Transport::new(config);
    let noise = noise::Config::new(keypair).map_err(|_| SwarmError::Transport)?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_MAX);
    let both = OrTransport::new(quic, tcp).map(|either, _| match either {
        Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        Either::Right((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
    });
    Ok(if allow_private { both.boxed() } else { global_only::Transport::new(both).boxed() })
}

/// Whether an address is of this machine or of a private network, where `allow_private` decides.
pub fn is_private(address: &Multiaddr) -> bool {
    use libp2p::multiaddr::Protocol;
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Protocol::Ip6(ip) => ip.is_loopback() || ip.is_unique_local(),
        _ => false,
    })
}
