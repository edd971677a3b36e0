//! No token stays locked for ever: after the calm, when all owners that split their own locks have
//! recovered and what is orphaned has ended, no honest node holds a lock, an accept or a promise
//! any more. Every token is free or spent, everywhere.

use super::Broken;
use crate::sim::node::Node;

/// Whether it is so now.
///
/// # Errors
/// What is still held; it counts as broken when the bound is over.
pub fn holds(nodes: &[(u16, &Node)]) -> Result<(), Broken> {
    for (member, node) in nodes {
        if let Some(row) = node.validator.locks().rows().min_by_key(|row| row.state) {
            return Err(("unlocked", format!("member {member} still holds {row:?}")));
        }
    }
    Ok(())
}
