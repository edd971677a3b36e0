//! At most one final transfer of a token state, ever, on all nodes together.

use super::{Broken, Known};
use ledger::{Bitmap, TokenState, TransferId};
use std::collections::BTreeMap;

/// Who has spent what.
#[derive(Debug, Default)]
pub struct OneFinal {
    spent: BTreeMap<TokenState, TransferId>,
}

impl OneFinal {
    /// A member applies these entries.
    ///
    /// # Errors
    /// When a state was spent by another transfer, here or elsewhere.
    pub fn applied(&mut self, member: u16, known: &Known, bits: &Bitmap) -> Result<(), Broken> {
        for (_, (id, _, states)) in known.iter().enumerate().filter(|(i, _)| bits.has(*i)) {
            for state in states {
                let before = *self.spent.entry(*state).or_insert(*id);
                if before != *id {
                    let what = format!("{state:?} is spent by {before:?} and, at {member}, {id:?}");
                    return Err(("one_final", what));
                }
            }
        }
        Ok(())
    }
}
