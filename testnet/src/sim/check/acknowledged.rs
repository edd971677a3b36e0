//! What a client was told is final is applied where it was told, survives every crash there, and is
//! applied everywhere in the end.

use super::Broken;
use crate::sim::node::Node;
use ledger::TransferId;
use std::collections::{BTreeMap, BTreeSet};

/// What each member has told.
#[derive(Debug, Default)]
pub struct Acknowledged {
    told: BTreeMap<u16, BTreeSet<TransferId>>,
}

impl Acknowledged {
    /// A client is told by `by`.
    ///
    /// # Errors
    /// When it is not applied there.
    pub fn told(&mut self, by: u16, id: TransferId, node: &Node) -> Result<(), Broken> {
        self.told.entry(by).or_default().insert(id);
        match node.is_up && !node.archive.is_final(&id) {
            true => Err(("acknowledged", format!("member {by} told {id:?}, not applied there"))),
            false => Ok(()),
        }
    }

    /// A member is back, or looked at.
    ///
    /// # Errors
    /// When something that it told is lost.
    pub fn restarted(&self, member: u16, node: &Node) -> Result<(), Broken> {
        let told = self.told.get(&member).into_iter().flatten();
        match told.into_iter().find(|id| !node.archive.is_final(id)) {
            Some(id) => Err(("acknowledged", format!("member {member} told {id:?} and lost it"))),
            None => Ok(()),
        }
    }

    /// At the end, with all nodes up.
    ///
    /// # Errors
    /// When a node lacks what any member told.
    pub fn everywhere(&self, nodes: &[(u16, &Node)]) -> Result<(), Broken> {
        for id in self.told.values().flatten() {
            if let Some((member, _)) = nodes.iter().find(|(_, node)| !node.archive.is_final(id)) {
                let what = format!("{id:?} was told and is not at member {member} in the end");
                return Err(("acknowledged", what));
            }
        }
        Ok(())
    }
}
