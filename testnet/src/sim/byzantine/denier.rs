//! Votes for everything in any round, whatever it promised, and reports that it has accepted
//! nothing. A forger does that, too; what it proposes out of reports is `forger.rs`.

use super::eager::votes_for_all;
use super::{Actor, Own, Packet, Sent};
use consensus::message::{Message, RecoverReply};
use ledger::{Accepted, Claim, LockProof, Recover, Report};

/// Denies what it accepted.
#[derive(Debug)]
pub struct Denier;

impl Actor for Denier {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        match packet {
            Packet::Message(Message::Answer(_) | Message::Report(_)) => Vec::new(),
            packet => vec![packet.clone()],
        }
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        match packet {
            Packet::Message(Message::Propose(proposal)) => votes_for_all(own, from, proposal),
            Packet::Message(Message::Recover(recovers)) => {
                let nothing = |signed: &ledger::SignedRecover| {
                    let recover = &signed.recover;
                    let claims = claims(recover, None);
                    (from, reply(own, recover, (recover.round, claims), Vec::new()))
                };
                recovers.iter().map(nothing).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The same of all states.
pub fn claims(recover: &Recover, accepted: Option<Accepted>) -> Vec<Claim> {
    recover.states.iter().map(|state| Claim { state: *state, accepted }).collect()
}

/// A signed report as an answer.
pub fn reply(
    own: &Own<'_>,
    recover: &Recover,
    (round, claims): (u32, Vec<Claim>),
    locks: Vec<LockProof>,
) -> Packet {
    let report = Report { epoch: own.network.epoch, round, claims };
    let report = Some(report.sign(&own.network.id, own.member, own.key()));
    let reply = RecoverReply { recover: recover.id(), report, locks, withheld: Vec::new() };
    Packet::Message(Message::Report(reply))
}

/// What the honest half says but its reports.
pub fn but_reports(packet: &Packet) -> Vec<Packet> {
    match packet {
        Packet::Message(Message::Report(_)) => Vec::new(),
        packet => vec![packet.clone()],
    }
}
