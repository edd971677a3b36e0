//! Making a snapshot out of a store: two walks over the first so many lines of its applied log,
//! which only ever grows, so the view is consistent without a lock, and the node goes on meanwhile.
//! The first finds the newest link of each token, the second builds the proofs of those.
//!
//! Cost: the journal's batches are read and decoded once, and those with newest links once more;
//! some 100 bytes of memory a token that has moved.

use super::{GROUPS_MAX, Group, LINES_MAX, Link, Snapshot};
use crate::store::{Store, StoreError};
use consensus::Batch;
use ledger::hash::{Tag, hash};
use ledger::{Digest, Network, Output, TokenId, Transfer, TransferId, merkle};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why no snapshot was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MakeError {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Above the limits of snapshots.
    #[error("the ledger has outgrown the limits of a snapshot")]
    TooLarge,
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

/// Where the newest link of a token is.
struct Newest {
    /// Height, and whether the link ended the token: the order of a token's links.
    rank: (u64, bool),
    source: Source,
    index: u32,
}

/// Where a batch's links come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A group of the snapshot that this store began with.
    Base(usize),
    /// A line of the log.
    Line(u64),
}

#[derive(Default)]
struct Found {
    applied: u64,
    digest: [u8; 32],
    newest: HashMap<TokenId, Newest>,
    /// Links that issued an asset.
    issues: Vec<(Source, u32)>,
}

impl Found {
    fn add(&mut self, source: Source, index: u32, transfer: &Transfer, id: TransferId) {
        let is_issue = |output: &Output| matches!(output, Output::Issue { .. });
        if transfer.outputs.iter().any(is_issue) {
            self.issues.push((source, index));
        }
        let ended = transfer.inputs.iter().map(|i| (i.state.token, (i.state.height, true)));
        let made = transfer.made(id);
        let made = made.iter().map(|made| (made.state.token, (made.state.height, false)));
        for (token, rank) in ended.chain(made) {
            // An input that is moved has a higher rank as an output of the same transfer.
            let newest = Newest { rank, source, index };
            match self.newest.get(&token) {
                Some(known) if known.rank >= rank => {}
                _ => drop(self.newest.insert(token, newest)),
            }
        }
    }

    fn wanted(&self) -> BTreeMap<Source, BTreeSet<u32>> {
        let newest = self.newest.values().map(|newest| (newest.source, newest.index));
        let mut wanted: BTreeMap<Source, BTreeSet<u32>> = BTreeMap::new();
        for (source, index) in newest.chain(self.issues.iter().copied()) {
            wanted.entry(source).or_default().insert(index);
        }
        wanted
    }
}

/// Makes the snapshot of a store's whole applied log. `is_stopping` is asked now and then.
///
/// # Errors
/// Every [`MakeError`].
pub fn make(
    store: &Store,
    network: &Network,
    is_stopping: &dyn Fn() -> bool,
) -> Result<Snapshot, MakeError> {
    let line_count = store.line_count();
    let count = usize::try_from(line_count).unwrap_or(usize::MAX);
    if count > LINES_MAX {
        return Err(MakeError::TooLarge);
    }
    let lines = store.log(0, count)?;
    let base = store.base()?;
    let mut found = Found::default();
    let mut from = 0;
    if let Some(base) = &base {
        (found.applied, found.digest) = (base.applied, base.digest.0);
        from = u64::try_from(base.lines.len()).expect("a count");
        for (group, links) in base.groups.iter().enumerate() {
            for link in &links.links {
                let transfer = &link.signed.transfer;
                found.add(Source::Base(group), link.index, transfer, transfer.id());
            }
        }
    }
    for (position, line) in (from..).zip(lines.iter().skip(usize::try_from(from).unwrap_or(0))) {
        if is_stopping() {
            return Err(MakeError::Stopped);
        }
        let proposal = store.line(position)?.proposal;
        for index in line.bitmap.indexes() {
            let transfer = &proposal.entries[index].signed.transfer;
            let id = transfer.id();
            found.applied += 1;
            found.digest.iter_mut().zip(id.bytes()).for_each(|(sum, byte)| *sum ^= byte);
            let index = u32::try_from(index).expect("at most 4,096");
            found.add(Source::Line(position), index, transfer, id);
        }
    }
    let wanted = found.wanted();
    if wanted.len() > GROUPS_MAX {
        return Err(MakeError::TooLarge);
    }
    let mut groups = Vec::with_capacity(wanted.len());
    for (source, indexes) in wanted {
        if is_stopping() {
            return Err(MakeError::Stopped);
        }
        groups.push(match source {
            Source::Base(index) => {
                let base = base.as_ref().expect("its links were found in it");
                some_of(&base.groups[index], &indexes)
            }
            Source::Line(position) => group(store, position, &indexes)?,
        });
    }
    groups.sort_by_key(Group::place);
    let (applied, digest) = (found.applied, Digest(found.digest));
    let (network, epoch) = (network.id, network.epoch);
    Ok(Snapshot { network, epoch, applied, digest, lines, groups })
}

fn some_of(group: &Group, indexes: &BTreeSet<u32>) -> Group {
    let links = group.links.iter().filter(|link| indexes.contains(&link.index)).cloned();
    Group { links: links.collect(), ..group.clone() }
}

/// The links of a line with their proofs.
fn group(store: &Store, position: u64, indexes: &BTreeSet<u32>) -> Result<Group, MakeError> {
    let applied = store.line(position)?;
    let batch = Batch::of(&applied.proposal).map_err(|_| StoreError::WrongPlace)?;
    let leaves: Vec<Digest> =
        batch.entries().iter().zip(batch.ids()).map(|(entry, id)| entry.leaf(*id)).collect();
    let places: Vec<usize> =
        indexes.iter().map(|i| usize::try_from(*i).expect("32 bits fit a usize here")).collect();
    let tree = merkle::Tree::new(leaves);
    let paths: Vec<_> = places.iter().map(|place| tree.path(*place)).collect();
    let links = indexes.iter().zip(&places).zip(paths).map(|((index, place), path)| {
        let entry = &batch.entries()[*place];
        let parts: [&[u8]; 2] = [&entry.signed.signature.0, &entry.justification];
        let proof = (entry.round > 0).then(|| hash(Tag::Proof, &parts));
        Link { index: *index, signed: entry.signed.clone(), round: entry.round, proof, path }
    });
    let count = u32::try_from(batch.count()).expect("at most 4,096");
    Ok(Group { links: links.collect(), certificate: applied.certificate, count })
}

/// The bytes of the snapshot, if they are within the limit.
///
/// # Errors
/// `TooLarge`.
pub fn bytes_of(snapshot: &Snapshot) -> Result<Vec<u8>, MakeError> {
    let least: usize = snapshot.groups.iter().map(|group| group.links.len()).sum();
    if least > super::SNAPSHOT_BYTES_MAX / super::LINK_BYTES_MIN {
        return Err(MakeError::TooLarge);
    }
    let bytes = snapshot.to_bytes();
    if bytes.len() > super::SNAPSHOT_BYTES_MAX { Err(MakeError::TooLarge) } else { Ok(bytes) }
}
