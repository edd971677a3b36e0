//! What a node can serve to others, derived from its records: batches, certificates, the applied
//! log.

use consensus::{AppliedBatch, AppliedLine, Batch, Evidence, Proposal, Record};
use ledger::{BatchId, Bitmap, Certificate, Receipt, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Lines in one reply.
const LINES_MAX: usize = 32;

/// A node's index over its records.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    batches: BTreeMap<BatchId, (Arc<Proposal>, Batch)>,
    commits: BTreeMap<BatchId, Vec<Certificate>>,
    finals: BTreeMap<TransferId, BatchId>,
    log: Vec<AppliedLine>,
    evidence: Vec<Evidence>,
}

impl Archive {
    /// Takes a record in order.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Batch(proposal) => {
                let batch = Batch::of(proposal).expect("records hold good batches");
                self.batches.insert(batch.id(), (proposal.clone(), batch));
            }
            Record::Applied(certified) => {
                let id = certified.certificate.batch;
                let batch = &self.batches[&id].1;
                for index in certified.bitmap.indexes() {
                    self.finals.insert(batch.ids()[index], id);
                }
                self.commits.entry(id).or_default().push(certified.certificate.clone());
                self.log.push(AppliedLine { batch: id, bitmap: certified.bitmap.clone() });
            }
            Record::Evidence(evidence) => self.evidence.push(evidence.clone()),
            _ => {}
        }
    }

    /// Evidence that it holds.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Whether a transfer is final here.
    pub fn is_final(&self, id: &TransferId) -> bool {
        self.finals.contains_key(id)
    }

    /// All final transfers.
    pub fn finals(&self) -> BTreeSet<TransferId> {
        self.finals.keys().copied().collect()
    }

    /// Whether these entries of a batch are final here, in whatever batch.
    pub fn covers(&self, batch: &Batch, bitmap: &Bitmap) -> bool {
        bitmap.indexes().all(|index| self.is_final(&batch.ids()[index]))
    }

    /// Whether all of a batch is final here.
    pub fn has_all(&self, id: &BatchId) -> bool {
        let batch = self.batches.get(id);
        batch.is_some_and(|(_, batch)| batch.ids().iter().all(|id| self.is_final(id)))
    }

    /// The batch, where its bytes are here.
    pub fn batch(&self, id: &BatchId) -> Option<&(Arc<Proposal>, Batch)> {
        self.batches.get(id)
    }

    /// Lines in the log.
    pub fn lines(&self) -> usize {
        self.log.len()
    }

    /// The log from a position on, bounded.
    pub fn log(&self, from: usize) -> Vec<AppliedLine> {
        self.log.iter().skip(from).take(LINES_MAX).cloned().collect()
    }

    /// A batch with each of its Commit certificates.
    pub fn applied(&self, id: &BatchId) -> Vec<AppliedBatch> {
        let Some((proposal, _)) = self.batches.get(id) else { return Vec::new() };
        let of = |certificate: &Certificate| AppliedBatch {
            proposal: (**proposal).clone(),
            certificate: certificate.clone(),
        };
        self.commits.get(id).into_iter().flatten().map(of).collect()
    }

    /// The receipt of a final transfer.
    pub fn receipt(&self, id: &TransferId) -> Option<Receipt> {
        let batch_id = self.finals.get(id)?;
        let batch = &self.batches.get(batch_id)?.1;
        // A Byzantine proposer may have put it in twice.
        let mut indexes = (0..batch.count()).filter(|index| batch.ids()[*index] == *id);
        indexes.find_map(|index| {
            let mut certificates = self.commits.get(batch_id)?.iter();
            let certificate = certificates.find(|certificate| is_certified(certificate, index))?;
            Some(batch.receipt(index, certificate))
        })
    }

    /// The final transfer that spends a state; tips name it for the newest state only.
    pub fn spender(&self, state: &TokenState) -> Option<TransferId> {
        let spends = |id: &TransferId| {
            let batch = &self.batches[&self.finals[id]].1;
            let index = batch.ids().iter().position(|other| other == id);
            index.is_some_and(|index| {
                let inputs = &batch.entries()[index].signed.transfer.inputs;
                inputs.iter().any(|input| input.state == *state)
            })
        };
        self.finals.keys().find(|id| spends(id)).copied()
    }

    /// The batch in which a transfer became final here.
    pub fn made_final(&self, id: &TransferId) -> Option<&BatchId> {
        self.finals.get(id)
    }
}

/// Whether a quorum's votes have this bit. Each of these certificates was checked before it was
/// applied, and may certify less than all of the batch.
fn is_certified(certificate: &Certificate, index: usize) -> bool {
    let with = certificate.groups.iter().filter(|group| group.bitmap.has(index));
    with.map(|group| group.votes.len()).sum::<usize>() >= 5
}
