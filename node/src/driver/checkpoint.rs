//! When the index is written, and how fast: so that votes go first, unless rows come faster than it
//! takes them.

use super::Driver;
use crate::index::IndexError;
use crate::journal::JournalError;
use crate::store::StoreError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// How long the record of a checkpoint may take to become durable.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(10);
/// From so many percent of what makes a checkpoint due on, it takes its full share of the cores:
/// while the one before was written, twice as many rows have come as it took.
const PRESSING_PERCENT: u64 = 200;
/// So many percent earlier than the member before it a member's checkpoint is due: where all begin
/// at the same moment, as equal as their rows are, a quorum is slow and not one of them.
const STAGGER_PERCENT: u64 = 5;
/// Members that are told apart so.
const STAGGERED: u16 = 7;
/// A checkpoint that nothing presses works so long ...
const WORK: Duration = Duration::from_millis(1);
/// ... and then rests so many times as long as it has worked. A validator was seen to wait 140 ms
/// for the checkpoints of others on its machine. (Priorities do not do it: Linux shares out by
/// session first, and who gives way holds the engine's locks longer.) Not for longer, as sled's
/// index has to be built again when the node is killed meanwhile.
const REST: u32 = 2;
/// It rests no longer than this at a time.
const REST_MAX: Duration = Duration::from_millis(30);

impl Driver {
    pub(super) fn checkpoint_if_due(&mut self) {
        let (store, metrics) = (&self.shared.store, &self.shared.metrics);
        self.shared.is_index_behind.store(store.is_index_behind(), Ordering::Relaxed);
        metrics.index_rows.set(i64::try_from(store.dirty_rows()).unwrap_or(i64::MAX));
        let percent = store.fullness_percent();
        if let Some(mut running) = self.checkpoint.take() {
            match running.told.try_recv() {
                Ok(Ok(())) => {}
                Err(TryRecvError::Empty) => {
                    let come = percent * 100 / self.due_at_percent();
                    running.come_percent.store(come, Ordering::Relaxed);
                    return self.checkpoint = Some(running);
                }
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
        if percent < self.due_at_percent() || self.shared.failed.read().is_some() {
            return;
        }
        let live = self.shared.validator.read().live_records();
        let job = match self.shared.store.begin_checkpoint(&live) {
            Ok(job) => job,
            Err(
                StoreError::Journal(JournalError::Full { .. })
                | StoreError::Index(IndexError::CheckpointRunning),
            ) => return tracing::debug!("no checkpoint now"),
            Err(error) => return self.fail(&error.to_string()),
        };
        let shared = self.shared.clone();
        let (tell, told) = oneshot::channel();
        let (unhurried, hurry) = mpsc::channel();
        let come_percent = Arc::new(AtomicU64::new(0));
        let mut pace = Pace { since: Instant::now(), rows: job.rows(), come_percent, hurry };
        let come_percent = pace.come_percent.clone();
        tokio::task::spawn_blocking(move || {
            let written = match percent >= PRESSING_PERCENT {
                true => job.run(),
                false => job.run_in_turns(&mut |written| pace.turn(written)),
            };
            let done = written.map_err(StoreError::from).and_then(|written| {
                shared.store.end_checkpoint(written, Instant::now() + CHECKPOINT_WAIT)
            });
            // A driver that has ended needs no checkpoint.
            drop(tell.send(done));
        });
        self.checkpoint = Some(Running { told, come_percent, unhurried });
    }

    /// How full the index's memory is when this member writes it.
    fn due_at_percent(&self) -> u64 {
        100 - u64::from(self.shared.member % STAGGERED) * STAGGER_PERCENT
    }
}

/// A checkpoint that is being written.
pub(super) struct Running {
    /// What came of it.
    told: oneshot::Receiver<Result<(), StoreError>>,
    /// New rows since it began, as percent of what makes the next one due.
    come_percent: Arc<AtomicU64>,
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
    /// As the driver has last looked.
    come_percent: Arc<AtomicU64>,
    /// Ends when it is not to rest any more.
    hurry: mpsc::Receiver<()>,
}

impl Pace {
    /// After `written` rows: rests if it is time, unless the node ends.
    fn turn(&mut self, written: usize) {
        let worked = self.since.elapsed();
        if worked < WORK {
            return;
        }
        if let Some(rest) = self.rest_after(worked, written) {
            // Nothing is ever sent: it ends with the time, or at once when it is to hurry.
            let (Ok(()) | Err(_)) = self.hurry.recv_timeout(rest);
        }
        self.since = Instant::now();
    }

    /// None while new rows come faster than it writes: so it ends before the next one is due, if it
    /// can.
    fn rest_after(&self, worked: Duration, written: usize) -> Option<Duration> {
        let count = |rows: usize| u64::try_from(rows).expect("memory has below 2^64 rows");
        let written_percent = count(written) * 100 / count(self.rows).max(1);
        let is_ahead = self.come_percent.load(Ordering::Relaxed) <= written_percent;
        is_ahead.then(|| (worked * REST).min(REST_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_in_proportion_while_it_is_ahead_of_new_rows_and_never_when_the_node_ends() {
        let (unhurried, hurry) = mpsc::channel();
        let come_percent = Arc::new(AtomicU64::new(30));
        let mut pace = Pace { since: Instant::now(), rows: 1_000, come_percent, hurry };
        let ms = Duration::from_millis;
        assert_eq!(pace.rest_after(ms(1), 299), None, "30 % have come, 29 % are written");
        assert_eq!(pace.rest_after(ms(1), 300), Some(ms(2)));
        assert_eq!(pace.rest_after(ms(500), 300), Some(REST_MAX));
        // With no rests left it ends at once, or this test takes 30 s a turn.
        drop(unhurried);
        pace.come_percent.store(0, Ordering::Relaxed);
        for _ in 0..1_000 {
            pace.since = Instant::now().checked_sub(ms(10)).expect("a machine that is up");
            pace.turn(500);
        }
        assert!(pace.since.elapsed() < Duration::from_secs(10));
    }
}
