//! What is searched: the transfers that exist, the rounds, the rule left out; and one state of it.

use super::ballot::{Ballots, SPENDERS, Transfers, below};
use super::pool::{joined, needed};
use super::rule::LeftOut;
use super::validator::Validator;

/// Honest validators; the fourth is Byzantine.
pub const HONEST: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct World {
    pub transfers: Transfers,
    /// 1 to 3.
    pub rounds: usize,
    pub left_out: LeftOut,
    /// Whether only those orders of steps are searched that `reduction` names.
    pub is_reduced: bool,
    pub is_pruned: bool,
}

impl World {
    pub fn ballots(&self) -> Ballots {
        below(self.transfers, self.rounds)
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

    /// The one of all orders of the same validators that stands for them.
    pub fn sorted(mut self) -> Self {
        self.validators.sort_unstable();
        self
    }
}
