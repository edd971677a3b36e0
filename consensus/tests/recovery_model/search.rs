//! Breadth-first search over committees: every reachable one once, in any order of its members.

use std::collections::VecDeque;

use super::pool::Pool;
use super::rule::LeftOut;
use super::step::next;
use super::world::{Committee, World};

pub struct Found {
    pub states: usize,
    pub depth: usize,
    /// Whether nothing was left to visit.
    pub is_whole: bool,
    pub violation: Option<(usize, &'static str)>,
    pub visited: Visited,
}

pub fn search(world: &World, depth_max: usize, states_max: usize) -> Found {
    let mut visited = Visited::new();
    visited.insert(Committee::default(), 0);
    let (mut from, mut depth) = (0, 0);
    let mut violation = None;
    'all: while depth < depth_max && from < visited.states.len() {
        let to = visited.states.len();
        for at in from..to {
            let committee = visited.states[at];
            let parent = u32::try_from(at).expect("bounded by states_max");
            next(&committee, world, |_, _, after| {
                let after = after.sorted();
                if visited.insert(after, parent)
                    && violation.is_none()
                    && let Some(what) = broken(&after, world.left_out)
                {
                    violation = Some((visited.states.len() - 1, what));
                }
            });
            if violation.is_some() || visited.states.len() > states_max {
                depth += 1;
                break 'all;
            }
        }
        depth += 1;
        from = to;
    }
    let is_whole = violation.is_none() && from >= visited.states.len();
    Found { states: visited.states.len(), depth, is_whole, violation, visited }
}

pub fn broken(committee: &Committee, left_out: LeftOut) -> Option<&'static str> {
    let pool = Pool::new(committee, left_out);
    if Pool::split(pool.finals, false).is_some() {
        return Some("two conflicting transfers are final");
    }
    if left_out != LeftOut::Nothing {
        return None;
    }
    if Pool::split(pool.certified, true).is_some() {
        return Some("two conflicting Lock certificates of one round");
    }
    if pool.dead & pool.finals != 0 {
        return Some("a final transfer counts as dead");
    }
    None
}

/// All visited committees in the order of their discovery, each with the one that it came from.
pub struct Visited {
    pub states: Vec<Committee>,
    parents: Vec<u32>,
    slots: Vec<u32>,
}

impl Visited {
    fn new() -> Self {
        Self { states: Vec::new(), parents: Vec::new(), slots: vec![u32::MAX; 1 << 16] }
    }

    fn insert(&mut self, committee: Committee, parent: u32) -> bool {
        if (self.states.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let slot = self.find(&committee);
        if self.slots[slot] != u32::MAX {
            return false;
        }
        self.slots[slot] = u32::try_from(self.states.len()).expect("bounded by states_max");
        self.states.push(committee);
        self.parents.push(parent);
        true
    }

    fn find(&self, committee: &Committee) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(committee) & mask;
        loop {
            let held = self.slots[slot];
            if held == u32::MAX || self.states[index(held)] == *committee {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.slots = vec![u32::MAX; self.slots.len() * 2];
        let mask = self.slots.len() - 1;
        for (at, committee) in self.states.iter().enumerate() {
            let mut slot = hash(committee) & mask;
            while self.slots[slot] != u32::MAX {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = u32::try_from(at).expect("bounded by states_max");
        }
    }

    pub fn path(&self, mut at: usize) -> Vec<Committee> {
        let mut path = VecDeque::new();
        loop {
            path.push_front(self.states[at]);
            if at == 0 {
                return path.into();
            }
            at = index(self.parents[at]);
        }
    }
}

fn index(held: u32) -> usize {
    usize::try_from(held).expect("32 bits fit")
}

fn hash(committee: &Committee) -> usize {
    let mut hash = u64::from(committee.certified) | u64::from(committee.finals) << 16;
    for word in committee.validators.iter().flat_map(|validator| validator.words()) {
        hash = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 32;
    }
    usize::try_from(hash).expect("64 bits fit")
}

/// The steps of the shortest way to a visited committee, told with one name for each validator.
pub fn told(found: &Found, world: &World, at: usize) -> Vec<String> {
    let path = found.visited.path(at);
    let mut now = path[0];
    let mut lines = Vec::new();
    for wanted in &path[1..] {
        let mut taken = None;
        next(&now, world, |who, step, after| {
            if taken.is_none() && after.sorted() == *wanted {
                taken = Some((who, step, after));
            }
        });
        let (who, step, after) = taken.expect("each committee of the path follows from the last");
        lines.push(format!("V{} {}", who + 1, step.words()));
        now = after;
    }
    lines
}
