//! After the calm, with all up and nothing lost: every honest owner's transfer ends final, within a
//! bound,
//! and all honest nodes stand equal.

use super::Broken;
use crate::sim::node::Node;
use ledger::TransferId;

/// Whether it is so now.
///
/// # Errors
/// What is missing; it counts as broken when the bound is over.
pub fn holds(wanted: &[TransferId], nodes: &[(u16, &Node)]) -> Result<(), Broken> {
    for (member, node) in nodes {
        if let Some(id) = wanted.iter().find(|id| !node.archive.is_final(id)) {
            return Err(("settled", format!("member {member} lacks {id:?} of an honest owner")));
        }
    }
    let Some((_, first)) = nodes.first() else { return Ok(()) };
    for (member, node) in nodes {
        if node.progress().digest != first.progress().digest {
            let what = format!("member {member} does not stand where the first one stands");
            return Err(("settled", what));
        }
    }
    Ok(())
}
