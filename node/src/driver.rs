//! The driver (arrives next).

use ledger::{SignedTransfer, TransferId};
use std::time::Instant;

/// What the API asks of the driver.
#[derive(Debug)]
pub enum Command {
    /// Judge a client's transfer and propose it.
    Submit {
        /// The transfer.
        signed: SignedTransfer,
        /// Its id.
        id: TransferId,
        /// When it came.
        admitted: Instant,
    },
    /// End the node.
    Stop,
}
