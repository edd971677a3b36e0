//! What one seed does: which faults there are and how hard (swarm testing: each seed switches whole
//! classes
//! of faults on and off).

use super::byzantine::Behaviour;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Members of the simulated committee; quorum five.
pub const MEMBERS: u16 = 7;

/// The faults and the load of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How long there are faults, µs of virtual time.
    pub chaos_us: u64,
    /// How long after that everything has to be settled, µs.
    pub settle_us_max: u64,
    /// Messages lost, of a thousand.
    pub loss: u32,
    /// Messages delivered twice, of a thousand.
    pub twice: u32,
    /// Messages that take a hundred times as long, of a thousand.
    pub late: u32,
    /// Messages that somebody recorded and sends again up to ten seconds later, of a thousand.
    pub replayed: u32,
    /// A message takes up to this, µs.
    pub delay_us_max: u64,
    /// A sync takes up to this, µs.
    pub sync_us_max: u64,
    /// Crashes during the chaos.
    pub crashes: u32,
    /// Partitions during the chaos.
    pub partitions: u32,
    /// Honest owners pay at so many instants only, all at one member each time; 0: at any time,
    /// anywhere.
    pub bursts: u32,
    /// Transfers that honest owners make.
    pub payments: u32,
    /// Times that an owner signs conflicting transfers.
    pub conflicts: u32,
    /// How many of a hundred owners that sign conflicting transfers begin to recover while there
    /// are faults; all of them do after that.
    pub recovering: u32,
    /// How many of a hundred of those regret it at once, with votes still under way.
    pub hasty: u32,
    /// How many of a thousand reports a member sends just before it crashes, for a moment.
    pub strikes: u32,
    /// A lock is an orphan after this, µs.
    pub orphan_age_us: u64,
    /// Honest payments that are sent once, whatever becomes of them.
    pub lonely: u32,
    /// Members that crash for good: with the Byzantine ones at most two. Half of the lonely
    /// payments are sent to the one that crashes next, just before.
    pub gone: Vec<u16>,
    /// What Byzantine members do; at most two members in a run that has to hold.
    pub byzantine: Vec<(u16, Behaviour)>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x706c_616e);
        let mut some = |of: u32, most: u32| match rng.random_range(0..of) {
            0 => 0,
            _ => rng.random_range(1..=most),
        };
        let mut plan = Self {
            seed,
            chaos_us: 3_000_000 + u64::from(some(3, 9)) * 1_000_000,
            settle_us_max: 25_000_000,
            loss: some(2, 200),
            twice: some(2, 200),
            late: some(2, 50),
            replayed: some(2, 100),
            delay_us_max: u64::from(some(20, 20)) * 500 + 100,
            sync_us_max: u64::from(some(20, 10)) * 500 + 100,
            crashes: some(3, 6),
            partitions: some(2, 4),
            bursts: some(2, 4),
            payments: 4 + some(20, 20),
            conflicts: some(3, 12),
            recovering: if some(3, 1) == 0 { 0 } else { 75 },
            hasty: if some(3, 1) == 0 { 0 } else { 75 },
            strikes: some(2, 100),
            orphan_age_us: 500_000 + u64::from(some(2, 5)) * 500_000,
            lonely: some(2, 6),
            gone: Vec::new(),
            byzantine: Vec::new(),
        };
        let traitors = rng.random_range(0..4u16).min(2);
        let first = rng.random_range(0..MEMBERS);
        for traitor in 0..traitors {
            // Most have one behaviour, some have several at once.
            let count = [1, 1, 1, 2, 3][rng.random_range(0..5usize)];
            for _ in 0..count {
                let behaviour = Behaviour::ALL[rng.random_range(0..Behaviour::ALL.len())];
                plan.byzantine.push(((first + traitor * 3) % MEMBERS, behaviour));
            }
        }
        for gone in traitors..2 {
            if rng.random_range(0..4) == 0 {
                plan.gone.push((first + gone * 3) % MEMBERS);
            }
        }
        plan
    }
}
