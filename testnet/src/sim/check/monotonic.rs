//! Reads never go back, as long as a node runs: neither how much is applied, nor a token's height.

use super::Broken;
use consensus::Tips;
use ledger::TokenId;
use std::collections::{BTreeMap, HashMap};

/// How much was applied, and of each token its height and whether it had ended.
type Shown = (u64, HashMap<TokenId, (u64, bool)>);

/// What each member has shown last, in this life.
#[derive(Debug, Default)]
pub struct Monotonic {
    shown: BTreeMap<u16, Shown>,
}

impl Monotonic {
    /// A member begins a new life: what it had not made durable is gone.
    pub fn reborn(&mut self, member: u16) {
        self.shown.remove(&member);
    }

    /// A member is read.
    ///
    /// # Errors
    /// When it shows less than before.
    pub fn shows(&mut self, member: u16, tips: &Tips) -> Result<(), Broken> {
        let broken = |what: String| Err(("monotonic", format!("member {member} {what}")));
        let (applied, shown) = self.shown.entry(member).or_default();
        if tips.applied() < *applied {
            return broken(format!("had applied {applied}, now {}", tips.applied()));
        }
        if tips.applied() == *applied {
            return Ok(());
        }
        *applied = tips.applied();
        for (token, tip) in tips.tokens() {
            let now = (tip.height, tip.ended_by.is_some());
            let before = shown.insert(*token, now).unwrap_or(now);
            if before > now {
                return broken(format!("showed {token:?} at {before:?}, now at {now:?}"));
            }
        }
        match shown.len() > tips.tokens().count() {
            true => broken("shows fewer tokens than before".into()),
            false => Ok(()),
        }
    }
}
