//! Recovery, orphans and treason in the world's loop: owners that want tokens back, members that
//! leave for good, and what Byzantine members make of it.

use super::{Event, MEMBERS, Plan, World};
use crate::sim::byzantine::{Behaviour, forger};
use crate::sim::node::Answered;
use crate::sim::packet::Packet;
use consensus::message::Message;
use consensus::recovery::refresh;
use ledger::{Address, Input};
use rand::RngExt;

/// A payment is sent to a member this long before it leaves for good, µs, at most.
const LAST_US_MAX: u64 = 20_000;
/// An owner begins to recover this long after it signed twice, µs, at most.
const REGRET_US_MAX: u64 = 3_000_000;
/// A hasty one this long, µs, at most.
const HASTE_US_MAX: u64 = 30_000;
/// A member that crashes just after a report crashes after this, µs, at most.
const STRIKE_US_MAX: u64 = 5_000;
/// And is down for this, µs, at most.
const STRUCK_US_MAX: u64 = 200_000;

impl World {
    /// Who leaves for good, and payments whose clients do.
    pub(super) fn schedule_leaving(&mut self, plan: &Plan) {
        let mut ends: Vec<(u64, u16)> = Vec::new();
        for to in &plan.gone {
            let at = self.rng.random_range(LAST_US_MAX..plan.chaos_us);
            self.at(at, Event::Vanish { to: *to });
            ends.push((at, *to));
        }
        for _ in 0..plan.lonely {
            let (at, home) = match ends.len() {
                count if count > 0 && self.rng.random_range(0..2) == 0 => {
                    let (at, home) = ends[self.rng.random_range(0..count)];
                    (at - self.rng_below(LAST_US_MAX), Some(home))
                }
                _ => (self.rng.random_range(0..plan.chaos_us), None),
            };
            self.at(at, Event::PayOnce { home });
        }
    }

    /// An owner signs transfers that exclude each other, and may regret it soon.
    pub(super) fn conflict(&mut self) {
        let is_soon = self.rng.random_range(0..100) < self.plan.recovering;
        let is_hasty = is_soon && self.rng.random_range(0..100) < self.plan.hasty;
        let Some(conflict) = self.clients.conflict(self.now_us, is_hasty) else { return };
        let after_us = self.rng_below(if is_hasty { HASTE_US_MAX } else { REGRET_US_MAX });
        let at = if is_soon { self.now_us + after_us } else { u64::MAX };
        if is_soon {
            self.at(at, Event::Ask);
        }
        self.recoveries.open(at, conflict.owner, &conflict.tokens);
        self.submit(conflict.transfers);
    }

    /// A member crashes and never comes back.
    pub(super) fn vanish(&mut self, to: u16) {
        let node = &mut self.nodes[usize::from(to)];
        if node.is_up {
            node.crash();
            self.lives[usize::from(to)] += 1;
        }
        self.gone.insert(to);
        self.checks.gone(to);
    }

    /// A report leaves, and its member may crash just after that.
    pub(super) fn strike(&mut self, from: u16, packet: &Packet) {
        let is_report = matches!(packet, Packet::Message(Message::Report(_)));
        if is_report && !self.is_calm && self.rng.random_range(0..1_000) < self.plan.strikes {
            let at = self.now_us + self.rng_below(STRIKE_US_MAX);
            self.at(at, Event::Crash { to: from, down_us_max: STRUCK_US_MAX });
        }
    }

    /// Owners ask members for a round.
    pub(super) fn ask_for_rounds(&mut self) {
        for (to, signed) in self.recoveries.ask(self.now_us) {
            let at = self.now_us + self.rng_below(2_000);
            self.at(at, Event::Recover { to, signed });
        }
    }

    /// An owner gets what a member collected for it.
    pub(super) fn answered(&mut self, by: u16, answered: &Answered) {
        let member = self.member_of(by);
        if self.plan.byzantine.contains(&(member, Behaviour::Forger)) {
            self.forge(by, answered);
        }
        // What a node without its disk tells is true, and gone when it ends: it proves nothing.
        let node = &self.nodes[usize::from(by)];
        let is_trusted = !self.is_traitor(by) && !node.is_failed && !node.is_damaged;
        for (to, entry) in self.recoveries.answered(self.now_us, is_trusted, answered) {
            let at = self.now_us + self.rng_below(2_000);
            self.at(at, Event::Submit { to, entry });
        }
    }

    /// A Byzantine member proposes what it can make of reports.
    fn forge(&mut self, by: u16, answered: &Answered) {
        let recover = &answered.collected.recover.recover;
        let mut signed = self.clients.conflicting(&recover.states);
        // Its owner may have signed a refresh of each of them.
        let owners = (0..super::OWNERS).map(super::owner_key);
        let owner = owners.into_iter().find(|key| Address(key.public()) == recover.owner);
        let inputs: Vec<Input> =
            signed.iter().flat_map(|signed| signed.transfer.inputs.clone()).collect();
        let refreshed = inputs.into_iter().filter(|input| recover.states.contains(&input.state));
        let refreshed: Vec<Input> = refreshed.take(1).collect();
        if let Some(key) = owner {
            let of = |input| refresh(&self.network, recover.owner, input).sign(&key);
            signed.splice(0..0, refreshed.into_iter().map(of));
        }
        let key = self.keys[usize::from(by)].clone();
        for (_, proposal) in forger::forged(&self.network, (by, &key), answered, &signed) {
            let packet = Packet::Message(Message::Propose(proposal));
            for other in (0..MEMBERS).filter(|other| *other != by) {
                self.dispatch_raw(by, other, &packet);
            }
        }
    }

    /// What recoveries and orphans came to.
    pub(super) fn finish_recoveries(&mut self) {
        self.report.ends = self.recoveries.ends();
        self.report.adopted = self.nodes.iter().map(|node| node.adopted).sum();
        let up = self.nodes.iter().filter(|node| node.is_up);
        let is_final = |id: &_| up.clone().any(|node| node.archive.is_final(id));
        let lonely = self.clients.honest(true).iter().filter(|id| is_final(id)).count();
        self.report.lonely = u64::try_from(lonely).expect("a few");
    }
}
