//! What may happen next, one step at a time, and how a step is told.
//!
//! A step is one honest validator's write together with the messages that stand on it, or its
//! crash. Everything that the adversary does (Byzantine votes and reports, withheld and repeated
//! messages, proposals) needs no step: `pool` counts it as done whenever it could have been.

use super::ballot::{Ballot, STATES, each, state_name};
use super::pool::Pool;
use super::reduction;
use super::validator::Validator;
use super::world::{Committee, World};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Lock(Ballot),
    Accept(Ballot),
    Report { state: usize, round: usize },
    Crash,
}

/// Calls `visit` with each step that may come next, who does it, and what it leads to.
pub fn next(committee: &Committee, world: &World, mut visit: impl FnMut(usize, Step, Committee)) {
    let pool = Pool::new(committee, world.left_out);
    let ballots = world.ballots();
    let proposable = pool.proposable(&committee.validators, ballots);
    let dues = reduction::Dues::new(committee, world);
    for (who, validator) in committee.validators.iter().enumerate() {
        if committee.validators[..who].contains(validator) {
            continue;
        }
        let mut step = |step: Step| {
            if !dues.allow(who, step) {
                return;
            }
            let mut after = *committee;
            step.apply(&mut after.validators[who], world);
            after.settle(world.left_out);
            let is_open =
                !world.is_reduced() || reduction::reduce(committee, &mut after, who, step, world);
            if is_open && after != *committee {
                visit(who, step, after);
            }
        };
        // A vote beyond the quorum adds nothing to a certificate and binds who casts it.
        for ballot in each(proposable & !pool.certified & !validator.votes) {
            if validator.may_lock(ballot, world) {
                step(Step::Lock(ballot));
            }
        }
        for ballot in each(pool.certified & ballots & !validator.commits) {
            if validator.may_accept(ballot, world) {
                step(Step::Accept(ballot));
            }
        }
        for state in (0..STATES).filter(|state| world.has_state(*state)) {
            for round in validator.promised(state) + 1..world.rounds {
                if validator.may_report(state, round, world) {
                    step(Step::Report { state, round });
                }
            }
        }
        if !world.is_reduced() {
            step(Step::Crash);
        }
    }
}

impl Step {
    pub fn apply(self, validator: &mut Validator, world: &World) {
        match self {
            Step::Lock(ballot) => validator.lock(ballot, world),
            Step::Accept(ballot) => validator.accept(ballot, world),
            Step::Report { state, round } => validator.report(state, round, world),
            Step::Crash => validator.crash(world),
        }
    }

    pub fn words(self) -> String {
        match self {
            Step::Lock(ballot) => format!("locks and votes for {}", ballot.name()),
            Step::Accept(ballot) => format!("accepts {}", ballot.name()),
            Step::Report { state, round } => {
                format!("reports on {} for round {round} and promises it", state_name(state))
            }
            Step::Crash => String::from("crashes and starts again"),
        }
    }
}
