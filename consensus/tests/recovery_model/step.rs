//! What may happen next, one step at a time, and how a step is told.
//!
//! A step is one honest validator's write together with the messages that stand on it, or its crash.
//! Everything that the adversary does (Byzantine votes and reports, withheld and repeated messages,
//! proposals) needs no step: `pool` counts it as done whenever it could have been.

use super::ballot::{Ballot, Ballots, ROUNDS, STATES, Transfers, each, state_name};
use super::pool::{HONEST, Pool, needed, world};
use super::rule::LeftOut;
use super::validator::Validator;

/// The honest validators, in any order: they are alike.
pub type Committee = [Validator; HONEST];

/// What is searched: which transfers exist, how many rounds, and which rule is left out.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub transfers: Transfers,
    pub rounds: usize,
    pub left_out: LeftOut,
}

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
    let ballots = world_ballots(world);
    let proposable = pool.proposable(committee, ballots);
    let is_missing = |ballot: Ballot, sent: fn(&Validator) -> Ballots| {
        let count = committee.iter().filter(|one| sent(one) & ballot.bit() != 0).count();
        count < needed(world.left_out)
    };
    for (who, validator) in committee.iter().enumerate() {
        if committee[..who].contains(validator) {
            continue;
        }
        let mut step = |step: Step| {
            let mut after = *committee;
            apply(&mut after[who], step, world.left_out);
            if after != *committee {
                visit(who, step, after);
            }
        };
        for ballot in each(proposable & !validator.votes) {
            // A vote beyond the quorum adds nothing to a certificate and binds who casts it.
            let is_useful = is_missing(ballot, |one| one.votes);
            if is_useful && validator.may_lock(ballot, world.left_out) {
                step(Step::Lock(ballot));
            }
        }
        for ballot in each(pool.certified & ballots & !validator.commits) {
            if validator.may_accept(ballot, world.left_out) {
                step(Step::Accept(ballot));
            }
        }
        for state in 0..STATES {
            if super::ballot::SPENDERS[state] & world.transfers == 0 {
                continue;
            }
            for round in validator.promised(state) + 1..world.rounds {
                if validator.may_report(state, round) {
                    step(Step::Report { state, round });
                }
            }
        }
        step(Step::Crash);
    }
}

pub fn apply(validator: &mut Validator, step: Step, left_out: LeftOut) {
    match step {
        Step::Lock(ballot) => validator.lock(ballot, left_out),
        Step::Accept(ballot) => validator.accept(ballot, left_out),
        Step::Report { state, round } => validator.report(state, round, left_out),
        Step::Crash => validator.crash(left_out),
    }
}

fn world_ballots(world_: &World) -> Ballots {
    world(world_.transfers, world_.rounds)
}

impl Step {
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
const _: () = assert!(ROUNDS <= 3);
