//! Proposes one batch with other signatures, roots, epochs and names to different members.

use super::{Actor, Own, Packet};
use consensus::message::Message;
use consensus::{Batch, Proposal};

/// Signs again, and wrongly.
#[derive(Debug)]
pub struct Resigner;

impl Actor for Resigner {
    fn sends(&mut self, own: &mut Own<'_>, to: u16, packet: &Packet) -> Vec<Packet> {
        let Packet::Message(Message::Propose(proposal)) = packet else {
            return vec![packet.clone()];
        };
        let other = other(own, proposal, to % 7);
        vec![Packet::Message(Message::Propose(other))]
    }
}

fn other(own: &Own<'_>, proposal: &Proposal, kind: u16) -> Proposal {
    let mut other = proposal.clone();
    let mut entries = proposal.entries.to_vec();
    let last = entries.len() - 1;
    entries[last].signed.signature.0[5] ^= 1;
    match kind {
        // The same transfers with an owner's signature that does not hold: another batch.
        0 => own.proposal(entries),
        // The same under the root of the good one.
        1 => {
            other.entries = entries.into();
            other
        }
        // Its own signature does not hold.
        2 => {
            other.signature.0[5] ^= 1;
            other
        }
        // Signed for the epoch before.
        3 => {
            let batch = Batch::new(proposal.entries.to_vec());
            let epoch = own.network.epoch.wrapping_sub(1);
            Proposal::sign(&batch, &own.network.id, epoch, own.member, own.key())
        }
        // In another member's name.
        4 => {
            other.proposer = (own.member + 1) % 7;
            other
        }
        // By nobody of the committee.
        5 => {
            other.proposer = 99;
            other
        }
        _ => other,
    }
}
