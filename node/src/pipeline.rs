//! The validation pipeline (protocol §6): four stages over one batch, each a plain function over a
//! type that only the stage before can make.
//!
//! ```text
//!  Judge ─prefetch─▶ Prefetched ─hash─▶ Hashed ─pin check─▶ PinChecked ─DHT check─▶ Judged
//!         one pass     rayon: ids,       who spent           skipped when
//!         over tips    root, signatures  what is spent       trusted_network
//! ```
//!
//! Each batch is one job of the CPU pool and its stages use the pool's threads inside, so while one
//! batch waits in a later stage the next is hashed in an earlier one. The DHT stage's look-up
//! begins with prefetch and is waited for on another thread. `verdicts[i]` belongs to
//! `transfers[i]`, always all of them; what fails early skips the dear signature check. Small
//! batches are judged on the caller's thread: waking the pool costs more than it saves below
//! [`INLINE_ENTRIES_MAX`].

pub mod admit;
pub mod dht_check;
pub mod hash;
pub mod pin_check;
pub mod prefetch;

use crate::handle::Shared;
use crate::sync::check::Checker;
use consensus::{Judge, Judged};
use ledger::{BatchId, Network};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

pub use admit::{Admission, Admitted};

/// Batches up to this many entries are judged without the pool (`shared/LIMITS.md`: rayon on two
/// cores loses below about 8 items of 25-50 µs).
pub const INLINE_ENTRIES_MAX: usize = 8;
/// Results that wait for the driver. The pool's threads wait when it is full.
pub const DONE_MAX: usize = 1_024;

/// What the pool hands back to the driver.
#[derive(Debug)]
pub enum Done {
    /// A batch of some proposer.
    Judged(Judged),
    /// A batch that was not looked at: its proposer is not listened to any more.
    Unheard {
        /// Its id, as claimed.
        batch: BatchId,
        /// Who proposed it.
        proposer: u16,
    },
    /// Transfers of this node's clients.
    Admitted(Vec<Admitted>),
}

/// The pool and the way back to the driver.
pub struct Pipeline {
    pool: Arc<rayon::ThreadPool>,
    done: mpsc::Sender<Done>,
    /// Where the DHT stage waits: the driver's runtime, so that strangers who keep the IPFS node's
    /// thread busy can't hold up its deadline.
    runtime: tokio::runtime::Handle,
}

/// What the DHT stage still has to do for a batch.
struct Open {
    checked: pin_check::PinChecked,
    question: dht_check::Question,
    batch: BatchId,
}

impl Pipeline {
    /// A pool of `threads` threads; 0 takes one a core. To be called on a tokio runtime.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(
        threads: usize,
        done: mpsc::Sender<Done>,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cpu-{index}"))
            .build()?;
        let pool = Arc::new(pool);
        Ok(Self { pool, done, runtime: tokio::runtime::Handle::current() })
    }

    /// The threads on which work of more than some 0.4 ms is done.
    pub fn pool(&self) -> Arc<rayon::ThreadPool> {
        self.pool.clone()
    }

    /// Checks what peers send while this node catches up, in the same pool.
    pub fn checker(&self, network: &Arc<Network>) -> Checker {
        Checker::new(self.pool.clone(), network.clone())
    }

    /// Judges a batch: at once when it is small, else in the pool, and then the result comes as
    /// [`Done::Judged`].
    pub fn judge(&self, shared: &Arc<Shared>, job: Judge) -> Option<Judged> {
        let inputs: usize =
            job.proposal.entries.iter().map(|e| e.signed.transfer.inputs.len()).sum();
        // A justification may cost as much as a hundred signatures: never on the driver's thread.
        let is_plain = job.proposal.entries.iter().all(|entry| entry.round == 0);
        if job.proposal.entries.len() <= INLINE_ENTRIES_MAX && inputs <= 64 && is_plain {
            return match run(shared, job) {
                Ok(judged) => Some(judged),
                Err(open) => {
                    self.runtime.spawn(finish(shared.clone(), open, self.done.clone()));
                    None
                }
            };
        }
        let (shared, done) = (shared.clone(), self.done.clone());
        let runtime = self.runtime.clone();
        let proposer = job.proposal.proposer;
        self.pool.spawn(move || {
            // It came before the batches ahead of it in the pool were found to be junk.
            let now_us = shared.us_of(Instant::now());
            let is_unheard =
                job.only.is_none() && shared.validator.read().is_refused(now_us, proposer);
            // The driver is gone only when the node ends.
            if is_unheard {
                let batch = job.proposal.claimed;
                return drop(done.blocking_send(Done::Unheard { batch, proposer }));
            }
            match run(&shared, job) {
                Ok(judged) => drop(done.blocking_send(Done::Judged(judged))),
                Err(open) => drop(runtime.spawn(finish(shared, open, done))),
            }
        });
        None
    }

    /// Judges clients' transfers, whose signatures are checked: at once, or in an untrusted network
    /// when the DHT has answered, and then they come as [`Done::Admitted`].
    pub fn admit(&self, shared: &Arc<Shared>, group: Vec<Admission>) -> Option<Vec<Admitted>> {
        let (admitted, question) = admit::admit(shared, group);
        let Some(question) = question else { return Some(admitted) };
        let done = self.done.clone();
        self.runtime.spawn(admit::finish(shared.clone(), admitted, question, done));
        None
    }
}

/// Waits for the DHT's answers, a task of its own, so that neither the driver nor the pool waits;
/// then the batch is judged.
async fn finish(shared: Arc<Shared>, open: Box<Open>, done: mpsc::Sender<Done>) {
    let Open { checked, question, batch } = *open;
    let since = question.came;
    let findings = question.answer_or_silence(&shared).await;
    shared.telemetry.stage(batch, "dht_check", since);
    let is_strict = dht_check::is_strict(&shared);
    let judged = dht_check::dht_check(checked, Some(&findings), is_strict);
    // The driver is gone only when the node ends.
    drop(done.send(Done::Judged(judged)).await);
}

/// The stages over one batch, each timed. In an untrusted network the last one is left to
/// [`finish`]: its look-up has been under way since the first.
fn run(shared: &Shared, job: Judge) -> Result<Judged, Box<Open>> {
    let batch = job.proposal.claimed;
    let start = Instant::now();
    let prefetched = prefetch::prefetch(&shared.validator.read(), job);
    shared.metrics.stage("prefetch", start.elapsed());
    shared.telemetry.stage(batch, "prefetch", start);
    let question = dht_check::ask(shared, prefetched.open_states());
    let start = Instant::now();
    let hashed = hash::hash(&shared.network, prefetched);
    shared.metrics.stage("hash", start.elapsed());
    shared.telemetry.stage(batch, "hash", start);
    let start = Instant::now();
    let checked = pin_check::pin_check(|id| shared.store.is_final(id), hashed);
    shared.metrics.stage("pin_check", start.elapsed());
    shared.telemetry.stage(batch, "pin_check", start);
    match question {
        Some(question) => Err(Box::new(Open { checked, question, batch })),
        None => Ok(dht_check::dht_check(checked, None, false)),
    }
}

#[cfg(test)]
mod tests;
