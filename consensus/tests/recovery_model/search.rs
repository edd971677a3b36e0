//! Breadth-first search over committees: every reachable one once, in any order of its members.
//!
//! Exact: the visited committees themselves are kept and compared, not fingerprints of them. What
//! a step leads to is `step`'s.

use super::pool::Pool;
use super::rule::LeftOut;
use super::step::next;
use super::world::{Committee, World};

/// No index.
const EMPTY: u32 = u32::MAX;

/// What a search has seen.
pub struct Found {
    /// Steps from the start to the last committees.
    pub depth: usize,
    /// Whether nothing was left to visit.
    pub is_whole: bool,
    /// Which visited committee breaks an invariant, and which one.
    pub violation: Option<(usize, &'static str)>,
    pub visited: Visited,
}

/// Visits whatever follows from `start`, nearest first, until a violation or about `states_max`.
pub fn search(world: &World, start: &Committee, states_max: usize) -> Found {
    let mut visited = Visited::new();
    visited.insert(start.sorted(), 0);
    let (mut from, mut depth) = (0, 0);
    let mut violation = None;
    let is_over = |visited: &Visited| visited.states.len() > states_max;
    while from < visited.states.len() && violation.is_none() && !is_over(&visited) {
        let to = visited.states.len();
        while from < to {
            let at = from;
            let committee = visited.states[at];
            let parent = u32::try_from(at).expect("bounded by states_max");
            next(&committee, world, |_, _, after| {
                let after = after.sorted();
                if visited.insert(after, parent) && violation.is_none() {
                    let broken = broken(&after, world.left_out);
                    violation = broken.map(|what| (visited.states.len() - 1, what));
                }
            });
            from += 1;
            if violation.is_some() || is_over(&visited) {
                break;
            }
        }
        depth += 1;
    }
    let is_whole = violation.is_none() && from >= visited.states.len();
    Found { depth, is_whole, violation, visited }
}

/// The invariants; of a mutant only the one that loses money.
fn broken(committee: &Committee, left_out: LeftOut) -> Option<&'static str> {
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
    /// An open hash table of indices into `states`, at most half full.
    slots: Vec<u32>,
}

impl Visited {
    fn new() -> Self {
        Self { states: Vec::new(), parents: Vec::new(), slots: vec![EMPTY; 1 << 16] }
    }

    fn insert(&mut self, committee: Committee, parent: u32) -> bool {
        if (self.states.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let slot = self.find(&committee);
        if self.slots[slot] != EMPTY {
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
            if held == EMPTY || self.states[index(held)] == *committee {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; self.slots.len() * 2];
        let mask = self.slots.len() - 1;
        for (at, committee) in self.states.iter().enumerate() {
            let mut slot = hash(committee) & mask;
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = u32::try_from(at).expect("bounded by states_max");
        }
    }

    /// The committees from the start to this one.
    fn path(&self, mut at: usize) -> Vec<Committee> {
        let mut path = vec![self.states[at]];
        while at != 0 {
            at = index(self.parents[at]);
            path.push(self.states[at]);
        }
        path.reverse();
        path
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
        lines.push(format!("  V{} {}", who + 1, step.words()));
        now = after;
    }
    lines
}
