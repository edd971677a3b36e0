//! Reports the oldest accept of a state that was ever proven to it, with its real proof.

use super::denier::{but_reports, claims, reply};
use super::{Actor, Own, Packet, Sent};
use consensus::message::{Message, RecoverReply};
use ledger::{Accepted, LockProof, TokenState};
use std::collections::BTreeMap;

/// Proofs kept.
const OLD_MAX: usize = 256;

/// Old accepts, by state.
#[derive(Debug, Default)]
pub struct Old(BTreeMap<TokenState, LockProof>);

impl Old {
    /// Remembers what an answer proves.
    pub fn overhear(&mut self, reply: &RecoverReply) {
        for lock in &reply.locks {
            for input in &lock.signed.transfer.inputs {
                if self.0.len() < OLD_MAX {
                    self.0.entry(input.state).or_insert_with(|| lock.clone());
                }
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<LockProof> {
        self.0.values().cloned().collect()
    }
}

/// Reports what was.
#[derive(Debug, Default)]
pub struct Stale {
    old: Old,
}

impl Actor for Stale {
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
                let old = |signed| (from, self.reported(own, signed));
                recovers.iter().map(old).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Stale {
    fn reported(&self, own: &Own<'_>, signed: &ledger::SignedRecover) -> Packet {
        let recover = &signed.recover;
        let mut locks: BTreeMap<Accepted, LockProof> = BTreeMap::new();
        let mut claims = claims(recover, None);
        for claim in &mut claims {
            let Some(lock) = self.old.0.get(&claim.state) else { continue };
            let accepted = Accepted { round: lock.round, transfer: lock.id() };
            if accepted.round < recover.round {
                claim.accepted = Some(accepted);
                locks.insert(accepted, lock.clone());
            }
        }
        reply(own, recover, (recover.round, claims), locks.into_values().collect())
    }
}
