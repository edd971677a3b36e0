//! Queries: what is asked, what comes back, and the machine between them.
//!
//! ```text
//!  producers ─Query (handle)─▶ Manager (sans-IO) ─Action─▶ swarm: one message a peer and batch
//!      ▲                          ▲      │                        │
//!      └── Found, FindOutcome ────┘      └─ timeouts, retries     ▼
//!                                 └────────────── replies ─── peers
//! ```
//!
//! [`handle`]: what the asker holds.

pub mod handle;

pub use handle::{
    Completion, FindOptions, FindOutcome, Found, KeyAnswer, Provider, Query, QueryId, Reporter,
};

/// The most keys of one query, and of one message of the batched protocol.
pub const KEYS_PER_QUERY_MAX: usize = 4_096;
