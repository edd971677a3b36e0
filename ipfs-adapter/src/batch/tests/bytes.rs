//! Bodies: what is encoded is decoded to the same, and nothing else is decoded at all.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn request(rng: &mut StdRng) -> Request {
    let number = rng.random_range(0..u32::MAX);
    let some = keys(rng.random_range(1..40));
    if rng.random_range(0..2) == 0 {
        let providers_max = rng.random_range(1..=20);
        return Request::Find { number, providers_max, keys: some };
    }
    let count = rng.random_range(0..=8_u64);
    let addresses = (0..count).flat_map(|seed| provider(seed).addresses).collect();
    Request::Provide { number, ttl_seconds: rng.random_range(0..u32::MAX), addresses, keys: some }
}

fn reply(rng: &mut StdRng) -> Reply {
    let number = rng.random_range(0..u32::MAX);
    match rng.random_range(0..5) {
        0 => {
            let why = [Why::Busy, Why::TooMany, Why::Malformed, Why::Unsupported];
            Reply::Refused { number, why: why[rng.random_range(0..4_usize)] }
        }
        1 => {
            let count = rng.random_range(1..70);
            let stored = (0..count).map(|_| rng.random_range(0..2) == 0).collect();
            Reply::Stored { number, stored }
        }
        _ => Reply::Found { number, answer: found(rng) },
    }
}

fn found(rng: &mut StdRng) -> Answer {
    let all: Vec<Provider> = (0..rng.random_range(0..30_u64)).map(provider).collect();
    let mut answer = Answer::default();
    for key in 0..rng.random_range(0..30) {
        let first = answer.providers.len();
        let count = rng.random_range(0..3).min(all.len() - first);
        answer.providers.extend_from_slice(&all[first..first + count]);
        let old = if first > 0 { vec![rng.random_range(0..first)] } else { vec![] };
        let providers = (first..first + count).rev().chain(old).collect();
        answer.hits.push(Hit { key: 3 * key, providers });
    }
    answer
}

/// What these bytes decode to encodes to the same bytes, if they decode at all.
fn check_canonical(bytes: &[u8], seed: u64) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes, "seed {seed}: {request:?}");
    }
    if let Ok(reply) = Reply::decode(bytes) {
        assert_eq!(reply.encode(), bytes, "seed {seed}: {reply:?}");
    }
}

#[test]
fn random_messages_go_there_and_back() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (request, reply) = (request(&mut rng), reply(&mut rng));
        assert_eq!(Request::decode(&request.encode()), Ok(request.clone()), "seed {seed}");
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply.clone()), "seed {seed}");
        assert_eq!(Reply::decode(&request.encode()), Err(BatchError::Malformed));
        assert_eq!(Request::decode(&reply.encode()), Err(BatchError::Malformed));
    }
}

#[test]
fn mutated_bytes_never_panic_and_are_never_read_in_two_ways() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        for sound in [request(&mut rng).encode(), reply(&mut rng).encode()] {
            for _ in 0..40 {
                let mut bytes = sound.clone();
                for _ in 0..rng.random_range(1..4) {
                    mutate(&mut bytes, &mut rng);
                }
                check_canonical(&bytes, seed);
            }
            for length in 0..sound.len() {
                assert!(Request::decode(&sound[..length]).is_err(), "seed {seed}");
                assert!(Reply::decode(&sound[..length]).is_err(), "seed {seed}");
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..6) {
        0 => bytes.insert(at, rng.random_range(0..=255)),
        1 => bytes.truncate(at),
        2 => bytes.extend_from_within(at..),
        3 if at < bytes.len() => bytes[at] = rng.random_range(0..=255),
        4 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8_u32),
        _ if at < bytes.len() => drop(bytes.remove(at)),
        _ => {}
    }
}

#[test]
fn noise_is_never_read_in_two_ways() {
    for seed in 0..20_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bytes = vec![0; rng.random_range(0..80)];
        rng.fill_bytes(&mut bytes);
        if let Some(kind) = bytes.first_mut() {
            *kind %= 8;
        }
        check_canonical(&bytes, seed);
    }
}

/// A provider with the longest id and as many of the longest addresses as there may be.
fn longest(seed: usize) -> Provider {
    let seed = u8::try_from(seed).expect("at most 255");
    let id = [&[0x12, 62][..], &[seed; PEER_ID_BYTES_MAX - 2]].concat();
    let peer = PeerId::from_bytes(&id).expect("libp2p takes such a hash");
    let address = |at: usize| {
        let name = "a".repeat(ADDRESS_BYTES_MAX - 6);
        let address: Multiaddr = format!("/dns4/{name}{at}/tcp/1").parse().expect("an address");
        assert_eq!(address.len(), ADDRESS_BYTES_MAX);
        address
    };
    Provider { peer, addresses: (0..ADDRESSES_MAX).map(address).collect() }
}

#[test]
fn the_longest_messages_have_the_longest_bodies() {
    let answer = Answer {
        providers: (0..TABLE_MAX).map(longest).collect(),
        hits: (0..KEYS_MAX)
            .map(|key| Hit {
                key,
                providers: (0..PROVIDERS_MAX).map(|at| (20 * key + at) % TABLE_MAX).collect(),
            })
            .collect(),
    };
    let reply = Reply::Found { number: 1, answer };
    let body = reply.encode();
    assert_eq!(body.len(), REPLY_BYTES_MAX);
    assert_eq!(REPLY_BYTES_MAX, FRAME_BYTES_MAX);
    assert_eq!(Reply::decode(&body), Ok(reply));
    let addresses = longest(0).addresses;
    let provide = Request::Provide { number: 1, ttl_seconds: 1, addresses, keys: keys(KEYS_MAX) };
    let body = provide.encode();
    assert_eq!(body.len(), REQUEST_BYTES_MAX);
    assert_eq!(Request::decode(&body), Ok(provide));
}

fn refuse_request(bytes: &[u8]) {
    assert_eq!(Request::decode(bytes), Err(BatchError::Malformed), "{bytes:02x?}");
}

fn refuse_reply(bytes: &[u8]) {
    assert_eq!(Reply::decode(bytes), Err(BatchError::Malformed), "{bytes:02x?}");
}

/// Kind, number 1, and the rest.
fn body(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 1][..], &rest.concat()].concat()
}

#[test]
fn requests_over_a_limit_are_malformed() {
    let key = [7; 32];
    assert!(Request::decode(&body(1, &[&[20, 0, 1], &key])).is_ok());
    refuse_request(&body(1, &[&[0, 0, 1], &key])); // No providers wanted.
    refuse_request(&body(1, &[&[21, 0, 1], &key]));
    refuse_request(&body(1, &[&[20, 0, 0]])); // No keys.
    refuse_request(&body(1, &[&[20, 0, 1], &key, &[0]]));
    refuse_request(&body(1, &[&[20, 0x10, 0x01], &key.repeat(4_097)]));
    refuse_request(&body(1, &[&[20, 0xff, 0xff], &key])); // More keys than there are.
    let ttl = [0; 4];
    assert!(Request::decode(&body(2, &[&ttl, &[0, 0, 1], &key])).is_ok());
    let short = |port: u8| [8, 4, 10, 0, 0, 1, 6, 0, port]; // Length, /ip4/10.0.0.1/tcp/port.
    let eight: Vec<u8> = (0..8).flat_map(short).collect();
    assert!(Request::decode(&body(2, &[&ttl, &[8], &eight, &[0, 1], &key])).is_ok());
    refuse_request(&body(2, &[&ttl, &[9], &eight, &short(9), &[0, 1], &key]));
    refuse_request(&body(2, &[&ttl, &[2], &short(1), &short(1), &[0, 1], &key]));
    refuse_request(&body(2, &[&ttl, &[1], &[0], &[0, 1], &key])); // An empty address.
    refuse_request(&body(2, &[&ttl, &[1], &[2, 0xff, 0xff], &[0, 1], &key]));
    let long = provider(1).addresses[0].to_vec().repeat(12);
    assert!(long.len() > ADDRESS_BYTES_MAX);
    let length = u8::try_from(long.len()).expect("below 256");
    refuse_request(&body(2, &[&ttl, &[1, length], &long, &[0, 1], &key]));
}

#[test]
fn replies_over_a_limit_are_malformed() {
    let one = |seed: u8| [&[34, 0, 32][..], &[seed; 32], &[0]].concat(); // Without addresses.
    let (a, b) = (one(1), one(2));
    let check = |table: &[&[u8]], count: u8, hits: &[u8], expected: bool| {
        let peers = u8::try_from(table.len()).expect("few");
        let bytes = body(3, &[&[0, peers], &table.concat(), &[0, count], hits]);
        assert_eq!(Reply::decode(&bytes).is_ok(), expected, "{bytes:02x?}");
    };
    check(&[], 0, &[], true);
    check(&[&a, &b], 2, &[0, 0, 2, 1, 0, 0, 9, 1, 1], true);
    check(&[&a], 1, &[0, 0, 0], false); // Nobody's provider.
    check(&[], 1, &[0, 0, 0], true); // Providers that had no place.
    check(&[&a, &a], 1, &[0, 0, 2, 0, 1], false); // Twice in the table.
    check(&[&a], 2, &[0, 5, 1, 0, 0, 5, 1, 0], false); // One key twice.
    check(&[&a], 2, &[0, 5, 1, 0, 0, 4, 1, 0], false); // Falling.
    check(&[&a], 1, &[0, 0, 1, 1], false); // Behind the table.
    check(&[&a], 1, &[0, 0, 2, 0, 0], false); // One provider twice.
    check(&[&a], 1, &[0x10, 0, 1, 0], false); // Key 4,096.
    check(&[&a], 1, &[0x0f, 0xff, 1, 0], true);
    check(&[&a], 1, &[0, 0, 1, 0, 0], false); // Something behind.
    let table: Vec<Vec<u8>> = (0..21).map(one).collect();
    let table: Vec<&[u8]> = table.iter().map(Vec::as_slice).collect();
    let all: Vec<u8> = (0..21).collect();
    check(&table[..20], 1, &[&[0, 0, 20][..], &all[..20]].concat(), true);
    check(&table, 1, &[&[0, 0, 21][..], &all].concat(), false);
    refuse_reply(&body(3, &[&[1, 1], &a.repeat(257), &[0, 0]])); // 257 providers.
    refuse_reply(&body(3, &[&[0, 0, 0x10, 0x01], &[0, 0, 0].repeat(4_097)]));
    refuse_reply(&body(3, &[&[0, 1, 66, 0x12, 64], &[7; 64], &[0, 0, 1, 0, 0, 1, 0]]));
    assert!(Reply::decode(&body(4, &[&[0, 9, 0xff, 0x80]])).is_ok());
    refuse_reply(&body(4, &[&[0, 9, 0xff, 0x81]])); // Padding that is not zero.
    refuse_reply(&body(4, &[&[0, 9, 0xff]]));
    refuse_reply(&body(4, &[&[0, 0]]));
    refuse_reply(&body(4, &[&[0x10, 0x01], &[0; 513]]));
    refuse_reply(&body(5, &[&[0]]));
    refuse_reply(&body(5, &[&[5]]));
}

#[test]
fn unknown_kinds_are_named_and_refused() {
    for kind in [0, 6, 255] {
        let bytes = body(kind, &[&[1, 2, 3]]);
        let error = BatchError::Kind { kind };
        assert_eq!(Request::decode(&bytes), Err(error));
        assert_eq!(Reply::decode(&bytes), Err(error));
        let refusal = Reply::Refused { number: 1, why: Why::Unsupported };
        assert_eq!(Reply::refusal(&bytes, error), refusal);
    }
    let refusal = Reply::Refused { number: 0, why: Why::Malformed };
    assert_eq!(Reply::refusal(&[1, 0], BatchError::Malformed), refusal);
    assert_eq!(Reply::refusal(&[], BatchError::Malformed), refusal);
}
