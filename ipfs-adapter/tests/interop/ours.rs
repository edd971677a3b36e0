//! Our side: an embedded node over TCP and QUIC on ports that the system gives, in the public
//! network's Kademlia. Every wait is for a condition and has a deadline.

use std::{path::Path, sync::Arc, time::Duration};

use ipfs_adapter::{
    Completion, Content, ContentId, Embedded, EmbeddedConfig, FindOptions, Ipfs, IpfsError,
    Multiaddr, PeerId,
    dag::{self, FileNode, Layout},
    query::preset::Preset,
    swarm::proof::NoProofs,
};

use crate::foreign::KAD_PROTOCOL;

/// How long a condition may take to come true.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// One query, one block.
const CALL_MAX: Duration = Duration::from_secs(10);

/// Looks until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let look = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(WAIT_MAX, look).await;
    waited.unwrap_or_else(|_| panic!("waited {WAIT_MAX:?} in vain: {what}"));
}

/// Bytes that no other test has, the same in every run (xorshift64, Marsaglia 2003).
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(count);
    bytes
}

/// The id of a file that is cut so.
pub fn root_of(bytes: &[u8], layout: Layout) -> ContentId {
    let built = dag::build(bytes, layout, |_| Ok::<_, std::io::Error>(()));
    built.expect("it is in memory").0
}

/// A node of ours.
pub struct Ours {
    node: Embedded,
    peer: PeerId,
    address: Multiaddr,
}

impl Ours {
    /// Keeps records for others.
    pub async fn server(folder: &Path, name: &str, bootstrap: &[Multiaddr]) -> Self {
        Self::start(folder, name, bootstrap, true).await
    }

    /// Keeps none, so that it must ask.
    pub async fn client(folder: &Path, name: &str, bootstrap: &[Multiaddr]) -> Self {
        Self::start(folder, name, bootstrap, false).await
    }

    async fn start(folder: &Path, name: &str, bootstrap: &[Multiaddr], is_server: bool) -> Self {
        let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
        let config = EmbeddedConfig {
            home: folder.join(name),
            listen: listen.map(|one| one.parse().expect("an address")).to_vec(),
            bootstrap: bootstrap.to_vec(),
            kad_protocol: KAD_PROTOCOL.into(),
            is_server,
            allow_private: true,
            preset: Preset::Balanced,
            block_bytes_max: 64 << 20,
            records_max: 10_000,
        };
        let node = Embedded::start(config, Arc::new(NoProofs)).await.expect("it starts");
        let info = node.info().await.expect("it has just started");
        let is_tcp = |one: &&Multiaddr| one.to_string().contains("/tcp/");
        let tcp = info.addresses.iter().find(is_tcp).expect("it listens on TCP");
        let address = format!("{tcp}/p2p/{}", info.peer).parse().expect("an address");
        let ours = Self { node, peer: info.peer, address };
        if !bootstrap.is_empty() {
            until("our node has the peer in its table", async || {
                ours.node.status().await.expect("it runs").table > 0
            })
            .await;
        }
        ours
    }

    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Over TCP, `/p2p/…` included.
    pub fn address(&self) -> Multiaddr {
        self.address.clone()
    }

    /// Stores, pins and announces one raw block.
    pub async fn hold_block(&self, bytes: &[u8]) -> ContentId {
        let content = Content::of(bytes.to_vec()).expect("a small block");
        let id = content.id();
        self.node.put(content).await.expect("there is room");
        self.announce(id).await;
        id
    }

    /// Stores a file in blocks, pins its root and announces it.
    pub async fn hold_file(&self, bytes: &[u8], layout: Layout) -> ContentId {
        let mut blocks = Vec::new();
        let built = dag::build(bytes, layout, |block| {
            blocks.push(block);
            Ok::<_, std::io::Error>(())
        });
        let (root, _) = built.expect("it is in memory");
        assert!(blocks.len() > 3, "a root and at least three chunks");
        for block in blocks {
            self.node.put(block).await.expect("there is room");
        }
        self.announce(root).await;
        root
    }

    async fn announce(&self, id: ContentId) {
        self.node.pin(vec![id]).await.expect("it is held");
        let provided = self.node.provide(vec![id]).await.expect("it runs");
        assert_eq!((provided.stored, provided.failed), (1, 0), "somebody keeps the record");
    }

    /// Looks until it sees that this peer provides the key, and where it is.
    pub async fn finds(&self, key: &ContentId, provider: &PeerId) {
        let options = FindOptions {
            deadline: CALL_MAX,
            completion: Completion::Quorum,
            providers_max: 20,
            use_cache: false,
        };
        let mut found = None;
        until("we find the foreign record", async || {
            let query = self.node.find(vec![*key], options).expect("one key");
            let mut outcome = query.outcome().await.expect("it runs");
            let providers = std::mem::take(&mut outcome.answers[0].providers);
            found = providers.into_iter().find(|one| one.peer == *provider);
            found.is_some()
        })
        .await;
        let addresses = found.map(|one| one.addresses).unwrap_or_default();
        assert!(!addresses.is_empty(), "the record tells where its provider is");
    }

    /// A block that is not here yet, from whoever has it.
    pub async fn fetch_block(&self, id: ContentId) -> Vec<u8> {
        let local = self.node.get_local(id).await.expect("the store reads");
        assert_eq!(local, None, "{id} is not here yet");
        self.fetch(id).await.into_bytes()
    }

    /// A file, in order, block by block.
    pub async fn fetch_file(&self, root: ContentId) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            let content = self.fetch(id).await;
            let node = FileNode::of(&content).expect("a file");
            waiting.extend(node.branches.iter().rev().map(|branch| branch.id));
            bytes.extend_from_slice(&content.bytes()[node.data]);
        }
        bytes
    }

    async fn fetch(&self, id: ContentId) -> Content {
        let fetched: Result<Option<Content>, IpfsError> = self.node.get(id, CALL_MAX).await;
        let content = fetched.expect("it can be found out").expect("somebody has it");
        assert!(id.verify(content.bytes()));
        content
    }

    pub async fn stop(self) {
        self.node.stop().await;
    }
}
