//! The simulator: seven real `Validator`s and `Proposer`s in one thread, in virtual time. One seed
//! is one
//! exact run: network, disks, crashes, clients and adversaries all draw from it.
//!
//! ```text
//!  clients ─▶ Node: Proposer, Validator, journal ─▶ Links (loss, delay, partitions) ─▶ Node …
//!                    │ its journal's disk: sectors and names, lost, torn, harmed
//!                    │ votes, certificates, applied transfers, reports
//!                    ▼
//!                 Checks (one invariant a file in `check/`) ─▶ Failure with its seed
//! ```
//!
//! First chaos for some seconds of virtual time, then calm: everybody up, nothing lost; then all
//! that
//! honest owners wanted has to be final and all nodes have to stand equal, within a bound.

pub mod archive;
pub mod byzantine;
pub mod catch_up;
pub mod check;
pub mod client;
pub mod coverage;
pub mod describe;
pub mod disk;
pub mod links;
pub mod mutant;
pub mod node;
pub mod packet;
pub mod plan;
pub mod recovery;
pub mod store;
pub mod swarm;
pub mod trace;
pub mod world;

pub use mutant::Mutant;
pub use plan::Plan;

use std::fmt;
use world::World;

/// What a run that broke no invariant did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash over everything that was delivered, in order: two runs of one seed have one hash.
    pub trace: u64,
    /// Events handled.
    pub events: u64,
    /// Virtual time at the end, µs.
    pub end_us: u64,
    /// Virtual time from the calm to the end, µs.
    pub settled_us: u64,
    /// Transfers of honest owners, all final.
    pub honest: u64,
    /// Transfers of equivocating owners.
    pub equivocal: u64,
    /// Transfers that are final.
    pub finals: u64,
    /// Crashes: power is lost.
    pub crashes: u64,
    /// What happened to machines.
    pub machines: Machinery,
    /// How recoveries ended.
    pub ends: recovery::Ends,
    /// Orphaned batches that members took over.
    pub adopted: u64,
    /// Transfers that were sent once and became final.
    pub lonely: u64,
    /// Which rules fired, and what was refused.
    pub coverage: coverage::Coverage,
}

/// What happened to machines in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machinery {
    /// Power went between two calls of a disk.
    pub fuses: u64,
    /// Disks failed: a sync, or no room.
    pub failures: u64,
    /// Processes were killed.
    pub kills: u64,
    /// Processes were paused.
    pub pauses: u64,
    /// Disks were harmed.
    pub harms: u64,
    /// Starts that a failing disk ended.
    pub false_starts: u64,
}

impl Machinery {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.fuses += other.fuses;
        self.failures += other.failures;
        self.kills += other.kills;
        self.pauses += other.pauses;
        self.harms += other.harms;
        self.false_starts += other.false_starts;
    }

    /// Each with its name.
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("fuses", self.fuses),
            ("failures", self.failures),
            ("kills", self.kills),
            ("pauses", self.pauses),
            ("harms", self.harms),
            ("false_starts", self.false_starts),
        ]
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Virtual time, µs.
    pub at_us: u64,
    /// Name of the invariant: a file in `check/`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

impl Failure {
    /// The command that replays it, readably.
    pub fn replay(&self) -> String {
        // Cargo tells the programs that it runs where the manifest is.
        let program = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(_) => "cargo run --release -p testnet --",
            None => "quorate-testnet",
        };
        format!("{program} replay {} --trace", self.seed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at_us, invariant, what } = self;
        writeln!(f, "seed {seed} breaks `{invariant}` at {at_us} µs: {what}")?;
        write!(f, "replay: {}", self.replay())
    }
}

impl std::error::Error for Failure {}

/// Runs one seed.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(seed: u64) -> Result<Report, Failure> {
    World::new(Plan::of(seed), None, 0).run()
}

/// Runs one seed and keeps the last so many lines of its trace.
pub fn replay(seed: u64, lines_max: usize) -> (Result<Report, Failure>, Vec<String>) {
    let mut world = World::new(Plan::of(seed), None, lines_max);
    let result = world.run();
    (result, world.into_lines())
}

/// Runs one seed with a planted bug, which the checks must find in some seed.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run_mutant(seed: u64, mutant: Mutant) -> Result<Report, Failure> {
    World::new(mutant.plan(seed), Some(mutant), 0).run()
}
