//! The rules of PROTOCOL sections 3-4 that a mutant leaves out, one each.
//!
//! `Nothing` is the protocol; each other variant is read in exactly one place of the model. Which
//! of them are found, and where, stands in the table of `recovery_model.rs`.

/// What is left out of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeftOut {
    /// The protocol as it is written.
    Nothing,
    /// §4 "a quorum of reports for (s, r)": one report is enough, the Byzantine one too.
    ReportQuorum,
    /// §4 "the highest-round accepted is T": a refresh may pass over what is accepted.
    HighestAccepted,
    /// §4 "a transfer that can no longer live": everything accepted counts as dead.
    DeadIsProven,
    /// §4 "a Lock certificate of a round above ρ": one of any round kills.
    DeadByHigherRound,
    /// R4 "in one round a state is locked for at most one transfer".
    OneLock,
    /// §4 "accept (T, r) only if r ≥ promised".
    AcceptBound,
    /// §4 the report carries its `accepted`: reports say nothing was.
    ReportTruthful,
    /// §4 "with the Lock certificate that proves it": the Byzantine one invents what it accepted.
    ReportProven,
    /// §4 "accepted never goes to a lower round" and accepting raises the promise.
    SlotMonotone,
    /// §4 "a report makes promised = r": the report leaves the promise as it was.
    ReportRaises,
    /// §1 the quorum is 2f+1: 2 of 4 here.
    Quorum,
    /// R7 distinct members: the Byzantine vote counts twice.
    DistinctVotes,
    /// §4 over all reports of all states of T: one of its states may be left out.
    AllStates,
    /// R5 a Lock vote stands on a durable lock: a crash forgets the locks.
    LockDurable,
    /// R6 a Commit vote stands on a durable accept: a crash forgets the accepts.
    AcceptDurable,
    /// §4 the promise is durable before the report: a crash forgets it.
    PromiseDurable,
    /// §4 "lock (T, r) only if r ≥ promised": only what saves work.
    LockBound,
    /// §4 "locking raises promised".
    LockRaises,
    /// §4 "accepting raises promised", with the slot kept at its highest round.
    AcceptRaises,
    /// §4 "or T is a refresh": what was never accepted may move several states, too.
    RefreshOnly,
}
