//! How a journal is opened, and what opening it finds.

use super::{Damage, QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX, SEGMENT_BYTES};

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Id of the network; the first record is chained to it.
    pub network: [u8; 32],
    /// Whether a directory without a journal gets a new one; false once a node has been set up.
    pub create: bool,
    /// Whether to go on after damage, forgetting what was lost: a double vote becomes possible.
    pub accept_damage: bool,
    /// Size of a segment in bytes; a longer record gets a segment of its own.
    pub segment_bytes: u64,
    /// Most records waiting for the disk; beyond, `append` refuses.
    pub queue_records_max: u64,
    /// Most framed bytes waiting; an empty queue takes any.
    pub queue_bytes_max: u64,
}

impl Options {
    /// The defaults for `network`: no creation, no damage accepted, the constants above.
    pub fn new(network: [u8; 32]) -> Self {
        Self {
            network,
            create: false,
            accept_damage: false,
            segment_bytes: SEGMENT_BYTES,
            queue_records_max: QUEUE_RECORDS_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Valid records; the next one appended has this sequence number.
    pub records: u64,
    /// Their bytes as framed.
    pub bytes: u64,
    /// Bytes that a crash had left torn and that are cut now.
    pub torn_bytes_cut: u64,
    /// The damage, if there is any; it may have been accepted.
    pub damage: Option<Damage>,
}
