//! Transfers that nobody asks for any more: whatever a member has locked of them and still knows
//! becomes final.

use ledger::TransferId;
use std::collections::{BTreeMap, BTreeSet};

/// Who has voted to lock a transfer, among honest members.
#[derive(Debug, Default)]
pub struct Orphans {
    locked: BTreeMap<TransferId, BTreeSet<u16>>,
}

impl Orphans {
    /// A member votes to lock a transfer.
    pub fn locked(&mut self, member: u16, id: TransferId) {
        self.locked.entry(id).or_default().insert(member);
    }

    /// Those of `lonely` that one member at least still knows of.
    pub fn known(&self, lonely: &[TransferId], knows: impl Fn(&u16) -> bool) -> Vec<TransferId> {
        let is_known = |id: &&TransferId| self.locked.get(id).is_some_and(|m| m.iter().any(&knows));
        lonely.iter().filter(is_known).copied().collect()
    }
}
