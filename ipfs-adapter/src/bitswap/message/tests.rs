//! The message against bytes of another encoder, and against bytes of nobody.

use super::*;
use crate::bitswap::protobuf::put_varint;

/// Written by Python's `protobuf` 6 from the specification's schema: a full wantlist (block of
/// "hello", have of "", cancel of "hello").
const WANTS: &str = "0a88010a2a0a24015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362\
    938b9824100128010a2c0a2401551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8\
    551001200128010a2a0a24015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\
    100118011001";
/// By the same: the block "hello", have of "", don't have of "hello".
const ANSWERS: &str = "0a001a0d0a0401551220120568656c6c6f22260a2401551220e3b0c44298fc1c149afbf4c89\
    96fb92427ae41e4649b934ca495991b7852b85522280a24015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5\
    c1fa7425e73043362938b98241001";
/// By the same: one entry of priority -5, a block of version 1.0.0, 77 bytes pending.
const FOREIGN: &str = "0a330a310a24015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362\
    938b982410fbffffffffffffffff0112036f6c64284d";

fn bytes(hex: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn cid(content: &[u8]) -> Bytes {
    Bytes::from(ContentId::of(content).to_bytes())
}

fn entry(content: &[u8], kind: WantKind) -> Entry {
    Entry { cid: cid(content), is_cancel: false, kind, send_dont_have: true }
}

fn wants() -> Message {
    let cancel =
        Entry { is_cancel: true, send_dont_have: false, ..entry(b"hello", WantKind::Block) };
    let entries = vec![entry(b"hello", WantKind::Block), entry(b"", WantKind::Have), cancel];
    Message { is_full: true, entries, ..Message::default() }
}

fn answers() -> Message {
    let prefix = prefix_of(ContentId::of(b"hello"));
    Message {
        blocks: vec![Block { prefix, data: Bytes::from_static(b"hello") }],
        presences: vec![
            Presence { cid: cid(b""), is_held: true },
            Presence { cid: cid(b"hello"), is_held: false },
        ],
        ..Message::default()
    }
}

#[test]
fn golden_bytes() {
    let check = |message: Message, golden: &str| {
        assert_eq!(message.encode(), bytes(golden));
        assert_eq!(Message::decode(&bytes(golden)), Ok(message));
    };
    check(Message::default(), "0a00");
    check(wants(), WANTS);
    check(answers(), ANSWERS);
}

#[test]
fn what_is_not_known_is_skipped() {
    let wanted = Entry { send_dont_have: false, ..entry(b"hello", WantKind::Block) };
    let message = Message { entries: vec![wanted], ..Message::default() };
    assert_eq!(Message::decode(&bytes(FOREIGN)), Ok(message));
    // Field 15 of each width before, and a field of a known number and another width.
    let unknown = "7801 790102030405060708 7a03616263 7d01020304 0805".replace(' ', "");
    assert_eq!(Message::decode(&bytes(&(unknown + WANTS))), Ok(wants()));
    assert_eq!(Message::decode(&Bytes::new()), Ok(Message::default()));
}

#[test]
fn items_without_meaning_are_left_out() {
    let check = |hex: &str| {
        assert_eq!(Message::decode(&bytes(hex)), Ok(Message::default()), "{hex}");
    };
    check("0a020a00"); // no CID
    check("0a070a050a01012007"); // want type 7
    check("22050a01011002"); // presence type 2
    let long = Entry { cid: Bytes::from(vec![1; CID_BYTES_MAX + 1]), ..entry(b"", WantKind::Have) };
    let encoded = Message { entries: vec![long], ..Message::default() }.encode();
    assert_eq!(Message::decode(&Bytes::from(encoded)), Ok(Message::default()));
}

#[test]
fn no_truncation_panics_or_is_taken_for_the_whole() {
    for golden in [WANTS, ANSWERS] {
        let whole = bytes(golden);
        for cut in 0..whole.len() {
            assert_ne!(Message::decode(&whole.slice(..cut)), Message::decode(&whole), "{cut}");
        }
    }
}

#[test]
fn mutated_bytes_never_panic() {
    for golden in [WANTS, ANSWERS, FOREIGN] {
        let sound = bytes(golden);
        for at in 0..sound.len() {
            for value in 0..=u8::MAX {
                let mut mutated = sound.to_vec();
                mutated[at] = value;
                if let Ok(message) = Message::decode(&Bytes::from(mutated)) {
                    assert!(message.entries.len() <= sound.len());
                }
            }
        }
    }
}

#[test]
fn lists_are_cut_at_their_limit() {
    let item = |field: u8| [vec![field, 3, 0x0a, 1, 1]].concat();
    let entries = item(0x0a).repeat(ITEMS_MAX + 3);
    let mut message = vec![0x0a];
    put_varint(&mut message, crate::blockstore::size_of(&entries));
    message.extend(entries);
    message.extend(item(0x1a).repeat(ITEMS_MAX + 2));
    message.extend(item(0x22).repeat(ITEMS_MAX + 1));
    let message = Message::decode(&Bytes::from(message)).expect("sound");
    let counts = (message.entries.len(), message.blocks.len(), message.presences.len());
    assert_eq!(counts, (ITEMS_MAX, ITEMS_MAX, ITEMS_MAX));
    assert_eq!(message.left_out, 6);
}

#[test]
fn an_id_comes_from_prefix_and_bytes() {
    let id = ContentId::of(b"hello");
    assert_eq!(&prefix_of(id)[..], [1, 0x55, 0x12, 32]);
    assert_eq!(id_of(&prefix_of(id), b"hello"), Ok(id));
    assert_ne!(id_of(&prefix_of(id), b"hellp"), Ok(id));
    let check = |prefix: &[u8], error| assert_eq!(id_of(prefix, b"hello"), Err(error));
    check(&[], CidError::Malformed);
    check(&[1, 0x55, 0x12], CidError::Malformed);
    check(&[1, 0x55, 0x12, 32, 0], CidError::Malformed);
    check(&[1, 0x55, 0x13, 64], CidError::OtherKind);
    check(&[1, 0x55, 0x12, 20], CidError::OtherKind);
    check(&[1, 0x71, 0x12, 32], CidError::OtherKind); // dag-cbor
}
