//! The network: when a message arrives, how often, and whether.

use super::plan::Plan;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

/// Shortest way of a message, µs.
const DELAY_US_MIN: u64 = 50;

/// What somebody recorded comes again up to this much later, µs: long after it was forgotten.
const REPLAY_US_MAX: u64 = 10_000_000;

/// The links between all members.
#[derive(Clone, Debug)]
pub struct Links {
    plan: Plan,
    is_calm: bool,
    /// Members on one side of a partition; the others are on the other side.
    side: Vec<u16>,
    /// Links that lose everything, in one direction, until then.
    cut: BTreeMap<(u16, u16), u64>,
    /// Links on which nothing arrives before then; the time grows with each message.
    clogged: BTreeMap<(u16, u16), u64>,
    /// Virtual time, µs.
    pub now_us: u64,
}

impl Links {
    /// With the faults of a plan, no partition.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            is_calm: false,
            side: Vec::new(),
            cut: BTreeMap::new(),
            clogged: BTreeMap::new(),
            now_us: 0,
        }
    }

    /// From here on nothing is lost, and nothing parted.
    pub fn calm(&mut self) {
        self.is_calm = true;
        self.side.clear();
        self.cut.clear();
        self.clogged.clear();
    }

    /// Parts these members from the others; none heals.
    pub fn part(&mut self, side: Vec<u16>) {
        if !self.is_calm {
            self.side = side;
        }
    }

    /// A link loses everything until then, or delivers nothing until then and all of it after that,
    /// in order.
    pub fn fault(&mut self, link: (u16, u16), until_us: u64, is_clog: bool) {
        if !self.is_calm {
            let faults = if is_clog { &mut self.clogged } else { &mut self.cut };
            faults.insert(link, until_us);
        }
    }

    /// How long each copy of a message takes, µs; none when it is lost.
    pub fn delays(&mut self, from: u16, to: u16, rng: &mut StdRng) -> Vec<u64> {
        if self.side.contains(&from) != self.side.contains(&to) {
            return Vec::new();
        }
        if self.cut.get(&(from, to)).is_some_and(|until_us| *until_us > self.now_us) {
            return Vec::new();
        }
        if let Some(until_us) = self.clogged.get_mut(&(from, to))
            && *until_us > self.now_us
        {
            *until_us += 1;
            return vec![*until_us - self.now_us];
        }
        if self.is_calm {
            return vec![rng.random_range(DELAY_US_MIN..1_000)];
        }
        let mut chance = |of_thousand: u32| rng.random_range(0..1_000) < of_thousand;
        let (is_lost, is_twice) = (chance(self.plan.loss), chance(self.plan.twice));
        let is_late = chance(self.plan.late);
        if is_lost {
            return Vec::new();
        }
        let copies = if is_twice { 2 } else { 1 };
        let slow = if is_late { 100 } else { 1 };
        let mut delay = || rng.random_range(DELAY_US_MIN..DELAY_US_MIN + self.plan.delay_us_max);
        let mut delays: Vec<u64> = (0..copies).map(|_| delay() * slow).collect();
        if rng.random_range(0..1_000) < self.plan.replayed {
            delays.push(rng.random_range(0..REPLAY_US_MAX));
        }
        delays
    }
}
