//! Reports of one state only, whatever it is asked, and at once.

use super::denier::{but_reports, reply};
use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use ledger::Claim;

/// Reports half of what is asked.
#[derive(Debug)]
pub struct Partial;

impl Actor for Partial {
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        but_reports(packet)
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        let Packet::Message(Message::Recover(recovers)) = packet else { return Vec::new() };
        let one = |signed: &ledger::SignedRecover| {
            let recover = &signed.recover;
            let claims = vec![Claim { state: recover.states[0], accepted: None }];
            (from, reply(own, recover, (recover.round, claims), Vec::new()))
        };
        recovers.iter().filter(|signed| !signed.recover.states.is_empty()).map(one).collect()
    }
}
