//! Checking what peers send while this node catches up: batches, their proposers' signatures, the
//! votes of their certificates. Everything is decoded and checked in the CPU pool, the batches of
//! one reply side by side; the driver only applies.

use bytes::Bytes;
use consensus::{AppliedBatch, Batch, CheckedCertificate, Reply, codec};
use ledger::{Canonical, Network, Phase};
use rayon::prelude::*;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A batch and the Commit certificate over it, all of it checked: what can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// As it came.
    pub applied: AppliedBatch,
    /// With ids.
    pub batch: Arc<Batch>,
    /// Every vote is checked.
    pub checked: CheckedCertificate,
    /// Its canonical bytes; in memory it takes about twice as many.
    pub bytes: usize,
}

/// Why a batch from a peer is no proof; its sender is blamed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Its root is not the one it claims.
    #[error(transparent)]
    Root(#[from] consensus::WrongRoot),
    /// No member, or not the one it names, has signed it.
    #[error("a batch without its proposer's signature")]
    Unsigned,
    /// The certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] ledger::CertificateError),
    /// The certificate is of the other phase, another batch or another number of entries.
    #[error("the certificate is no Commit certificate for this batch")]
    OtherBatch,
}

/// Checks one batch.
///
/// # Errors
/// Every [`BadProof`].
pub fn check(network: &Network, applied: AppliedBatch) -> Result<Proven, BadProof> {
    let batch = Batch::of(&applied.proposal)?;
    if !applied.proposal.is_signed(network) {
        return Err(BadProof::Unsigned);
    }
    let certificate = applied.certificate.clone();
    if certificate.phase != Phase::Commit || certificate.batch != batch.id() {
        return Err(BadProof::OtherBatch);
    }
    let checked = CheckedCertificate::check(certificate, network, &mut rand::rng())?;
    if checked.certified().count() != batch.count() {
        return Err(BadProof::OtherBatch);
    }
    let bytes = applied.to_bytes().len();
    Ok(Proven { applied, batch: Arc::new(batch), checked, bytes })
}

/// What a reply holds. The rest is worth nothing, and its sender is blamed.
#[derive(Debug, Default)]
pub struct Checked {
    /// What holds, in the sender's order.
    pub proven: Vec<Proven>,
    /// What is wrong with the first of the others.
    pub bad: Option<String>,
}

/// The CPU pool, for checking.
#[derive(Clone)]
pub struct Checker {
    pool: Arc<rayon::ThreadPool>,
    network: Arc<Network>,
}

impl Checker {
    /// Checks for this network in this pool.
    pub fn new(pool: Arc<rayon::ThreadPool>, network: Arc<Network>) -> Self {
        Self { pool, network }
    }

    /// How many members the network has.
    pub(super) fn members(&self) -> usize {
        self.network.committee.members().len()
    }

    /// Runs CPU work in the pool; `None` when the pool has ended with the node.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Network) -> T + Send + 'static,
    ) -> Option<T> {
        let (done_in, done) = oneshot::channel();
        let network = self.network.clone();
        // Who asked may have given up: then nobody takes it.
        self.pool.spawn(move || drop(done_in.send(work(&network))));
        done.await.ok()
    }

    /// Decodes a frame that should be a [`Reply::Applied`] and checks its batches.
    pub async fn applied(&self, frame: Bytes) -> Checked {
        self.run(move |network| check_all(network, &frame)).await.unwrap_or_default()
    }
}

pub(super) fn check_all(network: &Network, frame: &[u8]) -> Checked {
    let batches = match codec::decode::<Reply>(frame) {
        Ok(Reply::Applied(batches)) => batches,
        Ok(_) => {
            return Checked {
                bad: Some("a reply to another question".into()),
                ..Checked::default()
            };
        }
        Err(error) => return Checked { bad: Some(error.to_string()), ..Checked::default() },
    };
    let results: Vec<Result<Proven, BadProof>> =
        batches.into_par_iter().map(|applied| check(network, applied)).collect();
    let mut checked = Checked::default();
    for result in results {
        match result {
            Ok(proven) => checked.proven.push(proven),
            Err(error) => {
                checked.bad.get_or_insert(error.to_string());
            }
        }
    }
    checked
}
