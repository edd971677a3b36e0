//! What catching up believes, without sockets: replies that are stale, claims that are absurd,
//! batches that nobody asked for.

use super::check::{BadProof, Proven, check};
use super::*;
use crate::store::open_alone;
use ledger::Digest;

fn sync() -> Sync {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let checker = Checker::new(Arc::new(pool), crate::store::tests_network());
    let mut sync = Sync::new(0, checker, mpsc::channel(8).0);
    sync.peers = vec![PeerLog::default(); 3];
    sync
}

fn progress(applied: u64, lines: u64) -> Progress {
    let byte = u8::try_from(applied).expect("small");
    Progress { applied, digest: Digest([byte; 32]), lines }
}

fn line(number: u8) -> AppliedLine {
    let batch = BatchId(Digest([number; 32]));
    AppliedLine { batch, bitmap: Bitmap::from_bools(&[true]) }
}

#[test]
fn a_reply_that_was_asked_for_before_the_cursor_moved_is_ignored() {
    let mut sync = sync();
    sync.progress(1, progress(5, 5), &progress(0, 0));
    let asked = (sync.peers[1].cursor, sync.peers[1].generation);
    sync.progress(1, progress(7, 7), &progress(7, 4));
    assert_eq!(sync.peers[1].cursor, 7, "equal digests: all of its log is applied here");
    sync.log_came(1, asked, 7, vec![line(1)]);
    assert!(sync.peers[1].chunk.is_empty());
    assert!(sync.peers[1].is_caught_up);
}

#[test]
fn a_link_that_went_down_makes_what_was_asked_stale() {
    let mut sync = sync();
    sync.progress(1, progress(5, 5), &progress(0, 0));
    let asked = (sync.peers[1].cursor, sync.peers[1].generation);
    sync.down(1);
    sync.log_came(1, asked, 5, vec![line(1)]);
    assert!(sync.peers[1].chunk.is_empty());
    assert!(!sync.peers[1].is_caught_up);
}

#[test]
fn who_comes_back_or_has_a_shorter_log_is_walked_from_the_beginning() {
    let mut sync = sync();
    let lines = |lines| Progress { lines, ..progress(9, 0) };
    for is_down in [true, false] {
        sync.progress(1, lines(7), &progress(9, 4));
        assert!(sync.peers[1].is_caught_up);
        // Behind the cursor, and no less than before: it is the same log.
        sync.peers[1].cursor = 8;
        sync.progress(1, lines(7), &progress(3, 3));
        assert_eq!((sync.peers[1].cursor, sync.peers[1].is_caught_up), (8, true));
        if is_down {
            sync.down(1);
            assert!(!sync.peers[1].is_linked, "nobody walks over a link that is down");
        } else {
            sync.progress(1, lines(6), &progress(3, 3));
            assert!(sync.peers[1].is_linked);
        }
        assert_eq!((sync.peers[1].cursor, sync.caught_up().count()), (0, 0));
    }
}

#[test]
fn what_is_next_in_a_log_is_asked_of_one_more_peer_when_the_first_is_slow() {
    let mut walk = walk(2);
    let ids: Vec<BatchId> = walk.log.iter().map(|(line, _)| line.batch).collect();
    walk.sync.peers[2].chunk = walk.sync.peers[1].chunk.clone();
    walk.sync.note_asked(1, &ids);
    assert_eq!(walk.sync.missing(2, &walk.store), [], "it was asked for just now");
    let deadline = Instant::now() + Duration::from_secs(10);
    while walk.sync.missing(2, &walk.store).is_empty() {
        assert!(Instant::now() < deadline, "nobody else is ever asked");
        std::thread::yield_now();
    }
    assert_eq!(walk.sync.missing(2, &walk.store), ids[..1], "only what is next");
    assert_eq!(walk.sync.missing(1, &walk.store), [], "the same peer is not asked twice");
    walk.sync.note_asked(2, &ids[..1]);
    walk.sync.peers[0].chunk = walk.sync.peers[1].chunk.clone();
    assert_eq!(walk.sync.missing(0, &walk.store), [], "and no third");
    // Whoever comes first counts; the other's is nothing new.
    let proven = walk.log[0].1.clone();
    walk.sync.batches_came(2, 0, vec![proven.clone()]);
    assert_eq!(walk.ready(), [0]);
    let generation = walk.sync.peers[1].generation;
    walk.sync.batches_came(1, generation, vec![proven]);
    assert!(walk.sync.ready.is_empty() && walk.sync.peers[1].ready_bytes == 0);
}

#[test]
fn only_who_is_far_behind_for_long_is_left_behind() {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let mut behind = Behind::default();
    // Half a second behind, at 100,000 transfers a second.
    for at in 0..100u32 {
        let told = u64::from(at) * 100_000;
        assert!(!behind.note(start + second * at, told.saturating_sub(50_000), told));
    }
    // Little is missing, for any time.
    let (mut behind, now) = (Behind::default(), start + 60 * second);
    assert!(!behind.note(start, 0, 1_000));
    assert!(!behind.note(now, 0, 1_000_000), "what was told since has its time");
    let mut behind = Behind::default();
    assert!(!behind.note(start, 10, 1_011));
    assert!(!behind.note(start + 9 * second, 10, 9_000));
    assert!(behind.note(start + 10 * second, 10, 9_000));
    assert!(!behind.note(start + 11 * second, 10, 9_000), "once, then it has its time again");
}

#[test]
fn absurd_claims_do_not_overflow() {
    let mut sync = sync();
    let own = progress(3, 3);
    sync.progress(1, Progress { lines: u64::MAX, ..own }, &own);
    let at = (sync.peers[1].cursor, sync.peers[1].generation);
    assert_eq!(at.0, u64::MAX);
    sync.log_came(1, at, u64::MAX, vec![line(1), line(2)]);
    sync.progress(1, Progress { lines: 1, ..own }, &own);
    assert_eq!(sync.peers[1].cursor, 1);
    assert!(sync.peers[1].chunk.is_empty());
}

/// Batches of one transfer each, in the order in which they were applied, with the lines of that
/// log.
fn log(count: usize) -> Vec<(AppliedLine, Proven)> {
    let home = tempfile::tempdir().expect("a folder");
    let mut alone = open_alone(home.path());
    (0..count).for_each(|position| drop(alone.pay(position, 3)));
    let of = |line: AppliedLine| {
        let applied = alone.store.applied_batch(&line.batch).expect("readable");
        let applied = applied.expect("it is there");
        (line, check(&alone.network, applied).expect("it holds"))
    };
    alone.store.log(0, count).expect("readable").into_iter().map(of).collect()
}

/// A sync that walks the log of member 1, and a store that has nothing of it.
struct Walk {
    sync: Sync,
    store: Store,
    log: Vec<(AppliedLine, Proven)>,
    /// The store is in it.
    _home: tempfile::TempDir,
}

fn walk(count: usize) -> Walk {
    let home = tempfile::tempdir().expect("a folder");
    let store = open_alone(home.path()).store;
    let (mut sync, log) = (sync(), log(count));
    let lines = u64::try_from(count).expect("few");
    sync.progress(1, progress(lines, lines), &progress(0, 0));
    sync.peers[1].is_walking = true;
    let all = log.iter().map(|(line, _)| line.clone()).collect();
    sync.log_came(1, (0, sync.peers[1].generation), lines, all);
    assert_eq!(sync.peers[1].chunk.len(), count);
    Walk { sync, store, log, _home: home }
}

impl Walk {
    /// Batch `at` of the log comes, as if asked for.
    fn comes(&mut self, at: usize) {
        let (line, proven) = self.log[at].clone();
        self.sync.note_asked(1, &[line.batch]);
        let generation = self.sync.peers[1].generation;
        self.sync.batches_came(1, generation, vec![proven]);
    }

    /// What may be applied now, by its place in the log. It counts as applied.
    fn ready(&mut self) -> Vec<usize> {
        let mut found = Vec::new();
        while let Some(next) = self.sync.next_ready(&self.store) {
            let id = next[0].batch.id();
            let at = self.log.iter().position(|(line, _)| line.batch == id);
            found.push(at.expect("it is of the log"));
            self.sync.came.insert(id, self.log[found[found.len() - 1]].0.bitmap.clone());
        }
        found
    }
}

#[test]
fn batches_are_applied_in_the_order_of_the_log_whatever_came_first() {
    let mut walk = walk(3);
    walk.comes(2);
    walk.comes(1);
    assert_eq!(walk.ready(), Vec::<usize>::new(), "what stands before them is missing");
    assert!(!walk.sync.has_ready(), "nothing to do until something comes");
    walk.comes(0);
    assert!(walk.sync.has_ready());
    assert_eq!(walk.ready(), [0, 1, 2]);
    assert_eq!((walk.sync.peers[1].cursor, walk.sync.peers[1].ready_bytes), (2, 0));
    assert!(walk.sync.ready.is_empty());
}

#[test]
fn what_waits_is_applied_when_what_stood_before_it_was_applied_in_another_way() {
    let mut walk = walk(2);
    walk.comes(1);
    assert_eq!(walk.ready(), Vec::<usize>::new());
    let (first, _) = walk.log[0].clone();
    walk.sync.came.insert(first.batch, first.bitmap);
    walk.sync.pass_applied(1, &walk.store);
    assert!(walk.sync.has_ready());
    assert_eq!(walk.ready(), [1]);
}

#[test]
fn a_batch_counts_only_when_it_was_asked_for_and_its_peer_is_still_walked() {
    let mut walk = walk(2);
    let generation = walk.sync.peers[1].generation;
    let proven = walk.log[0].1.clone();
    walk.sync.batches_came(1, generation, vec![proven.clone()]);
    assert!(walk.sync.ready.is_empty(), "nobody asked for it");
    walk.sync.note_asked(1, &[walk.log[0].0.batch]);
    walk.sync.batches_came(1, generation.wrapping_add(1), vec![proven]);
    assert!(walk.sync.ready.is_empty(), "it was asked for in another generation");
    walk.comes(0);
    assert!(walk.sync.peers[1].ready_bytes > 0);
    walk.sync.down(1);
    assert!(walk.sync.ready.is_empty() && walk.sync.peers[1].ready_bytes == 0);
}

#[test]
fn a_peer_that_does_not_show_what_its_log_names_is_passed_over() {
    let mut walk = walk(2);
    let first = walk.log[0].0.batch;
    let generation = walk.sync.peers[1].generation;
    for tries in 1..=walk::TRIES_MAX {
        walk.sync.ended(Task::Batches(1, generation, vec![first]));
        assert_eq!(walk.sync.peers[1].tries, tries);
    }
    // One that comes and does not apply what the log says is as good as none.
    walk.sync.peers[1].tries = 0;
    for tries in 1..=walk::TRIES_MAX {
        walk.comes(0);
        assert!(walk.sync.next_ready(&walk.store).is_some());
        assert_eq!(walk.sync.peers[1].tries, tries);
    }
}

#[test]
fn what_waits_of_one_peer_is_bounded() {
    let mut walk = walk(3);
    walk.comes(1);
    let bytes = walk.sync.peers[1].ready_bytes;
    assert_eq!(bytes, walk.log[1].1.bytes);
    walk.sync.peers[1].ready_bytes = walk::READY_BYTES_PER_PEER;
    let (next, all) = (walk.sync.missing(1, &walk.store), walk.log[0].0.batch);
    assert_eq!(next, [all], "only what is next in its log");
    walk.sync.note_asked(1, &[all]);
    assert_eq!(walk.sync.missing(1, &walk.store), [], "and that once");
    walk.sync.peers[1].ready_bytes = bytes;
    assert_eq!(walk.sync.missing(1, &walk.store), [walk.log[2].0.batch]);
}

#[test]
fn a_log_that_is_longer_than_one_answer_is_kept_bounded() {
    let mut sync = sync();
    sync.progress(1, progress(5, 5), &progress(0, 0));
    let lines = u64::MAX;
    for _ in 0..4 {
        let at = (sync.peers[1].chunk.len(), sync.peers[1].generation);
        let at = (u64::try_from(at.0).expect("few"), at.1);
        sync.log_came(1, at, lines, vec![line(1); consensus::message::REQUEST_IDS_MAX]);
    }
    assert_eq!(sync.peers[1].chunk.len(), 2 * consensus::message::REQUEST_IDS_MAX);
}

#[test]
fn a_peer_that_does_not_answer_is_left_alone_for_a_moment() {
    let mut sync = sync();
    sync.progress(1, progress(5, 5), &progress(0, 0));
    sync.peers[1].is_walking = true;
    sync.peers[1].is_log_asked = true;
    let generation = sync.peers[1].generation;
    sync.ended(Task::Log(1, generation));
    assert!(!sync.peers[1].is_log_asked);
    assert!(sync.peers[1].retry_at.is_some());
}

#[test]
fn what_holds_of_a_reply_is_taken_and_the_rest_is_told() {
    let (_, proven) = log(1).remove(0);
    let network = crate::store::tests_network();
    let mut wrong = proven.applied.clone();
    wrong.certificate.phase = ledger::Phase::Lock;
    assert_eq!(check(&network, wrong.clone()), Err(BadProof::OtherBatch));
    wrong.proposal.signature.0[0] ^= 1;
    assert_eq!(check(&network, wrong.clone()), Err(BadProof::Unsigned));
    wrong.proposal.claimed = BatchId::default();
    assert!(matches!(check(&network, wrong.clone()), Err(BadProof::Root(_))));
    let reply = consensus::Reply::Applied(vec![wrong, proven.applied.clone()]);
    let checked = check::check_all(&network, &consensus::codec::encode(&reply));
    assert_eq!(checked.proven, [proven]);
    assert!(checked.bad.is_some_and(|what| what.contains("claims root")));
    for frame in [vec![1, 2, 3], consensus::codec::encode(&consensus::Reply::Locks(Vec::new()))] {
        let checked = check::check_all(&network, &frame);
        assert!(checked.proven.is_empty() && checked.bad.is_some());
    }
}

#[test]
fn one_liar_does_not_make_a_node_look_behind() {
    let member = |index: u8| ledger::Member {
        name: ledger::Name::new(&format!("v{index}")).expect("a name"),
        key: ledger::Keypair::from_seed([index + 1; 32]).public(),
        weight: 1,
    };
    let committee = ledger::Committee::new((0..4).map(member).collect()).expect("four members");
    let told = |counts: [Option<u64>; 4]| -> Vec<Option<Progress>> {
        counts.map(|count| count.map(|count| Progress { applied: count, ..progress(0, 0) })).into()
    };
    let liar = told([Some(u64::MAX), Some(10), Some(8), None]);
    assert_eq!(lag::target(&committee, &liar), 10);
    assert!(lag::is_told(&committee, &liar));
    let alone = told([Some(u64::MAX), None, None, None]);
    assert_eq!(lag::target(&committee, &alone), 0);
    assert!(!lag::is_told(&committee, &alone));
    let mut pace = Pace::default();
    let start = Instant::now();
    assert_eq!(pace.note(start, 100), 0);
    assert_eq!(pace.note(start + Duration::from_secs(1), 600), 500);
}
