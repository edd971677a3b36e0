//! Records everything that it hears and says, and says it again later, to anybody: also what it
//! recorded before it or they were restarted.

use super::{Actor, Own, Packet, Sent};
use rand::RngExt;

/// Packets kept; a new one takes the place of any.
const KEPT_MAX: usize = 64;
/// Packets said again at one tick, at most.
const AGAIN_MAX: usize = 3;

/// Says things again.
#[derive(Debug, Default)]
pub struct Parrot {
    kept: Vec<Packet>,
}

impl Parrot {
    fn keep(&mut self, own: &mut Own<'_>, packet: &Packet) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(packet.clone());
        } else if own.rng.random_range(0..4) == 0 {
            self.kept[own.rng.random_range(0..KEPT_MAX)] = packet.clone();
        }
    }
}

impl Actor for Parrot {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        self.keep(own, packet);
        vec![packet.clone()]
    }

    fn gets(&mut self, own: &mut Own<'_>, _from: u16, packet: &Packet) -> Sent {
        self.keep(own, packet);
        Vec::new()
    }

    fn ticks(&mut self, own: &mut Own<'_>) -> Sent {
        if self.kept.is_empty() {
            return Vec::new();
        }
        let others: Vec<u16> = own.others().collect();
        let count = own.rng.random_range(0..=AGAIN_MAX);
        let mut one = || {
            let to = others[own.rng.random_range(0..others.len())];
            (to, self.kept[own.rng.random_range(0..self.kept.len())].clone())
        };
        (0..count).map(|_| one()).collect()
    }
}
