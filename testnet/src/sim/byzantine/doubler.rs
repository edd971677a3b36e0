//! Puts each transfer into its batch twice: once as its owner signed it, and once with a signature
//! or a justification that does not hold. It shows the Lock certificate to one member only.

use super::ballots::Ballots;
use super::{Actor, Own, Packet, Sent};
use consensus::Proposal;
use consensus::message::Message;
use ledger::{BatchId, Entry, Phase};
use std::collections::BTreeMap;

/// Batches remembered.
const BATCHES_MAX: usize = 64;

/// Proposes things twice.
#[derive(Debug, Default)]
pub struct Doubler {
    doubled: BTreeMap<BatchId, Proposal>,
    ballots: Ballots,
}

impl Actor for Doubler {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        let Packet::Message(Message::Propose(proposal)) = packet else {
            return vec![packet.clone()];
        };
        if self.doubled.len() >= BATCHES_MAX {
            self.doubled.pop_first();
        }
        let doubled = self.doubled.entry(proposal.claimed).or_insert_with(|| {
            let mut entries = proposal.entries.to_vec();
            let kind = proposal.claimed.bytes()[0] % 3;
            entries.extend(proposal.entries.iter().map(|entry| again(entry, kind)));
            let doubled = own.proposal(entries);
            self.ballots.open(own, &doubled);
            doubled
        });
        vec![Packet::Message(Message::Propose(doubled.clone()))]
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        let Packet::Message(Message::Answer(answer)) = packet else { return Vec::new() };
        let Some(certificate) = self.ballots.take(from, answer) else { return Vec::new() };
        let packet = Packet::Message(Message::Certify(certificate));
        match answer.phase {
            Phase::Lock => vec![(from, packet)],
            Phase::Commit => own.to_all(&packet),
        }
    }
}

fn again(entry: &Entry, kind: u8) -> Entry {
    let mut again = entry.clone();
    match kind {
        0 => again.signed.signature.0[0] ^= 1,
        1 => {
            again.round = again.round.saturating_add(1);
            again.justification = vec![0; 12];
        }
        _ => {}
    }
    again
}
