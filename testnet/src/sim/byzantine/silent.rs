//! Says nothing at all.

use super::{Actor, Own, Packet};

/// Says nothing.
#[derive(Debug)]
pub struct Silent;

impl Actor for Silent {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, _packet: &Packet) -> Vec<Packet> {
        Vec::new()
    }
}
