//! A chunked get against a sequential one: 128 chunks of 16 KiB from four peers that each answer
//! after 20 ms, real time.
//!
//! | chunks at once | time | |
//! |---|---|---|
//! | 1 | 2.77 s | |
//! | 8 (the default) | 0.36 s | 7.6 x |
//!
//! 2 cores shared with others' builds (load 8), November 2026.
//!
//! `cargo bench -p benches --bench chunks`. Bar (issue 3): ≥ 5 × sequential.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use ipfs_adapter::{
    Blocks, Content, ContentId, FetchError, Memory, PeerId,
    chunks::{BlockSource, ChunkConfig, Progress, get},
    dag::{Layout, build},
};
use tokio::sync::watch;

const CHUNKS: usize = 128;
const CHUNK_BYTES: usize = 16 << 10;
const DELAY: Duration = Duration::from_millis(20);

/// Peers that all hold the file and answer after [`DELAY`].
struct Delayed {
    held: Memory,
    peers: Vec<PeerId>,
}

impl BlockSource for Delayed {
    fn holders(&self, _root: ContentId) -> BoxFuture<'_, Result<Vec<PeerId>, FetchError>> {
        Box::pin(async { Ok(self.peers.clone()) })
    }

    fn fetch(
        &self,
        _peer: PeerId,
        id: ContentId,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<Content, FetchError>> {
        Box::pin(async move {
            tokio::time::sleep(DELAY).await;
            self.held.get(id).expect("memory works").ok_or(FetchError::DontHave)
        })
    }
}

async fn timed(source: &Arc<Delayed>, root: ContentId, config: ChunkConfig) -> Duration {
    let local = Arc::new(Memory::new(1 << 30));
    let (progress, _watched) = watch::channel(Progress::default());
    let start = Instant::now();
    get(local, source.clone(), root, &config, &progress).await.expect("all is there");
    start.elapsed()
}

async fn run() {
    let held = Memory::new(1 << 30);
    let bytes: Vec<u8> = (0_u32..).flat_map(u32::to_be_bytes).take(CHUNKS * CHUNK_BYTES).collect();
    let emit = |block: Content| {
        held.put(&block).expect("the quota is far");
        Ok::<(), std::io::Error>(())
    };
    let layout = Layout::new(CHUNK_BYTES, 174);
    let (root, _) = build(bytes.as_slice(), layout, emit).expect("nothing fails");
    let peers = (0..4).map(|_| PeerId::random()).collect();
    let source = Arc::new(Delayed { held, peers });
    let one = ChunkConfig { max_concurrent_retrievals: 1, ..ChunkConfig::default() };
    let sequential = timed(&source, root, one).await;
    let chunked = timed(&source, root, ChunkConfig::default()).await;
    let times = sequential.as_secs_f64() / chunked.as_secs_f64();
    println!("{CHUNKS} chunks: {sequential:?} one by one, {chunked:?} 8 at once: {times:.1} x");
    assert!(times >= 5.0, "{times}");
}

fn main() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime").block_on(run());
}
