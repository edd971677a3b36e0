//! How much of a file is held here. Asks nobody else.

use std::collections::BTreeSet;

use crate::{
    BlockError, Blocks, Codec, ContentId,
    dag::{
        DagError,
        read::{LinkCount, Place, ReadError},
    },
};

/// How much of a file is held here. Distinct blocks, those with links included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStat {
    /// The file's size; `None` while its root is not held.
    pub bytes: Option<u64>,
    /// Blocks held.
    pub blocks_held: u64,
    /// Blocks known: those held and those that they link to. All of them once `is_complete`.
    pub blocks_known: u64,
    /// Whether every block is held. Raw chunks are known by their sizes here, they are hashed when
    /// they are read.
    pub is_complete: bool,
}

/// Walks what is held of the file. Touches the disk: call it where blocking is allowed. Cost: nodes
/// with links are read and hashed, chunks are only looked up.
///
/// # Errors
/// [`ReadError::Dag`], [`ReadError::Store`]; a missing or corrupt block is none, it counts as not
/// held.
pub fn stat(local: &dyn Blocks, root: ContentId) -> Result<FileStat, ReadError> {
    let mut stat = FileStat { blocks_known: 1, ..FileStat::default() };
    let mut rest = vec![Place::root(root)];
    let mut known = BTreeSet::new();
    let mut links = LinkCount::default();
    while let Some(place) = rest.pop() {
        let id = place.id;
        if id.codec() == Codec::Raw {
            if let Some(found) = local.size(id)? {
                match place.said {
                    Some(said) if said != found => {
                        return Err(DagError::WrongSize { id, said, found }.into());
                    }
                    Some(_) => {}
                    None => stat.bytes = Some(found),
                }
                stat.blocks_held += 1;
            }
            continue;
        }
        let content = match local.get(id) {
            Err(BlockError::Corrupt { .. }) => None,
            other => other?,
        };
        let Some(content) = content else { continue };
        let node = place.open(&content)?;
        links.add(node.branches.len())?;
        stat.blocks_held += 1;
        stat.bytes.get_or_insert(node.bytes);
        for branch in &node.branches {
            if known.insert(branch.id) {
                stat.blocks_known += 1;
                rest.push(place.below(branch));
            }
        }
    }
    stat.is_complete = stat.blocks_held == stat.blocks_known;
    Ok(stat)
}
