//! Shows what all members once signed elsewhere: votes, certificates and batches of the epoch
//! before and of another network, with real signatures of the keys that are ours here.

use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use consensus::{AppliedBatch, Batch, Proposal};
use ledger::{Ballot, Bitmap, Certificate, NetworkId, Phase, Vote};
use rand::RngExt;

/// Comes from elsewhere.
#[derive(Debug)]
pub struct Foreigner;

impl Actor for Foreigner {
    fn gets(&mut self, own: &mut Own<'_>, _from: u16, packet: &Packet) -> Sent {
        let Packet::Message(Message::Propose(proposal)) = packet else { return Vec::new() };
        let phase = if own.rng.random_range(0..2) == 0 { Phase::Lock } else { Phase::Commit };
        let is_epoch = own.rng.random_range(0..2) == 0;
        let (network, epoch) = match is_epoch {
            true => (own.network.id, own.network.epoch.wrapping_sub(1)),
            false => (NetworkId::default(), own.network.epoch),
        };
        let bitmap = Bitmap::from_bools(&vec![true; proposal.entries.len()]);
        let ballot = Ballot { epoch, phase, batch: proposal.claimed, bitmap };
        let votes: Vec<Vote> = (0..)
            .zip(own.keys)
            .map(|(member, key)| ballot.clone().sign(&network, member, key))
            .collect();
        let votes: Vec<&Vote> = votes.iter().collect();
        let certificate = Certificate::from_votes(&votes);
        let mut sent = own.to_all(&Packet::Message(Message::Certify(certificate.clone())));
        if phase == Phase::Commit {
            let proposal = elsewhere(own, proposal, (network, epoch));
            let applied = AppliedBatch { proposal, certificate };
            sent.extend(own.to_all(&Packet::Message(Message::Proof(applied))));
        }
        sent
    }
}

fn elsewhere(own: &Own<'_>, proposal: &Proposal, (network, epoch): (NetworkId, u64)) -> Proposal {
    let batch = Batch::new(proposal.entries.to_vec());
    Proposal::sign(&batch, &network, epoch, own.member, own.key())
}
