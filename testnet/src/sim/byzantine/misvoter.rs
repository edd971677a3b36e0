//! Votes wrongly in every way that a vote's form allows, and never as its honest half does.

use super::eager::but_answers;
use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use consensus::verdict::{Refused, RefusedKind};
use consensus::{Answer, Proposal};
use ledger::{Ballot, Bitmap, Keypair, NetworkId, Phase, TokenId, TransferId, Vote};

/// Seed of a key that is nobody's.
const STRANGER: [u8; 32] = [0xfe; 32];

/// Votes wrongly.
#[derive(Debug)]
pub struct Misvoter;

impl Actor for Misvoter {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        but_answers(packet)
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        let Packet::Message(Message::Propose(proposal)) = packet else { return Vec::new() };
        let mut sent = Vec::new();
        for phase in [Phase::Lock, Phase::Commit] {
            let answer = |vote: Vote| Answer {
                batch: proposal.claimed,
                phase,
                vote: Some(vote),
                refused: Vec::new(),
            };
            sent.extend(votes(own, proposal, phase).into_iter().map(answer));
            // A vote of the other phase.
            let other = if phase == Phase::Lock { Phase::Commit } else { Phase::Lock };
            sent.push(answer(own.vote(other, proposal.claimed, all(proposal.entries.len()))));
        }
        sent.push(beyond(proposal));
        sent.into_iter().map(|answer| (from, Packet::Message(Message::Answer(answer)))).collect()
    }
}

fn all(count: usize) -> Bitmap {
    Bitmap::from_bools(&vec![true; count])
}

fn votes(own: &Own<'_>, proposal: &Proposal, phase: Phase) -> Vec<Vote> {
    let (batch, count, epoch) = (proposal.claimed, proposal.entries.len(), own.network.epoch);
    let id = &own.network.id;
    let ballot = |epoch, bitmap| Ballot { epoch, phase, batch, bitmap };
    let good = |member, key: &Keypair| ballot(epoch, all(count)).sign(id, member, key);
    let mut unsigned = good(own.member, own.key());
    unsigned.signature.0 = [0; 64];
    vec![
        // Of the epoch before, and for another network.
        ballot(epoch.wrapping_sub(1), all(count)).sign(id, own.member, own.key()),
        ballot(epoch, all(count)).sign(&NetworkId::default(), own.member, own.key()),
        // Too short, too long, and for nothing.
        ballot(epoch, all(count.saturating_sub(1))).sign(id, own.member, own.key()),
        ballot(epoch, all((count + 1).min(4_096))).sign(id, own.member, own.key()),
        ballot(epoch, Bitmap::empty(count)).sign(id, own.member, own.key()),
        // In another's name, in nobody's, with a foreign key, with no signature.
        good((own.member + 1) % 7, own.key()),
        good(99, own.key()),
        good(own.member, &Keypair::from_seed(STRANGER)),
        unsigned,
    ]
}

/// A refusal of an entry that is not in the batch.
fn beyond(proposal: &Proposal) -> Answer {
    let refused = |index: usize| Refused {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        kind: RefusedKind::Locked,
        token: TokenId::default(),
        transfer: TransferId::default(),
    };
    let count = proposal.entries.len();
    let refused = vec![refused(count), refused(count + 1), refused(usize::MAX)];
    Answer { batch: proposal.claimed, phase: Phase::Lock, vote: None, refused }
}
