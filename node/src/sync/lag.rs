//! How far behind this node is. For people: what it has applied, what it has to reach, how fast it
//! goes. For itself: whether it is so far behind for so long that it should not vote.

use consensus::Progress;
use ledger::Committee;
use std::time::{Duration, Instant};

/// The time over which the rate is measured.
const RATE_TIME: Duration = Duration::from_secs(2);

/// A node that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Transfers applied here.
    pub applied: u64,
    /// Transfers that are applied elsewhere, as members say of whom at least one is honest.
    pub target: u64,
    /// Transfers a second of late.
    pub rate_per_s: u64,
}

/// Measures the rate: two marks, the older one to measure from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    older: Option<(Instant, u64)>,
    newer: Option<(Instant, u64)>,
}

impl Pace {
    /// Notes how far the node is; returns transfers a second over the last 2 to 4 s.
    pub fn note(&mut self, now: Instant, applied: u64) -> u64 {
        let newer = *self.newer.get_or_insert((now, applied));
        let older = *self.older.get_or_insert(newer);
        if now.saturating_duration_since(newer.0) >= RATE_TIME {
            self.older = Some(newer);
            self.newer = Some((now, applied));
        }
        let time_ms = now.saturating_duration_since(older.0).as_millis().max(1);
        let done = u128::from(applied.saturating_sub(older.1)) * 1_000;
        u64::try_from(done / time_ms).unwrap_or(u64::MAX)
    }

    /// Forgets the marks: the node is not behind any more.
    pub fn stop(&mut self) {
        *self = Self::default();
    }
}

/// How long what others had applied may be missing here, while there is more of it than
/// [`BEHIND_MAX`].
const BEHIND_TIME_MAX: Duration = Duration::from_secs(10);
/// Transfers that a node that votes may be behind for any time.
const BEHIND_MAX: u64 = 1_000;

/// Notices that a node is left behind: in time, so that a high load alone never looks like it. Who
/// is half a second behind is so at any rate of transfers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind {
    /// What was to be reached at a time, and is not yet.
    mark: Option<(Instant, u64)>,
}

impl Behind {
    /// Notes how far the node and the others are. True once, when for 10 s something was missing
    /// that others had applied before, and it still lacks more than 1,000 transfers of that.
    pub fn note(&mut self, now: Instant, applied: u64, target: u64) -> bool {
        let (since, mark) = *self.mark.get_or_insert((now, target));
        if applied >= mark {
            self.mark = Some((now, target));
            return false;
        }
        let is_long = now.saturating_duration_since(since) >= BEHIND_TIME_MAX;
        let is_left_behind = is_long && mark - applied > BEHIND_MAX;
        if is_left_behind {
            self.mark = None;
        }
        is_left_behind
    }
}

/// Weight among which somebody is honest.
fn enough(committee: &Committee) -> u64 {
    let all: u64 = committee.members().iter().map(|member| member.weight).sum();
    all - committee.quorum() + 1
}

/// Whether so many members have said how far they are that one of them is honest.
pub fn is_told(committee: &Committee, progress: &[Option<Progress>]) -> bool {
    let members = (0u16..).zip(progress).filter(|(_, told)| told.is_some());
    members.map(|(member, _)| committee.weight(member)).sum::<u64>() >= enough(committee)
}

/// The highest count that members of more weight than can be Byzantine say they have reached: one
/// liar can't make a node look behind. `progress[i]` is member i's.
pub fn target(committee: &Committee, progress: &[Option<Progress>]) -> u64 {
    let members = (0u16..).zip(progress);
    let mut told: Vec<(u64, u64)> = members
        .filter_map(|(member, told)| Some((told.as_ref()?.applied, committee.weight(member))))
        .collect();
    told.sort_unstable_by(|a, b| b.cmp(a));
    let enough = enough(committee);
    let mut weight = 0u64;
    let reached = told.into_iter().find(|(_, more)| {
        weight = weight.saturating_add(*more);
        weight >= enough
    });
    reached.map_or(0, |(applied, _)| applied)
}
