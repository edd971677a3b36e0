//! Against another implementation's ids (`tests/golden/unixfs.txt`), and what foreign DAGs may not
//! be.

use std::{collections::BTreeSet, io, io::Read};

use super::{
    node::{NewLink, encode},
    read::{ReadError, write_to},
    *,
};
use crate::{Blocks, Codec, Content, Memory};

const QUOTA: u64 = 1 << 30;

/// The content of the golden file: xorshift32, see `unixfs.mjs`.
struct Pseudorandom {
    state: u32,
    /// Bytes of the last state that were not read yet.
    word: Vec<u8>,
    rest: usize,
}

impl Read for Pseudorandom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.min(buffer.len());
        for byte in &mut buffer[..count] {
            if self.word.is_empty() {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 17;
                self.state ^= self.state << 5;
                self.word.extend(self.state.to_be_bytes());
            }
            *byte = self.word.pop().expect("filled above");
        }
        self.rest -= count;
        Ok(count)
    }
}

fn content(bytes: u64) -> impl Read {
    let rest = usize::try_from(bytes).expect("fits into memory");
    Pseudorandom { state: 0x9e37_79b9, word: Vec::new(), rest }
}

struct Golden {
    bytes: u64,
    layout: Layout,
    root: ContentId,
    block_count: usize,
    node: Option<String>,
}

fn golden() -> Vec<Golden> {
    let lines = include_str!("../../tests/golden/unixfs.txt").lines();
    let rows: Vec<Golden> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let row: Vec<&str> = line.split(' ').collect();
            Golden {
                bytes: row[0].parse().expect("a size"),
                layout: Layout::new(row[1].parse().expect("a size"), 174),
                root: row[2].parse().expect("a CID of ours"),
                block_count: row[3].parse().expect("a count"),
                node: (row[4] != "-").then(|| row[4].into()),
            }
        })
        .collect();
    assert_eq!(rows.len(), 15);
    rows
}

#[test]
fn files_have_the_ids_that_others_give_them() {
    for golden in golden() {
        let mut ids = BTreeSet::new();
        let mut last = Vec::new();
        let emit = |block: Content| {
            ids.insert(block.id());
            last = block.into_bytes();
            Ok::<(), io::Error>(())
        };
        let built = build(content(golden.bytes), golden.layout, emit).expect("nothing fails");
        assert_eq!(built, (golden.root, golden.bytes));
        assert_eq!(ids.len(), golden.block_count, "{} bytes", golden.bytes);
        if let Some(node) = golden.node {
            let hex: String = last.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, node, "{} bytes", golden.bytes);
        }
    }
}

#[test]
fn files_are_read_as_they_were() {
    for golden in golden().into_iter().filter(|golden| golden.bytes < 2 << 20) {
        let local = Memory::new(QUOTA);
        let emit = |block: Content| local.put(&block).map_err(|_| io::ErrorKind::Other.into());
        let built: io::Result<_> = build(content(golden.bytes), golden.layout, emit);
        let (root, bytes) = built.expect("nothing fails");
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        content(golden.bytes).read_to_end(&mut expected).expect("nothing fails");
        assert_eq!(write_to(&local, root, &mut found), Ok(bytes));
        assert!(expected == found, "{bytes} bytes came back otherwise");
        // One block less, whichever: named, and nothing wrong is read.
        for id in local.ids().into_iter().take(5) {
            let block = local.get(id).expect("memory works").expect("held");
            assert_eq!(local.remove(id), Ok(true));
            let refusal = write_to(&local, root, &mut io::sink()).map_err(digest_of);
            assert_eq!(refusal, Err(*id.digest()));
            assert_eq!(local.put(&block), Ok(()));
        }
    }
}

fn digest_of(error: ReadError) -> [u8; 32] {
    match error {
        ReadError::NotHeld { id } => *id.digest(),
        other => panic!("{other}"),
    }
}

/// A leaf of these bytes, held.
fn leaf(local: &Memory, bytes: &[u8]) -> Branch {
    let content = Content::of(bytes).expect("a short leaf");
    local.put(&content).expect("the quota is far");
    Branch { id: content.id(), bytes: u64::try_from(bytes.len()).expect("short") }
}

/// A node over these, held; it says what they say.
fn node(local: &Memory, branches: &[Branch]) -> Branch {
    let links: Vec<NewLink> =
        branches.iter().map(|branch| NewLink { branch: *branch, bytes_total: 1 }).collect();
    let content = Content::of_codec(Codec::DagPb, encode(&links)).expect("a block's size");
    local.put(&content).expect("the quota is far");
    Branch { id: content.id(), bytes: branches.iter().map(|branch| branch.bytes).sum() }
}

fn read(local: &Memory, root: Branch) -> Result<u64, ReadError> {
    write_to(local, root.id, &mut io::sink())
}

#[test]
fn a_wrong_size_is_an_error_wherever_it_is_said() {
    let local = Memory::new(QUOTA);
    let hello = leaf(&local, b"hello");
    for said in [4, 6, 1 << 40] {
        let lie = Branch { bytes: said, ..hello };
        let wrong = DagError::WrongSize { id: hello.id, said, found: 5 };
        let expected =
            if said > FILE_BYTES_MAX { DagError::TooLarge { bytes: said } } else { wrong };
        assert_eq!(read(&local, node(&local, &[lie])), Err(expected.into()));
        let inner = node(&local, &[hello, hello]);
        let lie = Branch { bytes: said, ..inner };
        let wrong = DagError::WrongSize { id: inner.id, said, found: 10 };
        let expected =
            if said > FILE_BYTES_MAX { DagError::TooLarge { bytes: said } } else { wrong };
        assert_eq!(read(&local, node(&local, &[lie])), Err(expected.into()));
    }
}

#[test]
fn the_depth_is_bounded() {
    let local = Memory::new(QUOTA);
    let mut root = leaf(&local, b"hello");
    let hello = root;
    for _level in 1..DEPTH_MAX {
        root = node(&local, &[root]);
    }
    assert_eq!(read(&local, root), Ok(5));
    let root = node(&local, &[root]);
    assert_eq!(read(&local, root), Err(DagError::TooDeep { id: hello.id }.into()));
}

/// One leaf, linked over and over: small to store, endless to read.
#[test]
fn the_links_are_counted_as_often_as_they_stand_there() {
    let local = Memory::new(QUOTA);
    let wide = node(&local, &vec![leaf(&local, b"a"); NODE_LINK_COUNT_MAX]);
    let count = LINK_COUNT_MAX / NODE_LINK_COUNT_MAX;
    let over = node(&local, &vec![wide; count]);
    assert_eq!(read(&local, over), Err(DagError::TooManyLinks.into()));
    let bomb = (0..4).fold(wide, |below, _| node(&local, &[below; 4_000]));
    assert_eq!(bomb.bytes, 8_192 * 4_000_u64.pow(4));
    assert_eq!(read(&local, bomb), Err(DagError::TooLarge { bytes: bomb.bytes }.into()));
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let check = |bytes: &[u8], expected: fn(ContentId) -> DagError| {
        let content = Content::of_codec(Codec::DagPb, bytes).expect("short");
        assert_eq!(FileNode::of(&content), Err(expected(content.id())), "{bytes:?}");
    };
    check(&[0x0a, 2, 8, 1], |id| DagError::NotAFile { id, kind: 1 });
    check(&[], |id| DagError::Malformed { id });
    check(&[0x0a, 0], |id| DagError::Malformed { id });
    check(b"hello", |id| DagError::Malformed { id });
    // An honest node, and each way of writing the same links otherwise.
    let local = Memory::new(QUOTA);
    let root = node(&local, &[leaf(&local, b"hello")]);
    let sound = local.get(root.id).expect("memory works").expect("held").into_bytes();
    let (link, data) = sound.split_at(2 + usize::from(sound[1]));
    assert_eq!(FileNode::of(&Content::of_codec(Codec::DagPb, sound.clone()).expect("short")), {
        let branches = vec![leaf(&local, b"hello")];
        Ok(FileNode { bytes: 5, data: link.len() + 2..link.len() + 2, branches })
    });
    check(&[data, link].concat(), |id| DagError::Malformed { id });
    check(&[link, data, data].concat(), |id| DagError::Malformed { id });
    check(link, |id| DagError::Malformed { id });
    check(&[link, link, data].concat(), |id| DagError::Malformed { id }); // one size, two links
    let mut named = link.to_vec();
    named[1] += 1;
    named[41] = 1;
    named.insert(42, b'a');
    check(&[&named, data].concat(), |id| DagError::Malformed { id });
}

#[test]
fn a_bit_more_or_less_never_panics_and_never_counts_wrong() {
    let local = Memory::new(QUOTA);
    let root = node(&local, &[leaf(&local, b"hello"), leaf(&local, b"world!")]);
    let sound = local.get(root.id).expect("memory works").expect("held").into_bytes();
    for bit in 0..sound.len() * 8 {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let content = Content::of_codec(Codec::DagPb, flipped).expect("short");
        if let Ok(node) = FileNode::of(&content) {
            let sum: u64 = node.branches.iter().map(|branch| branch.bytes).sum();
            assert_eq!(node.bytes, sum + u64::try_from(node.data.len()).expect("short"));
        }
    }
    for length in 0..sound.len() {
        let cut = Content::of_codec(Codec::DagPb, &sound[..length]).expect("short");
        assert_eq!(FileNode::of(&cut), Err(DagError::Malformed { id: cut.id() }));
    }
}

#[test]
fn a_node_of_too_many_links_is_refused() {
    let link = NewLink { branch: Branch { id: ContentId::of(b"a"), bytes: 1 }, bytes_total: 1 };
    let parse = |count| {
        let content = Content::of_codec(Codec::DagPb, encode(&vec![link; count])).expect("short");
        FileNode::of(&content).map(|node| node.bytes)
    };
    assert_eq!(parse(NODE_LINK_COUNT_MAX), Ok(8_192));
    assert!(matches!(parse(NODE_LINK_COUNT_MAX + 1), Err(DagError::Malformed { .. })));
}

#[test]
fn an_old_leaf_has_its_bytes_inside() {
    let local = Memory::new(QUOTA);
    // Kubo's "hello world" without raw leaves (its test/cli/add_test.go).
    let data = [&[8, 2, 18, 11][..], b"hello world", &[24, 11]].concat();
    let block = [&[0x0a, 17][..], &data].concat();
    let content = Content::of_codec(Codec::DagPb, block).expect("short");
    let expected = "bafybeihykld7uyxzogax6vgyvag42y7464eywpf55gxi5qpoisibh3c5wa";
    assert_eq!(content.id().to_string(), expected);
    assert_eq!(local.put(&content), Ok(()));
    let mut found = Vec::new();
    assert_eq!(write_to(&local, content.id(), &mut found), Ok(11));
    assert_eq!(found, b"hello world");
}

#[test]
fn what_stops_the_caller_stops_the_builder() {
    struct Stop;
    impl From<io::Error> for Stop {
        fn from(_: io::Error) -> Self {
            Stop
        }
    }
    let mut count = 0;
    let stopped = build(content(100), Layout::new(10, 2), |_block| {
        count += 1;
        if count == 3 { Err(Stop) } else { Ok(()) }
    });
    assert!(stopped.is_err());
    assert_eq!(count, 3);
}
