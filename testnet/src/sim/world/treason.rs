//! Byzantine members in the world's loop: what their actors change and add, and twins: a second,
//! unmodified instance of a member with the same key and a disk of its own, behind the seven.

use super::{Event, MEMBERS, TICK_US, World};
use crate::sim::byzantine::{Actor, Behaviour, Own, Sent};
use crate::sim::mutant::Mutant;
use crate::sim::node::Node;
use crate::sim::packet::Packet;
use crate::sim::plan::Plan;
use consensus::Batch;
use consensus::message::Message;
use ledger::{Keypair, Network};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A twin crashes so often in a run, at most.
const TWIN_CRASHES_MAX: u32 = 3;

/// Packets that one Byzantine member adds to a run, at most: two of them answer each other without
/// end, and honest members answer both.
const ADDED_MAX: usize = 20_000;

/// What one Byzantine member does, and with what luck.
#[derive(Debug)]
pub(super) struct Traitor {
    actors: Vec<Box<dyn Actor>>,
    rng: StdRng,
    /// Packets that it may still add.
    left: usize,
}

/// The Byzantine members of a plan.
pub(super) fn traitors(plan: &Plan) -> BTreeMap<u16, Traitor> {
    let mut traitors: BTreeMap<u16, Traitor> = BTreeMap::new();
    for (member, behaviour) in &plan.byzantine {
        let seed = plan.seed ^ 0x7472_6169 ^ (u64::from(*member) << 40);
        let rng = StdRng::seed_from_u64(seed);
        let new = Traitor { actors: Vec::new(), rng, left: ADDED_MAX };
        traitors.entry(*member).or_insert(new).actors.push(behaviour.actor());
    }
    traitors
}

/// The members of a plan that have a twin.
pub(super) fn twins(plan: &Plan) -> Vec<u16> {
    let twins = plan.byzantine.iter().filter(|(_, behaviour)| *behaviour == Behaviour::Twin);
    let mut twins: Vec<u16> = twins.map(|(member, _)| *member).collect();
    twins.sort_unstable();
    twins.dedup();
    twins
}

/// All instances: the members, then the twins.
pub(super) fn nodes(
    network: &Arc<Network>,
    keys: &[Keypair],
    (plan, mutant): (&Plan, Option<Mutant>),
) -> Vec<Node> {
    let node = |member: u16| {
        let key = keys[usize::from(member)].clone();
        Node::new(network, member, key, mutant, plan)
    };
    (0..MEMBERS).chain(twins(plan)).map(node).collect()
}

impl World {
    /// Which member an instance is of.
    pub(super) fn member_of(&self, instance: u16) -> u16 {
        match instance.checked_sub(MEMBERS) {
            Some(twin) => self.twins[usize::from(twin)],
            None => instance,
        }
    }

    /// The instances of a member.
    pub(super) fn instances(&self, member: u16) -> Vec<u16> {
        let twins = (MEMBERS..).zip(&self.twins).filter(|(_, twin)| **twin == member);
        std::iter::once(member).chain(twins.map(|(instance, _)| instance)).collect()
    }

    /// Whether an instance is a Byzantine member's.
    pub(super) fn is_traitor(&self, instance: u16) -> bool {
        self.traitors.contains_key(&self.member_of(instance))
    }

    /// Twins tick, crash and come back like others; some of them lose their disks.
    pub(super) fn schedule_twins(&mut self) {
        for instance in (MEMBERS..).take(self.twins.len()) {
            let at = self.rng.random_range(0..TICK_US);
            self.at(at, Event::Tick { to: instance, round: u64::from(instance) });
            for _ in 0..self.rng.random_range(0..=TWIN_CRASHES_MAX) {
                let at = self.rng.random_range(0..self.plan.chaos_us);
                self.at(at, Event::Crash { to: instance, down_us_max: super::DOWN_US_MAX });
            }
        }
    }

    /// What is sent instead of a packet of an honest half.
    pub(super) fn instead(&mut self, from: u16, to: u16, packet: &Packet) -> Vec<Packet> {
        self.act(from, |actors, own| {
            let mut packets = vec![packet.clone()];
            for actor in actors {
                packets = packets.iter().flat_map(|packet| actor.sends(own, to, packet)).collect();
            }
            packets
        })
        .map_or_else(|| vec![packet.clone()], |packets| self.spend(from, (1, packets)))
    }

    /// Takes what a Byzantine member wants to say out of what it may still add; `min` packets may
    /// be said for ever.
    fn spend<T>(&mut self, instance: u16, (min, mut packets): (usize, Vec<T>)) -> Vec<T> {
        let member = self.member_of(instance);
        if let Some(traitor) = self.traitors.get_mut(&member) {
            packets.truncate(traitor.left.max(min));
            traitor.left = traitor.left.saturating_sub(packets.len());
        }
        packets
    }

    /// What a Byzantine member makes of something that it gets.
    pub(super) fn betray(&mut self, from: u16, to: u16, packet: &Packet) {
        let sent = self.act(to, |actors, own| -> Sent {
            actors.iter_mut().flat_map(|actor| actor.gets(own, from, packet)).collect()
        });
        let sent = self.spend(to, (0, sent.unwrap_or_default()));
        self.speak(to, sent);
    }

    /// What a Byzantine member says by itself.
    pub(super) fn plot(&mut self, instance: u16) {
        let sent = self.act(instance, |actors, own| -> Sent {
            actors.iter_mut().flat_map(|actor| actor.ticks(own)).collect()
        });
        let sent = self.spend(instance, (0, sent.unwrap_or_default()));
        self.speak(instance, sent);
    }

    fn act<T>(
        &mut self,
        instance: u16,
        act: impl FnOnce(&mut [Box<dyn Actor>], &mut Own<'_>) -> T,
    ) -> Option<T> {
        let member = self.member_of(instance);
        let traitor = self.traitors.get_mut(&member)?;
        let node = &self.nodes[usize::from(instance)];
        if !node.is_up {
            return None;
        }
        let (now_us, network, keys) = (self.now_us, &self.network, &self.keys);
        let mut own = Own { now_us, network, member, keys, node, rng: &mut traitor.rng };
        Some(act(&mut traitor.actors, &mut own))
    }

    fn speak(&mut self, from: u16, sent: Sent) {
        let member = self.member_of(from);
        for (to, packet) in sent.into_iter().filter(|(to, _)| *to != member && *to < MEMBERS) {
            self.dispatch_raw(from, to, &packet);
        }
    }

    /// The checks have to know every batch that a Byzantine member brings into the world, and what
    /// it says.
    pub(super) fn overhear(&mut self, from: u16, packet: &Packet) {
        if !self.is_traitor(from) {
            return;
        }
        if let Packet::Message(Message::Propose(proposal)) = packet
            && let Ok(batch) = Batch::of(proposal)
        {
            self.checks.proposed(&batch);
        }
        if let Packet::Message(message) = packet {
            let member = self.member_of(from);
            self.checks.said(self.now_us, member, message);
        }
    }
}
