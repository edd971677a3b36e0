//! No honest member's Lock votes are for two transfers of one state in one round, restarts or not.

use super::{Broken, Known};
use ledger::{TokenState, TransferId, Vote};
use std::collections::BTreeMap;

/// What each member has voted to lock.
#[derive(Debug, Default)]
pub struct OneLock {
    votes: BTreeMap<(u16, TokenState, u32), TransferId>,
}

impl OneLock {
    /// An honest member votes.
    ///
    /// # Errors
    /// When it voted for another transfer of a state in this round before.
    pub fn voted(&mut self, member: u16, vote: &Vote, known: Option<&Known>) -> Result<(), Broken> {
        let entries = known.into_iter().flatten().enumerate();
        for (_, (id, round, states)) in entries.filter(|(i, _)| vote.ballot.bitmap.has(*i)) {
            for state in states {
                let before = *self.votes.entry((member, *state, *round)).or_insert(*id);
                if before != *id {
                    let what =
                        format!("member {member} locked {state:?} for {before:?} and {id:?}");
                    return Err(("one_lock", what));
                }
            }
        }
        Ok(())
    }
}
