//! Bytes to blocks: the balanced UnixFS layout, as a stream.
//!
//! Leaves come in order and are stored by the caller; the builder keeps only links, at most one
//! node's worth a level, and gives out each node as soon as it is full.

use std::io::{self, Read};

use super::{
    Branch, FILE_BYTES_MAX, NODE_LINK_COUNT_MAX,
    node::{NewLink, encode},
};
use crate::{BLOCK_BYTES_MAX, Codec, Content, ContentId, blockstore::size_of};

/// How a file is cut. Other numbers give the same bytes other ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// 1 to [`BLOCK_BYTES_MAX`]. Written by `new`.
    chunk_bytes: usize,
    /// 2 to [`NODE_LINK_COUNT_MAX`]. Written by `new`.
    link_count_max: usize,
}

impl Layout {
    /// `ipfs add --cid-version 1 --raw-leaves --chunker size-262144 --max-file-links 174`, the
    /// defaults of Kubo to 0.39 but for CIDv1.
    pub const KUBO: Self = Self::new(262_144, 174);

    /// Chunks of so many bytes, nodes of so many links.
    ///
    /// # Panics
    /// On numbers out of their ranges: no chunks, chunks over [`BLOCK_BYTES_MAX`], less than two
    /// links or more than [`NODE_LINK_COUNT_MAX`].
    pub const fn new(chunk_bytes: usize, link_count_max: usize) -> Self {
        assert!(chunk_bytes > 0);
        assert!(chunk_bytes <= BLOCK_BYTES_MAX);
        assert!(link_count_max > 1);
        assert!(link_count_max <= NODE_LINK_COUNT_MAX);
        Self { chunk_bytes, link_count_max }
    }

    /// Bytes of every chunk but the last.
    pub const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Reads the next chunk: full, or the last one; empty at the end.
    ///
    /// # Errors
    /// What the reader says; an interruption is no error.
    pub fn read_chunk(&self, reader: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(self.chunk_bytes);
        let bytes_max = u64::try_from(self.chunk_bytes).expect("a chunk is at most 1 MiB");
        reader.take(bytes_max).read_to_end(&mut chunk)?;
        Ok(chunk)
    }
}

/// The links above the leaves that have come so far. Memory: a node's links for each level.
#[derive(Clone, Debug)]
pub struct Builder {
    layout: Layout,
    /// Links that no node stands over yet, lowest level first. Never a full node's worth.
    levels: Vec<Vec<NewLink>>,
    bytes: u64,
}

/// A file's root, and the nodes that were still missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The file's id.
    pub root: ContentId,
    /// The file's size.
    pub bytes: u64,
    /// Nodes not given out before, children first; of a file of one chunk there are none.
    pub nodes: Vec<Content>,
}

impl Builder {
    /// Of a file without bytes.
    pub fn new(layout: Layout) -> Self {
        Self { layout, levels: Vec::new(), bytes: 0 }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next chunk and gives the nodes that it fills, children first.
    ///
    /// # Panics
    /// On an empty chunk that is not the only one, and over [`FILE_BYTES_MAX`]: the caller counts.
    pub fn push(&mut self, leaf: &Content) -> Vec<Content> {
        assert_eq!(leaf.id().codec(), Codec::Raw);
        let bytes = size_of(leaf.bytes());
        let is_only = self.levels.is_empty();
        assert!(bytes > 0 || is_only);
        self.bytes += bytes;
        assert!(self.bytes <= FILE_BYTES_MAX);
        let branch = Branch { id: leaf.id(), bytes };
        let mut nodes = Vec::new();
        self.add(0, NewLink { branch, bytes_total: bytes }, &mut nodes);
        nodes
    }

    /// Closes the file. One without chunks has the empty raw block as its root; the caller stores
    /// that by pushing it.
    pub fn finish(mut self) -> Built {
        let mut nodes = Vec::new();
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            if let ([link], true) = (self.levels[level].as_slice(), is_top) {
                return Built { root: link.branch.id, bytes: self.bytes, nodes };
            }
            if !self.levels[level].is_empty() {
                self.seal(level, &mut nodes);
            }
            level += 1;
        }
        Built { root: ContentId::of(b""), bytes: 0, nodes }
    }

    fn add(&mut self, level: usize, link: NewLink, nodes: &mut Vec<Content>) {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(link);
        if self.levels[level].len() == self.layout.link_count_max {
            self.seal(level, nodes);
        }
    }

    /// Puts a node over the links of a level, and its link one level up.
    fn seal(&mut self, level: usize, nodes: &mut Vec<Content>) {
        let links = std::mem::take(&mut self.levels[level]);
        let bytes = encode(&links);
        let own = size_of(&bytes);
        let node = Content::of_codec(Codec::DagPb, bytes)
            .expect("8,192 links of at most 70 bytes are less than a block");
        let branch =
            Branch { id: node.id(), bytes: links.iter().map(|link| link.branch.bytes).sum() };
        let below: u64 = links.iter().map(|link| link.bytes_total).sum();
        nodes.push(node);
        self.add(level + 1, NewLink { branch, bytes_total: own + below }, nodes);
    }
}

/// Cuts all that the reader gives, hands out every block, children first, and returns the root
/// and the size. The sequential twin of [`put`](crate::chunks::put).
///
/// # Errors
/// What the reader says, and what `emit` says; [`io::ErrorKind::FileTooLarge`] over
/// [`FILE_BYTES_MAX`].
pub fn build<E: From<io::Error>>(
    mut reader: impl Read,
    layout: Layout,
    mut emit: impl FnMut(Content) -> Result<(), E>,
) -> Result<(ContentId, u64), E> {
    let mut builder = Builder::new(layout);
    loop {
        let chunk = layout.read_chunk(&mut reader)?;
        let is_end = chunk.is_empty();
        if is_end && builder.bytes() > 0 {
            break;
        }
        if builder.bytes() + size_of(&chunk) > FILE_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
        }
        let leaf = Content::of(chunk).expect("a chunk is at most a block");
        let nodes = builder.push(&leaf);
        emit(leaf)?;
        nodes.into_iter().try_for_each(&mut emit)?;
        if is_end {
            break;
        }
    }
    let built = builder.finish();
    built.nodes.into_iter().try_for_each(emit)?;
    Ok((built.root, built.bytes))
}
