//! What leaves a state machine. A struct of public fields, so that the driver's order - persist,
//! then send, then hand over work - stands in one place (the node's driver).

use crate::batch::{Batch, Proposal};
use crate::evidence::Evidence;
use crate::message::{CheckedCertificate, Message};
use crate::proposer::TransferReport;
use crate::record::Record;
use crate::tips::Change;
use ledger::{BatchId, Bitmap, TokenState, TransferId};
use std::sync::Arc;

/// Who a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every other member.
    All,
    /// One member; it may be this one, then the driver feeds it back in.
    Member(u16),
}

/// A message and who it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who it is for.
    pub to: To,
    /// The message.
    pub message: Message,
}

/// What one input to a state machine leads to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// To be durable, in this order, before anything in `after` and `reports` leaves.
    pub persist: Vec<Record>,
    /// Messages that stand on `persist`, or on what was persisted before.
    pub after: Vec<Outgoing>,
    /// Messages that stand on nothing of this node's.
    pub now: Vec<Outgoing>,
    /// Batches to run through the pipeline.
    pub judge: Vec<Judge>,
    /// What to ask peers for.
    pub fetch: Vec<Fetch>,
    /// A certificate that this node's own proposer has made, for its own validator.
    pub certificates: Vec<CheckedCertificate>,
    /// A batch that this node's own proposer has made, for its own validator: all found Valid here.
    pub own: Vec<(Arc<Proposal>, Arc<Batch>)>,
    /// Batches of locked transfers that nobody brings to an end: this node's own proposer does it.
    pub orphans: Vec<Arc<Batch>>,
    /// Transfers applied now, in order.
    pub applied: Vec<Applied>,
    /// Ends of transfers that clients wait for; told after `persist` is durable.
    pub reports: Vec<TransferReport>,
    /// Who broke a rule, for scores and the log.
    pub blame: Vec<Blame>,
    /// Evidence found, already in `persist`.
    pub evidence: Vec<Evidence>,
    /// Two certified transfers of one state: the node must stop voting and say so.
    pub fork: Option<TokenState>,
    /// A transfer that this member has voted for and knows nothing of: it has forgotten promises
    /// and must stop voting.
    pub forgotten: Option<TransferId>,
}

impl Step {
    /// Appends what another step holds.
    pub fn merge(&mut self, other: Step) {
        self.persist.extend(other.persist);
        self.after.extend(other.after);
        self.now.extend(other.now);
        self.judge.extend(other.judge);
        self.fetch.extend(other.fetch);
        self.certificates.extend(other.certificates);
        self.own.extend(other.own);
        self.orphans.extend(other.orphans);
        self.applied.extend(other.applied);
        self.reports.extend(other.reports);
        self.blame.extend(other.blame);
        self.evidence.extend(other.evidence);
        self.fork = self.fork.or(other.fork);
        self.forgotten = self.forgotten.or(other.forgotten);
    }
}

/// A batch to judge.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The batch as received.
    pub proposal: Arc<Proposal>,
    /// The entries to judge; `None` for all.
    pub only: Option<Bitmap>,
}

/// What to ask peers for, and whom first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// A batch that a certificate names and that is missing here, from its voters.
    Batch {
        /// The batch.
        batch: BatchId,
        /// Who must have it.
        from: Vec<u16>,
    },
    /// Final transfers that made inputs and are missing here. The proposer who named them first.
    Parents {
        /// The transfers.
        transfers: Vec<TransferId>,
        /// Who is asked first.
        from: u16,
    },
}

/// One transfer applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The batch.
    pub batch: BatchId,
    /// Position in the batch.
    pub index: u32,
    /// What it changed.
    pub change: Change,
}

/// A rule that a member broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Who.
    pub member: u16,
    /// Which rule, in words.
    pub what: String,
}
