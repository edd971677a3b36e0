//! The Merkle tree over a batch's entries. Shape of RFC 6962 section 2.1 (an odd node is carried
//! up, not doubled), leaves and nodes under different tags, and the count mixed into the root, so
//! that directions and the path's length follow from index and count only.

use crate::hash::{BatchId, Digest, Tag, hash};

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

/// [`path`] of many leaves, hashing the tree once: `paths[i]` is for `indexes[i]`.
///
/// # Panics
/// When an index is not below the number of leaves.
pub fn paths(leaves: &[Digest], indexes: &[usize]) -> Vec<Vec<Digest>> {
    let mut levels = vec![leaves.to_vec()];
    while let Some(level) = levels.last()
        && level.len() > 1
    {
        levels.push(parents(level));
    }
    let path = |index: &usize| {
        assert!(*index < leaves.len());
        let level = |(height, level): (usize, &Vec<Digest>)| {
            level.get((index >> height) ^ 1).filter(|_| level.len() > 1).copied()
        };
        levels.iter().enumerate().filter_map(level).collect()
    };
    indexes.iter().map(path).collect()
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
            for (index, leaf) in leaves.iter().enumerate() {
                let path = path(&leaves, index);
                assert_eq!(root_of_path(*leaf, index, leaves.len(), &path), Some(root));
            }
        }
    }

    #[test]
    fn many_paths_are_each_path() {
        for count in 1..40u32 {
            let leaves = leaves(count);
            let indexes: Vec<usize> = (0..leaves.len()).rev().collect();
            let each: Vec<_> = indexes.iter().map(|index| path(&leaves, *index)).collect();
            assert_eq!(paths(&leaves, &indexes), each);
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
    fn a_node_can_not_pose_as_a_leaf() {
        let leaves = leaves(4);
        let inner = parents(&leaves);
        assert_ne!(root(&leaves), root(&inner));
    }
}
