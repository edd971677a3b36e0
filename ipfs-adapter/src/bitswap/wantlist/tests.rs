//! Whose want stays, goes, or is refused.

use super::*;
use crate::Content;

const TTL: Duration = Duration::from_secs(60);

fn id(number: usize) -> ContentId {
    ContentId::of(&number.to_be_bytes())
}

fn want(number: usize, kind: WantKind) -> Entry {
    let cid = Bytes::from(id(number).to_bytes());
    Entry { cid, is_cancel: false, kind, send_dont_have: true }
}

fn cancel(number: usize) -> Entry {
    Entry { is_cancel: true, ..want(number, WantKind::Block) }
}

fn message(entries: Vec<Entry>) -> Message {
    Message { entries, ..Message::default() }
}

fn asked(list: &mut Wantlist) -> Vec<Asked> {
    list.next_batch(usize::MAX)
}

fn block(number: usize) -> Answer {
    Answer::Block(Content::of(number.to_be_bytes()).expect("small"))
}

#[test]
fn a_want_is_looked_up_once_and_ends_with_its_answer() {
    let now = Instant::now();
    let mut list = Wantlist::new(8, TTL);
    let twice = vec![want(1, WantKind::Block), want(1, WantKind::Have)];
    assert_eq!(list.apply(&message(twice), now), 0);
    let batch = asked(&mut list);
    assert_eq!(batch, [Asked { id: id(1), kind: WantKind::Block }]);
    assert_eq!(list.settle(batch[0], &block(1)), Settled::Send);
    assert!(list.is_empty());
    assert_eq!(list.settle(batch[0], &block(1)), Settled::Drop, "wanted no more");
}

#[test]
fn an_absent_block_is_looked_up_again_when_it_comes() {
    let now = Instant::now();
    let mut list = Wantlist::new(8, TTL);
    let silent = Entry { send_dont_have: false, ..want(2, WantKind::Block) };
    list.apply(&message(vec![want(1, WantKind::Block), silent]), now);
    let batch = asked(&mut list);
    assert_eq!(list.settle(batch[0], &Answer::Absent), Settled::Send);
    assert_eq!(list.settle(batch[1], &Answer::Absent), Settled::Drop, "did not ask for it");
    assert!(!list.is_due());
    list.notify(id(7));
    assert!(!list.is_due(), "nobody wants 7");
    list.notify(id(2));
    assert_eq!(asked(&mut list), [Asked { id: id(2), kind: WantKind::Block }]);
    list.notify_all();
    assert_eq!(asked(&mut list).len(), 2);
}

#[test]
fn a_block_that_comes_during_the_look_up_is_not_called_absent() {
    let mut list = Wantlist::new(8, TTL);
    list.apply(&message(vec![want(1, WantKind::Have)]), Instant::now());
    let batch = asked(&mut list);
    list.notify(id(1));
    assert_eq!(list.settle(batch[0], &Answer::Absent), Settled::Drop);
    assert_eq!(asked(&mut list), batch);
    assert_eq!(list.settle(batch[0], &Answer::Held), Settled::Send);
    assert!(list.is_empty());
}

#[test]
fn a_failing_store_is_no_answer() {
    let mut list = Wantlist::new(8, TTL);
    list.apply(&message(vec![want(1, WantKind::Block)]), Instant::now());
    let batch = asked(&mut list);
    assert_eq!(list.settle(batch[0], &Answer::Failed), Settled::Drop);
    assert!(!list.is_due());
    assert_eq!(list.settle(batch[0], &Answer::Unread), Settled::Drop);
    assert!(list.is_due(), "what did not fit comes next");
}

#[test]
fn wants_over_the_limit_are_refused() {
    let now = Instant::now();
    let mut list = Wantlist::new(3, TTL);
    let mut entries: Vec<Entry> = (0..5).map(|number| want(number, WantKind::Block)).collect();
    entries.push(Entry { send_dont_have: false, ..want(5, WantKind::Block) });
    entries.push(want(0, WantKind::Have));
    assert_eq!(list.apply(&message(entries), now), 3);
    assert_eq!(list.len(), 3);
    let refused: Vec<Bytes> = list.take_refusals().into_iter().map(|refusal| refusal.cid).collect();
    assert_eq!(refused, [id(3).to_bytes(), id(4).to_bytes()], "5 did not ask for an answer");
}

#[test]
fn a_cancel_makes_room_and_leaves_nothing_behind() {
    let now = Instant::now();
    let mut list = Wantlist::new(1, TTL);
    for _ in 0..1_000 {
        assert_eq!(list.apply(&message(vec![want(1, WantKind::Block), cancel(1)]), now), 0);
    }
    assert!(list.is_empty() && !list.is_due());
}

#[test]
fn a_full_wantlist_takes_the_place_of_the_old() {
    let now = Instant::now();
    let mut list = Wantlist::new(8, TTL);
    list.apply(&message(vec![want(1, WantKind::Block)]), now);
    let full = Message { is_full: true, ..message(vec![want(2, WantKind::Block)]) };
    list.apply(&full, now);
    assert_eq!(asked(&mut list), [Asked { id: id(2), kind: WantKind::Block }]);
}

#[test]
fn unknown_kinds_are_answered_within_a_bound() {
    let now = Instant::now();
    let mut list = Wantlist::new(8, TTL);
    let mut cid = id(1).to_bytes();
    cid[1] = 0x71; // dag-cbor
    let unknown = Entry { cid: Bytes::from(cid), ..want(1, WantKind::Block) };
    let silent = Entry { send_dont_have: false, ..unknown.clone() };
    let garbage = Entry { cid: Bytes::from_static(b"no CID"), ..unknown.clone() };
    list.apply(&message(vec![unknown.clone(), silent, garbage, want(1, WantKind::Have)]), now);
    assert_eq!(list.take_refusals().len(), 2);
    assert_eq!(list.len(), 1, "the rest of the message counts");
    list.apply(&message(vec![unknown; REFUSALS_MAX + 9]), now);
    assert_eq!(list.take_refusals().len(), REFUSALS_MAX);
}

#[test]
fn an_old_want_is_forgotten() {
    let now = Instant::now();
    let mut list = Wantlist::new(8, TTL);
    list.apply(&message(vec![want(1, WantKind::Block)]), now);
    list.expire(now + TTL);
    assert_eq!(list.len(), 1);
    list.expire(now + TTL * 2);
    assert!(list.is_empty() && !list.is_due());
}
