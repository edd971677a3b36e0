//! Evidence holds, never convicts an honest key, and survives crashes.

use super::Broken;
use crate::sim::archive::Archive;
use consensus::Evidence;
use ledger::Network;
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "evidence";

/// Evidence is durable after this, µs: the slowest sync many times over.
const DURABLE_US: u64 = 3_000_000;

/// What each member has found, and when.
#[derive(Debug, Default)]
pub struct Found {
    found: BTreeMap<u16, Vec<(u64, Evidence)>>,
    /// When each member crashed last.
    crashed_us: BTreeMap<u16, u64>,
}

impl Found {
    /// A member keeps evidence. Owners in the simulator that sign twice mean it; a member with a
    /// twin is not honest.
    ///
    /// # Errors
    /// When it proves nothing, or convicts an honest member.
    pub fn convicted(
        &mut self,
        (now_us, by): (u64, u16),
        (network, honest): (&Network, &BTreeSet<u16>),
        evidence: &Evidence,
    ) -> Result<(), Broken> {
        if evidence.verify(network).is_err() {
            return Err((NAME, format!("it proves nothing: {evidence:?}")));
        }
        self.found.entry(by).or_default().push((now_us, evidence.clone()));
        match evidence {
            Evidence::Votes(votes) if honest.contains(&votes.first.member) => {
                Err((NAME, format!("an honest member is convicted: {votes:?}")))
            }
            _ => Ok(()),
        }
    }

    /// A member crashes.
    pub fn crashed(&mut self, now_us: u64, member: u16) {
        self.crashed_us.insert(member, now_us);
    }

    /// A member is back: what it found some time before it crashed is there, what it found just
    /// then may be.
    ///
    /// # Errors
    /// When evidence is lost that was durable.
    pub fn back(&mut self, member: u16, archive: &Archive) -> Result<(), Broken> {
        let crashed_us = self.crashed_us.get(&member).copied().unwrap_or(0);
        let found = self.found.entry(member).or_default();
        let lost = |(at_us, evidence): &(u64, Evidence)| {
            at_us + DURABLE_US < crashed_us && !archive.evidence().contains(evidence)
        };
        let is_lost = found.iter().any(lost);
        found.retain(|(_, evidence)| archive.evidence().contains(evidence));
        match is_lost {
            true => Err((NAME, format!("member {member} has lost what it found"))),
            false => Ok(()),
        }
    }
}
