//! Counting the votes of one phase over one batch. Votes are collected unchecked (the link says who
//! sent them) and checked together when they could make a certificate: five at once cost 0.1 ms.

use crate::evidence::{Evidence, VoteEvidence};
use crate::message::CheckedCertificate;
use ledger::{Bitmap, Certificate, CertificateError, Committee, Network, Vote};
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// The votes of one phase. The newest vote of a member that covers its earlier ones counts, once.
#[derive(Clone, Debug)]
pub struct Tally {
    votes: BTreeMap<u16, Vote>,
    /// `weights[i]` is the weight that votes for entry i.
    weights: Vec<u64>,
    certified: Bitmap,
}

/// What a vote did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It added bits.
    Added,
    /// Nothing that is not known: a repeat, or an older vote that comes late.
    Known,
    /// It contradicts an earlier vote of the same member; it does not count.
    Contradicts(Box<Evidence>),
}

impl Tally {
    /// No votes over `count` entries.
    pub fn new(count: usize) -> Self {
        Self { votes: BTreeMap::new(), weights: vec![0; count], certified: Bitmap::empty(count) }
    }

    /// Counts a vote. The caller has seen to it that phase, batch and member are right and that the
    /// bitmap has as many bits as the batch has entries.
    ///
    /// # Panics
    /// When the bitmap has another length.
    pub fn add(&mut self, vote: Vote, committee: &Committee) -> Counted {
        assert_eq!(vote.ballot.bitmap.count(), self.weights.len());
        let bitmap = &vote.ballot.bitmap;
        let fresh = match self.votes.get(&vote.member) {
            None => bitmap.clone(),
            Some(old) if old.ballot.bitmap.covers(bitmap) => return Counted::Known,
            Some(old) if bitmap.covers(&old.ballot.bitmap) => bitmap.without(&old.ballot.bitmap),
            Some(old) => {
                let evidence = VoteEvidence { first: old.clone(), second: vote };
                return Counted::Contradicts(Box::new(Evidence::Votes(evidence)));
            }
        };
        let weight = committee.weight(vote.member);
        for index in fresh.indexes() {
            self.weights[index] += weight;
        }
        self.votes.insert(vote.member, vote);
        Counted::Added
    }

    /// A certificate, when entries reach the quorum that did not before. Bad signatures found on
    /// the way are thrown out and their members named.
    pub fn certificate(
        &mut self,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> (Option<CheckedCertificate>, Vec<u16>) {
        let mut bad = Vec::new();
        while self.has_candidate(network.committee.quorum()) {
            let votes: Vec<&Vote> = self.votes.values().filter(|vote| has_bits(vote)).collect();
            let certificate = Certificate::from_votes(&votes);
            match CheckedCertificate::check(certificate, network, rng) {
                Ok(checked) => {
                    self.certified.add(checked.certified());
                    return (Some(checked), bad);
                }
                Err(CertificateError::BadSignature(member)) => {
                    self.remove(member, &network.committee);
                    bad.push(member);
                }
                Err(error) => {
                    unreachable!("collected votes make a well-formed certificate: {error}")
                }
            }
        }
        (None, bad)
    }

    fn has_candidate(&self, quorum: u64) -> bool {
        let mut weights = self.weights.iter().enumerate();
        weights.any(|(index, weight)| *weight >= quorum && !self.certified.has(index))
    }

    fn remove(&mut self, member: u16, committee: &Committee) {
        if let Some(vote) = self.votes.remove(&member) {
            for index in vote.ballot.bitmap.indexes() {
                self.weights[index] -= committee.weight(member);
            }
        }
    }

    /// The weight that votes for entry `index`.
    pub fn weight(&self, index: usize) -> u64 {
        self.weights.get(index).copied().unwrap_or(0)
    }

    /// Which entries have a certificate.
    pub fn certified(&self) -> &Bitmap {
        &self.certified
    }

    /// Members that vote for entry `index`, ascending.
    pub fn voters(&self, index: usize) -> Vec<u16> {
        let votes = self.votes.values().filter(|vote| vote.ballot.bitmap.has(index));
        votes.map(|vote| vote.member).collect()
    }

    /// What a member has voted for.
    pub fn of(&self, member: u16) -> Option<&Bitmap> {
        self.votes.get(&member).map(|vote| &vote.ballot.bitmap)
    }
}

fn has_bits(vote: &Vote) -> bool {
    vote.ballot.bitmap.ones() > 0
}

#[cfg(test)]
mod tests;
