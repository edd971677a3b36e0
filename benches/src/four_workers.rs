//! The baseline of the source design: four workers, each of which takes one token at a time through
//! all checks. The work is the pipeline's - rules, tips, id, one signature - without its batching.
//! Merkle root and proposer's signature are left out, as that design has no batches; so are pins,
//! which the pipeline looks up for spent states only.
//!
//! The workers live as long as the baseline does, so that it is not charged for starting threads.
//! It is a measure in benches; nothing else uses it.

use consensus::judge::judge_entry;
use consensus::{Proposal, Validator, Verdict};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// As the source design has it.
const WORKERS: usize = 4;
/// Verdicts on their way back; workers wait when it is full.
const VERDICTS_MAX: usize = 4_096;

/// One list of transfers; `next` is the first that nobody has taken.
struct Job {
    proposal: Arc<Proposal>,
    next: AtomicUsize,
}

/// Four threads that wait for work.
pub struct FourWorkers {
    jobs: Vec<SyncSender<Arc<Job>>>,
    verdicts: Receiver<(usize, Verdict)>,
    threads: Vec<JoinHandle<()>>,
}

impl FourWorkers {
    /// Starts the workers over a validator's tips.
    pub fn start(validator: Validator) -> Self {
        let validator = Arc::new(RwLock::new(validator));
        let (verdicts_in, verdicts) = sync_channel(VERDICTS_MAX);
        let mut jobs = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..WORKERS {
            let (jobs_in, wanted) = sync_channel::<Arc<Job>>(1);
            let (validator, verdicts) = (validator.clone(), verdicts_in.clone());
            jobs.push(jobs_in);
            threads.push(std::thread::spawn(move || {
                for job in wanted {
                    work(&validator, &job, &verdicts);
                }
            }));
        }
        Self { jobs, verdicts, threads }
    }

    /// Judges all transfers of a proposal: `verdicts[i]` is for entry i.
    ///
    /// # Panics
    /// When a worker has died.
    pub fn judge(&self, proposal: Arc<Proposal>) -> Vec<Verdict> {
        let count = proposal.entries.len();
        let job = Arc::new(Job { proposal, next: AtomicUsize::new(0) });
        for worker in &self.jobs {
            worker.send(job.clone()).expect("workers live as long as the baseline");
        }
        let mut verdicts = vec![Verdict::Valid; count];
        for _ in 0..count {
            let (index, verdict) = self.verdicts.recv().expect("workers live as long as this");
            verdicts[index] = verdict;
        }
        verdicts
    }

    /// Ends the workers.
    ///
    /// # Panics
    /// When one of them did.
    pub fn stop(self) {
        drop(self.jobs);
        for thread in self.threads {
            thread.join().expect("a worker ends well");
        }
    }
}

fn work(validator: &RwLock<Validator>, job: &Job, verdicts: &SyncSender<(usize, Verdict)>) {
    loop {
        let index = job.next.fetch_add(1, Ordering::Relaxed);
        let Some(entry) = job.proposal.entries.get(index) else { return };
        let verdict = judge_entry(validator.read().tips(), entry, &mut rand::rng());
        verdicts.send((index, verdict)).expect("the baseline waits for every verdict");
    }
}
