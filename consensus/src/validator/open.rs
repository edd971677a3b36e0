//! The batches that are open at a validator. A batch that is applied whole stays for a while, to
//! answer repeats, and nothing moves in it any more: under load those are thousands, so what a
//! proposer has in flight is told without looking at them.

use super::orphans::Turn;
use crate::batch::{Batch, Proposal};
use crate::record::Certified;
use crate::verdict::Verdict;
use ledger::{BatchId, Bitmap};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

/// One batch that is not resolved yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) proposal: Arc<Proposal>,
    pub(super) batch: Arc<Batch>,
    /// Who proposed it, all of whom are answered: a client's retry at another member makes the same
    /// batch.
    pub(super) proposers: BTreeSet<u16>,
    /// Why entry i is not voted for; `None` where it is, or where nothing is known yet.
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// Bits of the Lock vote so far: durable, or in the same step's `persist`.
    pub(super) locked: Bitmap,
    /// Bits of the Commit vote so far.
    pub(super) accepted: Bitmap,
    /// The Lock certificates that `accepted` stands on, with the bits that each added.
    pub(super) lock_certificates: Vec<Certified>,
    /// Bits applied here.
    pub(super) applied: Bitmap,
    /// Whether a Record::Batch of it has been handed out.
    pub(super) is_recorded: bool,
    /// About how many bytes its entries have.
    pub(super) bytes: usize,
    /// When something last happened, µs.
    pub(super) touched_us: u64,
    /// When it is looked at as an orphan, and how long it waits after that, µs; `None` until it was
    /// first looked at.
    pub(super) orphan: Option<Turn>,
}

/// All of them by id. They are read as the map that they are in; [`OpenBatches::open`],
/// [`OpenBatches::remove`] and [`OpenBatches::applied`] alone change which there are and what is
/// applied.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenBatches {
    all: HashMap<BatchId, Open>,
    /// Those of which not all is applied, by proposer.
    unfinished: HashMap<u16, HashSet<BatchId>>,
}

impl Deref for OpenBatches {
    type Target = HashMap<BatchId, Open>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl OpenBatches {
    /// The batch `id`, which is opened by `make` unless it is open.
    pub(super) fn open(&mut self, id: BatchId, make: impl FnOnce() -> Open) -> &mut Open {
        let unfinished = &mut self.unfinished;
        self.all.entry(id).or_insert_with(|| {
            let open = make();
            unfinished.entry(open.proposal.proposer).or_default().insert(id);
            open
        })
    }

    /// An open batch, to be changed; what is applied of it is changed by [`OpenBatches::applied`].
    pub(super) fn get_mut(&mut self, id: &BatchId) -> Option<&mut Open> {
        self.all.get_mut(id)
    }

    /// All of them, in no order, to be changed as with [`OpenBatches::get_mut`].
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&BatchId, &mut Open)> {
        self.all.iter_mut()
    }

    /// Closes a batch.
    pub(super) fn remove(&mut self, id: &BatchId) -> Option<Open> {
        let open = self.all.remove(id)?;
        self.finished(id, open.proposal.proposer);
        Some(open)
    }

    /// Adds the transfers of an open batch that are applied.
    ///
    /// # Panics
    /// When it is not open.
    pub(super) fn applied(&mut self, id: &BatchId, bits: &Bitmap) {
        let open = self.all.get_mut(id).expect("the caller has it open");
        open.applied.add(bits);
        if open.applied.ones() == open.batch.count() {
            let proposer = open.proposal.proposer;
            self.finished(id, proposer);
        }
    }

    fn finished(&mut self, id: &BatchId, proposer: u16) {
        if let Some(unfinished) = self.unfinished.get_mut(&proposer) {
            unfinished.remove(id);
        }
    }

    /// The batches of a proposer of which not all is applied here, in no order.
    pub(super) fn unfinished(&self, proposer: u16) -> impl Iterator<Item = &Open> {
        let ids = self.unfinished.get(&proposer).into_iter().flatten();
        ids.map(|id| self.all.get(id).expect("what is unfinished is open"))
    }
}

impl Open {
    /// Whether nothing of it is locked, accepted or applied: all of it was refused.
    pub(super) fn is_useless(&self) -> bool {
        let bits = [&self.locked, &self.accepted, &self.applied];
        bits.iter().all(|bits| bits.ones() == 0) && self.undecided().ones() == 0
    }

    pub(super) fn new(proposal: Arc<Proposal>, batch: Arc<Batch>, now_us: u64) -> Self {
        let (count, bytes) = (batch.count(), Self::bytes_of(&proposal));
        Self {
            proposers: BTreeSet::from([proposal.proposer]),
            proposal,
            batch,
            verdicts: vec![None; count],
            locked: Bitmap::empty(count),
            accepted: Bitmap::empty(count),
            lock_certificates: Vec::new(),
            applied: Bitmap::empty(count),
            is_recorded: false,
            bytes,
            touched_us: now_us,
            orphan: None,
        }
    }

    /// Entries that are neither voted for nor refused for good.
    pub(super) fn undecided(&self) -> Bitmap {
        let of = |index: usize| {
            !self.locked.has(index)
                && !self.applied.has(index)
                && !matches!(&self.verdicts[index], Some(Verdict::Invalid(_)))
        };
        let bits: Vec<bool> = (0..self.batch.count()).map(of).collect();
        Bitmap::from_bools(&bits)
    }
}
