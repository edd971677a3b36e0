//! What peers of the DHT and of Bitswap send, blocks of files that strangers have made, and the log
//! of provider records on disk: refused, or read in bounds, and written back as it was read.

use super::Target;
use super::fixture;
use super::scratch::Scratch;
use super::script::Script;
use bytes::Bytes;
use ipfs_adapter::batch::{KEYS_MAX, REPLY_BYTES_MAX, Reply, Request, read_frame, server};
use ipfs_adapter::bitswap::message::{ITEMS_MAX, Message, id_of};
use ipfs_adapter::dag::{FileNode, FileReader, Layout, NODE_LINK_COUNT_MAX, build};
use ipfs_adapter::swarm::proof;
use ipfs_adapter::{Answer, Codec, Content, ContentId, Memory, PeerId, Provider};
use ipfs_adapter::{Blocks, Records, RecordsConfig};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

/// The target.
pub const TARGET: Target = Target {
    name: "ipfs",
    check,
    seeds,
    bytes_max: 8 * 1024,
    // A list of keys takes room for as many as its count says, at most 4,096 of 33 bytes.
    memory_max: (8 << 20, 256),
};

/// Most changes of one value.
const CHANGES_MAX: usize = 5;
/// Bytes of a file that are read: a few blocks can say that they are terabytes.
const FILE_BYTES_READ: usize = 1 << 20;
/// Unix seconds.
const NOW: u64 = 1_800_000_000;

/// A peer as such, and another.
static PEERS: LazyLock<[PeerId; 2]> = LazyLock::new(|| {
    [
        "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
        "QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    ]
    .map(|text| text.parse().expect("a peer id"))
});

fn keys(count: u8) -> Vec<ContentId> {
    (0..count).map(|number| ContentId::of(&[number])).collect()
}

/// One kind of input, as it stands or changed.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 9 {
        0 => request(script.rest()),
        1 => reply(script.rest()),
        2 => frame(script.rest()),
        3 => proofs(&mut script),
        4 => bitswap(script.rest()),
        5 => block(script.rest().to_vec()),
        6 => file(&mut script),
        7 => log(script.rest()),
        _ => log(&script.changed(&LOG, CHANGES_MAX)),
    }
}

/// What a future gives that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found,
        Poll::Pending => panic!("it waits for something"),
    }
}

fn records(folder: Option<&Scratch>) -> Records {
    let folder = folder.map(|scratch| scratch.path().to_path_buf());
    let config = RecordsConfig { own: PEERS[0], records_max: 1_000, folder };
    Records::open(&config, Arc::new(Memory::new(1 << 20)), NOW).expect("a folder of ours")
}

fn request(body: &[u8]) {
    let request = match Request::decode(body) {
        Ok(request) => request,
        Err(error) => {
            let refusal = Reply::refusal(body, error);
            assert_eq!(Reply::decode(&refusal.encode()), Ok(refusal));
            return;
        }
    };
    assert_eq!(request.encode(), body, "a request has one form");
    let records = records(None);
    for _ in 0..2 {
        let answered = server::answer(&records, NOW, PEERS[1], &request, KEYS_MAX);
        let bytes = answered.reply.encode();
        assert_eq!(Reply::decode(&bytes).as_ref(), Ok(&answered.reply), "a reply is read back");
        assert_eq!(answered.reply.check_answers(&request), Ok(()), "our own reply fits");
        assert!(answered.new.len() <= request.keys().len());
    }
}

fn reply(body: &[u8]) {
    let Ok(reply) = Reply::decode(body) else { return };
    assert_eq!(reply.encode(), body, "a reply has one form");
    let number = reply.number();
    let find = Request::Find { number, providers_max: 3, keys: keys(4) };
    if reply.check_answers(&find).is_ok()
        && let Reply::Found { answer, .. } = &reply
    {
        let by_key = answer.by_key(4);
        assert!(by_key.len() == 4);
        assert!(by_key.iter().flatten().all(|providers| providers.len() <= 3));
    }
}

fn frame(bytes: &[u8]) {
    let mut stream = bytes;
    while let Ok(Some(body)) = at_once(read_frame(&mut stream, REPLY_BYTES_MAX)) {
        assert!(body.len() <= REPLY_BYTES_MAX);
        request(&body);
        reply(&body);
    }
}

fn proofs(script: &mut Script<'_>) {
    let count = usize::from(script.number()) % (proof::KEYS_MAX + 1);
    let bytes = script.rest();
    if let Some(found) = proof::read_answer(bytes, count) {
        assert_eq!(found.len(), count);
        let again = proof::answer(&found);
        assert_eq!(proof::read_answer(&again, count), Some(found));
    }
    let mut stream = bytes;
    if let Some(keys) = at_once(proof::read_question(&mut stream)) {
        assert!(keys.len() <= proof::KEYS_MAX);
        assert!(bytes.starts_with(&proof::question(&keys)), "a question has one form");
    }
}

fn bitswap(bytes: &[u8]) {
    let Ok(message) = Message::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let counts = [message.entries.len(), message.blocks.len(), message.presences.len()];
    assert!(counts.iter().all(|count| *count <= ITEMS_MAX));
    for block in &message.blocks {
        if let Ok(id) = id_of(&block.prefix, &block.data) {
            assert!(id.verify(&block.data), "a block is what its id says");
        }
    }
    let kept = Message { left_out: 0, ..message };
    let again = Message::decode(&Bytes::from(kept.encode()));
    assert_eq!(again.as_ref(), Ok(&kept), "a message is read back");
}

fn block(bytes: Vec<u8>) {
    let length = bytes.len();
    let Ok(content) = Content::of_codec(Codec::DagPb, bytes) else { return };
    let Ok(node) = FileNode::of(&content) else { return };
    assert!(node.data.start <= node.data.end && node.data.end <= length);
    assert!(node.branches.len() <= NODE_LINK_COUNT_MAX);
    let below: u128 = node.branches.iter().map(|branch| u128::from(branch.bytes)).sum();
    let own = u128::try_from(node.data.len()).expect("a length");
    assert_eq!(below + own, u128::from(node.bytes), "a node has what is in it and below it");
}

/// A small file in many blocks, of which one is changed and the root made to fit, or not.
static FILE: LazyLock<(Vec<Content>, ContentId)> = LazyLock::new(|| {
    let mut blocks = Vec::new();
    let bytes: Vec<u8> = (0..60).collect();
    let keep = |content: Content| {
        blocks.push(content);
        Ok::<(), std::io::Error>(())
    };
    let (root, _) = build(&bytes[..], Layout::new(4, 3), keep).expect("reading memory");
    (blocks, root)
});

fn file(script: &mut Script<'_>) {
    let local = Memory::new(1 << 20);
    let mut root = FILE.1;
    for content in &FILE.0 {
        local.put(content).expect("there is room");
    }
    // Each new block may name the ones before it: the script's bytes, or a changed node.
    for _ in 0..3 {
        let base = script.one_of(&FILE.0);
        let mut bytes = script.changed(base.bytes(), CHANGES_MAX);
        if script.flag() {
            // In the place of a link of before, the id of the newest block.
            let old = FILE.1.to_bytes();
            if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
                bytes.splice(at..at + old.len(), root.to_bytes());
            }
        }
        let Ok(content) = Content::of_codec(base.id().codec(), bytes) else { continue };
        root = content.id();
        local.put(&content).expect("there is room");
    }
    let mut reader = FileReader::new(&local, root);
    let mut bytes = 0;
    while bytes < FILE_BYTES_READ {
        match reader.next_bytes() {
            Ok(Some(piece)) => bytes += piece.len().max(1),
            Ok(None) | Err(_) => break,
        }
    }
}

/// A log with two providers of some keys.
static LOG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let scratch = Scratch::new();
    let records = records(Some(&scratch));
    for peer in *PEERS {
        let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("an address");
        let provider = Provider { peer, addresses: vec![address] };
        records.provide(NOW, &provider, 3_600, &keys(20));
        records.flush(NOW);
    }
    std::fs::read(scratch.path().join("records.log")).expect("it was just written")
});

fn log(bytes: &[u8]) {
    let scratch = Scratch::new();
    scratch.write("records.log", bytes);
    let (corrupt, found): (u64, Answer) = {
        let records = records(Some(&scratch));
        let corrupt = records.statistics().corrupt_chunks;
        let provider = Provider { peer: PEERS[1], addresses: Vec::new() };
        records.provide(NOW, &provider, 3_600, &keys(3));
        records.flush(NOW);
        (corrupt, records.find(NOW, &keys(20), 20))
    };
    let again = records(Some(&scratch));
    assert!(again.statistics().corrupt_chunks <= corrupt, "what is written behind damage is sound");
    let answer = again.find(NOW, &keys(20), 20);
    for (before, after) in found.by_key(20).into_iter().zip(answer.by_key(20)) {
        let peers = |providers: Option<Vec<Provider>>| {
            let mut peers: Vec<PeerId> =
                providers.unwrap_or_default().into_iter().map(|provider| provider.peer).collect();
            peers.sort();
            peers
        };
        assert_eq!(peers(before), peers(after), "what was flushed is there again");
    }
}

/// One good input of each kind, and scripts.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("an address");
    let find = Request::Find { number: 7, providers_max: 3, keys: keys(4) };
    let provide =
        Request::Provide { number: 8, ttl_seconds: 60, addresses: vec![address], keys: keys(3) };
    let records = records(None);
    server::answer(&records, NOW, PEERS[1], &provide, KEYS_MAX);
    let found = server::answer(&records, NOW, PEERS[1], &find, KEYS_MAX).reply;
    let stored = server::answer(&records, NOW, PEERS[1], &provide, KEYS_MAX).reply;
    let framed = |body: &[u8]| {
        let length = u32::try_from(body.len()).expect("small");
        [&length.to_be_bytes()[..], body].concat()
    };
    let frames = [framed(&find.encode()), framed(&stored.encode())].concat();
    let answer = proof::answer(&[Some(b"one".to_vec()), None, Some(Vec::new())]);
    let id = ContentId::of(b"block");
    let entry = |cid: Vec<u8>, is_cancel| ipfs_adapter::bitswap::message::Entry {
        cid: cid.into(),
        is_cancel,
        kind: ipfs_adapter::bitswap::message::WantKind::Block,
        send_dont_have: true,
    };
    let message = Message {
        is_full: true,
        entries: vec![entry(id.to_bytes(), false), entry(fixture_cid(), true)],
        blocks: vec![ipfs_adapter::bitswap::message::Block {
            prefix: id.to_bytes()[..4].to_vec().into(),
            data: Bytes::from_static(b"block"),
        }],
        presences: vec![ipfs_adapter::bitswap::message::Presence {
            cid: id.to_bytes().into(),
            is_held: false,
        }],
        left_out: 0,
    };
    let node = FILE.0.iter().rev().find(|content| content.id().codec() == Codec::DagPb);
    let node = node.map(|content| content.bytes().to_vec()).unwrap_or_default();
    let mut seeds = vec![
        ("find".to_string(), [vec![0], find.encode()].concat()),
        ("provide".into(), [vec![0], provide.encode()].concat()),
        ("found".into(), [vec![1], found.encode()].concat()),
        ("stored".into(), [vec![1], stored.encode()].concat()),
        ("frames".into(), [vec![2], frames].concat()),
        ("proofs".into(), [vec![3, 3, 0], answer].concat()),
        ("question".into(), [vec![3, 3, 0], proof::question(&keys(3))].concat()),
        ("bitswap".into(), [vec![4], message.encode()].concat()),
        ("node".into(), [vec![5], node].concat()),
        ("log".into(), [vec![7], LOG.clone()].concat()),
    ];
    for kind in [6, 8] {
        for change in 0..9u8 {
            let script = vec![kind, 20, 0, change, 9, 1, 3, 21, 1, change, 5, 2, 1, 22, 0, 1];
            seeds.push((format!("script-{kind}-{change}"), script));
        }
    }
    seeds
}

fn fixture_cid() -> Vec<u8> {
    fixture::coin(0).state.cid().to_vec()
}
