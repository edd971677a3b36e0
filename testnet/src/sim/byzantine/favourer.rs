//! As a proposer, shows each of its Commit certificates to one member only, and serves none.

use super::{Actor, Own, Packet};
use consensus::message::Message;
use ledger::Phase;

/// Shows finality to one.
#[derive(Debug)]
pub struct Favourer;

impl Actor for Favourer {
    fn sends(&mut self, own: &mut Own<'_>, to: u16, packet: &Packet) -> Vec<Packet> {
        let members = u16::try_from(own.keys.len()).expect("few");
        match packet {
            Packet::Message(Message::Certify(certificate))
                if certificate.phase == Phase::Commit =>
            {
                let favourite = u16::from(certificate.batch.bytes()[0]) % members;
                if to == favourite { vec![packet.clone()] } else { Vec::new() }
            }
            Packet::Tell(..) | Packet::Message(Message::Proof(_)) => Vec::new(),
            packet => vec![packet.clone()],
        }
    }
}
