//! One honest validator of the model: what it has durably written and what it has sent.
//!
//! Guards and writes of PROTOCOL §3 (R4-R6) and §4, one function each; who may propose what, and
//! which certificates exist, is `pool`'s. Messages are never taken back: what was once sent stays
//! in `votes`, `commits` and `reports` and is usable for ever (repeated, late), and a message
//! that is lost is one that nobody uses.
//!
//! A crash loses nothing of a correct validator: what was sent stands on what is durable, and a
//! write whose message never left only restricts its writer, as one whose message was lost. So a
//! crash changes a mutant's state only: it forgets what that mutant has not made durable in time.

use super::ballot::{
    Ballot, Ballots, CONFLICTS, ROUNDS, SPENDERS, SPENDS, STATES, above, below, each, in_round,
};
use super::rule::LeftOut;
use super::world::{Orders, World};

/// Bits of one accepted slot or one report: 0 nothing, else see [`Validator::report`].
const CODE_BITS: usize = 5;
const CODE_MASK: u32 = (1 << CODE_BITS) - 1;
/// A report that says that nothing is accepted; one more than a ballot's index plus this is a
/// claim.
const EMPTY: u32 = 1;
const CODES: [u8; Ballot::COUNT] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const PROMISE_BITS: usize = 2;
const PROMISE_MASK: u8 = (1 << PROMISE_BITS) - 1;

/// A lock or an accept that was put off for as long as it could be; 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Due(u8);

impl Due {
    pub const NONE: Self = Self(0);
    const ACCEPT: u8 = 16;

    pub fn lock(ballot: Ballot) -> Self {
        Self(CODES[ballot.index()])
    }

    pub fn accept(ballot: Ballot) -> Self {
        Self(CODES[ballot.index()] + Self::ACCEPT)
    }

    pub fn ballot(self) -> Option<Ballot> {
        usize::from(self.0 % Self::ACCEPT).checked_sub(1).map(Ballot::from_index)
    }
}

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
    /// What it has just done and something must follow now: see `reduction`.
    pub due: Due,
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
    pub fn may_lock(&self, ballot: Ballot, world: &World) -> bool {
        let Ballot { transfer, round } = ballot;
        let states = spent(ballot);
        let is_bound = world.left_out == LeftOut::LockBound
            || states.clone().all(|state| round >= self.promised(state));
        let is_held = self.is_forgetful || world.left_out == LeftOut::OneLock;
        let is_free = is_held || self.votes & in_round(CONFLICTS[transfer], round) == 0;
        let is_highest = self.is_forgetful
            || states.clone().all(|state| self.votes & above(SPENDERS[state], round) == 0);
        self.votes & ballot.bit() == 0 && is_bound && is_free && is_highest
    }

    pub fn lock(&mut self, ballot: Ballot, world: &World) {
        self.votes |= ballot.bit();
        if world.left_out != LeftOut::LockRaises {
            self.raise_all(ballot, world);
        }
    }

    /// The promise; that there is a Lock certificate is the caller's.
    pub fn may_accept(&self, ballot: Ballot, world: &World) -> bool {
        let is_bound = world.left_out == LeftOut::AcceptBound
            || spent(ballot).all(|state| ballot.round >= self.promised(state));
        self.commits & ballot.bit() == 0 && is_bound
    }

    pub fn accept(&mut self, ballot: Ballot, world: &World) {
        self.commits |= ballot.bit();
        for state in spent(ballot) {
            let is_lower = self.accepted(state).is_some_and(|held| held.round > ballot.round);
            if !is_lower || world.left_out == LeftOut::SlotMonotone {
                self.slots &= !(31 << (state * CODE_BITS));
                self.slots |= code(ballot) << (state * CODE_BITS);
            }
        }
        if !matches!(world.left_out, LeftOut::SlotMonotone | LeftOut::AcceptRaises) {
            self.raise_all(ballot, world);
        }
    }

    pub fn may_report(&self, state: usize, round: usize, world: &World) -> bool {
        let is_next = !world.is_reduced() || round == self.promised(state) + 1;
        round > self.promised(state) && is_next && self.reported(state, round).is_none()
    }

    pub fn report(&mut self, state: usize, round: usize, world: &World) {
        let accepted = self.accepted(state).filter(|_| world.left_out != LeftOut::ReportTruthful);
        let code = EMPTY + accepted.map_or(0, |ballot| u32::from(code(ballot)));
        self.reports |= code << report_shift(state, round);
        if world.left_out != LeftOut::ReportRaises {
            self.raise(state, round, &World { orders: Orders::Every, ..*world });
        }
    }

    /// Stop and start again with what is durable.
    pub fn crash(&mut self, world: &World) {
        match world.left_out {
            LeftOut::LockDurable => self.is_forgetful = true,
            LeftOut::AcceptDurable => self.slots = 0,
            LeftOut::PromiseDurable => {
                self.promised = 0;
                for ballot in each(self.votes | self.commits) {
                    self.raise_all(ballot, world);
                }
            }
            _ => {}
        }
    }

    fn raise_all(&mut self, ballot: Ballot, world: &World) {
        spent(ballot).for_each(|state| self.raise(state, ballot.round, world));
    }

    /// In a reduced world all reports are made that the raised promise will make impossible.
    fn raise(&mut self, state: usize, round: usize, world: &World) {
        while self.promised(state) < round {
            if world.is_reduced() {
                self.report(state, self.promised(state) + 1, world);
            } else {
                self.promised += 1 << (state * PROMISE_BITS);
            }
        }
    }

    /// Whether it can do nothing more on any state of the ballot in its round.
    pub fn has_closed(&self, ballot: Ballot) -> bool {
        spent(ballot).all(|state| self.promised(state) > ballot.round)
    }

    /// Forgets reports on the state for the round.
    pub fn drop_report(&mut self, state: usize, round: usize) {
        self.reports &= !(CODE_MASK << report_shift(state, round));
    }

    /// Undoes accepts as if they had never been, but for those of `kept`, and forgets what will
    /// not be reported any more.
    pub fn keep_accepts(&mut self, kept: Ballots, world: &World) {
        self.commits &= kept;
        for state in 0..STATES {
            let is_told = self.promised(state) + 1 >= world.rounds;
            let highest = self.accepted(state).map_or(0, |held| self.highest(state, held));
            self.slots &= !(31 << (state * CODE_BITS));
            self.slots |= if is_told { 0 } else { highest << (state * CODE_BITS) };
            for round in 1..world.rounds {
                let Some(claim) = self.reported(state, round) else { continue };
                let highest = each(claim).next().map_or(0, |held| self.highest(state, held));
                self.drop_report(state, round);
                self.reports |= (EMPTY + u32::from(highest)) << report_shift(state, round);
            }
        }
    }

    /// The code of the highest accept on the state up to this one.
    fn highest(&self, state: usize, up_to: Ballot) -> u16 {
        let accepts = self.commits & below(SPENDERS[state], up_to.round + 1);
        each(accepts).last().map_or(0, code)
    }

    /// The bytes that make the state's hash, in two words.
    pub fn words(&self) -> [u64; 2] {
        let sent = u64::from(self.votes) | u64::from(self.commits) << 16;
        let held = u64::from(self.slots) | u64::from(self.promised) << 16;
        [
            sent | u64::from(self.reports) << 32,
            held | u64::from(self.is_forgetful) << 24 | u64::from(self.due.0) << 32,
        ]
    }
}

pub fn spent(ballot: Ballot) -> impl Iterator<Item = usize> + Clone {
    (0..STATES).filter(move |state| SPENDS[ballot.transfer] >> state & 1 == 1)
}

fn code(ballot: Ballot) -> u16 {
    u16::from(CODES[ballot.index()])
}

fn report_shift(state: usize, round: usize) -> usize {
    (state * (ROUNDS - 1) + round - 1) * CODE_BITS
}
