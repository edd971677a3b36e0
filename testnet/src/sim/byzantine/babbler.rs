//! Sends bytes that are no message: cut short, with bytes left over, flipped, of another version,
//! with lengths that lie, and compressed bombs.

use super::{Actor, Own, Packet, Sent};
use consensus::codec;
use consensus::limits::MESSAGE_BYTES_MAX;
use consensus::message::Message;
use ledger::Canonical;
use rand::RngExt;

/// Frames kept.
const KEPT_MAX: usize = 16;
/// Bytes kept of a message.
const BYTES_MAX: usize = 4_096;
/// Bytes of a frame's header: version, compression, length.
const HEADER_BYTES: usize = 6;

/// The bytes of a message, and where in them the owner and the memo of a transfer are.
#[derive(Clone, Debug)]
struct Kept {
    bytes: Vec<u8>,
    owner: Option<usize>,
    memo: Option<usize>,
}

/// Sends bytes.
#[derive(Debug, Default)]
pub struct Babbler {
    kept: Vec<Kept>,
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
        let kept = self.kept[own.rng.random_range(0..self.kept.len())].clone();
        vec![(from, Packet::Bytes(vec![babble(own, kept)]))]
    }
}

impl Babbler {
    /// Keeps a message's bytes as they are before they are compressed.
    fn keep(&mut self, own: &mut Own<'_>, packet: &Packet) {
        let Packet::Message(message) = packet else { return };
        let mut bytes = message.to_bytes();
        bytes.truncate(BYTES_MAX);
        let place = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part);
        let (mut owner, mut memo) = (None, None);
        if let Message::Propose(proposal) = message {
            let transfer = &proposal.entries[0].signed.transfer;
            owner = place(transfer.owner.0.bytes());
            memo = Some(transfer.memo.as_bytes()).filter(|memo| !memo.is_empty()).and_then(place);
        }
        let kept = Kept { bytes, owner, memo };
        if self.kept.len() < KEPT_MAX {
            self.kept.push(kept);
        } else {
            self.kept[own.rng.random_range(0..KEPT_MAX)] = kept;
        }
    }
}

fn babble(own: &mut Own<'_>, kept: Kept) -> Vec<u8> {
    let Kept { mut bytes, owner, memo } = kept;
    let at = own.rng.random_range(0..bytes.len());
    match own.rng.random_range(0..12u8) {
        0 => bytes.truncate(at),
        1 => bytes.push(0),
        2 => bytes[at] ^= 1 << own.rng.random_range(0..8u8),
        3 => bytes[at] = 0xff,
        // Long lists that are not there.
        4 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
        // A weak key, and a text that is none.
        5 => {
            let at = owner.unwrap_or(at);
            bytes[at..].iter_mut().take(32).for_each(|byte| *byte = 0);
        }
        6 => bytes[memo.unwrap_or(at)] = 0xff,
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
