//! What waits for the journal: votes, reports and answers to clients leave only when every record
//! that was handed to the journal before them is durable (R5, R6). It knows numbers of records and
//! not the journal; `execute` is the only one that fills and empties it.

use crate::telemetry::Mark;
use consensus::{Outgoing, TransferReport};
use std::collections::VecDeque;

/// What stands on one record and all before it.
#[derive(Debug)]
pub(super) struct Gated {
    /// The record's number, 0-based; `None` waits for nothing.
    pub sequence: Option<u64>,
    /// Messages that stand on it.
    pub after: Vec<Outgoing>,
    /// Endings of clients' transfers that stand on it.
    pub reports: Vec<TransferReport>,
    /// When it began to wait, for traces.
    pub since: Mark,
}

/// All that waits, oldest first. It is bounded by what the journal's queue takes.
#[derive(Debug, Default)]
pub(super) struct Gate {
    waiting: VecDeque<Gated>,
}

impl Gate {
    /// Keeps something behind all that waits already.
    pub fn hold(&mut self, gated: Gated) {
        self.waiting.push_back(gated);
    }

    /// The oldest that may leave now that the journal has `durable` records on the disk: the record
    /// that it stands on is among them. In order: nothing overtakes.
    pub fn release(&mut self, durable: u64) -> Option<Gated> {
        let is_durable = |gated: &Gated| gated.sequence.is_none_or(|sequence| sequence < durable);
        if self.waiting.front().is_some_and(is_durable) { self.waiting.pop_front() } else { None }
    }

    /// No vote leaves any more; clients are still told what is durable.
    pub fn silence(&mut self) {
        for gated in &mut self.waiting {
            gated.after.clear();
        }
    }

    /// Nothing of it leaves any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::proposer::Outcome;
    use consensus::{Message, Progress, Stages, To};

    fn gated(sequence: Option<u64>, lines: u64) -> Gated {
        let progress = Progress { applied: 0, digest: Default::default(), lines };
        let vote = Outgoing { to: To::All, message: Message::Progress(progress) };
        let report = TransferReport {
            id: Default::default(),
            outcome: Outcome::Final,
            round: 0,
            lock: Vec::new(),
            commit: Vec::new(),
            stages: Stages::default(),
            admitted_us: lines,
        };
        let since = std::time::Instant::now().into();
        Gated { sequence, after: vec![vote], reports: vec![report], since }
    }

    /// What leaves with so many records durable, by the number that `gated` was given.
    fn left(gate: &mut Gate, durable: u64) -> Vec<u64> {
        let mut left = Vec::new();
        while let Some(gated) = gate.release(durable) {
            left.extend(gated.reports.iter().map(|report| report.admitted_us));
        }
        left
    }

    #[test]
    fn r5_r6_nothing_leaves_before_the_record_it_stands_on_is_durable() {
        let mut gate = Gate::default();
        // Records 0 to 2: what stands on none, on the first, on the third.
        for (sequence, number) in [(None, 7), (Some(0), 8), (Some(2), 9)] {
            gate.hold(gated(sequence, number));
        }
        assert_eq!(left(&mut gate, 0), [7], "record 0 is not on the disk");
        assert_eq!(left(&mut gate, 1), [8]);
        assert!(left(&mut gate, 2).is_empty(), "two records are there, and the third is not");
        assert_eq!(left(&mut gate, 3), [9]);
        assert!(gate.is_empty());
    }

    #[test]
    fn nothing_overtakes_what_waits() {
        let mut gate = Gate::default();
        gate.hold(gated(Some(5), 1));
        gate.hold(gated(None, 2));
        assert!(left(&mut gate, 5).is_empty());
        assert!(!gate.is_empty());
        assert_eq!(left(&mut gate, 6), [1, 2]);
    }

    #[test]
    fn a_silenced_gate_lets_reports_pass_and_no_message() {
        let mut gate = Gate::default();
        gate.hold(gated(Some(0), 1));
        gate.silence();
        let passed = gate.release(1).expect("it is durable");
        assert_eq!((passed.after.len(), passed.reports.len()), (0, 1));
        gate.hold(gated(Some(1), 2));
        gate.clear();
        assert!(gate.release(2).is_none());
    }
}
