//! How fast this node's own clients are served: transfers made final a second, over the last
//! second. Admission rests on it: what would wait too long is refused at once, while that is still
//! cheap for both sides.

use std::time::Duration;

/// Parts of the second.
const SLOTS: u64 = 10;
/// How long a part is, µs.
const SLOT_US: u64 = 100_000;
/// So many transfers may be under way at once whatever the rate is: one request's most, so that a
/// node that has done nothing yet takes it.
pub const OPEN_MIN: usize = 4_096;
/// So many may be under way at most.
pub const OPEN_MAX: usize = super::board::BOARD_ENTRIES_MAX / 2;
/// Above `OPEN_MIN`, no more are taken than are served in this time: what is taken waits about as
/// long.
const OPEN_TIME: Duration = Duration::from_millis(1_000);
/// The least and the most that a refused client is asked to wait.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Final transfers of the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceRate {
    finals: [u32; 10],
    /// Number of the newest slot since the node started.
    newest: u64,
}

impl ServiceRate {
    /// One more became final, `now_us` after the node's start.
    pub fn note(&mut self, now_us: u64) {
        self.turn(now_us);
        let slot = &mut self.finals[usize::try_from(self.newest % SLOTS).expect("below 10")];
        *slot = slot.saturating_add(1);
    }

    /// Empties what is older than a second.
    fn turn(&mut self, now_us: u64) {
        let now = now_us / SLOT_US;
        let from = self.newest.max(now.saturating_sub(SLOTS)) + 1;
        for slot in from..=now {
            self.finals[usize::try_from(slot % SLOTS).expect("below 10")] = 0;
        }
        self.newest = self.newest.max(now);
    }

    /// Final transfers of the last second.
    pub fn per_second(&mut self, now_us: u64) -> usize {
        self.turn(now_us);
        self.finals.iter().map(|count| usize::try_from(*count).expect("32 bits")).sum()
    }

    /// Whether one more may be taken when `open` are under way.
    ///
    /// # Errors
    /// When to try again: by then about half of them have ended.
    pub fn admit(&mut self, now_us: u64, open: usize) -> Result<(), Duration> {
        if open < OPEN_MIN {
            return Ok(());
        }
        let rate = self.per_second(now_us);
        let in_time = u64::try_from(rate).expect("64 bits") * millis(OPEN_TIME) / 1_000;
        if u64::try_from(open).expect("64 bits") < in_time && open < OPEN_MAX {
            return Ok(());
        }
        let half_ms = u64::try_from(open / 2 * 1_000 / rate.max(1)).expect("64 bits");
        Err(Duration::from_millis(half_ms).clamp(RETRY[0], RETRY[1]))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let mut rate = ServiceRate::default();
        (0..2_000).for_each(|ms| (0..5).for_each(|_| rate.note(ms * 1_000)));
        assert_eq!(rate.per_second(1_999_000), 5_000);
        assert_eq!(rate.per_second(2_499_000), 2_500);
        assert_eq!(rate.per_second(2_999_000), 0);
        rate.note(9_000_000_000);
        assert_eq!(rate.per_second(9_000_000_000), 1);
    }

    #[test]
    fn a_clock_that_was_read_before_another_thread_s_counts_into_the_newest_slot() {
        let mut rate = ServiceRate::default();
        rate.note(5_000_000);
        rate.note(1_000_000);
        assert_eq!(rate.per_second(5_000_000), 2);
    }

    #[test]
    fn what_is_served_in_a_second_is_taken_and_no_more() {
        let mut rate = ServiceRate::default();
        assert_eq!(rate.admit(0, OPEN_MIN - 1), Ok(()));
        assert_eq!(rate.admit(0, OPEN_MIN), Err(RETRY[1]), "nothing was ever served");
        (0..1_000).for_each(|ms| (0..6).for_each(|_| rate.note(ms * 1_000)));
        assert_eq!(rate.admit(999_000, 5_999), Ok(()));
        assert_eq!(rate.admit(999_000, 6_000), Err(Duration::from_millis(500)));
        (0..1_000).for_each(|ms| (0..94).for_each(|_| rate.note(ms * 1_000)));
        assert_eq!(rate.admit(999_000, OPEN_MAX - 1), Ok(()));
        assert_eq!(rate.admit(999_000, OPEN_MAX), Err(RETRY[0]), "there is room on the board");
    }
}
