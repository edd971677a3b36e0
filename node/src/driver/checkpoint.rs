//! When the index is written, and on which thread: one that gives way to votes, unless rows come
//! faster than it takes them.

use super::Driver;
use crate::handle::Shared;
use crate::index::{DIRTY_ROWS_DUE, IndexError};
use crate::journal::JournalError;
use crate::store::StoreError;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// How long the record of a checkpoint may take to become durable.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(10);
/// From so many rows on a checkpoint takes its full share of the cores: while the one before was
/// written, twice as many have come as it took.
const PRESSING_ROWS: usize = 2 * DIRTY_ROWS_DUE;
/// What `nice` calls a priority of a tenth of the usual one's share.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// A checkpoint that nothing presses works so long ...
const WORK: Duration = Duration::from_millis(1);
/// ... and then rests so many times as long as it has worked. Priorities alone do not do it: Linux
/// gives each session its fair share first (`sched_autogroup_enabled`), and a validator was seen to
/// wait 140 ms for the checkpoints of others on its machine.
const REST: u32 = 9;
/// It rests no longer than this at a time.
const REST_MAX: Duration = Duration::from_millis(50);

impl Driver {
    pub(super) fn checkpoint_if_due(&mut self) {
        let (store, metrics) = (&self.shared.store, &self.shared.metrics);
        self.shared.is_index_behind.store(store.is_index_behind(), Ordering::Relaxed);
        metrics.index_rows.set(i64::try_from(store.dirty_rows()).unwrap_or(i64::MAX));
        if let Some(mut running) = self.checkpoint.take() {
            match running.told.try_recv() {
                Ok(Ok(())) => {}
                Err(TryRecvError::Empty) => return self.checkpoint = Some(running),
                // The engine is not to be used on. The index is derived: a restart builds it again.
                Ok(Err(error)) => {
                    return self.fail(&format!(
                        "the index of the store can't be written: {error}; see that its disk is \
                         well and has room, and restart"
                    ));
                }
                Err(TryRecvError::Closed) => {
                    return self.fail("writing the index of the store panicked; restart");
                }
            }
        }
        if !self.shared.store.is_checkpoint_due() || self.shared.failed.read().is_some() {
            return;
        }
        let is_pressing = self.shared.store.dirty_rows() >= PRESSING_ROWS;
        let live = self.shared.validator.read().live_records();
        let job = match self.shared.store.begin_checkpoint(&live) {
            Ok(job) => job,
            Err(
                StoreError::Journal(JournalError::Full { .. })
                | StoreError::Index(IndexError::CheckpointRunning),
            ) => return tracing::debug!("no checkpoint now"),
            Err(error) => return self.fail(&error.to_string()),
        };
        self.shared.metrics.index_rows.set(0);
        let shared = self.shared.clone();
        let (tell, told) = oneshot::channel();
        let (unhurried, hurry) = mpsc::channel();
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let mut pace = Pace { since: Instant::now(), rows: job.rows(), hurry };
            let written = match is_pressing {
                true => job.run(),
                false => {
                    give_way();
                    job.run_in_turns(&mut |written| pace.turn(written, &shared))
                }
            };
            let written = written.map_err(StoreError::from);
            // Others wait for locks that this takes: not on a thread that gives way.
            runtime.spawn_blocking(move || {
                let done = written.and_then(|written| {
                    shared.store.end_checkpoint(written, Instant::now() + CHECKPOINT_WAIT)
                });
                // A driver that has ended needs no checkpoint.
                drop(tell.send(done));
            });
        };
        match std::thread::Builder::new().name("checkpoint".to_string()).spawn(work) {
            Ok(_) => self.checkpoint = Some(Running { told, unhurried }),
            Err(error) => self.fail(&format!(
                "no thread to write the index of the store: {error}; raise the limit of threads \
                 and restart"
            )),
        }
    }
}

/// A checkpoint that is being written.
pub(super) struct Running {
    /// What came of it.
    told: oneshot::Receiver<Result<(), StoreError>>,
    /// While this is there, it rests.
    unhurried: mpsc::Sender<()>,
}

impl Running {
    /// Lets it rest no more: what it comes to.
    pub(super) fn end_soon(self) -> oneshot::Receiver<Result<(), StoreError>> {
        drop(self.unhurried);
        self.told
    }
}

/// How a checkpoint that nothing presses gets on.
struct Pace {
    /// When it rested last.
    since: Instant,
    /// Rows that it writes.
    rows: usize,
    /// Ends when it is not to rest any more.
    hurry: mpsc::Receiver<()>,
}

impl Pace {
    /// After `written` rows: rests if it has worked long enough, unless the node ends, or new rows
    /// come faster than it writes: so it ends before the next checkpoint is due.
    fn turn(&mut self, written: usize, shared: &Shared) {
        let worked = self.since.elapsed();
        if worked < WORK {
            return;
        }
        // As last looked at, without a lock.
        let come = usize::try_from(shared.metrics.index_rows.get()).unwrap_or(0);
        if come * self.rows < written * DIRTY_ROWS_DUE {
            let rest = (worked * REST).min(REST_MAX);
            // Nothing is ever sent: it ends with the time, or at once when it is to hurry.
            let (Ok(()) | Err(_)) = self.hurry.recv_timeout(rest);
        }
        self.since = Instant::now();
    }
}

/// From now on the calling thread, and the threads that it starts, run when no other thread wants
/// to, a tenth of the time at least. Where threads have no priorities of their own, nothing is
/// done.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "checkpoints keep their priority");
    }
}
