//! The contract as tests, run over every implementation of [`Blocks`] and [`Pins`].

use tempfile::TempDir;

use crate::{
    BlockError, Blocks, Codec, Content, ContentId, LIST_COUNT_MAX, Label, Memory, Pin, PinError,
    Pins, Sled,
};

const QUOTA: u64 = 100;

#[test]
fn memory_keeps_the_contract() {
    check_all(|| Memory::new(QUOTA));
}

#[test]
fn sled_keeps_the_contract() {
    let directory = TempDir::new().expect("a temporary directory");
    let mut count = 0;
    check_all(|| {
        count += 1;
        let path = directory.path().join(format!("store-{count}"));
        Sled::open(&path, QUOTA).expect("a new store opens")
    });
}

/// Everything that an implementation must do; `make` gives an empty store with [`QUOTA`] bytes.
fn check_all<S: Blocks + Pins>(mut make: impl FnMut() -> S) {
    blocks_come_back_as_they_were(&make());
    the_quota_is_held_to_the_byte(&make());
    a_pinned_block_is_not_removed(&make());
    one_block_has_two_names_and_each_its_pin(&make());
    pins_are_answered_in_order(&make());
    the_first_label_stays(&make());
    a_refused_call_writes_nothing(&make());
    the_list_is_walked_by_its_cursor(&make());
}

fn blocks_come_back_as_they_were(store: &impl Blocks) {
    let hello = content(b"hello");
    assert_eq!(store.get(hello.id()), Ok(None));
    assert_eq!(store.size(hello.id()), Ok(None));
    assert_eq!(store.remove(hello.id()), Ok(false));
    for _ in 0..2 {
        assert_eq!(store.put(&hello), Ok(()));
        assert_eq!(store.get(hello.id()), Ok(Some(hello.clone())));
        assert_eq!(store.size(hello.id()), Ok(Some(5)));
        assert_eq!((store.usage().count, store.usage().bytes), (1, 5));
    }
    assert_eq!(store.put(&content(b"")), Ok(()));
    assert_eq!(store.get(ContentId::of(b"")), Ok(Some(content(b""))));
    assert_eq!((store.usage().count, store.usage().bytes), (2, 5));
    assert_eq!(store.remove(hello.id()), Ok(true));
    assert_eq!(store.get(hello.id()), Ok(None));
    assert_eq!((store.usage().count, store.usage().bytes), (1, 0));
}

fn the_quota_is_held_to_the_byte(store: &impl Blocks) {
    let (sixty, forty, one) = (content(&[1; 60]), content(&[2; 40]), content(&[3]));
    assert_eq!(store.put(&sixty), Ok(()));
    assert_eq!(store.put(&forty), Ok(()));
    assert_eq!(store.usage().bytes, QUOTA);
    let full = BlockError::Full { bytes_used: QUOTA, bytes_wanted: 1, bytes_max: QUOTA };
    assert_eq!(store.put(&one), Err(full));
    assert_eq!(store.get(one.id()), Ok(None));
    assert_eq!(store.put(&sixty), Ok(()), "what is held needs no room");
    assert_eq!(store.remove(forty.id()), Ok(true));
    assert_eq!(store.put(&one), Ok(()));
    assert_eq!((store.usage().count, store.usage().bytes), (2, 61));
}

fn a_pinned_block_is_not_removed<S: Blocks + Pins>(store: &S) {
    let hello = content(b"hello");
    assert_eq!(store.pin(&[pin(b"hello", b"why")]), Ok(()), "a pin may come before its block");
    assert_eq!(store.put(&hello), Ok(()));
    assert_eq!(store.remove(hello.id()), Err(BlockError::Pinned { id: hello.id() }));
    assert_eq!(store.get(hello.id()), Ok(Some(hello.clone())));
    assert_eq!(store.unpin(&[hello.id()]), Ok(()));
    assert_eq!(store.remove(hello.id()), Ok(true));
}

fn one_block_has_two_names_and_each_its_pin<S: Blocks + Pins>(store: &S) {
    let raw = content(b"hello");
    let node = Content::of_codec(Codec::DagPb, b"hello").expect("short content");
    assert_eq!(store.put(&raw), Ok(()));
    assert_eq!(store.put(&node), Ok(()));
    assert_eq!((store.usage().count, store.usage().bytes), (1, 5));
    assert_eq!(store.get(node.id()), Ok(Some(node.clone())));
    assert_eq!(store.get(raw.id()), Ok(Some(raw.clone())));
    let why = pin(b"hello", b"why");
    let other = Pin { id: node.id(), label: label(b"another why") };
    assert_eq!(store.pin(std::slice::from_ref(&other)), Ok(()));
    assert_eq!(store.are_pinned(&[raw.id(), node.id()]), Ok(vec![false, true]));
    assert_eq!(store.remove(raw.id()), Err(BlockError::Pinned { id: node.id() }));
    assert_eq!(store.pin(std::slice::from_ref(&why)), Ok(()));
    assert_eq!(store.list(None, 9), Ok(vec![why.clone(), other.clone()]));
    assert_eq!(store.list(Some(raw.id()), 9), Ok(vec![other]));
    assert_eq!(store.unpin(&[node.id()]), Ok(()));
    assert_eq!(store.list(None, 9), Ok(vec![why]));
    assert_eq!(store.remove(node.id()), Err(BlockError::Pinned { id: raw.id() }));
    assert_eq!(store.unpin(&[raw.id()]), Ok(()));
    assert_eq!(store.remove(node.id()), Ok(true));
    assert_eq!(store.get(raw.id()), Ok(None));
}

fn pins_are_answered_in_order(store: &impl Pins) {
    let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| ContentId::of(bytes));
    assert_eq!(store.are_pinned(&[]), Ok(vec![]));
    assert_eq!(store.pin(&[pin(b"c", b"3"), pin(b"a", b"")]), Ok(()));
    assert_eq!(store.are_pinned(&[a, b, c, a]), Ok(vec![true, false, true, true]));
    assert_eq!(store.are_pinned(&[b, c]), Ok(vec![false, true]));
    assert_eq!(store.labels(&[c, b, a]), Ok(vec![Some(label(b"3")), None, Some(label(b""))]));
    assert_eq!(store.unpin(&[c, b]), Ok(()));
    assert_eq!(store.are_pinned(&[a, b, c]), Ok(vec![true, false, false]));
}

fn the_first_label_stays(store: &impl Pins) {
    let first = pin(b"state", b"transfer 1");
    let second = pin(b"state", b"transfer 2");
    let refusal =
        PinError::Held { id: first.id, held: first.label.clone(), wanted: second.label.clone() };
    assert_eq!(store.pin(&[first.clone(), second.clone()]), Err(refusal.clone()), "in one call");
    assert_eq!(store.are_pinned(&[first.id]), Ok(vec![false]));
    assert_eq!(store.pin(&[first.clone(), first.clone()]), Ok(()));
    assert_eq!(store.pin(std::slice::from_ref(&first)), Ok(()));
    assert_eq!(store.pin(&[second]), Err(refusal), "across calls");
    assert_eq!(store.labels(&[first.id]), Ok(vec![Some(first.label)]));
}

fn a_refused_call_writes_nothing(store: &impl Pins) {
    assert_eq!(store.pin(&[pin(b"held", b"1")]), Ok(()));
    let refused = store.pin(&[pin(b"new", b"1"), pin(b"held", b"2")]);
    assert!(matches!(refused, Err(PinError::Held { .. })));
    assert_eq!(store.are_pinned(&[ContentId::of(b"new")]), Ok(vec![false]));
}

fn the_list_is_walked_by_its_cursor(store: &impl Pins) {
    let count = LIST_COUNT_MAX + 10;
    let mut pins: Vec<Pin> =
        (0..count).map(|i| pin(format!("state {i}").as_bytes(), b"label")).collect();
    assert_eq!(store.list(None, 7), Ok(vec![]));
    assert_eq!(store.pin(&pins), Ok(()));
    pins.sort_by_key(|pin| pin.id);
    assert_eq!(store.list(None, 0), Ok(vec![]));
    assert_eq!(store.list(None, 7).as_deref(), Ok(&pins[..7]));
    assert_eq!(store.list(None, usize::MAX).as_deref(), Ok(&pins[..LIST_COUNT_MAX]));
    let mut walked: Vec<Pin> = Vec::new();
    loop {
        let page = store.list(walked.last().map(|pin| pin.id), 300).expect("the store is sound");
        if page.is_empty() {
            break;
        }
        walked.extend(page);
    }
    assert_eq!(walked, pins);
    let ids: Vec<ContentId> = pins.iter().map(|pin| pin.id).collect();
    assert_eq!(store.unpin(&ids), Ok(()));
    assert_eq!(store.list(None, 7), Ok(vec![]));
}

fn content(bytes: &[u8]) -> Content {
    Content::of(bytes).expect("short content")
}

fn label(bytes: &[u8]) -> Label {
    Label::new(bytes).expect("a short label")
}

fn pin(bytes: &[u8], why: &[u8]) -> Pin {
    Pin { id: ContentId::of(bytes), label: label(why) }
}
