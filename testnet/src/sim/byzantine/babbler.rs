//! Sends bytes that are no message: cut short, with bytes left over, flipped, of another version,
//! with lengths that lie, and compressed bombs.

use super::{Actor, Own, Packet, Sent};
use consensus::codec;
use consensus::limits::MESSAGE_BYTES_MAX;
use ledger::Canonical;
use rand::RngExt;

/// Frames kept.
const KEPT_MAX: usize = 16;
/// Bytes of a frame's header: version, compression, length.
const HEADER_BYTES: usize = 6;

/// Sends bytes.
#[derive(Debug, Default)]
pub struct Babbler {
    kept: Vec<Vec<u8>>,
}

impl Actor for Babbler {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        self.keep(own, packet);
        vec![packet.clone()]
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        self.keep(own, packet);
        if self.kept.is_empty() {
            return Vec::new();
        }
        let bytes = self.kept[own.rng.random_range(0..self.kept.len())].clone();
        vec![(from, Packet::Bytes(vec![babble(own, bytes)]))]
    }
}

impl Babbler {
    /// Keeps a message's bytes as they are before they are compressed.
    fn keep(&mut self, own: &mut Own<'_>, packet: &Packet) {
        let Packet::Message(message) = packet else { return };
        let mut bytes = message.to_bytes();
        bytes.truncate(4_096);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(bytes);
        } else {
            self.kept[own.rng.random_range(0..KEPT_MAX)] = bytes;
        }
    }
}

fn babble(own: &mut Own<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    let at = own.rng.random_range(0..bytes.len());
    match own.rng.random_range(0..12u8) {
        0 => bytes.truncate(at),
        1 => bytes.push(0),
        2 => bytes[at] ^= 1 << own.rng.random_range(0..8u8),
        3 => bytes[at] = 0xff,
        // Long lists that are not there.
        4 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
        // A weak key, where a key may be.
        5 => bytes[at..].iter_mut().take(32).for_each(|byte| *byte = 0),
        _ => {}
    }
    let length = u32::try_from(bytes.len()).expect("at most 4 KiB");
    let mut frame = vec![codec::VERSION, 0];
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&bytes);
    match own.rng.random_range(0..10u8) {
        0 => frame[0] = codec::VERSION + 1,
        1 => frame[1] = 7,
        2 => frame[2] ^= 1,
        3 => frame.truncate(HEADER_BYTES - 1),
        4 => {
            let long = u32::try_from(MESSAGE_BYTES_MAX + 1).expect("some megabytes");
            frame[2..HEADER_BYTES].copy_from_slice(&long.to_le_bytes());
        }
        // Said to be compressed.
        5 => frame[1] = 1,
        _ => {}
    }
    frame
}
