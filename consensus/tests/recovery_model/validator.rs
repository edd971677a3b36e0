//! One honest validator of the model: what it has durably written and what it has sent.
//!
//! Guards and writes of PROTOCOL §3 (R4-R6) and §4, one function each; who may propose what, and
//! which certificates exist, is `pool`'s. Messages are never taken back: what was once sent stays in
//! `votes`, `commits` and `reports` and is usable for ever (repeated, late), and a message that is
//! lost is one that nobody uses.
//!
//! A crash loses nothing of a correct validator: what was sent stands on what is durable, and a write
//! whose message never left only restricts its writer, as one whose message was lost. So a crash
//! changes a mutant's state only: it forgets what that mutant has not made durable in time.

use super::ballot::{
    Ballot, Ballots, CONFLICTS, ROUNDS, SPENDERS, SPENDS, STATES, above, each, in_round,
};
use super::rule::LeftOut;

/// Bits of one accepted slot or one report: 0 nothing, else see [`Validator::report`].
const CODE_BITS: usize = 5;
const CODE_MASK: u32 = (1 << CODE_BITS) - 1;
/// A report that says that nothing is accepted; one more than a ballot's index plus this is a claim.
const EMPTY: u32 = 1;
const PROMISE_BITS: usize = 2;
const PROMISE_MASK: u8 = (1 << PROMISE_BITS) - 1;

/// One honest validator; small and ordered, so that three of them make a canonical state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Validator {
    /// Lock votes sent, each on its lock.
    pub votes: Ballots,
    /// Commit votes sent, each on its accept.
    pub commits: Ballots,
    /// A code for each (state, round ≥ 1).
    reports: u32,
    /// `accepted`: a code for each state.
    slots: u16,
    /// `promised`: a round for each state.
    promised: u8,
    /// The locks were forgotten in a crash: only in the mutant of R5.
    is_forgetful: bool,
}

impl Validator {
    pub fn promised(&self, state: usize) -> usize {
        usize::from(self.promised >> (state * PROMISE_BITS) & PROMISE_MASK)
    }

    fn accepted(&self, state: usize) -> Option<Ballot> {
        let code = usize::from(self.slots >> (state * CODE_BITS)) & 31;
        code.checked_sub(1).map(Ballot::from_index)
    }

    /// What it reported for the state in the round: not at all, nothing accepted, or a claim.
    pub fn reported(&self, state: usize, round: usize) -> Option<Ballots> {
        let code = self.reports >> report_shift(state, round) & CODE_MASK;
        code.checked_sub(EMPTY).map(|claim| (1 << claim) >> 1)
    }

    /// R4 and the promise; that the ballot is justified is the caller's.
    pub fn may_lock(&self, ballot: Ballot, left_out: LeftOut) -> bool {
        let Ballot { transfer, round } = ballot;
        let states = spent(ballot);
        let is_bound = left_out == LeftOut::LockBound
            || states.clone().all(|state| round >= self.promised(state));
        let is_held = self.is_forgetful || left_out == LeftOut::OneLock;
        let is_free = is_held || self.votes & in_round(CONFLICTS[transfer], round) == 0;
        let is_highest = self.is_forgetful
            || states.clone().all(|state| self.votes & above(SPENDERS[state], round) == 0);
        self.votes & ballot.bit() == 0 && is_bound && is_free && is_highest
    }

    pub fn lock(&mut self, ballot: Ballot, left_out: LeftOut) {
        self.votes |= ballot.bit();
        if left_out != LeftOut::LockRaises {
            self.raise_all(ballot);
        }
    }

    /// The promise; that there is a Lock certificate is the caller's.
    pub fn may_accept(&self, ballot: Ballot, left_out: LeftOut) -> bool {
        let is_bound = left_out == LeftOut::AcceptBound
            || spent(ballot).all(|state| ballot.round >= self.promised(state));
        self.commits & ballot.bit() == 0 && is_bound
    }

    pub fn accept(&mut self, ballot: Ballot, left_out: LeftOut) {
        self.commits |= ballot.bit();
        for state in spent(ballot) {
            let is_lower = self.accepted(state).is_some_and(|held| held.round > ballot.round);
            if !is_lower || left_out == LeftOut::SlotMonotone {
                self.slots &= !(31 << (state * CODE_BITS));
                self.slots |= code(ballot) << (state * CODE_BITS);
            }
        }
        if !matches!(left_out, LeftOut::SlotMonotone | LeftOut::AcceptRaises) {
            self.raise_all(ballot);
        }
    }

    pub fn may_report(&self, state: usize, round: usize) -> bool {
        round > self.promised(state) && self.reported(state, round).is_none()
    }

    pub fn report(&mut self, state: usize, round: usize, left_out: LeftOut) {
        let accepted = self.accepted(state).filter(|_| left_out != LeftOut::ReportTruthful);
        let code = EMPTY + accepted.map_or(0, |ballot| u32::from(code(ballot)));
        self.reports |= code << report_shift(state, round);
        if left_out != LeftOut::ReportRaises {
            self.raise(state, round);
        }
    }

    /// Stop and start again with what is durable.
    pub fn crash(&mut self, left_out: LeftOut) {
        match left_out {
            LeftOut::LockDurable => self.is_forgetful = true,
            LeftOut::AcceptDurable => self.slots = 0,
            LeftOut::PromiseDurable => {
                self.promised = 0;
                for ballot in each(self.votes | self.commits) {
                    self.raise_all(ballot);
                }
            }
            _ => {}
        }
    }

    fn raise_all(&mut self, ballot: Ballot) {
        spent(ballot).for_each(|state| self.raise(state, ballot.round));
    }

    fn raise(&mut self, state: usize, round: usize) {
        while self.promised(state) < round {
            self.promised += 1 << (state * PROMISE_BITS);
        }
    }

    /// The bytes that make the state's hash, in two words.
    pub fn words(&self) -> [u64; 2] {
        let sent = u64::from(self.votes) | u64::from(self.commits) << 16;
        let held = u64::from(self.slots) | u64::from(self.promised) << 16;
        [sent | u64::from(self.reports) << 32, held | u64::from(self.is_forgetful) << 24]
    }
}

pub fn spent(ballot: Ballot) -> impl Iterator<Item = usize> + Clone {
    (0..STATES).filter(move |state| SPENDS[ballot.transfer] >> state & 1 == 1)
}

fn code(ballot: Ballot) -> u16 {
    const CODES: [u16; Ballot::COUNT] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    CODES[ballot.index()]
}

fn report_shift(state: usize, round: usize) -> usize {
    (state * (ROUNDS - 1) + round - 1) * CODE_BITS
}
