//! Says of every entry that it is spent, or locked, by a transfer that does not exist.

use super::eager::but_answers;
use super::{Actor, Own, Packet, Sent};
use consensus::Answer;
use consensus::message::Message;
use consensus::verdict::{Refused, RefusedKind};
use ledger::hash::{Tag, hash};
use ledger::{Phase, TokenId, TransferId};

/// Forges verdicts.
#[derive(Debug)]
pub struct Liar;

impl Actor for Liar {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        but_answers(packet)
    }

    fn gets(&mut self, _own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        let Packet::Message(Message::Propose(proposal)) = packet else { return Vec::new() };
        let batch = proposal.claimed;
        let transfer = TransferId(hash(Tag::Transfer, &[batch.bytes()]));
        let kinds =
            [RefusedKind::Spent, RefusedKind::Locked, RefusedKind::Invalid, RefusedKind::Unknown];
        let of = |index: usize| Refused {
            index: u32::try_from(index).expect("at most 4,096"),
            kind: kinds[index % kinds.len()],
            token: TokenId::default(),
            transfer,
        };
        let refused = (0..proposal.entries.len()).map(of).collect();
        let answer = Answer { batch, phase: Phase::Lock, vote: None, refused };
        vec![(from, Packet::Message(Message::Answer(answer)))]
    }
}
