//! What is said to a peer, and who gets which answer.

use super::*;

fn id(number: usize) -> ContentId {
    ContentId::of(&number.to_be_bytes())
}

fn data(number: usize) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn fetch(wants: &mut Wants, number: usize) -> oneshot::Receiver<Result<Content, FetchError>> {
    let (reply, answer) = oneshot::channel();
    wants.want_block(id(number), reply);
    answer
}

fn said(wants: &mut Wants, now: Instant) -> Vec<(WantKind, bool)> {
    wants.entries(now).iter().map(|entry| (entry.kind, entry.is_cancel)).collect()
}

#[test]
fn calls_for_one_id_are_said_once_and_all_answered() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    let mut first = fetch(&mut wants, 1);
    let mut second = fetch(&mut wants, 1);
    assert_eq!(said(&mut wants, now), [(WantKind::Block, false)]);
    let mut third = fetch(&mut wants, 1);
    assert!(!wants.is_urgent());
    let later = now + Duration::from_millis(7);
    assert_eq!(wants.take(id(1), &data(1), later), Some(Some(Duration::from_millis(7))));
    for answer in [&mut first, &mut second, &mut third] {
        assert!(matches!(answer.try_recv(), Ok(Ok(content)) if content.id() == id(1)));
    }
    assert_eq!(wants.take(id(1), &data(1), later), None, "wanted no more");
    assert!(wants.is_empty());
}

#[test]
fn a_have_becomes_a_block_when_more_is_wanted() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    let (to, mut answers) = mpsc::channel(2);
    wants.want_have(id(1), HaveReply { index: 5, to });
    assert_eq!(said(&mut wants, now), [(WantKind::Have, false)]);
    let mut block = fetch(&mut wants, 1);
    assert_eq!(said(&mut wants, now), [(WantKind::Block, false)]);
    assert!(wants.presence(id(1), true, now).is_some());
    assert_eq!(answers.try_recv(), Ok((5, Ok(true))));
    assert!(block.try_recv().is_err(), "a presence is no block");
    assert!(wants.take(id(1), &data(1), now).is_some());
    assert!(matches!(block.try_recv(), Ok(Ok(_))));
}

#[test]
fn an_absent_block_ends_the_call_and_the_want() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    let mut block = fetch(&mut wants, 1);
    assert_eq!(said(&mut wants, now).len(), 1);
    assert!(wants.presence(id(1), false, now).is_some());
    assert_eq!(block.try_recv(), Ok(Err(FetchError::DontHave)));
    assert!(!wants.is_urgent() && wants.is_unsaid(), "the cancel waits for the next message");
    assert_eq!(said(&mut wants, now), [(WantKind::Block, true)]);
    assert!(wants.is_empty());
}

#[test]
fn a_caller_that_goes_is_taken_back() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    drop(fetch(&mut wants, 1));
    let second = fetch(&mut wants, 2);
    assert_eq!(said(&mut wants, now).len(), 2);
    drop(fetch(&mut wants, 3));
    wants.sweep(now);
    assert_eq!(said(&mut wants, now), [(WantKind::Block, true)], "3 was never said");
    drop(second);
    wants.sweep(now);
    let again = fetch(&mut wants, 2);
    assert_eq!(said(&mut wants, now), [(WantKind::Block, false)], "wanted again: no cancel");
    drop(again);
}

#[test]
fn a_silent_peer_is_told_again() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    let kept = fetch(&mut wants, 1);
    assert_eq!(said(&mut wants, now).len(), 1);
    wants.sweep(now + REPEAT_AFTER);
    assert!(!wants.is_urgent());
    wants.sweep(now + REPEAT_AFTER * 2);
    assert_eq!(said(&mut wants, now + REPEAT_AFTER * 2).len(), 1);
    wants.heard(now + REPEAT_AFTER * 3);
    wants.sweep(now + REPEAT_AFTER * 4);
    assert!(!wants.is_urgent(), "it has said something lately");
    drop(kept);
}

#[test]
fn too_many_wants_are_refused() {
    let now = Instant::now();
    let mut wants = Wants::new(3, now);
    let kept: Vec<_> = (0..3).map(|number| fetch(&mut wants, number)).collect();
    assert_eq!(fetch(&mut wants, 3).try_recv(), Ok(Err(FetchError::Busy)));
    assert!(fetch(&mut wants, 2).try_recv().is_err(), "another caller for a wanted id waits");
    let (to, mut answers) = mpsc::channel(1);
    wants.want_have(id(4), HaveReply { index: 0, to });
    assert_eq!(answers.try_recv(), Ok((0, Err(FetchError::Busy))));
    drop(kept);
}

#[test]
fn too_many_callers_are_refused() {
    let now = Instant::now();
    let mut wants = Wants::new(3, now);
    let kept: Vec<_> = (0..WAITERS_MAX).map(|_| fetch(&mut wants, 1)).collect();
    assert_eq!(fetch(&mut wants, 1).try_recv(), Ok(Err(FetchError::Busy)));
    drop(kept);
    wants.sweep(now);
    assert!(fetch(&mut wants, 1).try_recv().is_err(), "there is room again");
}

#[test]
fn unsent_cancels_hold_new_wants_up() {
    let now = Instant::now();
    let mut wants = Wants::new(2, now);
    for round in 0..2 {
        drop(fetch(&mut wants, round));
        assert!(!said(&mut wants, now).is_empty());
    }
    wants.sweep(now);
    assert_eq!(fetch(&mut wants, 9).try_recv(), Ok(Err(FetchError::Busy)));
    assert_eq!(said(&mut wants, now), [(WantKind::Block, true); 2]);
    assert!(fetch(&mut wants, 9).try_recv().is_err());
}

#[test]
fn a_block_over_the_limit_is_named_as_such() {
    let now = Instant::now();
    let mut wants = Wants::new(2, now);
    let large = Bytes::from(vec![0; BLOCK_BYTES_MAX + 1]);
    let (reply, mut answer) = oneshot::channel();
    wants.want_block(ContentId::of(&large), reply);
    assert!(wants.take(ContentId::of(&large), &large, now).is_some());
    let bytes = BLOCK_BYTES_MAX + 1;
    assert_eq!(answer.try_recv(), Ok(Err(FetchError::TooLarge { bytes })));
}

#[test]
fn everybody_is_told_at_the_end() {
    let now = Instant::now();
    let mut wants = Wants::new(8, now);
    let mut block = fetch(&mut wants, 1);
    let (to, mut answers) = mpsc::channel(1);
    wants.want_have(id(2), HaveReply { index: 0, to });
    wants.fail_all(FetchError::Unreachable);
    assert_eq!(block.try_recv(), Ok(Err(FetchError::Unreachable)));
    assert_eq!(answers.try_recv(), Ok((0, Err(FetchError::Unreachable))));
    assert!(wants.is_empty() && !wants.is_unsaid());
}
