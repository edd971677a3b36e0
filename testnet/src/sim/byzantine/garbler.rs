//! Reports accepts that nothing proves or that other proofs prove, spenders that do not exist, and
//! the last round.

use super::denier::{but_reports, claims, reply};
use super::stale::Old;
use super::{Actor, Own, Packet, Sent};
use consensus::message::{Message, RecoverReply, Withheld, WithheldKind};
use ledger::hash::{Tag, hash};
use ledger::{Accepted, Recover, TokenState, TransferId};

/// Reports nonsense.
#[derive(Debug, Default)]
pub struct Garbler {
    old: Old,
}

impl Actor for Garbler {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        if let Packet::Message(Message::Report(reply)) = packet {
            self.old.overhear(reply);
        }
        but_reports(packet)
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Report(reply)) => {
                self.old.overhear(reply);
                Vec::new()
            }
            Packet::Message(Message::Recover(recovers)) => {
                let garbled = |signed: &ledger::SignedRecover| self.garbled(own, &signed.recover);
                recovers.iter().flat_map(garbled).map(|packet| (from, packet)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Garbler {
    fn garbled(&self, own: &Own<'_>, recover: &Recover) -> Vec<Packet> {
        let transfer = TransferId(hash(Tag::Transfer, &[&recover.id().0]));
        let invented = |round| claims(recover, Some(Accepted { round, transfer }));
        let withheld = |kind| {
            let of =
                |state: &TokenState| Withheld { state: *state, kind, round: u32::MAX, transfer };
            let withheld = recover.states.iter().map(of).collect();
            let (report, locks) = (None, Vec::new());
            let reply = RecoverReply { recover: recover.id(), report, locks, withheld };
            Packet::Message(Message::Report(reply))
        };
        let mut garbled = vec![
            reply(own, recover, (recover.round, invented(0)), Vec::new()),
            reply(own, recover, (u32::MAX, invented(u32::MAX)), self.old.all()),
        ];
        garbled.extend(self.damaged(own, recover));
        garbled.extend([withheld(WithheldKind::Spent), withheld(WithheldKind::Promised)]);
        garbled
    }

    /// Claims with proofs that are damaged, each in another way.
    fn damaged(&self, own: &Own<'_>, recover: &Recover) -> Vec<Packet> {
        let mut found = Vec::new();
        for (index, mut lock) in self.old.all().into_iter().take(6).enumerate() {
            match index {
                0 => lock.signed.signature.0[0] ^= 1,
                1 => lock.inclusion.index = lock.inclusion.index.saturating_add(1),
                2 => lock.certificate.groups.truncate(0),
                3 => lock.proof.0[0] ^= 1,
                4 => lock.certificate.epoch = lock.certificate.epoch.wrapping_add(1),
                _ => lock.round = lock.round.saturating_add(1),
            }
            let accepted = Accepted { round: lock.round, transfer: lock.id() };
            let claims = claims(recover, Some(accepted));
            found.push(reply(own, recover, (recover.round, claims), vec![lock]));
        }
        found
    }
}
