//! Blocks to bytes: walks a complete file in the local store, in order.
//!
//! Every block is hashed as it leaves the store, every size is compared with what its parent says,
//! and depth, links and bytes are bounded, so that a hostile root costs no more than an honest one.

use std::io::{self, Write};

use super::{Branch, DEPTH_MAX, DagError, FILE_BYTES_MAX, FileNode, LINK_COUNT_MAX};
use crate::{BlockError, Blocks, Content, ContentId};

/// Why a file could not be read from the local store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not held here: get it first.
    #[error("{id}, a part of the file, is not held here")]
    NotHeld {
        /// Which block.
        id: ContentId,
    },
    /// The DAG is no file of ours.
    #[error(transparent)]
    Dag(#[from] DagError),
    /// The local store; also a corrupt block.
    #[error(transparent)]
    Store(#[from] BlockError),
    /// Whoever takes the bytes.
    #[error("writing the file: {0}")]
    Write(io::ErrorKind),
}

/// A place in a DAG, as a link names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: ContentId,
    /// What the parent says; the root has none.
    pub(crate) said: Option<u64>,
    /// The root has 1.
    pub(crate) depth: usize,
}

impl Place {
    pub(crate) fn root(id: ContentId) -> Self {
        Self { id, said: None, depth: 1 }
    }

    /// What stands at this place: parsed, its size and depth checked. Every walk goes through here
    /// and counts its links.
    pub(crate) fn open(&self, content: &Content) -> Result<FileNode, DagError> {
        let id = self.id;
        let node = FileNode::of(content)?;
        let found = node.bytes;
        match self.said {
            Some(said) if said != found => return Err(DagError::WrongSize { id, said, found }),
            None if found > FILE_BYTES_MAX => return Err(DagError::TooLarge { bytes: found }),
            _ => {}
        }
        match node.branches.first() {
            Some(branch) if self.depth == DEPTH_MAX => Err(DagError::TooDeep { id: branch.id }),
            _ => Ok(node),
        }
    }

    pub(crate) fn below(&self, branch: &Branch) -> Self {
        Self { id: branch.id, said: Some(branch.bytes), depth: self.depth + 1 }
    }
}

/// Links met on a walk, up to [`LINK_COUNT_MAX`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LinkCount(usize);

impl LinkCount {
    pub(crate) fn add(&mut self, count: usize) -> Result<(), DagError> {
        self.0 = self.0.saturating_add(count);
        if self.0 > LINK_COUNT_MAX { Err(DagError::TooManyLinks) } else { Ok(()) }
    }
}

/// A place in a file that is read in order. Calls touch the disk: make them where blocking is
/// allowed.
#[derive(Clone, Debug)]
pub struct FileCursor {
    /// What is still to come, the next on top. At most [`LINK_COUNT_MAX`].
    rest: Vec<Place>,
    links: LinkCount,
    bytes: Option<u64>,
}

impl FileCursor {
    /// At the beginning of the file with this root; nothing is read yet.
    pub fn new(root: ContentId) -> Self {
        Self { rest: vec![Place::root(root)], links: LinkCount::default(), bytes: None }
    }

    /// The file's size; `None` until its root was read.
    pub fn file_bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The next bytes of the file, at most a block's; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`]. After [`ReadError::NotHeld`] and [`ReadError::Store`] the same call goes on
    /// once the block is there; after the others nothing more should be read.
    pub fn next_bytes(&mut self, local: &dyn Blocks) -> Result<Option<Vec<u8>>, ReadError> {
        while let Some(place) = self.rest.last().copied() {
            let id = place.id;
            let content = local.get(id)?.ok_or(ReadError::NotHeld { id })?;
            let node = place.open(&content)?;
            self.links.add(node.branches.len())?;
            self.bytes.get_or_insert(node.bytes);
            self.rest.pop();
            self.rest.extend(node.branches.iter().rev().map(|branch| place.below(branch)));
            if !node.data.is_empty() {
                let mut bytes = content.into_bytes();
                bytes.truncate(node.data.end);
                bytes.drain(..node.data.start);
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// Reads a file block by block. Calls touch the disk: make them where blocking is allowed.
pub struct FileReader<'a> {
    local: &'a dyn Blocks,
    cursor: FileCursor,
}

impl<'a> FileReader<'a> {
    /// Of the file with this root; nothing is read yet.
    pub fn new(local: &'a dyn Blocks, root: ContentId) -> Self {
        Self { local, cursor: FileCursor::new(root) }
    }

    /// The next bytes of the file, at most a block's; `None` at the end.
    ///
    /// # Errors
    /// As [`FileCursor::next_bytes`].
    pub fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        self.cursor.next_bytes(self.local)
    }
}

/// Writes the whole file, in order, and returns its size. On an error, what was written before it
/// is sound but not all.
///
/// # Errors
/// [`ReadError::NotHeld`] names the first block that is missing.
pub fn write_to(
    local: &dyn Blocks,
    root: ContentId,
    writer: &mut dyn Write,
) -> Result<u64, ReadError> {
    let mut reader = FileReader::new(local, root);
    let mut written = 0;
    while let Some(bytes) = reader.next_bytes()? {
        writer.write_all(&bytes).map_err(|error| ReadError::Write(error.kind()))?;
        written += crate::blockstore::size_of(&bytes);
    }
    Ok(written)
}
