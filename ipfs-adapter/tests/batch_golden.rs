//! Golden bytes of the batched provider protocol, one file for each message: what other versions
//! and other software see. A difference here is a change of the protocol and needs a new name.
//!
//! The files hold lower-case hexadecimal digits, 32 bytes a line.

use std::{env, fs, path::PathBuf};

use ipfs_adapter::{
    Answer, ContentId, PeerId, Provider,
    batch::{PROTOCOL, Reply, Request, Why},
    records::Hit,
};

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(32).map(|bytes| line(bytes) + "\n").collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(16 * pair[0] + pair[1]).expect("two digits");
    digits.chunks_exact(2).map(byte).collect()
}

/// Compares with the file, and returns what the file holds.
fn check(name: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(name).with_extension("hex");
    if env::var_os("QUORATE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, to_hex(bytes)).expect("the golden directory can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == to_hex(bytes),
        "the bytes of {name} differ from {}; found:\n{}\n\
         Nodes of other versions depend on them. If the change is meant, commit it by itself with \
         the files that this writes:\n\
         QUORATE_BLESS=1 cargo test -p ipfs-adapter --test batch_golden",
        path.display(),
        to_hex(bytes),
    );
    from_hex(&golden)
}

fn check_request(name: &str, request: &Request) {
    let golden = check(name, &request.encode());
    assert_eq!(Request::decode(&golden).as_ref(), Ok(request), "{name}");
}

fn check_reply(name: &str, reply: &Reply) {
    let golden = check(name, &reply.encode());
    assert_eq!(Reply::decode(&golden).as_ref(), Ok(reply), "{name}");
}

fn keys() -> Vec<ContentId> {
    ["one", "two", "three"].map(|text| ContentId::of(text.as_bytes())).to_vec()
}

fn provider(seed: u8, addresses: &[&str]) -> Provider {
    let id = [&[0, 32][..], &[seed; 32]].concat();
    let peer = PeerId::from_bytes(&id).expect("an identity multihash of 32 bytes");
    let parse = |address: &&str| address.parse().expect("an address");
    Provider { peer, addresses: addresses.iter().map(parse).collect() }
}

#[test]
fn requests() {
    assert_eq!(PROTOCOL, "/quorate/providers/1.0.0");
    let find = Request::Find { number: 1, providers_max: 20, keys: keys() };
    check_request("batch-find", &find);
    let addresses = provider(1, &["/ip4/10.0.0.1/udp/4001/quic-v1", "/ip6/::1/tcp/4001"]).addresses;
    let provide =
        Request::Provide { number: 0x0102_0304, ttl_seconds: 172_800, addresses, keys: keys() };
    check_request("batch-provide", &provide);
}

#[test]
fn replies() {
    let providers = vec![
        provider(1, &["/ip4/10.0.0.1/udp/4001/quic-v1"]),
        provider(2, &[]),
        provider(3, &["/dns4/example.com/tcp/4001", "/ip6/::1/udp/4001/quic-v1"]),
    ];
    let hit = |key, providers: &[usize]| Hit { key, providers: providers.to_vec() };
    let hits = vec![hit(0, &[0]), hit(2, &[2, 0, 1]), hit(300, &[])];
    check_reply("batch-found", &Reply::Found { number: 1, answer: Answer { providers, hits } });
    let stored = vec![true, false, true, true, false, false, false, true, true, true, false];
    check_reply("batch-stored", &Reply::Stored { number: 0x0102_0304, stored });
    for (name, why) in [
        ("batch-refused-busy", Why::Busy),
        ("batch-refused-too-many", Why::TooMany),
        ("batch-refused-malformed", Why::Malformed),
        ("batch-refused-unsupported", Why::Unsupported),
    ] {
        check_reply(name, &Reply::Refused { number: 9, why });
    }
}
