//! Answers owners with old reports, of itself and of others.

use super::denier::but_reports;
use super::{Actor, Own, Packet, Sent};
use consensus::message::{Message, RecoverReply};

/// Old answers that one keeps.
const REPLIES_MAX: usize = 32;

/// Reports again.
#[derive(Debug, Default)]
pub struct Replayer {
    replies: Vec<RecoverReply>,
}

impl Replayer {
    fn overhear(&mut self, reply: &RecoverReply) {
        if self.replies.len() < REPLIES_MAX {
            self.replies.push(reply.clone());
        }
    }
}

impl Actor for Replayer {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        if let Packet::Message(Message::Report(reply)) = packet {
            self.overhear(reply);
        }
        but_reports(packet)
    }

    fn gets(&mut self, _own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Report(reply)) => {
                self.overhear(reply);
                Vec::new()
            }
            Packet::Message(Message::Recover(recovers)) => {
                let mut sent = Vec::new();
                for signed in recovers {
                    let id = signed.recover.id();
                    let again = |old: &RecoverReply| {
                        let reply = RecoverReply { recover: id, ..old.clone() };
                        (from, Packet::Message(Message::Report(reply)))
                    };
                    sent.extend(self.replies.iter().map(again));
                }
                sent
            }
            _ => Vec::new(),
        }
    }
}
