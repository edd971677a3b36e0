//! An exhaustive model of PROTOCOL sections 3-4: locks, accepts and recovery in rounds.
//!
//! Four validators, one of them Byzantine, an adversary for owner, proposer and network, transfers
//! that overlap in their states, rounds 0 to 2. It shares no code with the product: it shows that
//! the *rules* are safe, and that each is needed, not that the product keeps them.
//!
//! `ballot` the world's transfers, `rule` what a mutant leaves out, `validator` one honest
//! validator, `pool` certificates and justifications, `step` what may come next, `reduction`
//! which orders of steps are enough, `search` breadth first, the shortest way to a violation in
//! words.
//!
//! The everyday form takes some ten seconds. The long one, for CI:
//! `QUORATE_MODEL=full cargo test -p consensus --test recovery_model -- --nocapture`

mod recovery_model {
    pub mod ballot;
    pub mod pool;
    pub mod reduction;
    pub mod rule;
    pub mod search;
    pub mod step;
    pub mod validator;
    pub mod world;
}

use std::{collections::BTreeSet, env, time::Instant};

use recovery_model::{
    ballot::{ALL, Ballot, Transfers},
    rule::LeftOut,
    search::{Found, search, told},
    step::Step,
    world::{Committee, Orders, World},
};

const T1: Transfers = 0b00001;
const T2: Transfers = 0b00010;
const RA: Transfers = 0b00100;
const RB: Transfers = 0b01000;
const RC: Transfers = 0b10000;

/// More than any search here reaches that is meant to end; bounds the memory (48 bytes each).
const STATES_MAX: usize = 40_000_000;
/// How far the five transfers are searched in three rounds, which do not end in five minutes.
const DEEPEST_STATES: usize = 4_000_000;

#[test]
fn no_two_conflicting_transfers_are_final() {
    let mut worlds = vec![(ALL, 2), (T1 | T2 | RB, 3), (T1 | RA | RB, 3), (T1 | T2 | RA, 3)];
    if is_full() {
        worlds.extend([(T1 | T2 | RA | RB, 3), (T1 | T2 | RA | RC, 3)]);
    }
    for (transfers, rounds) in worlds {
        let world = world(transfers, rounds, LeftOut::Nothing, Orders::Pruned);
        assert!(holds(&world, STATES_MAX).is_whole, "not searched to its end: {world:?}");
    }
}

/// What does not end is searched as deep as fits, breadth first: every order, and the enough ones.
#[test]
fn all_transfers_in_three_rounds_as_deep_as_fits() {
    let states = if is_full() { DEEPEST_STATES } else { DEEPEST_STATES / 10 };
    holds(&world(ALL, 3, LeftOut::Nothing, Orders::Every), states);
    holds(&world(ALL, 3, LeftOut::Nothing, Orders::Pruned), states);
}

/// The reduction is no article of faith: where every order can be searched to the end, it reaches
/// exactly the same sets of certificates and final transfers.
#[test]
fn the_orders_left_out_add_no_outcome() {
    let mut worlds = vec![(RA, 3), (T1 | RA, 2), (T1 | T2, 2), (T1 | T2 | RB, 2), (ALL, 1)];
    if is_full() {
        worlds.push((T1 | RA, 3));
    }
    for (transfers, rounds) in worlds {
        let outcomes = |orders| {
            let found = holds(&world(transfers, rounds, LeftOut::Nothing, orders), STATES_MAX);
            assert!(found.is_whole);
            let states = found.visited.states.iter();
            states.map(|one| (one.certified, one.finals)).collect::<BTreeSet<_>>()
        };
        let every = outcomes(Orders::Every);
        assert!(every.iter().any(|(_, finals)| *finals != 0), "nothing becomes final");
        assert_eq!(every, outcomes(Orders::Enough));
    }
}

/// Each rule left out, where its search begins, and the length of the shortest violation from
/// there: six steps more from genesis for those that begin later. All in T1{a,b} and Ra{a},
/// rounds 0 to 2.
const MUTANTS: &[(LeftOut, Start, usize)] = &[
    (LeftOut::Quorum, Start::Genesis, 4),
    (LeftOut::DistinctVotes, Start::Genesis, 4),
    (LeftOut::OneLock, Start::Genesis, 8),
    (LeftOut::ReportQuorum, Start::Genesis, 8),
    (LeftOut::LockDurable, Start::Genesis, 9),
    (LeftOut::HighestAccepted, Start::Genesis, 10),
    (LeftOut::DeadIsProven, Start::Genesis, 10),
    (LeftOut::AcceptBound, Start::Genesis, 10),
    (LeftOut::ReportTruthful, Start::Genesis, 10),
    (LeftOut::ReportProven, Start::Genesis, 10),
    (LeftOut::ReportRaises, Start::Genesis, 10),
    (LeftOut::AcceptDurable, Start::Genesis, 11),
    (LeftOut::PromiseDurable, Start::Genesis, 11),
    (LeftOut::DeadByHigherRound, Start::Refreshed, 10),
    (LeftOut::AllStates, Start::Refreshed, 10),
    (LeftOut::SlotMonotone, Start::Refreshed, 11),
];

#[test]
fn each_rule_is_needed() {
    let mut wrong = Vec::new();
    for (left_out, start, depth) in MUTANTS {
        let world = world(T1 | RA, 3, *left_out, Orders::Every);
        let found = run(&world, &start.committee(), STATES_MAX);
        let (at, what) = found.violation.unwrap_or_else(|| panic!("{left_out:?} is not found"));
        println!("{left_out:?}: {what}\n{}", told(&found, &world, at).join("\n"));
        if found.depth != *depth {
            wrong.push(format!("{left_out:?} is found at depth {} for {depth}", found.depth));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Rules that a model of safety does not miss, searched to the end without them.
///
/// * `LockBound`: a lock below the promise, like one that was made before the promise and was slow
///   to arrive, is of no use: its certificate is not accepted by who promised. It saves work.
/// * `LockRaises`, `AcceptRaises`: in these bounds the slot that never falls back and the reports
///   carry the safety; without both of the accept's (`SlotMonotone`) it is lost.
/// * `RefreshOnly`: reports that show nothing accepted leave any value free, as in Paxos; that
///   only a refresh may be new in a round above 0 keeps recovery from moving value, and is not
///   for this.
const HARMLESS: &[LeftOut] =
    &[LeftOut::LockBound, LeftOut::LockRaises, LeftOut::AcceptRaises, LeftOut::RefreshOnly];

#[test]
fn what_only_saves_work_is_not_missed() {
    let worlds = [(RA, 3), (T1 | RA, 2), (T1 | T2 | RB, 2)];
    for left_out in HARMLESS {
        for (transfers, rounds) in &worlds {
            let found = holds(&world(*transfers, *rounds, *left_out, Orders::Every), STATES_MAX);
            assert!(found.is_whole);
        }
    }
}

/// Where a search begins.
#[derive(Clone, Copy)]
enum Start {
    Genesis,
    /// T1 has a Lock certificate of round 0 that nobody has accepted; V1 and V3 reported that, and
    /// locked the refresh of a in round 1. V2 has promised nothing.
    Refreshed,
}

impl Start {
    fn committee(self) -> Committee {
        let mut committee = Committee::default();
        let (first, refresh) = (Ballot::from_index(0), Ballot { transfer: 2, round: 1 });
        let report = Step::Report { state: 0, round: 1 };
        let refreshed = [
            (0, Step::Lock(first)),
            (1, Step::Lock(first)),
            (0, report),
            (2, report),
            (0, Step::Lock(refresh)),
            (2, Step::Lock(refresh)),
        ];
        let steps = match self {
            Start::Genesis => &[][..],
            Start::Refreshed => &refreshed,
        };
        let world = world(T1 | RA, 3, LeftOut::Nothing, Orders::Every);
        for (who, step) in steps {
            committee = committee.after(*who, *step, &world).expect("the start follows the rules");
        }
        committee
    }
}

fn world(transfers: Transfers, rounds: usize, left_out: LeftOut, orders: Orders) -> World {
    World { transfers, rounds, left_out, orders }
}

fn is_full() -> bool {
    env::var("QUORATE_MODEL").is_ok_and(|form| form == "full")
}

/// Searches from genesis and finds nothing wrong.
fn holds(world: &World, states_max: usize) -> Found {
    let found = run(world, &Committee::default(), states_max);
    if let Some((at, what)) = found.violation {
        panic!(
            "{what} in {world:?}:\n{}\nreplay: QUORATE_MODEL={} cargo test -p consensus --test \
             recovery_model -- --nocapture",
            told(&found, world, at).join("\n"),
            if is_full() { "full" } else { "everyday" },
        );
    }
    found
}

fn run(world: &World, start: &Committee, states_max: usize) -> Found {
    let began = Instant::now();
    let found = search(world, start, states_max);
    let end = if found.is_whole { "to the end" } else { "stopped" };
    println!(
        "{world:?}: {} states, depth {}, {end}, {} ms",
        found.visited.states.len(),
        found.depth,
        began.elapsed().as_millis()
    );
    found
}
