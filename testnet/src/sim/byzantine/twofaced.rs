//! Proposes different batches to different members: as its honest half made it, in another order,
//! a part of it, and with what others had proposed.

use super::ballots::Ballots;
use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use ledger::Entry;

/// Entries of others remembered.
const ENTRIES_MAX: usize = 32;

/// Has two faces, and some more.
#[derive(Debug, Default)]
pub struct Twofaced {
    seen: Vec<Entry>,
    ballots: Ballots,
}

impl Actor for Twofaced {
    fn sends(&mut self, own: &mut Own<'_>, to: u16, packet: &Packet) -> Vec<Packet> {
        let Packet::Message(Message::Propose(proposal)) = packet else {
            return vec![packet.clone()];
        };
        let mut entries = proposal.entries.to_vec();
        match to % 4 {
            0 => return vec![packet.clone()],
            1 => entries.reverse(),
            2 => entries.extend(self.seen.iter().take(4).cloned()),
            _ => entries.truncate(entries.len().div_ceil(2)),
        }
        let other = own.proposal(entries);
        self.ballots.open(own, &other);
        let other = Packet::Message(Message::Propose(other));
        // Some get both.
        if to.is_multiple_of(3) { vec![packet.clone(), other] } else { vec![other] }
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Propose(proposal)) => {
                let room = ENTRIES_MAX - self.seen.len();
                self.seen.extend(proposal.entries.iter().take(room).cloned());
                Vec::new()
            }
            Packet::Message(Message::Answer(answer)) => match self.ballots.take(from, answer) {
                Some(certificate) => own.to_all(&Packet::Message(Message::Certify(certificate))),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}
