//! Proposes, and then is never heard of again; it answers nobody, either.

use super::{Actor, Own, Packet};
use consensus::message::Message;

/// Leaves what it began.
#[derive(Debug)]
pub struct Abandoner;

impl Actor for Abandoner {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        match packet {
            Packet::Message(Message::Propose(_)) | Packet::Ask(_) | Packet::Tell(..) => {
                vec![packet.clone()]
            }
            _ => Vec::new(),
        }
    }
}
