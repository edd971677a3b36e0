//! Fewer committees with the same outcomes: which orders of steps are enough to search.
//!
//! Messages are never taken back, so what exists for everybody only grows, and a step is only ever
//! forbidden by its own validator's earlier ones. Hence, for the protocol as it is written:
//!
//! * **Put off** ([`Dues`]). A lock or an accept is of no use before a second one completes the
//!   certificate (the receipt) or its own validator moves a state of it to a higher round. It is
//!   put off until right before that, and what is put off to the same moment stands in one order.
//! * **For nothing.** A report only helps the adversary, but for the promise. So it is made as
//!   soon as its validator can do nothing useful in the round that it ends, and before any other
//!   step that raises the promise as far (`Validator::raise`).
//! * **Never final.** An accept of what can no longer become final only binds its validator, and
//!   its claim shows what the Byzantine one can show, too: it is undone, but for the promise,
//!   which a report would have raised as well. A vote that can complete no certificate is dropped
//!   when its validator has left the round, and so are reports on which no certificate can stand.
//! * **Pruned.** Where nothing that may be or become final has a rival that may be certified in a
//!   higher round, nothing can go wrong any more. That one round cannot have two certificates that
//!   conflict is searched where nothing is pruned.
//!
//! That this leaves no outcome out is not only argued: `the_orders_left_out_add_no_outcome`. A
//! mutant may break what the argument rests on, so mutants are searched in every order.

use super::ballot::{Ballot, CONFLICTS, SPENDERS, STATES, above, each, in_round};
use super::pool::{Pool, needed};
use super::step::Step;
use super::validator::{Due, Validator};
use super::world::{Committee, HONEST, Orders, World};

/// What was put off to now, so that something certain must follow.
pub struct Dues {
    dues: [Due; HONEST],
    /// The validator whose turn it is.
    turn: Option<(usize, Ballot)>,
    /// Another one that waits for a partner.
    waiting: Option<Ballot>,
    /// Of the world: nothing follows a lock of the last round but its partner's.
    rounds: usize,
}

impl Dues {
    pub fn new(committee: &Committee, world: &World) -> Self {
        let dues = committee.validators.map(|one| one.due);
        let mut open = [None; HONEST];
        let mut count = 0;
        if world.is_reduced() {
            for (who, due) in dues.iter().enumerate() {
                if let Some(ballot) = due.ballot() {
                    open[count] = Some((who, ballot));
                    count += 1;
                }
            }
        }
        let (turn, waiting) = match (open[0], open[1]) {
            (Some(one), Some(other)) if one.1.round < other.1.round => (Some(one), Some(other.1)),
            (Some(one), Some(other)) => (Some(other), Some(one.1)),
            (turn, _) => (turn, None),
        };
        Self { dues, turn, waiting, rounds: world.rounds }
    }

    /// A partner completes it, its validator leaves the round, or it (or the partner) puts off
    /// more that the same step will end.
    pub fn allow(&self, who: usize, step: Step) -> bool {
        let Some((owner, due)) = self.turn else { return true };
        let (ballot, now) = match step {
            Step::Crash => return true,
            Step::Report { state, .. } => {
                return who == owner && self.waiting.is_none() && due.spends(state);
            }
            Step::Lock(ballot) => (ballot, Due::lock(ballot)),
            Step::Accept(ballot) => (ballot, Due::accept(ballot)),
        };
        if let Some(waiting) = self.waiting {
            let completes = self.dues.contains(&now);
            let is_chain = now > self.dues[owner] && is_closed_by(ballot, waiting);
            return who == owner && (completes || is_chain);
        }
        if who == owner {
            let is_last = due.round.max(ballot.round) + 1 >= self.rounds;
            let is_chain = now > self.dues[owner] && !is_last;
            return is_closed_by(due, ballot) || is_chain;
        }
        now == self.dues[owner] || is_closed_by(ballot, due)
    }
}

/// Whether doing `later` makes it impossible to do `ballot` afterwards.
fn is_closed_by(ballot: Ballot, later: Ballot) -> bool {
    let is_shared = ballot.transfer == later.transfer || ballot.conflicts(later);
    later.round > ballot.round && is_shared
}

/// Notes what is due after the step and drops what cannot matter; false if nothing can go wrong
/// any more and only that is asked.
pub fn reduce(
    before: &Committee,
    after: &mut Committee,
    who: usize,
    step: Step,
    world: &World,
) -> bool {
    let now = match step {
        Step::Lock(ballot) => Due::lock(ballot),
        Step::Accept(ballot) => Due::accept(ballot),
        _ => Due::NONE,
    };
    after.validators[who].due = now;
    let is_made = before.certified != after.certified || before.finals != after.finals;
    if is_made {
        for one in &mut after.validators {
            if one.due == now {
                one.due = Due::NONE;
            }
        }
    }
    forget(after, world)
}

fn forget(committee: &mut Committee, world: &World) -> bool {
    loop {
        match drop_useless(committee, world) {
            Ok((who, state, round)) => committee.validators[who].report(state, round, world),
            Err(is_open) => return is_open || world.orders != Orders::Pruned,
        }
    }
}

/// Drops what can no longer matter. Either a report that costs nothing (validator, state, round),
/// or, when there is none, whether something can still go wrong.
fn drop_useless(committee: &mut Committee, world: &World) -> Result<(usize, usize, usize), bool> {
    let pool = Pool::new(committee, world.left_out);
    let needed = needed(world.left_out);
    let all = committee.validators;
    let reach = |ballot: Ballot, can: &dyn Fn(&Validator) -> bool| {
        if all.iter().filter(|one| can(one)).count() >= needed { ballot.bit() } else { 0 }
    };
    let mut lockable = 0;
    for ballot in each(world.ballots() & !pool.certified) {
        let has = |one: &Validator| one.votes & ballot.bit() != 0 || one.may_lock(ballot, world);
        lockable |= reach(ballot, &has);
    }
    let mut acceptable = 0;
    for ballot in each((lockable | pool.certified) & !pool.finals) {
        let has =
            |one: &Validator| one.commits & ballot.bit() != 0 || one.may_accept(ballot, world);
        acceptable |= reach(ballot, &has);
    }
    for one in &mut committee.validators {
        for ballot in each(one.votes & !lockable) {
            if one.has_closed(ballot) {
                one.votes &= !ballot.bit();
            }
        }
        one.keep_accepts(acceptable | pool.finals, world);
    }
    for round in 1..world.rounds {
        for (state, spenders) in SPENDERS.into_iter().enumerate() {
            if lockable & in_round(spenders, round) == 0 {
                for one in &mut committee.validators {
                    one.drop_report(state, round);
                }
            }
        }
    }
    for (who, one) in committee.validators.iter().enumerate() {
        for state in (0..STATES).filter(|state| world.has_state(*state)) {
            let round = one.promised(state);
            let here = in_round(SPENDERS[state], round);
            let is_open = each(lockable & here & !one.votes)
                .any(|ballot| one.may_lock(ballot, world))
                || each(acceptable & here & !one.commits)
                    .any(|ballot| one.may_accept(ballot, world));
            if !is_open && round + 1 < world.rounds {
                return Ok((who, state, round + 1));
            }
        }
    }
    let finals = pool.finals | acceptable;
    let certified = pool.certified | lockable;
    let is_open =
        each(finals).any(|ballot| certified & above(CONFLICTS[ballot.transfer], ballot.round) != 0);
    Err(is_open)
}
