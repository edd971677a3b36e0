//! What is signed. Every statement begins with a tag of its kind, the network id and the epoch, so
//! that no signature can be replayed as another kind, on another network or in another epoch.

use crate::hash::NetworkId;

/// The kind of a signed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// An owner's transfer; body: transfer id.
    Transfer,
    /// A validator's Lock vote; body: batch id, bitmap.
    LockVote,
    /// A validator's Commit vote; body: batch id, bitmap.
    CommitVote,
    /// A proposer's batch; body: hash of the batch's full bytes.
    Proposal,
    /// An owner's Recover; body: hash of owner, round and states.
    Recover,
    /// A validator's report; body: hash of round, states and what it accepted of each.
    Report,
}

impl Statement {
    const fn tag(self) -> &'static [u8; 16] {
        match self {
            Statement::Transfer => b"quorate/1 xfer  ",
            Statement::LockVote => b"quorate/1 lock  ",
            Statement::CommitVote => b"quorate/1 commit",
            Statement::Proposal => b"quorate/1 propos",
            Statement::Recover => b"quorate/1 recovr",
            Statement::Report => b"quorate/1 report",
        }
    }

    /// The bytes to sign: tag (16 bytes), network id (32), epoch (u64), then the parts of the body.
    pub fn bytes(self, network: &NetworkId, epoch: u64, body: &[&[u8]]) -> Vec<u8> {
        let body_bytes: usize = body.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(56 + body_bytes);
        out.extend_from_slice(self.tag());
        out.extend_from_slice(network.bytes());
        out.extend_from_slice(&epoch.to_le_bytes());
        for part in body {
            out.extend_from_slice(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Tag, hash};

    #[test]
    fn kind_network_and_epoch_all_count() {
        let network = NetworkId::default();
        let other = NetworkId(hash(Tag::Genesis, &[b"other"]));
        let bytes = Statement::LockVote.bytes(&network, 0, &[b"x"]);
        assert_eq!(bytes.len(), 57);
        assert_ne!(bytes, Statement::CommitVote.bytes(&network, 0, &[b"x"]));
        assert_ne!(bytes, Statement::LockVote.bytes(&other, 0, &[b"x"]));
        assert_ne!(bytes, Statement::LockVote.bytes(&network, 1, &[b"x"]));
        assert_ne!(bytes, Statement::LockVote.bytes(&network, 0, &[b"y"]));
    }
}
