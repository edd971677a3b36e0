//! The Merkle tree over a batch's entries. Shape of RFC 6962 section 2.1 (an odd node is carried
//! up, not doubled), leaves and nodes under different tags, and the count mixed into the root, so
//! that directions and the path's length follow from index and count only.

use crate::bitmap::BITS_MAX;
use crate::encoding::{Canonical, DecodeError, Reader, write_list};
use crate::hash::{BatchId, Digest, Tag, hash};

/// Longest path: that of 4,096 leaves.
pub const PATH_MAX: usize = 12;
const _: () = assert!(1 << PATH_MAX == BITS_MAX);

/// Where an entry stands in its batch, and the way from its leaf to the root (an inclusion proof in
/// the words of RFC 6962).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Position in the batch, 0-based.
    pub index: u32,
    /// How many entries the batch has.
    pub count: u32,
    /// Siblings from the entry's leaf to the root, lowest first.
    pub path: Vec<Digest>,
}

impl Inclusion {
    /// Entry `index` of `count`.
    ///
    /// # Panics
    /// Above 2^32, which every limit of a batch excludes.
    pub fn new(index: usize, count: usize, path: Vec<Digest>) -> Self {
        let small = |number: usize| u32::try_from(number).expect("at most 4,096");
        Self { index: small(index), count: small(count), path }
    }

    /// The position, when `leaf` there leads to `batch`; `None` otherwise, also for a batch of more
    /// than 4,096 entries.
    pub fn index_in(&self, batch: &BatchId, leaf: Digest) -> Option<usize> {
        let index = usize::try_from(self.index).ok()?;
        let count = usize::try_from(self.count).ok()?;
        let root = root_of_path(leaf, index, count, &self.path);
        (count <= BITS_MAX && root.as_ref() == Some(batch)).then_some(index)
    }
}

impl Canonical for Inclusion {
    fn write(&self, out: &mut Vec<u8>) {
        self.index.write(out);
        self.count.write(out);
        write_list(&self.path, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: u32::read(reader)?,
            count: u32::read(reader)?,
            path: reader.list("nodes in a Merkle path", PATH_MAX, 32)?,
        })
    }
}

/// The batch id: the root over `leaves` with their count mixed in.
///
/// # Panics
/// When `leaves` is empty; a batch holds at least one entry.
pub fn root(leaves: &[Digest]) -> BatchId {
    assert!(!leaves.is_empty());
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = parents(&level);
    }
    finish(level[0], leaves.len())
}

/// The siblings from leaf `index` up to the root, lowest first.
///
/// # Panics
/// When `index` is not below the number of leaves.
pub fn path(leaves: &[Digest], index: usize) -> Vec<Digest> {
    assert!(index < leaves.len());
    let mut siblings = Vec::new();
    let mut level = leaves.to_vec();
    let mut at = index;
    while level.len() > 1 {
        if let Some(sibling) = level.get(at ^ 1) {
            siblings.push(*sibling);
        }
        level = parents(&level);
        at /= 2;
    }
    siblings
}

/// All levels of a tree: many paths of one batch without hashing it again for each.
pub struct Tree {
    /// The leaves first, the top last.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Hashes every level once.
    ///
    /// # Panics
    /// When `leaves` is empty; a batch holds at least one entry.
    pub fn new(leaves: Vec<Digest>) -> Self {
        assert!(!leaves.is_empty());
        let mut levels = vec![leaves];
        while levels[levels.len() - 1].len() > 1 {
            levels.push(parents(&levels[levels.len() - 1]));
        }
        Self { levels }
    }

    /// What [`path`] gives for the same leaves.
    ///
    /// # Panics
    /// When `index` is not below the number of leaves.
    pub fn path(&self, index: usize) -> Vec<Digest> {
        assert!(index < self.levels[0].len());
        let below_top = self.levels[..self.levels.len() - 1].iter().enumerate();
        below_top.filter_map(|(level, nodes)| nodes.get((index >> level) ^ 1).copied()).collect()
    }
}

/// The batch id that `leaf` at `index` of `count` leads to by `siblings`; `None` when the path has
/// not exactly the length that index and count demand.
pub fn root_of_path(
    leaf: Digest,
    index: usize,
    count: usize,
    siblings: &[Digest],
) -> Option<BatchId> {
    if index >= count {
        return None;
    }
    let mut rest = siblings.iter();
    let (mut node, mut at, mut width) = (leaf, index, count);
    while width > 1 {
        if at % 2 == 1 {
            node = parent(rest.next()?, &node);
        } else if at + 1 < width {
            node = parent(&node, rest.next()?);
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    rest.next().is_none().then(|| finish(node, count))
}

fn parents(level: &[Digest]) -> Vec<Digest> {
    let join = |pair: &[Digest]| match pair {
        [left, right] => parent(left, right),
        _ => pair[0],
    };
    level.chunks(2).map(join).collect()
}

fn parent(left: &Digest, right: &Digest) -> Digest {
    hash(Tag::Node, &[&left.0, &right.0])
}

fn finish(top: Digest, count: usize) -> BatchId {
    let count = u32::try_from(count).expect("a batch has at most 4,096 entries");
    BatchId(hash(Tag::Root, &[&count.to_le_bytes(), &top.0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u32) -> Vec<Digest> {
        (0..count).map(|index| hash(Tag::Leaf, &[&index.to_le_bytes()])).collect()
    }

    #[test]
    fn every_leaf_of_every_size_has_its_path() {
        for count in 1..70u32 {
            let leaves = leaves(count);
            let root = root(&leaves);
            let tree = Tree::new(leaves.clone());
            for (index, leaf) in leaves.iter().enumerate() {
                let path = path(&leaves, index);
                assert_eq!(tree.path(index), path);
                assert_eq!(root_of_path(*leaf, index, leaves.len(), &path), Some(root));
            }
        }
    }

    #[test]
    fn a_path_fits_one_index_and_one_count_only() {
        for count in 2..20usize {
            let all = leaves(20);
            let leaves = &all[..count];
            let root = root(leaves);
            for index in 0..count {
                let path = path(leaves, index);
                for other_index in 0..count + 2 {
                    for other_count in 1..count + 3 {
                        let is_same = other_index == index && other_count == count;
                        let found = root_of_path(leaves[index], other_index, other_count, &path);
                        assert_eq!(found == Some(root), is_same, "{index}/{count}");
                    }
                }
                let mut longer = path.clone();
                longer.push(leaves[0]);
                assert_eq!(root_of_path(leaves[index], index, count, &longer), None);
                assert_eq!(root_of_path(leaves[index], index, count, &path[1..]), None);
            }
        }
    }

    #[test]
    fn a_place_is_in_a_batch_of_at_most_4096() {
        for (count, found) in [(4_096, Some(4_095)), (4_097, None)] {
            let leaves = leaves(u32::try_from(count).expect("small"));
            let index = 4_095;
            let inclusion = Inclusion::new(index, count, path(&leaves, index));
            assert_eq!(inclusion.index_in(&root(&leaves), leaves[index]), found, "{count}");
        }
    }

    #[test]
    fn a_node_can_not_pose_as_a_leaf() {
        let leaves = leaves(4);
        let inner = parents(&leaves);
        assert_ne!(root(&leaves), root(&inner));
    }
}
