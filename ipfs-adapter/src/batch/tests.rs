//! The batched protocol: round trips of random messages, bytes that peers should not send, every
//! limit, frames over a stream, and the answering side.

mod bytes;

use std::sync::Arc;

use futures::io::Cursor;
use libp2p::PeerId;

use super::{server::answer, *};
use crate::{
    Label, Memory, Pin, Pins, Provider,
    encoding::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, PEER_ID_BYTES_MAX},
    records::{Hit, Records, RecordsConfig},
};

const NOW: u64 = 1_800_000_000;

fn key(seed: u64) -> ContentId {
    ContentId::of(&seed.to_be_bytes())
}

fn keys(count: usize) -> Vec<ContentId> {
    (0..u64::try_from(count).expect("a small number")).map(key).collect()
}

/// A peer with an inlined key of 32 bytes and one address.
fn provider(seed: u64) -> Provider {
    let id = [&[0, 32][..], ContentId::of(&seed.to_le_bytes()).digest()].concat();
    let peer = PeerId::from_bytes(&id).expect("an identity multihash of 32 bytes");
    let address = format!("/ip4/10.0.0.1/udp/{}/quic-v1", seed % 65_536);
    Provider { peer, addresses: vec![address.parse().expect("an address")] }
}

fn hit(key: usize, providers: &[usize]) -> Hit {
    Hit { key, providers: providers.to_vec() }
}

fn records(records_max: usize, pinned: &[ContentId]) -> Records {
    let pins = Memory::new(0);
    let pin = |id: &ContentId| Pin { id: *id, label: Label::default() };
    pins.pin(&pinned.iter().map(pin).collect::<Vec<_>>()).expect("memory works");
    let config = RecordsConfig { own: provider(0).peer, records_max, folder: None };
    let records = Records::open(&config, Arc::new(pins), NOW).expect("memory works");
    records.set_own_addresses(&provider(0).addresses);
    records
}

fn find(count: usize) -> Request {
    Request::Find { number: 7, providers_max: 20, keys: keys(count) }
}

fn provide(count: usize) -> Request {
    let addresses = provider(1).addresses;
    Request::Provide { number: 8, ttl_seconds: 3_600, addresses, keys: keys(count) }
}

/// The answer to peer 1, without a limit of its own.
fn answered(records: &Records, request: &Request) -> server::Answered {
    let answered = answer(records, NOW, provider(1).peer, request, KEYS_MAX);
    assert_eq!(answered.reply.check_answers(request), Ok(()));
    assert_eq!(Reply::decode(&answered.reply.encode()).as_ref(), Ok(&answered.reply));
    answered
}

#[test]
fn what_is_provided_is_found_by_the_next() {
    let records = records(100, &[key(2)]);
    let first = answered(&records, &provide(4));
    assert_eq!(first.reply, Reply::Stored { number: 8, stored: vec![true; 4] });
    assert_eq!(first.new, [key(0), key(1), key(3)], "key 2 is our own");
    let again = answered(&records, &provide(5));
    assert_eq!(again.new, [key(4)]);
    let found = answered(&records, &find(6));
    let expected = Answer {
        providers: vec![provider(1), provider(0)],
        hits: vec![hit(0, &[0]), hit(1, &[0]), hit(2, &[1]), hit(3, &[0]), hit(4, &[0])],
    };
    assert_eq!(found.reply, Reply::Found { number: 7, answer: expected });
    assert_eq!(found.new, []);
}

#[test]
fn what_is_over_the_budget_is_marked() {
    let reply = answered(&records(6, &[]), &provide(5)).reply;
    let stored = vec![true, true, true, false, false];
    assert_eq!(reply, Reply::Stored { number: 8, stored });
}

#[test]
fn more_keys_than_this_peer_takes_are_refused() {
    let records = records(100, &[]);
    for request in [find(11), provide(11)] {
        let number = request.number();
        let answered = answer(&records, NOW, provider(1).peer, &request, 10);
        assert_eq!(answered.reply, Reply::Refused { number, why: Why::TooMany });
        assert_eq!(answered.reply.check_answers(&request), Ok(()));
    }
    assert_eq!(records.statistics().keys, 0);
}

#[test]
fn more_providers_than_the_table_has_leave_keys_to_ask_again() {
    let records = records(10_000, &[]);
    let count = TABLE_MAX + 44;
    for (seed, key) in (1..).zip(keys(count)) {
        records.provide(NOW, &provider(seed), 3_600, &[key]);
    }
    let Reply::Found { answer, .. } = answered(&records, &find(count + 1)).reply else {
        panic!("a Find is answered by a Found");
    };
    assert_eq!(answer.providers.len(), TABLE_MAX);
    let by_key = answer.by_key(count + 1);
    assert_eq!(by_key.iter().filter(|found| found.is_none()).count(), 44);
    assert_eq!(by_key[count], Some(vec![]), "nobody has it");
}

#[test]
fn a_reply_must_fit_its_request() {
    let check = |reply: &Reply, request: &Request, expected: bool| {
        let result = reply.check_answers(request);
        let wanted = if expected { Ok(()) } else { Err(BatchError::Unasked) };
        assert_eq!(result, wanted, "{reply:?}");
    };
    let found = |number, hits: &[Hit]| {
        let providers = vec![provider(1), provider(2)];
        Reply::Found { number, answer: Answer { providers, hits: hits.to_vec() } }
    };
    let one = Request::Find { number: 7, providers_max: 1, keys: keys(3) };
    check(&found(7, &[]), &one, true);
    check(&found(7, &[hit(0, &[0]), hit(2, &[1])]), &one, true);
    check(&found(7, &[hit(0, &[0]), hit(3, &[1])]), &one, false);
    check(&found(7, &[hit(0, &[0, 1])]), &one, false);
    check(&found(6, &[]), &one, false);
    check(&found(8, &[]), &provide(3), false);
    let stored = |number, count| Reply::Stored { number, stored: vec![true; count] };
    check(&stored(8, 3), &provide(3), true);
    check(&stored(8, 2), &provide(3), false);
    check(&stored(8, 4), &provide(3), false);
    check(&stored(9, 3), &provide(3), false);
    check(&stored(7, 3), &one, false);
    check(&Reply::Refused { number: 7, why: Why::Busy }, &one, true);
    check(&Reply::Refused { number: 8, why: Why::Busy }, &provide(1), true);
    check(&Reply::Refused { number: 8, why: Why::Busy }, &one, false);
}

#[tokio::test]
async fn frames_pass_a_stream() {
    let bodies = [find(2).encode(), vec![], provide(3).encode()];
    let mut stream = Cursor::new(Vec::new());
    for body in &bodies {
        write_frame(&mut stream, body).await.expect("memory takes all");
    }
    let bytes = stream.into_inner();
    let mut stream = Cursor::new(bytes.as_slice());
    for body in bodies {
        assert_eq!(read_frame(&mut stream, REQUEST_BYTES_MAX).await, Ok(Some(body)));
    }
    assert_eq!(read_frame(&mut stream, REQUEST_BYTES_MAX).await, Ok(None));
    let first = 4 + find(2).encode().len();
    for length in 1..first {
        let torn = read_frame(&mut Cursor::new(&bytes[..length]), REQUEST_BYTES_MAX).await;
        assert_eq!(torn, Err(BatchError::Stream(io::ErrorKind::UnexpectedEof)), "{length}");
    }
}

#[tokio::test]
async fn a_frame_over_its_limit_is_not_read() {
    let check = async |length: usize, bytes_max: usize| {
        let length = u32::try_from(length).expect("a small number").to_be_bytes();
        read_frame(&mut Cursor::new(&length), bytes_max).await
    };
    let too_long = |bytes, bytes_max| Err(BatchError::TooLong { bytes, bytes_max });
    let over = REQUEST_BYTES_MAX + 1;
    assert_eq!(check(over, REQUEST_BYTES_MAX).await, too_long(over, REQUEST_BYTES_MAX));
    let all = usize::try_from(u32::MAX).expect("32 bits fit");
    assert_eq!(check(all, usize::MAX).await, too_long(all, FRAME_BYTES_MAX));
    let mut sink = Cursor::new(Vec::new());
    let over = FRAME_BYTES_MAX + 1;
    let written = write_frame(&mut sink, &vec![0; over]).await;
    let bytes_max = FRAME_BYTES_MAX;
    assert_eq!(written, Err(BatchError::TooLong { bytes: over, bytes_max }));
    assert!(sink.into_inner().is_empty());
}
