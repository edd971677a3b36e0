//! Nobody blames an honest member: whoever is blamed may be cut off, and must not be for what
//! others did in its name.

use super::Broken;
use consensus::Blame;
use std::collections::BTreeSet;

/// What one step of member `by` blames others for.
///
/// # Errors
/// When an honest one is blamed.
pub fn blamed(by: u16, blames: &[Blame], honest: &BTreeSet<u16>) -> Result<(), Broken> {
    match blames.iter().find(|blame| honest.contains(&blame.member)) {
        Some(Blame { member, what }) => {
            Err(("blameless", format!("member {by} blames honest member {member}: {what}")))
        }
        None => Ok(()),
    }
}
