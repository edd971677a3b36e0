//! Batches: an ordered list of entries proposed together, named by their Merkle root.
//!
//! Three forms, in the data's way: [`Proposal`] as decoded (nothing checked but its bounds),
//! [`Batch`] with ids and root computed, and the proof [`AppliedBatch`] of a batch with its Commit
//! certificate.

use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use std::sync::Arc;

use ledger::encoding::{canonical_bytes_of_list, canonical_struct, write_list};
use ledger::hash::{Tag, hash};
use ledger::{
    BatchId, Bitmap, Canonical, Certificate, DecodeError, Digest, Entry, Inclusion, Keypair,
    LockProof, Network, NetworkId, Reader, Receipt, Signature, Statement, TransferId, merkle,
};

/// Bytes of the shortest entry: a transfer of one input, one `Move` and no memo, signature and
/// round.
const ENTRY_BYTES_MIN: usize = 72 + 116 + 39 + 4 + 64 + 4;

/// A batch as its proposer sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The epoch.
    pub epoch: u64,
    /// Index of the proposer in the committee.
    pub proposer: u16,
    /// The batch id that the proposer claims.
    pub claimed: BatchId,
    /// 1 to 4,096 entries, together at most 8 MiB.
    pub entries: Arc<Vec<Entry>>,
    /// The proposer's over the hash of all the bytes before it: who sends bad signatures is charged
    /// for them, and nobody can be framed.
    pub signature: Signature,
}

impl Canonical for Proposal {
    fn write(&self, out: &mut Vec<u8>) {
        self.epoch.write(out);
        self.proposer.write(out);
        self.claimed.write(out);
        write_list(self.entries.as_slice(), out);
        self.signature.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = u64::read(reader)?;
        let proposer = u16::read(reader)?;
        let claimed = BatchId::read(reader)?;
        let before = reader.left();
        let entries: Vec<Entry> = reader.list("entries", BATCH_ENTRIES_MAX, ENTRY_BYTES_MIN)?;
        let found = before - reader.left();
        if found > BATCH_BYTES_MAX {
            let what = "bytes of entries";
            return Err(DecodeError::TooMany { what, max: BATCH_BYTES_MAX, found });
        }
        if entries.is_empty() {
            return Err(DecodeError::NotCanonical("a batch without entries"));
        }
        let signature = Signature::read(reader)?;
        let entries = Arc::new(entries);
        Ok(Self { epoch, proposer, claimed, entries, signature })
    }
}

impl Proposal {
    /// Signs a batch as its proposer.
    pub fn sign(
        batch: &Batch,
        network: &NetworkId,
        epoch: u64,
        proposer: u16,
        keypair: &Keypair,
    ) -> Self {
        let mut proposal = Self {
            epoch,
            proposer,
            claimed: batch.id,
            entries: batch.entries.clone(),
            signature: Signature([0; 64]),
        };
        proposal.signature = keypair.sign(&proposal.statement(network));
        proposal
    }

    /// Whether the proposer that it names is a member and has signed it.
    pub fn is_signed(&self, network: &Network) -> bool {
        let statement = self.statement(&network.id);
        network.committee.verifies(self.proposer, &self.signature, &statement)
    }

    fn statement(&self, network: &NetworkId) -> Vec<u8> {
        let entries = canonical_bytes_of_list(&self.entries);
        let proposer = self.proposer.to_le_bytes();
        let digest = hash(Tag::Proposal, &[&proposer, self.claimed.bytes(), &entries]);
        Statement::Proposal.bytes(network, self.epoch, &[&digest.0])
    }
}

/// The root that the entries really have is not the one claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch claims root {claimed} and its entries have {found} (R1)")]
pub struct WrongRoot {
    /// In the message.
    pub claimed: BatchId,
    /// Computed.
    pub found: BatchId,
}

/// Entries with their ids: `ids[i]` is for `entries[i]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    id: BatchId,
    ids: Vec<TransferId>,
    entries: Arc<Vec<Entry>>,
}

impl Batch {
    /// Hashes the entries and names the batch.
    ///
    /// # Panics
    /// Without entries, or above 4,096.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self::hash(Arc::new(entries))
    }

    fn hash(entries: Arc<Vec<Entry>>) -> Self {
        let ids = entries.iter().map(|entry| entry.signed.transfer.id()).collect();
        Self::with_ids(entries, ids)
    }

    /// Names the batch by ids that the caller has computed: `ids[i]` for `entries[i]`.
    ///
    /// # Panics
    /// Without entries, above 4,096, or with another number of ids.
    pub fn with_ids(entries: Arc<Vec<Entry>>, ids: Vec<TransferId>) -> Self {
        assert!(!entries.is_empty());
        assert!(entries.len() <= BATCH_ENTRIES_MAX);
        assert_eq!(entries.len(), ids.len());
        let id = merkle::root(&leaves(&entries, &ids));
        Self { id, ids, entries }
    }

    /// Hashes a proposal's entries and compares the root.
    ///
    /// # Errors
    /// [`WrongRoot`].
    pub fn of(proposal: &Proposal) -> Result<Self, WrongRoot> {
        let batch = Self::hash(proposal.entries.clone());
        if batch.id != proposal.claimed {
            return Err(WrongRoot { claimed: proposal.claimed, found: batch.id });
        }
        Ok(batch)
    }

    /// The batch id.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// The transfers' ids, in order.
    pub fn ids(&self) -> &[TransferId] {
        &self.ids
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Position of a transfer.
    pub fn index_of(&self, id: &TransferId) -> Option<usize> {
        self.ids.iter().position(|other| other == id)
    }

    /// The proof that entry `index` is locked by a quorum, under a Lock certificate for this batch.
    ///
    /// # Panics
    /// When `index` is not below the count.
    pub fn lock_proof(&self, index: usize, certificate: &Certificate) -> LockProof {
        let path = merkle::path(&self.leaves(), index);
        let inclusion = Inclusion::new(index, self.count(), path);
        LockProof::of(&self.entries[index], inclusion, certificate)
    }

    /// The leaves of its Merkle tree, in the order of the entries. Hashes every entry.
    pub fn leaves(&self) -> Vec<Digest> {
        leaves(&self.entries, &self.ids)
    }

    /// For many receipts of this batch.
    pub fn receipts(&self) -> Receipts<'_> {
        let tree = merkle::Tree::new(leaves(&self.entries, &self.ids));
        Receipts { batch: self, tree }
    }

    /// The receipt of entry `index` under a Commit certificate for this batch.
    ///
    /// # Panics
    /// When `index` is not below the count.
    pub fn receipt(&self, index: usize, certificate: &Certificate) -> Receipt {
        assert!(index < self.count());
        let path = merkle::path(&self.leaves(), index);
        Receipt {
            entry: self.entries[index].clone(),
            inclusion: Inclusion::new(index, self.count(), path),
            certificate: certificate.clone(),
        }
    }
}

/// Makes receipts of one batch: what [`Batch::receipt`] gives, with the tree hashed once for all.
pub struct Receipts<'a> {
    batch: &'a Batch,
    tree: merkle::Tree,
}

impl Receipts<'_> {
    /// The receipt of entry `index` under a Commit certificate for this batch.
    ///
    /// # Panics
    /// When `index` is not below the count.
    pub fn of(&self, index: usize, certificate: &Certificate) -> Receipt {
        Receipt {
            entry: self.batch.entries[index].clone(),
            inclusion: Inclusion::new(index, self.batch.count(), self.tree.path(index)),
            certificate: certificate.clone(),
        }
    }
}

fn leaves(entries: &[Entry], ids: &[TransferId]) -> Vec<Digest> {
    entries.iter().zip(ids).map(|(entry, id)| entry.leaf(*id)).collect()
}

/// A batch with a Commit certificate: what a validator that lacks some of it needs, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedBatch {
    /// The batch as proposed.
    pub proposal: Proposal,
    /// Its Commit certificate.
    pub certificate: Certificate,
}

impl Canonical for AppliedBatch {
    fn write(&self, out: &mut Vec<u8>) {
        self.proposal.write(out);
        self.certificate.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { proposal: Proposal::read(reader)?, certificate: Certificate::read(reader)? })
    }
}

/// One line of a validator's applied log: which transfers of which batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedLine {
    /// The batch.
    pub batch: BatchId,
    /// The transfers applied with this line; a batch may have several.
    pub bitmap: Bitmap,
}
canonical_struct!(AppliedLine { batch, bitmap });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;
    use ledger::{Phase, Transfer};

    #[test]
    fn r1_decode_a_batch_over_a_limit_or_without_entries_is_refused() {
        let (good, _) = batch(0, &[pay_coin(0, "")]);
        let of = |entries: Vec<Entry>| Proposal { entries: Arc::new(entries), ..(*good).clone() };
        let read = |proposal: &Proposal| Proposal::from_bytes(&proposal.to_bytes());
        let full = of(vec![good.entries[0].clone(); BATCH_ENTRIES_MAX]);
        assert!(read(&full).is_ok());
        let over = of(vec![good.entries[0].clone(); BATCH_ENTRIES_MAX + 1]);
        let found = BATCH_ENTRIES_MAX + 1;
        let what = "entries";
        let expected = Err(DecodeError::TooMany { what, max: BATCH_ENTRIES_MAX, found });
        assert_eq!(read(&over), expected);
        assert!(matches!(read(&of(vec![])), Err(DecodeError::NotCanonical(_))));
    }

    #[test]
    fn r1_decode_a_batch_of_exactly_the_bytes_allowed_passes_and_one_more_does_not() {
        let (good, _) = batch(0, &[pay_coin(0, "")]);
        let outputs =
            |count: usize| vec![good.entries[0].signed.transfer.outputs[0].clone(); count];
        let large = |memo: usize, count: usize| -> Entry {
            let transfer = Transfer {
                outputs: outputs(count),
                memo: "m".repeat(memo),
                ..good.entries[0].signed.transfer.clone()
            };
            Entry::ordinary(transfer.sign(&owner_key(0)))
        };
        let unit = large(0, 4_096);
        let bytes = unit.to_bytes().len();
        let mut entries = vec![unit; BATCH_BYTES_MAX / bytes];
        let left = |entries: &Vec<Entry>| BATCH_BYTES_MAX - canonical_bytes_of_list(entries).len();
        let one = large(0, 1).to_bytes().len();
        let output = large(0, 2).to_bytes().len() - one;
        let count = (left(&entries) - one) / output + 1;
        entries.push(large(0, count));
        let memo = left(&entries);
        entries.pop();
        entries.push(large(memo, count));
        assert_eq!(left(&entries), 0);
        let of = |entries: Vec<Entry>| Proposal { entries: Arc::new(entries), ..(*good).clone() };
        assert!(Proposal::from_bytes(&of(entries.clone()).to_bytes()).is_ok());
        entries.pop();
        entries.push(large(memo + 1, count));
        let refused = Proposal::from_bytes(&of(entries).to_bytes());
        assert!(matches!(refused, Err(DecodeError::TooMany { max: BATCH_BYTES_MAX, .. })));
    }

    #[test]
    fn a_proposers_signature_is_for_all_of_its_batch_in_one_network_and_epoch() {
        let network = network();
        let (good, _) = batch(0, &[pay_coin(0, ""), pay_coin(1, "")]);
        assert!(good.is_signed(&network));
        let mut other = (*network).clone();
        other.id = NetworkId::default();
        assert!(!good.is_signed(&other));
        let changes: [fn(&mut Proposal); 6] = [
            |proposal| proposal.epoch += 1,
            |proposal| proposal.proposer = 1,
            |proposal| proposal.proposer = 7,
            |proposal| proposal.claimed = BatchId::default(),
            |proposal| Arc::make_mut(&mut proposal.entries).reverse(),
            // Who sends a bad signature is charged for it: so nobody else may put one in.
            |proposal| Arc::make_mut(&mut proposal.entries)[1].signed.signature.0[0] ^= 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = (*good).clone();
            change(&mut changed);
            assert!(!changed.is_signed(&network), "change {number}");
        }
    }

    #[test]
    fn other_signatures_make_another_batch_and_receipts_hold() {
        let (_, batch) = batch(0, &[pay_coin(0, ""), pay_coin(1, ""), pay_coin(2, "")]);
        let mut entries = batch.entries().to_vec();
        entries[1].signed.signature.0[0] ^= 1;
        assert_ne!(Batch::new(entries).id(), batch.id());
        let certificate = certificate(Phase::Commit, &batch, "1.1");
        for index in [0, 2] {
            let receipt = batch.receipt(index, certificate.certificate());
            assert!(receipt.verify(&network(), &mut rng()).is_ok());
        }
        let receipt = batch.receipt(1, certificate.certificate());
        assert!(receipt.verify(&network(), &mut rng()).is_err(), "not certified");
    }
}
