//! Votes: one validator's signature over a batch id, a phase and a bitmap of transfers.

use crate::bitmap::Bitmap;
use crate::committee::Committee;
use crate::encoding::{Canonical, DecodeError, Reader, canonical_struct};
use crate::hash::{BatchId, NetworkId};
use crate::key::{Keypair, Signature};
use crate::statement::Statement;

/// The two phases of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// "I have durably locked these transfers' states for them."
    Lock,
    /// "I have durably accepted the Lock certificate of these transfers."
    Commit,
}

impl Phase {
    fn statement(self) -> Statement {
        match self {
            Phase::Lock => Statement::LockVote,
            Phase::Commit => Statement::CommitVote,
        }
    }
}

impl Canonical for Phase {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Phase::Lock => 0,
            Phase::Commit => 1,
        });
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(reader)? {
            0 => Ok(Phase::Lock),
            1 => Ok(Phase::Commit),
            tag => Err(DecodeError::BadTag { what: "phase", tag }),
        }
    }
}

/// What a vote says. Bit `i` of the bitmap is for entry `i` of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The epoch.
    pub epoch: u64,
    /// The phase.
    pub phase: Phase,
    /// The batch.
    pub batch: BatchId,
    /// Exactly as many bits as the batch has entries.
    pub bitmap: Bitmap,
}
canonical_struct!(Ballot { epoch, phase, batch, bitmap });

impl Ballot {
    /// The bytes that a member signs.
    pub fn statement(&self, network: &NetworkId) -> Vec<u8> {
        let bitmap = self.bitmap.to_bytes();
        self.phase.statement().bytes(network, self.epoch, &[self.batch.bytes(), &bitmap])
    }

    /// Signs it as member `member`.
    pub fn sign(self, network: &NetworkId, member: u16, keypair: &Keypair) -> Vote {
        let signature = keypair.sign(&self.statement(network));
        Vote { ballot: self, member, signature }
    }
}

/// A ballot with its voter and a signature that is still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What is voted.
    pub ballot: Ballot,
    /// Index of the voter in the committee.
    pub member: u16,
    /// Said to be the voter's over [`Ballot::statement`].
    pub signature: Signature,
}
canonical_struct!(Vote { ballot, member, signature });

impl Vote {
    /// Whether a member of the committee signed it. Whether epoch, batch and count are ours is for
    /// the caller to compare. About 17 µs.
    pub fn is_valid(&self, network: &NetworkId, committee: &Committee) -> bool {
        committee.verifies(self.member, &self.signature, &self.ballot.statement(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::Member;
    use crate::name::Name;

    #[test]
    fn a_vote_counts_for_what_it_says_only() {
        let keypair = Keypair::from_seed([1; 32]);
        let name = Name::new("v0").expect("a good name");
        let member = Member { name, key: keypair.public(), weight: 1 };
        let committee = Committee::new(vec![member]).expect("a good committee");
        let network = NetworkId::default();
        let ballot = Ballot {
            epoch: 0,
            phase: Phase::Lock,
            batch: BatchId::default(),
            bitmap: Bitmap::from_bools(&[true]),
        };
        let vote = ballot.sign(&network, 0, &keypair);
        assert!(vote.is_valid(&network, &committee));
        assert_eq!(Vote::from_bytes(&vote.to_bytes()), Ok(vote.clone()));
        let change = |change: fn(&mut Vote)| {
            let mut changed = vote.clone();
            change(&mut changed);
            changed.is_valid(&network, &committee)
        };
        assert!(!change(|vote| vote.ballot.phase = Phase::Commit));
        assert!(!change(|vote| vote.ballot.epoch = 1));
        assert!(!change(|vote| vote.ballot.bitmap = Bitmap::from_bools(&[false])));
        assert!(!change(|vote| vote.ballot.bitmap = Bitmap::from_bools(&[true, false])));
        assert!(!change(|vote| vote.member = 1));
        let other = NetworkId(crate::hash::hash(crate::hash::Tag::Genesis, &[b"other"]));
        assert!(!vote.is_valid(&other, &committee));
    }
}
