//! What catching up believes, without sockets: replies that are stale, claims that are absurd,
//! batches that nobody asked for.

use super::*;
use ledger::Digest;

fn sync() -> Sync {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let checker = Checker::new(Arc::new(pool), crate::store::tests_network());
    Sync::new(0, 3, mpsc::channel(8).0, checker)
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

#[test]
fn a_batch_counts_only_when_it_was_asked_for() {
    let mut sync = sync();
    let (wanted, other) = (line(1), line(2));
    sync.asked.insert(wanted.batch);
    sync.batch_came(&wanted.batch, wanted.bitmap.clone());
    sync.batch_came(&other.batch, other.bitmap.clone());
    assert!(sync.came.contains_key(&wanted.batch));
    assert!(!sync.came.contains_key(&other.batch));
}

#[test]
fn a_peer_that_does_not_answer_is_left_alone_for_a_moment() {
    let mut sync = sync();
    sync.progress(1, progress(5, 5), &progress(0, 0));
    sync.peers[1].is_walking = true;
    sync.peers[1].is_asked = true;
    let generation = sync.peers[1].generation;
    sync.ended(Task::Log(1, generation));
    assert!(!sync.peers[1].is_asked);
    assert!(sync.peers[1].retry_at.is_some());
}
