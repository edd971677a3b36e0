//! Snapshots: where every token stands after so many final transfers, each tip in it provable by
//! the link that made it. For a node whose store is lost, and for backups.
//!
//! ```text
//!  magic │ network, epoch, applied, digest │ lines of the applied log │ groups │ sha256 of all
//!  group = Commit certificate, entries of its batch, links
//!  link  = index, signed transfer, round (above 0: H(signature, justification)), Merkle path
//! ```
//!
//! There is no list of tips: the reader makes each tip out of the newest link of its token, so no
//! tip can stand there that a certified transfer did not make. Tokens in their genesis place have
//! no link. A token that has ended has the link that ended it: without it an old one would bring
//! it back. An issued asset has the link that issued it.
//!
//! **What a snapshot proves.** Each tip is one that its token really had, nothing was made out of
//! nothing (the sums per asset balance), and the counters fit the log. **What it does not prove:**
//! that a tip is the newest, and the digest. Who starts from one therefore never votes
//! (`store/restore.rs`), and walks the peers' logs for the rest.
//!
//! Not here: who makes one when (`snapshot/offer.rs`), how it is fetched (`sync/join.rs`).

mod check;
pub mod make;
pub mod offer;

use consensus::AppliedLine;
use consensus::limits::BATCH_ENTRIES_MAX;
use ledger::encoding::{canonical_struct, write_list};
use ledger::hash::{Tag, hash, hash_untagged};
use ledger::{
    BatchId, Canonical, Certificate, DecodeError, Digest, NetworkId, Reader, SignedTransfer,
    TokenId, TransferId,
};

pub use check::{Checked, SnapshotError};

/// First bytes of every snapshot; the number is the format's.
pub const MAGIC: &[u8; 19] = b"quorate.snapshot/1\n";
/// Largest snapshot, bytes: it is held in memory, some 600,000 tokens that have moved.
pub const SNAPSHOT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most lines of the applied log in a snapshot.
pub const LINES_MAX: usize = 8_000_000;
/// Most groups in a snapshot; each has a certificate of five votes to check, about 0.1 ms.
pub const GROUPS_MAX: usize = 1_000_000;
/// Longest Merkle path: 4,096 leaves.
const PATH_MAX: usize = 12;
/// Bytes of the trailer.
const TRAILER_BYTES: usize = 32;
/// Bytes of the shortest line, group and link.
const LINE_BYTES_MIN: usize = 37;
const GROUP_BYTES_MIN: usize = 300;
const LINK_BYTES_MIN: usize = 4 + 72 + 116 + 39 + 4 + 64 + 4 + 4;

const _: () = assert!(1 << PATH_MAX == BATCH_ENTRIES_MAX);

/// A snapshot as it is stored; [`Snapshot::check`] says whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Of which network.
    pub network: NetworkId,
    /// Of which epoch.
    pub epoch: u64,
    /// Distinct transfers applied.
    pub applied: u64,
    /// XOR of their ids.
    pub digest: Digest,
    /// The applied log, in its maker's order.
    pub lines: Vec<AppliedLine>,
    /// Ascending by batch and first index.
    pub groups: Vec<Group>,
}

/// Links that one certificate makes final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The Commit certificate.
    pub certificate: Certificate,
    /// Entries of the batch.
    pub count: u32,
    /// Ascending by index, at least one.
    pub links: Vec<Link>,
}

/// One final transfer with what proves that it is in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its position in the batch.
    pub index: u32,
    /// The transfer. Its signature is in the leaf; a quorum has checked it.
    pub signed: SignedTransfer,
    /// The round in which it became final.
    pub round: u32,
    /// H(signature, justification) where the round is above 0.
    pub proof: Option<Digest>,
    /// From its leaf to the root, lowest first.
    pub path: Vec<Digest>,
}

impl Link {
    /// Its leaf in the batch's tree; see `ledger::Entry::leaf`.
    fn leaf(&self, id: TransferId) -> Digest {
        let signature = &self.signed.signature.0;
        let proof = self.proof.unwrap_or_else(|| hash(Tag::Proof, &[signature, &[]]));
        hash(Tag::Leaf, &[id.bytes(), &self.round.to_le_bytes(), &proof.0])
    }
}

impl Canonical for Link {
    fn write(&self, out: &mut Vec<u8>) {
        self.index.write(out);
        self.signed.write(out);
        self.round.write(out);
        if let Some(proof) = &self.proof {
            proof.write(out);
        }
        write_list(&self.path, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let index = u32::read(reader)?;
        let signed = SignedTransfer::read(reader)?;
        let round = u32::read(reader)?;
        let proof = if round > 0 { Some(Digest::read(reader)?) } else { None };
        let path = reader.list("nodes in a Merkle path", PATH_MAX, 32)?;
        Ok(Self { index, signed, round, proof, path })
    }
}

impl Group {
    /// What groups are ordered by.
    fn place(&self) -> (BatchId, u32) {
        (self.certificate.batch, self.links.first().map_or(0, |link| link.index))
    }
}

impl Canonical for Group {
    fn write(&self, out: &mut Vec<u8>) {
        self.certificate.write(out);
        self.count.write(out);
        write_list(&self.links, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let certificate = Certificate::read(reader)?;
        let count = u32::read(reader)?;
        let links: Vec<Link> = reader.list("links", BATCH_ENTRIES_MAX, LINK_BYTES_MIN)?;
        let is_ascending = links.windows(2).all(|pair| pair[0].index < pair[1].index);
        if links.is_empty() || !is_ascending {
            return Err(DecodeError::NotCanonical("links out of order, or none"));
        }
        Ok(Self { certificate, count, links })
    }
}

/// The fixed part before the lists.
struct Head {
    network: NetworkId,
    epoch: u64,
    applied: u64,
    digest: Digest,
}
canonical_struct!(Head { network, epoch, applied, digest });

impl Snapshot {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let Self { network, epoch, applied, digest, .. } = *self;
        Head { network, epoch, applied, digest }.write(&mut out);
        write_list(&self.lines, &mut out);
        write_list(&self.groups, &mut out);
        let trailer = hash_untagged(&out);
        trailer.write(&mut out);
        out
    }

    /// Reads a file's bytes. Nothing is checked but their form and the trailer.
    ///
    /// # Errors
    /// `TooLarge`, `NoSnapshot`, `Damaged`, `Decode`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: bytes.len() });
        }
        let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or(SnapshotError::NoSnapshot)?;
        let Some(body_bytes) = rest.len().checked_sub(TRAILER_BYTES) else {
            let left = rest.len();
            return Err(DecodeError::Truncated { needed: TRAILER_BYTES, left }.into());
        };
        let (body, trailer) = rest.split_at(body_bytes);
        if hash_untagged(&bytes[..bytes.len() - TRAILER_BYTES]).0 != trailer {
            return Err(SnapshotError::Damaged);
        }
        let mut reader = Reader::new(body);
        let Head { network, epoch, applied, digest } = Head::read(&mut reader)?;
        let lines = reader.list("lines", LINES_MAX, LINE_BYTES_MIN)?;
        let groups: Vec<Group> = reader.list("groups", GROUPS_MAX, GROUP_BYTES_MIN)?;
        if reader.left() > 0 {
            return Err(DecodeError::Trailing(reader.left()).into());
        }
        if groups.windows(2).any(|pair| pair[0].place() >= pair[1].place()) {
            return Err(DecodeError::NotCanonical("groups out of order").into());
        }
        let snapshot = Self { network, epoch, applied, digest, lines, groups };
        if snapshot.to_bytes() != bytes {
            return Err(DecodeError::NotCanonical("encoding again gives other bytes").into());
        }
        Ok(snapshot)
    }
}

/// Two links that can't both be final, or that say different things of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two links of token {token} contradict each other")]
pub struct Contradiction {
    /// The token.
    pub token: TokenId,
}

#[cfg(test)]
mod tests;
