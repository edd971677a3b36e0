//! Votes for one entry, then for another: takes bits back, in either phase.

use super::eager::but_answers;
use super::{Actor, Own, Packet, Sent};
use consensus::Answer;
use consensus::message::Message;
use ledger::{BatchId, Bitmap, Phase};

/// Takes bits back.
#[derive(Debug)]
pub struct Fickle;

impl Actor for Fickle {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        but_answers(packet)
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Propose(proposal)) => {
                two(own, from, (proposal.claimed, proposal.entries.len()), Phase::Lock)
            }
            Packet::Message(Message::Certify(certificate)) if certificate.phase == Phase::Lock => {
                let count = certificate.groups.first().map_or(0, |group| group.bitmap.count());
                two(own, from, (certificate.batch, count), Phase::Commit)
            }
            _ => Vec::new(),
        }
    }
}

fn two(own: &Own<'_>, to: u16, (batch, count): (BatchId, usize), phase: Phase) -> Sent {
    if count == 0 {
        return Vec::new();
    }
    let one = |index: usize| {
        let mut bitmap = Bitmap::empty(count);
        bitmap.set(index);
        let vote = Some(own.vote(phase, batch, bitmap));
        let answer = Answer { batch, phase, vote, refused: Vec::new() };
        (to, Packet::Message(Message::Answer(answer)))
    };
    vec![one(0), one(count - 1)]
}
