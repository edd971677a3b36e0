//! Gets against simulated peers, on a paused clock: times are exact, nothing waits. Puts are in
//! `tests/puts.rs`.

use std::{io, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    simulated::{Manner, Simulated},
    *,
};
use crate::{
    BlockError, Blocks, Content, ContentId, FetchError, Memory,
    dag::{DEPTH_MAX, DagError, Layout, NODE_LINK_COUNT_MAX, build, read::write_to},
};

mod puts;

const QUOTA: u64 = 1 << 30;
const DELAY: Duration = Duration::from_millis(20);
const SOUND: Manner = Manner::Sound(DELAY);
/// Small chunks and narrow nodes, so that small files have several levels.
const SMALL: Layout = Layout::new(64, 174);
const CHUNK: usize = SMALL.chunk_bytes();

fn local() -> Arc<Memory> {
    Arc::new(Memory::new(QUOTA))
}

/// So many chunks, none like another.
fn file(chunks: usize) -> Vec<u8> {
    let words = 0..u64::try_from(chunks * CHUNK / 8).expect("small");
    words.flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).collect()
}

fn sequential() -> ChunkConfig {
    ChunkConfig { max_concurrent_retrievals: 1, max_concurrent_uploads: 1, ..config() }
}

fn config() -> ChunkConfig {
    ChunkConfig::default()
}

async fn fetch(
    local: &Arc<Memory>,
    source: &Arc<Simulated>,
    root: ContentId,
    config: &ChunkConfig,
) -> Result<GetReport, GetError> {
    let (progress, _watcher) = Progress::channel();
    get(local.clone(), source.clone(), root, config, &progress).await
}

fn bytes_of(local: &Memory, root: ContentId) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_to(local, root, &mut bytes).expect("the file is complete and sound");
    bytes
}

fn simulated(manners: &[Manner], bytes: &[u8]) -> (Arc<Simulated>, ContentId) {
    let (source, root) = Simulated::new(manners).with_file(bytes, SMALL);
    (Arc::new(source), root)
}

#[tokio::test(start_paused = true)]
async fn parallel_is_five_times_as_fast() {
    for (chunks, blocks) in [(64, 65), (174 * 3, 174 * 3 + 4)] {
        let bytes = file(chunks);
        let mut elapsed = Vec::new();
        for (config, at_once) in [(sequential(), 1), (config(), 8)] {
            let (source, root) = simulated(&[SOUND], &bytes);
            let local = local();
            let report = fetch(&local, &source, root, &config).await.expect("all is there");
            assert_eq!(bytes_of(&local, root), bytes);
            assert_eq!((report.chunks, report.chunks_local), (blocks, 0));
            assert_eq!((report.retries, report.second_requests), (0, 0));
            assert_eq!(source.total().requests, blocks);
            assert_eq!(source.total().at_once_max, at_once);
            elapsed.push(report.elapsed);
        }
        assert!(elapsed[0] >= elapsed[1] * 5, "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_peers_share_the_work_and_the_fast_do_more() {
    let bytes = file(300);
    let slow = Manner::Sound(DELAY * 4);
    let (source, root) = simulated(&[slow, SOUND, SOUND], &bytes);
    let report = fetch(&local(), &source, root, &config()).await.expect("all is there");
    let chunks: Vec<u64> = report.peers.iter().map(|peer| peer.chunks).collect();
    assert_eq!(chunks.iter().sum::<u64>(), report.chunks);
    assert!(chunks[1] > 4 * chunks[0] && chunks[2] > 4 * chunks[0], "{chunks:?}");
    assert_eq!(report.peers[1].mean, Some(DELAY));
    assert_eq!(report.peers[1].bytes + report.peers[2].bytes + report.peers[0].bytes, {
        report.bytes_fetched
    });
    let (source, root) = simulated(&[slow, SOUND, SOUND], &bytes);
    let fair = ChunkConfig { prefer_fast_peers: false, ..config() };
    fetch(&local(), &source, root, &fair).await.expect("all is there");
    assert!(source.seen(0).requests > 80, "in turn: {:?}", source.seen(0));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_costs_at_most_one_chunk_timeout() {
    let bytes = file(400);
    for (manners, config) in [
        (vec![Manner::Stalled, SOUND, SOUND], config()),
        (vec![Manner::Stalled, SOUND], config()),
        (vec![Manner::Stalled, SOUND], sequential()),
        (vec![Manner::Stalled, SOUND], ChunkConfig { prefer_fast_peers: false, ..config() }),
    ] {
        let (source, root) = simulated(&[SOUND, SOUND], &bytes);
        let honest = fetch(&local(), &source, root, &config).await.expect("all is there");
        let (source, root) = simulated(&manners, &bytes);
        let report = fetch(&local(), &source, root, &config).await.expect("all is there");
        let limit = honest.elapsed * 2 + config.chunk_timeout();
        assert!(report.elapsed <= limit, "{:?} of {limit:?}", report.elapsed);
        let at_once = u64::try_from(config.retrievals()).expect("small");
        let stalled = source.seen(0).requests;
        assert!((1..=at_once).contains(&stalled), "asked {stalled} times");
        assert_eq!(report.retries, 0);
    }
}

/// Once response times are known, nobody waits for the timeout: the second peer is asked at the
/// 95th percentile.
#[tokio::test(start_paused = true)]
async fn the_second_peer_is_faster_than_the_timeout() {
    let bytes = file(400);
    let (source, root) = simulated(&[SOUND, Manner::Stalled, SOUND], &bytes);
    let report = fetch(&local(), &source, root, &config()).await.expect("all is there");
    assert!(report.elapsed < Duration::from_secs(2), "{:?}", report.elapsed);
    assert!(report.second_requests >= 1);
    assert_eq!(report.peers[1].chunks, 0);
    assert!(report.peers[1].failures >= 1);
    assert!(source.total().at_once_max <= 2 * 8);
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_are_never_kept_and_their_sender_is_out() {
    let bytes = file(100);
    let (source, root) = simulated(&[Manner::Lies, SOUND], &bytes);
    let local = local();
    fetch(&local, &source, root, &config()).await.expect("the other peer is honest");
    assert_eq!(bytes_of(&local, root), bytes);
    assert_eq!(local.ids(), source.held.ids(), "nothing else is stored");
    assert_eq!(source.seen(0).requests, 1);
    let (source, root) = simulated(&[Manner::Lies], &bytes);
    let local = self::local();
    let refusal = fetch(&local, &source, root, &config()).await;
    assert!(matches!(refusal, Err(GetError::Unavailable { id, .. }) if id == root));
    assert_eq!(local.usage().count, 0);
}

/// The author of the file lies, not the peer: the parent says another size than the chunk has.
#[tokio::test(start_paused = true)]
async fn wrong_sizes_are_refused_and_not_kept() {
    let (source, root) = simulated(&[SOUND], &file(20));
    let block = source.held.get(root).expect("memory works").expect("held");
    // 64 bytes below the first link; the sum of all, two bytes long, with it.
    let mut lie = block.bytes().to_vec();
    let sum = lie.windows(3).rposition(|part| part == [0x18, 0x80, 0x0a]).expect("1,280 bytes");
    (lie[sum + 1], lie[sum + 4]) = (0x81, 65);
    let lie = Content::of_codec(root.codec(), lie).expect("short");
    source.held.put(&lie).expect("the quota is far");
    let local = local();
    let refusal = fetch(&local, &source, lie.id(), &sequential()).await;
    let id = ContentId::of(&file(20)[..CHUNK]);
    assert_eq!(refusal, Err(GetError::Dag(DagError::WrongSize { id, said: 65, found: 64 })));
    assert_eq!(local.get(id), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn nobody_left_is_an_error_that_says_so() {
    let check = async |source: Simulated, expected: fn(ContentId) -> GetError| {
        let (source, root) = source.with_file(&file(50), SMALL);
        let found = fetch(&local(), &Arc::new(source), root, &config()).await;
        assert_eq!(found.map(|report| report.chunks), Err(expected(root)));
    };
    check(Simulated::new(&[]), |root| GetError::NoHolders { root }).await;
    check(Simulated::hidden(FetchError::Busy), |root| {
        let error = FetchError::Busy;
        GetError::Holders { root, error }
    })
    .await;
    check(Simulated::hidden(FetchError::Closed), |_| GetError::Stopped).await;
    check(Simulated::new(&[Manner::Stopped, SOUND]), |_| GetError::Stopped).await;
    check(Simulated::new(&[Manner::Lacks, Manner::Lacks]), |id| {
        let last = FetchError::DontHave;
        GetError::Unavailable { id, tries: 4, last }
    })
    .await;
    check(Simulated::new(&[Manner::Stalled]), |id| {
        let last = FetchError::Timeout { after_ms: 5_000 };
        GetError::Unavailable { id, tries: 4, last }
    })
    .await;
    // All gone in the middle: what came before stays.
    let (source, root) = simulated(&[Manner::Mortal(DELAY, 30)], &file(50));
    let local = local();
    let found = fetch(&local, &source, root, &config()).await;
    let gone = |found| {
        let last = FetchError::Unreachable;
        matches!(found, Err(GetError::Unavailable { tries: 4, last: l, .. }) if l == last)
    };
    assert!(gone(found));
    assert_eq!(local.usage().count, 30);
}

#[tokio::test(start_paused = true)]
async fn a_failed_chunk_is_tried_again_after_a_while() {
    let (source, root) = simulated(&[Manner::Busy(2)], &file(1));
    let begin = Instant::now();
    let report = fetch(&local(), &source, root, &config()).await.expect("the third try");
    assert_eq!((report.retries, source.total().requests), (2, 3));
    // Backoff: 100 to 200 ms, then 200 to 400 ms.
    let waited = begin.elapsed().as_millis();
    assert!((300..=605).contains(&waited), "{waited} ms");
    let none = ChunkConfig { retry_failed_chunks: 0, ..config() };
    let (source, root) = simulated(&[Manner::Busy(2)], &file(1));
    let (tries, last) = (1, FetchError::Busy);
    let refusal = GetError::Unavailable { id: root, tries, last };
    assert_eq!(fetch(&local(), &source, root, &none).await, Err(refusal));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_get_goes_on_where_it_stood() {
    let bytes = file(200);
    let (source, root) = simulated(&[SOUND], &bytes);
    let local = local();
    let half = timeout(DELAY * 13, fetch(&local, &source, root, &config())).await;
    assert!(half.is_err(), "dropped in the middle");
    let before = local.usage().count;
    assert!((50..150).contains(&before), "{before} blocks");
    let stat_then = stat(&*local, root).expect("sound so far");
    // What was just being written when the get was dropped may be stored by now.
    assert!((before..=before + 8).contains(&stat_then.blocks_held));
    assert_eq!(stat_then.blocks_known, 203);
    assert!(!stat_then.is_complete);
    let under_way = source.total().requests - before;
    assert!(under_way <= 8);
    let report = fetch(&local, &source, root, &config()).await.expect("the rest");
    // What was just being written when the get was dropped may have been stored after the count.
    let late = report.chunks_local - before;
    assert!(late <= under_way);
    assert_eq!(source.total().requests, 203 + under_way - late, "only the rest");
    assert_eq!(bytes_of(&local, root), bytes);
    let complete = stat(&*local, root).expect("sound");
    assert!(complete.is_complete && complete.blocks_held == 203);
    assert_eq!(complete.bytes, Some(200 * 64));
    // Everything is here: nobody is asked, not even who has it.
    let nobody = Arc::new(Simulated::hidden(FetchError::Busy));
    let report = fetch(&local, &nobody, root, &config()).await.expect("all is here");
    assert_eq!((report.chunks, report.chunks_local, report.bytes_fetched), (203, 203, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_a_stored_chunk_is_fetched_anew() {
    let bytes = file(200);
    let (source, root) = simulated(&[SOUND], &bytes);
    let local = local();
    fetch(&local, &source, root, &config()).await.expect("all is there");
    for id in [ContentId::of(&bytes[..CHUNK]), root] {
        let before = source.total().requests;
        local.flip(id);
        assert!(write_to(&*local, root, &mut io::sink()).is_err());
        let report = fetch(&local, &source, root, &config()).await.expect("healed");
        assert_eq!((report.chunks, report.chunks_local), (203, 202));
        assert_eq!(source.total().requests, before + 1);
        assert_eq!(bytes_of(&local, root), bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_an_error_and_what_was_fetched_stays() {
    let bytes = file(50);
    let (source, root) = simulated(&[SOUND], &bytes);
    let node = source.held.size(root).expect("memory works").expect("held");
    let small = Arc::new(Memory::new(node + 20 * 64));
    let refusal = fetch(&small, &source, root, &config()).await;
    assert!(matches!(refusal, Err(GetError::Store(BlockError::Full { .. }))), "{refusal:?}");
    assert_eq!(small.usage().count, 21);
}

#[tokio::test(start_paused = true)]
async fn the_same_chunk_is_fetched_once_and_counted_as_often_as_it_stands_there() {
    let bytes = vec![7; 174 * 3 * CHUNK + 5];
    let (source, root) = simulated(&[SOUND], &bytes);
    let (progress, mut watcher) = Progress::channel();
    let local = local();
    let report =
        get(local.clone(), source.clone(), root, &config(), &progress).await.expect("all is there");
    // Root, a full node, the last node, a full chunk, the last chunk.
    assert_eq!((report.chunks, source.total().requests), (5, 5));
    assert!(source.asked().values().all(|count| *count == 1));
    let total = u64::try_from(bytes.len()).expect("small");
    let end =
        Progress { chunks_done: 5, chunks_known: 5, bytes_done: total, bytes_total: Some(total) };
    assert_eq!(*watcher.borrow_and_update(), end);
    assert_eq!(report.bytes, total);
    assert_eq!(bytes_of(&local, root), bytes);
}

#[tokio::test(start_paused = true)]
async fn progress_only_grows() {
    let bytes = file(200);
    let (source, root) = simulated(&[SOUND], &bytes);
    let (progress, mut watcher) = Progress::channel();
    let config = config();
    let get = get(local(), source, root, &config, &progress);
    let watch = async {
        let mut seen = vec![Progress::default()];
        while seen[seen.len() - 1].chunks_done < 203 {
            watcher.changed().await.expect("the get goes on");
            seen.push(*watcher.borrow_and_update());
        }
        seen
    };
    let (report, seen) = tokio::join!(get, watch);
    assert!(report.is_ok());
    assert!(seen.len() > 10);
    for pair in seen.windows(2) {
        assert!(pair[0].chunks_done < pair[1].chunks_done);
        assert!(pair[0].chunks_known <= pair[1].chunks_known);
        assert!(pair[0].bytes_done <= pair[1].bytes_done);
        assert_eq!(pair[1].bytes_total, Some(200 * 64));
    }
}

/// The walk's limits hold for what comes from peers, too.
#[tokio::test(start_paused = true)]
async fn hostile_files_are_given_up() {
    let source = Simulated::new(&[SOUND]);
    let chain = |depth: usize| {
        let mut root = leaf(&source.held, b"hello");
        for _level in 1..depth {
            root = node(&source.held, &[root]);
        }
        root.0
    };
    let (deep, deeper) = (chain(DEPTH_MAX), chain(DEPTH_MAX + 1));
    let some = leaf(&source.held, b"a");
    let wide: Vec<(ContentId, u64)> = (2..70)
        .map(|count| {
            let mut links = vec![some; NODE_LINK_COUNT_MAX - 1];
            links.push(leaf(&source.held, &[count]));
            node(&source.held, &links)
        })
        .collect();
    let wide = node(&source.held, &wide).0;
    let source = Arc::new(source);
    assert!(fetch(&local(), &source, deep, &config()).await.is_ok());
    let refusal = fetch(&local(), &source, deeper, &config()).await;
    assert!(matches!(refusal, Err(GetError::Dag(DagError::TooDeep { .. }))), "{refusal:?}");
    let refusal = fetch(&local(), &source, wide, &config()).await;
    assert_eq!(refusal, Err(GetError::Dag(DagError::TooManyLinks)));
}

fn leaf(held: &Memory, bytes: &[u8]) -> (ContentId, u64) {
    let content = Content::of(bytes).expect("short");
    held.put(&content).expect("the quota is far");
    (content.id(), u64::try_from(bytes.len()).expect("short"))
}

fn node(held: &Memory, below: &[(ContentId, u64)]) -> (ContentId, u64) {
    let content = crate::dag::node::of(below);
    held.put(&content).expect("the quota is far");
    (content.id(), below.iter().map(|(_, bytes)| bytes).sum())
}

#[test]
fn stat_knows_what_is_missing() {
    let local = Memory::new(QUOTA);
    let emit = |block: Content| local.put(&block).map_err(|_| io::ErrorKind::Other.into());
    let built: io::Result<_> = build(&*file(200), SMALL, emit);
    let (root, bytes) = built.expect("nothing fails");
    let known = |local: &Memory| {
        let stat = stat(local, root).expect("sound");
        (stat.bytes, stat.blocks_held, stat.blocks_known, stat.is_complete)
    };
    assert_eq!(known(&local), (Some(bytes), 203, 203, true));
    local.flip(root);
    assert_eq!(known(&local), (None, 0, 1, false), "a corrupt node counts as not held");
    local.flip(root);
    assert_eq!(local.remove(ContentId::of(&file(1))), Ok(true));
    assert_eq!(known(&local), (Some(bytes), 202, 203, false));
    assert_eq!(local.remove(root), Ok(true));
    assert_eq!(known(&local), (None, 0, 1, false));
    let chunk = stat(&local, ContentId::of(&file(2)[CHUNK..])).expect("sound");
    assert_eq!((chunk.bytes, chunk.is_complete), (Some(64), true), "a file of one chunk");
}
