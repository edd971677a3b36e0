//! Files in chunks: put in parallel, got from several peers at once, each block verified before it
//! is kept.
//!
//! ```text
//!  put:  reader ─chunk─▶ hash + store (uploads at once) ─in order─▶ Builder ─nodes─▶ store ─▶ root
//!
//!  get:  root ─▶ queue of places ─▶ one block each (retrievals at once) ─verified─▶ store
//!                   ▲                    │      │                          │
//!                   └──── its links ─────┼──────┼──────────────────────────┘
//!                                     local?  Schedule: which peer, when a second one
//!                                               └─▶ BlockSource: Bitswap, a daemon, a simulation
//! ```
//!
//! A walk in the breadth of the DAG, so that all chunks are soon known. What the local store holds
//! is not fetched: a get that was dropped or failed goes on where it stood. Dropping the future
//! ends a get; at most the blocks just being written are still stored.
//!
//! What this does *not* do: it pins nothing and announces nothing (the caller does, with the root),
//! and it finds no peers itself.

mod config;
mod fetch;
mod get;
mod progress;
mod put;
mod schedule;
mod source;
mod stat;
mod statistics;

pub use config::{ChunkConfig, ConfigError};
pub use get::{GetError, get};
pub use progress::Progress;
pub use put::{PutError, put};
pub use source::BlockSource;
pub use stat::{FileStat, stat};
pub use statistics::{GetReport, PeerStatistics, PutReport};

use std::panic::resume_unwind;

/// The runtime is shutting down; nobody waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended;

/// Runs what may touch the disk, off the threads that must not wait. Begins at once, also when
/// nobody polls.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Ended>> + Send {
    let done = tokio::task::spawn_blocking(work);
    async {
        done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Ended,
        })
    }
}

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
