//! What one seed does: which faults there are and how hard (swarm testing: each seed switches whole
//! classes
//! of faults on and off).

use super::byzantine::Behaviour;
use super::check::kept::Harm;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Members of the simulated committee; quorum five.
pub const MEMBERS: u16 = 7;

/// Members that may fail for good, in whatever way: f.
pub const FAULTY_MAX: u16 = 2;

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
    /// Members whose disks are harmed while they are down; they count with the Byzantine ones.
    pub harmed: Vec<(u16, Harm)>,
    /// What disks, processes, clocks and links do.
    pub machines: Machines,
}

/// The faults of machines in one run: how often each comes during the chaos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// Size of a journal's segment, bytes.
    pub segment_bytes: u64,
    /// Power goes between two calls of a disk.
    pub fuses: u32,
    /// A sync fails.
    pub bad_syncs: u32,
    /// A disk is full for a while.
    pub full: u32,
    /// A disk is slow for a while.
    pub slow: u32,
    /// A process is killed; its machine stays up.
    pub kills: u32,
    /// A process gets no time for a while.
    pub pauses: u32,
    /// A clock jumps forward.
    pub jumps: u32,
    /// A link is cut in one direction for a while.
    pub oneway: u32,
    /// A link delivers nothing for a while, and then everything in order.
    pub clogs: u32,
}

impl Machines {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x6d61_6368);
        let mut some = |of: u32, most: u32| match rng.random_range(0..of) {
            0 => rng.random_range(1..=most),
            _ => 0,
        };
        Self {
            fuses: some(2, 5),
            bad_syncs: some(3, 3),
            full: some(4, 2),
            slow: some(4, 3),
            kills: some(2, 4),
            pauses: some(3, 4),
            jumps: some(4, 4),
            oneway: some(3, 4),
            clogs: some(3, 6),
            segment_bytes: 12 * 1024 + (1 << rng.random_range(10..18)),
        }
    }
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
            harmed: Vec::new(),
            machines: Machines::of(seed),
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
        // Whoever is left of the f members that may fail for good may have its disk harmed.
        let is_well = |member: &u16| {
            !plan.gone.contains(member) && plan.byzantine.iter().all(|(bad, _)| bad != member)
        };
        let well: Vec<u16> = (0..MEMBERS).filter(is_well).collect();
        let mut rng = StdRng::seed_from_u64(seed ^ 0x6861_726d);
        let room = usize::from(FAULTY_MAX) - (usize::from(MEMBERS) - well.len());
        for _ in 0..room {
            let member = well[rng.random_range(0..well.len())];
            let harm = Harm::ALL[rng.random_range(0..Harm::ALL.len())];
            let is_new = plan.harmed.iter().all(|(other, _)| *other != member);
            if is_new && rng.random_range(0..3) > 0 {
                plan.harmed.push((member, harm));
            }
        }
        plan
    }
}
