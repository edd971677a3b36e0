//! The votes for batches that an actor proposes beside its honest half, which does not count those.

use super::Own;
use consensus::{Answer, Proposal};
use ledger::{BatchId, Bitmap, Certificate, Phase, Vote};
use std::collections::BTreeMap;

/// Batches counted at a time.
const BATCHES_MAX: usize = 64;
/// Votes enough.
const VOTES_MIN: usize = 5;

/// Votes by batch and phase, one a member.
#[derive(Debug, Default)]
pub struct Ballots {
    votes: BTreeMap<BatchId, BTreeMap<Phase, BTreeMap<u16, Vote>>>,
}

impl Ballots {
    /// Counts for a batch from now on, with its own vote for all of it.
    pub fn open(&mut self, own: &Own<'_>, proposal: &Proposal) {
        if self.votes.len() >= BATCHES_MAX {
            self.votes.pop_first();
        }
        let phases = self.votes.entry(proposal.claimed).or_default();
        for phase in [Phase::Lock, Phase::Commit] {
            let all = Bitmap::from_bools(&vec![true; proposal.entries.len()]);
            let vote = own.vote(phase, proposal.claimed, all);
            phases.entry(phase).or_default().insert(own.member, vote);
        }
    }

    /// Takes an answer; the certificate that it completes.
    pub fn take(&mut self, from: u16, answer: &Answer) -> Option<Certificate> {
        let vote = answer.vote.as_ref().filter(|vote| vote.member == from)?;
        let votes = self.votes.get_mut(&answer.batch)?.get_mut(&answer.phase)?;
        // Once: honest members answer a certificate with their votes again.
        let is_new = votes.insert(from, vote.clone()).is_none();
        if !is_new || votes.len() != VOTES_MIN {
            return None;
        }
        let votes: Vec<&Vote> = votes.values().collect();
        Some(Certificate::from_votes(&votes))
    }
}
