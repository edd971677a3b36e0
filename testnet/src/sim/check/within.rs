//! Memory and queues stay within the limits, after every event: whatever Byzantine members send,
//! what a node keeps of it is bounded.

use super::Broken;
use crate::sim::node::Load;
use crate::sim::plan::MEMBERS;
use consensus::limits::{
    COLLECTING_MAX, OPEN_BATCHES_PER_PROPOSER_MAX, PARKED_MAX, QUEUE_MAX,
    USELESS_BATCHES_PER_PROPOSER_MAX, WAITING_MAX,
};

/// Sends and answers that wait for a sync, by far: a run has a few hundred transfers.
const HELD_MAX: usize = 4_096;

/// Whether a node keeps no more than it may.
///
/// # Errors
/// What there is too much of.
pub fn holds(member: u16, load: &Load) -> Result<(), Broken> {
    let members = usize::from(MEMBERS);
    let open_max = members * (OPEN_BATCHES_PER_PROPOSER_MAX + USELESS_BATCHES_PER_PROPOSER_MAX);
    let bounds = [
        ("open batches", load.open, open_max + PARKED_MAX),
        ("batches in the pipeline", load.judging, members * OPEN_BATCHES_PER_PROPOSER_MAX),
        ("things that wait", load.waiting, PARKED_MAX + WAITING_MAX),
        ("queued transfers", load.queued, QUEUE_MAX),
        ("recoveries", load.collecting, COLLECTING_MAX),
        ("held messages", load.held, HELD_MAX),
    ];
    match bounds.iter().find(|(_, found, max)| found > max) {
        Some((what, found, max)) => {
            Err(("within", format!("member {member} keeps {found} {what}, of {max}")))
        }
        None => Ok(()),
    }
}
