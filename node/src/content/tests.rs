//! Content between two embedded nodes over loopback, and with a daemon that is not there.

use super::*;
use crate::error::{CONTENT_NOT_FOUND, DAEMON_UNREACHABLE, STORE_FULL, VERIFICATION_FAILED};
use ipfs_adapter::dag::{Layout, build};
use ipfs_adapter::embedded::{EmbeddedConfig, KAD_PROTOCOL};
use ipfs_adapter::query::preset::Preset;
use ipfs_adapter::swarm::proof::NoProofs;
use ipfs_adapter::{BlockError, Codec, Content, KuboConfig, Multiaddr, PeerId, Pins, Usage};
use parking_lot::Mutex;
use std::path::Path;

const WAIT: Duration = Duration::from_secs(20);
/// Of a test that must not take long because nobody has what it wants.
const SHORT: Duration = Duration::from_millis(400);

/// Bytes of which no two blocks are the same.
fn file(bytes: usize) -> Vec<u8> {
    let words = (0..u64::try_from(bytes.div_ceil(8)).expect("small"))
        .map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    words.flatten().take(bytes).collect()
}

async fn node(home: &Path, bootstrap: Vec<Multiaddr>, block_bytes_max: u64) -> Arc<Embedded> {
    let config = EmbeddedConfig {
        home: home.into(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
        bootstrap,
        kad_protocol: KAD_PROTOCOL.into(),
        is_server: true,
        allow_private: true,
        preset: Preset::Interactive,
        block_bytes_max,
        records_max: 1_000,
    };
    Arc::new(Embedded::start(config, Arc::new(NoProofs)).await.expect("it starts"))
}

async fn addresses(node: &Embedded) -> Vec<Multiaddr> {
    let info = node.status().await.expect("it runs").info;
    info.addresses.into_iter().map(|a| a.with_p2p(info.peer).expect("no peer yet")).collect()
}

async fn connected(node: &Embedded, peer: PeerId) {
    let until = Instant::now() + WAIT;
    while !node.status().await.expect("it runs").connected.contains(&peer) {
        assert!(Instant::now() < until, "no connection");
        tokio::task::yield_now().await;
    }
}

/// Two nodes, connected; the second with a quota.
struct Pair {
    a: Arc<Embedded>,
    b: Arc<Embedded>,
    folders: [tempfile::TempDir; 2],
}

impl Pair {
    async fn new(quota: u64) -> Self {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let a = node(folders[0].path(), Vec::new(), 1 << 30).await;
        let b = node(folders[1].path(), addresses(&a).await, quota).await;
        connected(&b, a.status().await.expect("it runs").info.peer).await;
        Self { a, b, folders }
    }

    async fn stop(self) {
        self.a.stop().await;
        self.b.stop().await;
    }
}

fn store(node: &Arc<Embedded>) -> ContentStore {
    ContentStore::embedded(node.clone(), ChunkConfig::default())
}

async fn put(node: &Arc<Embedded>, bytes: &[u8]) -> ContentId {
    let stored = store(node).put(std::io::Cursor::new(bytes.to_vec()), 0).await.expect("put");
    stored.report.root
}

async fn all(mut reading: Reading) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next().await? {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(u64::try_from(bytes.len()), Ok(reading.bytes));
    Ok(bytes)
}

#[tokio::test]
async fn a_file_that_one_node_puts_is_got_and_pinned_by_another() {
    let pair = Pair::new(1 << 30).await;
    for size in [0, 1, 5, 262_144, 262_145, 3_000_000] {
        let bytes = file(size);
        let root = put(&pair.a, &bytes).await;
        let (expected, _) = build(&bytes[..], Layout::KUBO, |_| Ok::<(), std::io::Error>(()))
            .expect("nothing fails");
        assert_eq!(root, expected, "the CID that IPFS has for {size} bytes");
        let reading = store(&pair.b).get(root, WAIT).await.expect("somebody has it");
        assert!(all(reading).await.expect("all of it") == bytes, "{size} bytes");
        let known = store(&pair.b).stat(root).await.expect("it is here");
        assert!(known.file.is_complete && !known.is_pinned, "{known:?}");
        let report = store(&pair.b).pin(root, WAIT).await.expect("it is here");
        assert_eq!((report.bytes_fetched, report.chunks), (0, report.chunks_local));
        assert!(store(&pair.b).stat(root).await.expect("it is here").is_pinned);
    }
    pair.stop().await;
}

#[tokio::test]
async fn what_nobody_has_is_told_in_time_and_what_is_no_file_by_its_name() {
    let pair = Pair::new(1 << 30).await;
    let content = store(&pair.b);
    let begin = Instant::now();
    let nowhere = ContentId::of(b"nobody has this");
    let failure = content.get(nowhere, SHORT).await.err().expect("nobody has it");
    assert_eq!(failure.code, CONTENT_NOT_FOUND);
    assert!(failure.message.contains("nothing was changed"), "{failure}");
    assert_eq!(content.pin(nowhere, SHORT).await.map_err(|f| f.code), Err(CONTENT_NOT_FOUND));
    assert!(begin.elapsed() < SHORT * 2 + Duration::from_secs(2), "{:?}", begin.elapsed());
    let known = content.stat(nowhere).await.expect("an answer");
    assert_eq!((known.file.bytes, known.file.blocks_held), (None, 0));
    // A UnixFS directory: type 1.
    let directory = Content::of_codec(Codec::DagPb, vec![0x0a, 2, 8, 1]).expect("small");
    pair.a.put(directory.clone()).await.expect("it fits");
    let failure = content.get(directory.id(), WAIT).await.err().expect("no file");
    assert_eq!(failure.code, VERIFICATION_FAILED);
    assert_eq!(pair.b.get_local(directory.id()).await, Ok(None), "it was not kept");
    assert_eq!(content.turns.available_permits(), UNDER_WAY_MAX, "all turns are given back");
    pair.stop().await;
}

#[tokio::test]
async fn a_full_store_refuses_and_makes_room_from_what_no_pin_keeps() {
    let pair = Pair::new(1 << 20).await;
    let content = store(&pair.b);
    let put_here = async |bytes: usize, seed: u8| {
        let mut file = file(bytes);
        file.iter_mut().for_each(|byte| *byte ^= seed);
        let hint = u64::try_from(bytes).expect("small");
        content.put(std::io::Cursor::new(file), hint).await
    };
    let failure = put_here(2 << 20, 1).await.expect_err("too much");
    assert_eq!((failure.code, failure.code.exit), (STORE_FULL, 5));
    // Blocks of the failed put that were on their way hold their places until they have arrived.
    let begin = Instant::now();
    let kept = loop {
        match put_here(600_000, 2).await {
            Ok(kept) => break kept,
            Err(failure) => {
                assert_eq!(failure.code, STORE_FULL);
                assert!(begin.elapsed() < WAIT, "the rest of the failed put makes no room");
            }
        }
    };
    let failure = put_here(600_000, 3).await.expect_err("a pinned file does not make room");
    assert_eq!(failure.code, STORE_FULL);
    let known = content.stat(kept.report.root).await.expect("it is here");
    assert!(known.file.is_complete && known.is_pinned);
    // A get that does not fit is told, in place of the bytes or behind the first of them.
    let large = put(&pair.a, &file(2 << 20)).await;
    let got = match content.get(large, WAIT).await {
        Ok(reading) => all(reading).await.map(|_| ()),
        Err(failure) => Err(failure),
    };
    assert_eq!(got.map_err(|failure| failure.code), Err(STORE_FULL));
    pair.stop().await;
}

#[tokio::test]
async fn a_get_that_was_cut_off_goes_on_after_a_restart() {
    let pair = Pair::new(1 << 30).await;
    let bytes = file(2_000_000);
    let root = put(&pair.a, &bytes).await;
    let mut reading = store(&pair.b).get(root, WAIT).await.expect("somebody has it");
    assert!(reading.next().await.expect("it comes").is_some());
    // The client goes away in the middle.
    drop(reading);
    let held = store(&pair.b).stat(root).await.expect("an answer").file.blocks_held;
    assert!(held > 0);
    let Pair { a, b, folders } = pair;
    b.store().flush().expect("the disk works");
    b.stop().await;
    drop(b);
    let until = Instant::now() + WAIT;
    let content = folders[1].path().join("content");
    while ipfs_adapter::Sled::open(&content, 1).is_err() {
        assert!(Instant::now() < until, "the store is not let go");
        tokio::task::yield_now().await;
    }
    let b = node(folders[1].path(), addresses(&a).await, 1 << 30).await;
    connected(&b, a.status().await.expect("it runs").info.peer).await;
    let report = store(&b).pin(root, WAIT).await.expect("the rest comes");
    assert!(report.chunks_local >= held, "{report:?}");
    let again = store(&b).get(root, WAIT).await.expect("it is here");
    assert!(all(again).await.expect("all of it") == bytes);
    Pair { a, b, folders }.stop().await;
}

/// Blocks on a disk on which one of them has rotted, until it is put anew.
struct Rotten {
    blocks: Arc<Sled>,
    id: Mutex<Option<ContentId>>,
}

impl Blocks for Rotten {
    fn put(&self, content: &Content) -> Result<(), BlockError> {
        let mut id = self.id.lock();
        *id = id.filter(|id| *id != content.id());
        self.blocks.put(content)
    }

    fn get(&self, id: ContentId) -> Result<Option<Content>, BlockError> {
        match *self.id.lock() {
            Some(rotten) if rotten == id => {
                Err(BlockError::Corrupt { id, found: ContentId::of(b"something else") })
            }
            _ => self.blocks.get(id),
        }
    }

    fn size(&self, id: ContentId) -> Result<Option<u64>, BlockError> {
        self.blocks.size(id)
    }

    fn remove(&self, id: ContentId) -> Result<bool, BlockError> {
        self.blocks.remove(id)
    }

    fn usage(&self) -> Usage {
        self.blocks.usage()
    }
}

#[tokio::test]
async fn a_rotten_block_is_fetched_anew_or_told_and_never_given_out() {
    let pair = Pair::new(1 << 30).await;
    let bytes = file(1_000_000);
    let root = put(&pair.a, &bytes).await;
    let reading = store(&pair.b).get(root, WAIT).await.expect("somebody has it");
    all(reading).await.expect("all of it");
    let rotten = ContentId::of(&bytes[262_144..2 * 262_144]);
    let blocks = Rotten { blocks: pair.b.store().clone(), id: Mutex::new(Some(rotten)) };
    let blocks = Arc::new(blocks);
    let content = ContentStore { blocks: blocks.clone(), ..store(&pair.b) };
    let reading = content.get(root, WAIT).await.expect("the root is here");
    assert!(all(reading).await.expect("it was healed") == bytes);
    assert_eq!(*blocks.id.lock(), None);
    // With nobody left who has it, the reading fails: behind what is sound, or at once when that is
    // found out before the first bytes have left.
    *blocks.id.lock() = Some(rotten);
    pair.a.stop().await;
    let config = ChunkConfig { retry_failed_chunks: 0, ..ChunkConfig::default() };
    let content = ContentStore { blocks, config, ..store(&pair.b) };
    let failure = match content.get(root, WAIT).await {
        Err(failure) => failure,
        Ok(mut reading) => {
            let first = reading.next().await.expect("it is sound").expect("not the end");
            assert!(first[..] == bytes[..262_144]);
            reading.next().await.expect_err("the second is rotten")
        }
    };
    assert_eq!(failure.code, CONTENT_NOT_FOUND);
    pair.b.stop().await;
}

#[tokio::test]
async fn what_is_put_is_pinned_with_all_below_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = node(folder.path(), Vec::new(), 1 << 30).await;
    let stored = store(&alone).put(std::io::Cursor::new(file(600_000)), 600_000).await;
    let stored = stored.expect("put");
    assert!(!stored.is_announced, "there is nobody to tell");
    assert_eq!(stored.report.blocks, 4);
    assert_eq!(alone.store().list(None, 10).expect("it works").len(), 4);
    assert_eq!(alone.store().remove_unpinned(), Ok(0));
    alone.stop().await;
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told_by_every_call() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let kubo = Kubo::connect(KuboConfig { url, ..KuboConfig::default() }).expect("an address");
    let content = ContentStore::daemon(Arc::new(kubo), ChunkConfig::default());
    let root = ContentId::of(b"anything");
    let put = content.put(std::io::Cursor::new(file(10)), 10).await.map(|_| ());
    let codes = [
        put,
        content.get(root, WAIT).await.map(|_| ()),
        content.pin(root, WAIT).await.map(|_| ()),
        content.stat(root).await.map(|_| ()),
    ];
    for answer in codes {
        let failure = answer.expect_err("nobody listens");
        assert_eq!((failure.code, failure.code.exit), (DAEMON_UNREACHABLE, 4), "{failure}");
        assert!(failure.message.contains("nothing was"), "{failure}");
    }
}
