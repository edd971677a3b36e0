//! What exists for everybody: certificates, receipts, and what the owner may have proposed.
//!
//! The proposer, the owner and the network are the adversary: whatever votes and reports were ever
//! sent are usable by it for ever, in any choice. The Byzantine validator votes for everything and
//! shows in its reports any Lock certificate that exists, or none.

use super::ballot::{ALL, Ballot, Ballots, CONFLICTS, ROUNDS, Transfers, below, each, in_round};
use super::rule::LeftOut;
use super::validator::{Validator, spent};
use super::world::{Committee, HONEST};

/// Honest members of a quorum of three that the Byzantine one has joined.
const NEEDED: usize = 2;

/// All that was sent, evaluated once for a state.
pub struct Pool {
    /// Ballots with a Lock certificate.
    pub certified: Ballots,
    /// Ballots that a quorum has accepted, so that a receipt exists.
    pub finals: Ballots,
    /// Claims that can no longer live.
    pub dead: Ballots,
    left_out: LeftOut,
}

impl Pool {
    pub fn new(committee: &Committee, left_out: LeftOut) -> Self {
        let Committee { certified, finals, .. } = *committee;
        let mut dead = 0;
        for ballot in each(certified) {
            let below_round = match left_out {
                LeftOut::DeadByHigherRound => ROUNDS,
                _ => ballot.round,
            };
            dead |= below(CONFLICTS[ballot.transfer], below_round);
        }
        for ballot in each(finals) {
            dead |= below(CONFLICTS[ballot.transfer], ROUNDS);
        }
        if left_out == LeftOut::DeadIsProven {
            dead = below(ALL, ROUNDS);
        }
        Self { certified, finals, dead, left_out }
    }

    /// Ballots that may be proposed: all of round 0, and those with a justification.
    pub fn proposable(&self, validators: &[Validator; HONEST], within: Ballots) -> Ballots {
        let fresh = within & in_round(ALL, 0);
        each(within & !fresh)
            .filter(|ballot| self.is_justified(validators, *ballot))
            .fold(fresh, |ballots, ballot| ballots | ballot.bit())
    }

    /// Two of these that cannot both be: final transfers, or certificates of one round.
    pub fn split(ballots: Ballots, is_one_round: bool) -> Option<(Ballot, Ballot)> {
        each(ballots).find_map(|one| {
            let rivals = match is_one_round {
                true => in_round(CONFLICTS[one.transfer], one.round),
                false => below(CONFLICTS[one.transfer], ROUNDS),
            };
            each(ballots & rivals).next().map(|other| (one, other))
        })
    }

    /// §4: for every state a quorum of reports, and over *all* their claims the highest that is
    /// not dead is the transfer, or there is none and it is a refresh. The adversary chooses the
    /// reports.
    fn is_justified(&self, validators: &[Validator; HONEST], ballot: Ballot) -> bool {
        let mut states = spent(ballot);
        let (Some(first), second) = (states.next(), states.next()) else { return false };
        let first = self.choices(validators, first, ballot.round);
        let Some(second) = second else {
            return first.iter().flatten().any(|claims| self.allows(*claims, ballot));
        };
        let second = self.choices(validators, second, ballot.round);
        first.iter().flatten().any(|one| {
            second.iter().flatten().any(|other| match self.left_out {
                LeftOut::AllStates => self.allows(*one, ballot) || self.allows(*other, ballot),
                _ => self.allows(one | other, ballot),
            })
        })
    }

    /// The claims of each choice of honest reports that makes a quorum for the state with the
    /// Byzantine one. A quorum without it allows nothing more: its report may say what the third
    /// honest one does, or nothing.
    fn choices(
        &self,
        validators: &[Validator; HONEST],
        state: usize,
        round: usize,
    ) -> [Option<Ballots>; HONEST] {
        let [x, y, z] = validators.map(|validator| validator.reported(state, round));
        let both = |one: Option<Ballots>, other: Option<Ballots>| Some(one? | other?);
        match self.left_out {
            // The Byzantine report alone.
            LeftOut::ReportQuorum => [Some(0), None, None],
            LeftOut::Quorum => [x, y, z],
            _ => [both(x, y), both(x, z), both(y, z)],
        }
    }

    /// Over the claims that the adversary cannot or does not prove dead, the highest is the
    /// transfer, or there is none and it is a refresh. It proves dead whatever it can of other
    /// transfers, and keeps back what would kill this one. The Byzantine validator shows this
    /// transfer's highest certificate if that helps; a claim of another one would only forbid.
    fn allows(&self, claims: Ballots, ballot: Ballot) -> bool {
        let own = below(1 << ballot.transfer, ROUNDS);
        let shown = match self.left_out {
            LeftOut::ReportProven => own,
            _ => self.certified & own,
        };
        let rivals = claims & !own & !self.dead;
        let all = rivals | claims & own | shown;
        let is_claimed = match self.left_out {
            LeftOut::HighestAccepted => all & own != 0,
            _ => highest_round(all) & own != 0,
        };
        is_claimed || self.is_fresh(rivals | claims & own & !self.dead, ballot)
    }

    fn is_fresh(&self, claims: Ballots, ballot: Ballot) -> bool {
        match self.left_out {
            LeftOut::HighestAccepted => ballot.is_refresh(),
            LeftOut::RefreshOnly => claims == 0,
            _ => claims == 0 && ballot.is_refresh(),
        }
    }
}

/// How many honest votes make a quorum with the Byzantine one's.
pub fn needed(left_out: LeftOut) -> usize {
    match left_out {
        LeftOut::Quorum | LeftOut::DistinctVotes => NEEDED - 1,
        _ => NEEDED,
    }
}

/// Ballots with at least so many of the honest votes.
pub fn joined([x, y, z]: [Ballots; HONEST], needed: usize) -> Ballots {
    match needed {
        NEEDED => x & y | x & z | y & z,
        _ => x | y | z,
    }
}

fn highest_round(ballots: Ballots) -> Ballots {
    let transfers: Transfers = ALL;
    let rounds = (0..ROUNDS).rev().map(|round| ballots & in_round(transfers, round));
    rounds.into_iter().find(|ballots| *ballots != 0).unwrap_or(0)
}
