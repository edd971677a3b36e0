//! As a proposer, shows its certificates to two members only.

use super::{Actor, Own, Packet};
use consensus::message::Message;

/// Withholds certificates.
#[derive(Debug)]
pub struct Withholder;

impl Actor for Withholder {
    fn sends(&mut self, _own: &mut Own<'_>, to: u16, packet: &Packet) -> Vec<Packet> {
        match packet {
            Packet::Message(Message::Certify(_)) if to >= 2 => Vec::new(),
            packet => vec![packet.clone()],
        }
    }
}
