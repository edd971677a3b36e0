//! One block of a file: its links with the bytes below them, or the bytes of a leaf.
//!
//! dag-pb in its canonical form (ipld.io/specs/codecs/dag-pb): links before data, in each link
//! hash, name, size. Links of files have no names; what the size of a subtree *with* its nodes
//! (`Tsize`) says is written as Kubo does and not believed when read.

use std::ops::Range;

use super::{
    DagError, NODE_LINK_COUNT_MAX,
    protobuf::{Fields, Malformed, Value, put_bytes, put_number},
    unixfs::{self, Refusal},
};
use crate::{Codec, Content, ContentId, blockstore::size_of};

/// Numbers of the fields of a node and of a link.
const DATA: u8 = 1;
const LINK: u8 = 2;
const LINK_HASH: u8 = 1;
const LINK_NAME: u8 = 2;
const LINK_SIZE: u8 = 3;

/// One link of a file's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// What is below.
    pub id: ContentId,
    /// How many bytes of the file, as the node says: to be compared with what is found there.
    pub bytes: u64,
}

/// What one block says of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNode {
    /// Bytes of the file from here down, the sum of what follows.
    pub bytes: u64,
    /// Where in the block stand bytes of the file itself; they come before those of the links.
    pub data: Range<usize>,
    /// What is below, in the order of the file.
    pub branches: Vec<Branch>,
}

impl FileNode {
    /// Reads a block: a raw one is a leaf, a dag-pb one is a node or an old kind of leaf.
    ///
    /// # Errors
    /// [`DagError::Malformed`], [`DagError::NotAFile`].
    pub fn of(content: &Content) -> Result<Self, DagError> {
        let (id, block) = (content.id(), content.bytes());
        if id.codec() == Codec::Raw {
            return Ok(Self { bytes: size_of(block), data: 0..block.len(), branches: vec![] });
        }
        let malformed = |Malformed| DagError::Malformed { id };
        let (ids, data) = split(block).map_err(malformed)?;
        let part = unixfs::decode(&block[data.clone()]).map_err(|refusal| match refusal {
            Refusal::Malformed => DagError::Malformed { id },
            Refusal::Kind(kind) => DagError::NotAFile { id, kind },
        })?;
        if part.sizes.len() != ids.len() {
            return Err(DagError::Malformed { id });
        }
        let branches = ids.into_iter().zip(part.sizes).map(|(id, bytes)| Branch { id, bytes });
        let data = data.start + part.data.start..data.start + part.data.end;
        Ok(Self { bytes: part.bytes, data, branches: branches.collect() })
    }
}

/// A link as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLink {
    pub(crate) branch: Branch,
    /// Bytes of all blocks from there down, as often as they are linked.
    pub(crate) bytes_total: u64,
}

/// The node over these links, as Kubo writes it.
pub(crate) fn encode(links: &[NewLink]) -> Vec<u8> {
    let mut node = Vec::new();
    for link in links {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, LINK_HASH, &link.branch.id.to_bytes());
        put_bytes(&mut bytes, LINK_NAME, b"");
        put_number(&mut bytes, LINK_SIZE, link.bytes_total);
        put_bytes(&mut node, LINK, &bytes);
    }
    let sizes: Vec<u64> = links.iter().map(|link| link.branch.bytes).collect();
    put_bytes(&mut node, DATA, &unixfs::encode(&sizes));
    node
}

/// The ids of the links and where the data stands.
fn split(block: &[u8]) -> Result<(Vec<ContentId>, Range<usize>), Malformed> {
    let mut ids = Vec::new();
    let mut fields = Fields::new(block);
    loop {
        match fields.next()?.ok_or(Malformed)? {
            (2, Value::Bytes(link)) if ids.len() < NODE_LINK_COUNT_MAX => ids.push(link_id(link)?),
            (1, Value::Bytes(data)) => {
                let is_last = fields.position() == block.len();
                let range = block.len() - data.len()..block.len();
                return if is_last { Ok((ids, range)) } else { Err(Malformed) };
            }
            _ => return Err(Malformed),
        }
    }
}

fn link_id(link: &[u8]) -> Result<ContentId, Malformed> {
    let mut fields = Fields::new(link);
    let Some((1, Value::Bytes(hash))) = fields.next()? else { return Err(Malformed) };
    let mut last = 1;
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (2, Value::Bytes(b"")) | (3, Value::Number(_)) if field > last => last = field,
            _ => return Err(Malformed),
        }
    }
    ContentId::from_bytes(hash).map_err(|_| Malformed)
}

/// A node over these ids and bytes below them, for tests of what reads it.
#[cfg(test)]
pub(crate) fn of(below: &[(ContentId, u64)]) -> Content {
    let links: Vec<NewLink> = below
        .iter()
        .map(|(id, bytes)| NewLink { branch: Branch { id: *id, bytes: *bytes }, bytes_total: 1 })
        .collect();
    Content::of_codec(Codec::DagPb, encode(&links)).expect("a block's size")
}
