//! What is searched: the transfers that exist, the rounds, the rule left out; and one state of it.

use super::ballot::{Ballots, SPENDERS, Transfers, below};
use super::pool::{joined, needed};
use super::rule::LeftOut;
use super::step::{Step, next};
use super::validator::Validator;

/// Honest validators; the fourth is Byzantine.
pub const HONEST: usize = 3;

/// Which orders of the same steps are searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orders {
    Every,
    /// Those of `reduction`: the same outcomes.
    Enough,
    /// Of those, only what can still lead to a violation.
    Pruned,
}

#[derive(Clone, Copy, Debug)]
pub struct World {
    pub transfers: Transfers,
    /// 1 to 3.
    pub rounds: usize,
    pub left_out: LeftOut,
    pub orders: Orders,
}

impl World {
    pub fn ballots(&self) -> Ballots {
        below(self.transfers, self.rounds)
    }

    pub fn is_reduced(&self) -> bool {
        self.orders != Orders::Every
    }

    pub fn has_state(&self, state: usize) -> bool {
        SPENDERS[state] & self.transfers != 0
    }
}

/// The honest validators, alike and so in any order, and what their votes have ever made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Committee {
    pub validators: [Validator; HONEST],
    /// Ballots with a Lock certificate.
    pub certified: Ballots,
    /// Ballots that a quorum has accepted.
    pub finals: Ballots,
}

impl Committee {
    /// Makes the certificates that the votes allow.
    pub fn settle(&mut self, left_out: LeftOut) {
        let needed = needed(left_out);
        self.certified |= joined(self.validators.map(|one| one.votes), needed);
        self.finals |= joined(self.validators.map(|one| one.commits), needed);
    }

    /// The committee after the step, if the rules allow it now.
    pub fn after(&self, who: usize, step: Step, world: &World) -> Option<Self> {
        let mut found = None;
        next(self, world, |by, what, after| {
            // Of validators that are alike only the first is told.
            if self.validators[by] == self.validators[who] && what == step {
                found = Some(after);
                if let Some(after) = &mut found {
                    after.validators.swap(by, who);
                }
            }
        });
        found
    }

    /// The one of all orders of the same validators that stands for them.
    pub fn sorted(mut self) -> Self {
        self.validators.sort_unstable();
        self
    }
}
