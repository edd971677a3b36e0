//! Votes for everything it is shown, in both phases, at once, and locks nothing: it votes both
//! ways.

use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use consensus::{Answer, Proposal};
use ledger::{Bitmap, Phase};

/// Votes for everything.
#[derive(Debug)]
pub struct Eager;

impl Actor for Eager {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        but_answers(packet)
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Propose(proposal)) => votes_for_all(own, from, proposal),
            _ => Vec::new(),
        }
    }
}

/// What the honest half says but its votes.
pub fn but_answers(packet: &Packet) -> Vec<Packet> {
    match packet {
        Packet::Message(Message::Answer(_)) => Vec::new(),
        packet => vec![packet.clone()],
    }
}

/// Votes for every entry, in both phases.
pub fn votes_for_all(own: &Own<'_>, to: u16, proposal: &Proposal) -> Sent {
    let all = Bitmap::from_bools(&vec![true; proposal.entries.len()]);
    let vote = |phase| {
        let vote = Some(own.vote(phase, proposal.claimed, all.clone()));
        let answer = Answer { batch: proposal.claimed, phase, vote, refused: Vec::new() };
        (to, Packet::Message(Message::Answer(answer)))
    };
    vec![vote(Phase::Lock), vote(Phase::Commit)]
}
