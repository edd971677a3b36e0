//! The replicas of some keys, each in one state; who is to be asked next. No queue, no message:
//! the caller does what this says.
//!
//! ```text
//!  Reserve ──▶ Queued ──▶ Asked ──▶ Replied
//!     ▲           │         │  └──▶ Failed          no retry left, or none makes sense
//!     │           ▼         ▼
//!     └─────── Skipped   Waiting (backoff) ──▶ Reserve
//! ```

use std::time::Instant;

use super::{super::timeout::RETRIES_MAX, peers::Slot};

/// Where one replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum State {
    /// Not asked (again) yet.
    Reserve,
    /// In the peer's queue; slow from the time given.
    Queued(Instant),
    /// A message is under way; slow from the time given.
    Asked(Instant),
    /// A message is under way to a sunk peer, to see whether it is back. Nobody waits for it.
    Probed,
    /// It failed, and may be asked again from the time given.
    Waiting(Instant),
    /// It answered.
    Replied,
    /// It did not, and is not asked again.
    Failed,
    /// It is sunk or gone; it was not asked.
    Skipped,
}

/// One replica.
#[derive(Clone, Copy, Debug)]
pub(in crate::query) struct Replica {
    pub slot: Slot,
    pub state: State,
    /// How often it failed.
    failures: u8,
    /// Whether somebody else was asked because it is slow.
    is_slow: bool,
}

/// All replicas of some keys, best first.
#[derive(Debug)]
pub(in crate::query) struct Replicas {
    list: Vec<Replica>,
    /// How many should have answered or be about to.
    pub target: usize,
    /// How many answered.
    pub replied: usize,
}

impl Replicas {
    /// In the order in which they are to be asked.
    pub fn new(slots: impl IntoIterator<Item = (Slot, State)>, target: usize) -> Self {
        let replica = |(slot, state)| Replica { slot, state, failures: 0, is_slow: false };
        let list: Vec<_> = slots.into_iter().map(replica).collect();
        Self { target: target.min(list.len()), list, replied: 0 }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Those that may be in the peers' queues.
    pub fn queued(&self) -> impl Iterator<Item = Slot> + '_ {
        let queued = |replica: &&Replica| matches!(replica.state, State::Queued(_) | State::Probed);
        self.list.iter().filter(queued).map(|replica| replica.slot)
    }

    fn find(&mut self, slot: Slot) -> Option<&mut Replica> {
        self.list.iter_mut().find(|replica| replica.slot == slot)
    }

    /// Whether anything was handed out yet.
    pub fn is_fresh(&self) -> bool {
        self.list.iter().all(|replica| {
            let untouched = matches!(replica.state, State::Reserve | State::Queued(_));
            (untouched && replica.failures == 0) || replica.state == State::Skipped
        })
    }

    /// Whether no further reply can come. A probe's may, but nobody waits for it.
    pub fn is_settled(&self) -> bool {
        self.possible() == 0
    }

    /// How many further replies can come.
    pub fn possible(&self) -> usize {
        use State::{Failed, Probed, Replied, Skipped};
        let ended =
            |replica: &&Replica| matches!(replica.state, Replied | Failed | Skipped | Probed);
        self.list.len() - self.list.iter().filter(ended).count()
    }

    /// Replicas that were asked and did not answer; at a deadline also those that may yet.
    pub fn failed(&self, at_deadline: bool) -> usize {
        let failed = |replica: &&Replica| match replica.state {
            State::Failed | State::Waiting(_) => true,
            State::Asked(_) | State::Probed => at_deadline,
            _ => false,
        };
        self.list.iter().filter(failed).count()
    }

    /// A message to it was handed out.
    pub fn sent(&mut self, slot: Slot, slow_from: Instant) {
        if let Some(replica) = self.find(slot) {
            let is_probe = replica.state == State::Probed;
            replica.state = if is_probe { State::Probed } else { State::Asked(slow_from) };
        }
    }

    /// Its reply came. Returns whether it is news.
    pub fn reply(&mut self, slot: Slot) -> bool {
        let Some(replica) = self.find(slot) else { return false };
        let is_news = replica.state != State::Replied;
        replica.state = State::Replied;
        self.replied += usize::from(is_news);
        is_news
    }

    /// How often it failed so far, if it may be asked once more.
    pub fn retry(&self, slot: Slot) -> Option<u8> {
        let replica = self.list.iter().find(|replica| replica.slot == slot)?;
        let is_asked = matches!(replica.state, State::Asked(_));
        (is_asked && replica.failures < RETRIES_MAX).then_some(replica.failures)
    }

    /// It did not answer; `again` is when it may be asked again.
    pub fn fail(&mut self, slot: Slot, again: Option<Instant>) {
        let Some(replica) = self.find(slot) else { return };
        replica.failures = replica.failures.saturating_add(1);
        replica.is_slow = false;
        replica.state = match (replica.state, again) {
            (State::Replied, _) => State::Replied,
            (_, None) => State::Failed,
            (_, Some(again)) => State::Waiting(again),
        };
    }

    /// Its queue was emptied.
    pub fn skip(&mut self, slot: Slot) {
        if let Some(replica) = self.find(slot) {
            replica.state = if replica.failures > 0 { State::Failed } else { State::Skipped };
        }
    }

    /// The next to be asked, if one is wanted; the caller queues or skips it. Returns whether it
    /// is a retry, too.
    pub fn next(&mut self) -> Option<(Slot, bool)> {
        let engaged = |replica: &&Replica| match replica.state {
            State::Replied => true,
            State::Queued(_) | State::Asked(_) => !replica.is_slow,
            _ => false,
        };
        if self.list.iter().filter(engaged).count() >= self.target {
            return None;
        }
        let reserve = self.list.iter().filter(|replica| replica.state == State::Reserve);
        let next = reserve.min_by_key(|replica| replica.failures)?;
        Some((next.slot, next.failures > 0))
    }

    /// It is in the peer's queue now.
    pub fn queue(&mut self, slot: Slot, slow_from: Instant) {
        if let Some(replica) = self.find(slot) {
            replica.state = State::Queued(slow_from);
        }
    }

    /// Lets time pass: pauses end, and the slow are noted. Returns how many became slow.
    pub fn wake(&mut self, now: Instant) -> u64 {
        let has_reserve = self.has_reserve();
        let mut slow = 0;
        for replica in &mut self.list {
            match replica.state {
                State::Waiting(until) if until <= now => replica.state = State::Reserve,
                State::Queued(from) | State::Asked(from)
                    if from <= now && !replica.is_slow && has_reserve =>
                {
                    replica.is_slow = true;
                    slow += 1;
                }
                _ => {}
            }
        }
        slow
    }

    /// When to wake it next.
    pub fn wakes_at(&self) -> Option<Instant> {
        let has_reserve = self.has_reserve();
        let times = self.list.iter().filter_map(|replica| match replica.state {
            State::Waiting(until) => Some(until),
            State::Queued(from) | State::Asked(from) if has_reserve && !replica.is_slow => {
                Some(from)
            }
            _ => None,
        });
        times.min()
    }

    fn has_reserve(&self) -> bool {
        self.list.iter().any(|replica| replica.state == State::Reserve)
    }
}

/// The read quorum of so many replicas: with the write quorum w = ceil(0.75 R), the smallest q
/// with q + w > R, so that whoever asks q of them meets one that took the record. 0 for none.
pub(in crate::query) fn read_quorum(replicas: usize) -> usize {
    if replicas == 0 { 0 } else { replicas - write_quorum(replicas) + 1 }
}

/// How many of so many replicas must have taken a record before it counts as stored: three
/// quarters, as in go-libp2p's optimistic provide.
pub(in crate::query) fn write_quorum(replicas: usize) -> usize {
    (replicas * 3).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn read_and_write_quorums_always_meet() {
        assert_eq!((read_quorum(0), write_quorum(0)), (0, 0));
        assert_eq!((read_quorum(6), write_quorum(6)), (2, 5));
        assert_eq!((read_quorum(20), write_quorum(20)), (6, 15));
        for replicas in 1..=64 {
            let (q, w) = (read_quorum(replicas), write_quorum(replicas));
            assert!(q >= 1 && q <= replicas && w <= replicas);
            assert_eq!(q + w, replicas + 1);
        }
    }

    #[test]
    fn a_failure_brings_the_next_and_then_the_same_again() {
        let now = Instant::now();
        let mut replicas = Replicas::new([(1, State::Reserve), (2, State::Reserve)], 1);
        assert_eq!(replicas.next(), Some((1, false)));
        replicas.queue(1, now);
        assert_eq!(replicas.next(), None);
        replicas.sent(1, now);
        assert_eq!(replicas.retry(1), Some(0));
        let again = now + Duration::from_millis(20);
        replicas.fail(1, Some(again));
        assert_eq!(replicas.next(), Some((2, false)));
        replicas.queue(2, again);
        replicas.sent(2, again);
        replicas.fail(2, None);
        assert_eq!((replicas.next(), replicas.wakes_at()), (None, Some(again)));
        assert!(!replicas.is_settled());
        replicas.wake(again);
        assert_eq!(replicas.next(), Some((1, true)));
    }

    #[test]
    fn after_the_last_retry_it_is_settled() {
        let now = Instant::now();
        let mut replicas = Replicas::new([(1, State::Reserve)], 1);
        for retry in 0..=RETRIES_MAX {
            assert_eq!(replicas.next(), Some((1, retry > 0)));
            replicas.queue(1, now);
            replicas.sent(1, now);
            let again = replicas.retry(1).map(|_| now);
            assert_eq!(again.is_some(), retry < RETRIES_MAX);
            replicas.fail(1, again);
            replicas.wake(now);
        }
        assert!(replicas.is_settled());
        assert_eq!(replicas.failed(false), 1);
    }

    #[test]
    fn a_slow_one_is_hedged_once_and_still_counts() {
        let now = Instant::now();
        let mut replicas = Replicas::new([(1, State::Reserve), (2, State::Reserve)], 1);
        replicas.queue(1, now);
        replicas.sent(1, now);
        assert_eq!(replicas.wake(now), 1);
        assert_eq!(replicas.wake(now), 0);
        assert_eq!(replicas.next(), Some((2, false)));
        assert!(replicas.reply(1));
        assert!(!replicas.reply(1));
        assert_eq!(replicas.next(), None);
    }
}
