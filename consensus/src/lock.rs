//! Locks, promises and accepts: the durable memory that safety rests on.
//!
//! | field | meaning | written by |
//! |---|---|---|
//! | `promised` | no lock or accept below this round | `lock`, `accept`, `promise` (only upwards) |
//! | `locked` | in this round the state goes to it | `lock`: one a round, never a lower round |
//! | `accepted` | whose Lock certificate was stored last | `accept`, never to a lower round |
//! | `reported` | what was said when the round was promised | `promise`; goes when that rises |
//! | the whole row | goes when the state is spent | `release`, from apply |

use crate::verdict::Refusal;
use ledger::encoding::canonical_struct;
use ledger::{Address, AssetId, BatchId, Input, TokenId, TokenState, TransferId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What one validator has promised about one unspent state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The state; a token has one unspent state at a time.
    pub state: TokenState,
    /// Rounds below are refused.
    pub promised: u32,
    /// The lock of the highest round in which there was one.
    pub locked: Option<Held>,
    /// The accept of the highest round in which there was one.
    pub accepted: Option<Held>,
    /// The report of round `promised`, if that round was promised to a `Recover`.
    pub reported: Option<Reported>,
}

impl Lock {
    /// No lock or accept below `round` any more; a report of a lower round is over.
    fn raise(&mut self, round: u32) {
        if round > self.promised {
            self.promised = round;
            self.reported = None;
        }
    }
}

/// What a validator has said of a state in a report: never anything else for the same round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// What it had accepted when it promised.
    pub accepted: Option<Held>,
}

/// A lock or an accept: for which transfer, in which round, out of which batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The round.
    pub round: u32,
    /// The transfer.
    pub transfer: TransferId,
    /// The batch in which it came; its bytes are kept as long as this row lives.
    pub batch: BatchId,
}
canonical_struct!(Held { round, transfer, batch });

/// All rows of one validator, by token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    rows: HashMap<TokenId, Lock>,
    /// Base units of the states that are locked, by owner and asset; none that is 0.
    locked: HashMap<(Address, AssetId), u64>,
}

#[allow(clippy::result_large_err, reason = "a refusal carries its evidence, and is rare")]
impl Locks {
    /// Locks all inputs of `owner` for `held.transfer` in `held.round`, or none (R4). The caller
    /// has checked R2. Returns whether anything is new that must be durable before a vote; a repeat
    /// writes nothing.
    ///
    /// # Errors
    /// [`Refusal::LockConflict`], [`Refusal::RoundTooLow`].
    pub fn lock(&mut self, owner: Address, inputs: &[Input], held: Held) -> Result<bool, Refusal> {
        let mut is_new = false;
        for input in inputs {
            is_new |= self.can_lock(input.state, held)?;
        }
        if is_new {
            for input in inputs {
                let row = self.row(input.state);
                let was_locked = row.locked.replace(held).is_some();
                row.raise(held.round);
                if !was_locked {
                    self.count_in(owner, input);
                }
            }
        }
        Ok(is_new)
    }

    fn can_lock(&self, state: TokenState, held: Held) -> Result<bool, Refusal> {
        let Some(row) = self.rows.get(&state.token) else { return Ok(true) };
        assert_eq!(row.state, state, "a row lives as long as its state is the tip");
        if held.round < row.promised {
            return Err(Refusal::RoundTooLow { state, promised: row.promised });
        }
        match row.locked {
            Some(other) if other.round == held.round => {
                if other.transfer == held.transfer {
                    return Ok(false);
                }
                let (held_by, wanted_by) = (other.transfer, held.transfer);
                Err(Refusal::LockConflict { state, held_by, wanted_by })
            }
            _ => Ok(true),
        }
    }

    /// Accepts `held.transfer` on all inputs, or on none (R6). The caller has its Lock certificate.
    /// Returns whether anything is new that must be durable before a commit vote.
    ///
    /// # Errors
    /// [`Refusal::RoundTooLow`].
    pub fn accept(&mut self, inputs: &[Input], held: Held) -> Result<bool, Refusal> {
        let mut is_new = false;
        for input in inputs {
            let Some(row) = self.rows.get(&input.state.token) else {
                is_new = true;
                continue;
            };
            assert_eq!(row.state, input.state, "a row lives as long as its state is the tip");
            if held.round < row.promised {
                let (state, promised) = (input.state, row.promised);
                return Err(Refusal::RoundTooLow { state, promised });
            }
            let is_same = row.accepted.is_some_and(|accepted| {
                (accepted.round, accepted.transfer) == (held.round, held.transfer)
            });
            is_new |= !is_same;
        }
        if is_new {
            for input in inputs {
                let row = self.row(input.state);
                assert!(row.accepted.is_none_or(|accepted| accepted.round <= held.round));
                row.accepted = Some(held);
                row.raise(held.round);
            }
        }
        Ok(is_new)
    }

    /// What [`Locks::promise`] would report.
    ///
    /// # Errors
    /// As there.
    pub fn would_report(&self, state: &TokenState, round: u32) -> Result<Option<Held>, u32> {
        let Some(row) = self.rows.get(&state.token) else { return Ok(None) };
        assert_eq!(row.state, *state, "a row lives as long as its state is the tip");
        match row.reported {
            _ if round > row.promised => Ok(row.accepted),
            Some(reported) if round == row.promised => Ok(reported.accepted),
            _ => Err(row.promised),
        }
    }

    /// Promises `round` for a state, and says what is accepted of it (protocol §4). The same round
    /// again gives the same report. Returns it and whether it is new and must be durable first.
    ///
    /// # Errors
    /// The round that is promised, when it is higher, or was not promised to a `Recover`.
    pub fn promise(&mut self, state: TokenState, round: u32) -> Result<(Reported, bool), u32> {
        let row = self.row(state);
        assert_eq!(row.state, state, "a row lives as long as its state is the tip");
        if round > row.promised {
            let reported = Reported { accepted: row.accepted };
            row.promised = round;
            row.reported = Some(reported);
            return Ok((reported, true));
        }
        match row.reported {
            Some(reported) if round == row.promised => Ok((reported, false)),
            _ => Err(row.promised),
        }
    }

    /// Puts a promise back that a record tells.
    pub fn load_promise(&mut self, state: TokenState, round: u32, accepted: Option<Held>) {
        let row = self.row(state);
        if round >= row.promised {
            row.promised = round;
            row.reported = Some(Reported { accepted });
        }
    }

    /// Forgets the rows of spent states of `owner`.
    pub fn release(&mut self, owner: Address, inputs: &[Input]) {
        for input in inputs {
            let row = self.rows.remove(&input.state.token);
            if row.is_some_and(|row| row.locked.is_some()) {
                self.count_out(owner, input);
            }
        }
    }

    fn count_in(&mut self, owner: Address, input: &Input) {
        let units = self.locked.entry((owner, input.asset)).or_default();
        *units = units.saturating_add(input.amount);
    }

    fn count_out(&mut self, owner: Address, input: &Input) {
        if let Entry::Occupied(mut units) = self.locked.entry((owner, input.asset)) {
            *units.get_mut() = units.get().saturating_sub(input.amount);
            if *units.get() == 0 {
                units.remove();
            }
        }
    }

    /// Base units of an owner's states that are locked.
    pub fn locked(&self, owner: Address, asset: AssetId) -> u64 {
        self.locked.get(&(owner, asset)).copied().unwrap_or(0)
    }

    /// The row of a token's unspent state.
    pub fn get(&self, token: &TokenId) -> Option<&Lock> {
        self.rows.get(token)
    }

    /// How many states have a row.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// All rows, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &Lock> {
        self.rows.values()
    }

    fn row(&mut self, state: TokenState) -> &mut Lock {
        let empty = Lock { state, promised: 0, locked: None, accepted: None, reported: None };
        self.rows.entry(state.token).or_insert(empty)
    }
}

#[cfg(test)]
mod tests;
