//! Queries: what is asked, what comes back, and the machine between them.
//!
//! ```text
//!  producers ─Query (handle)─▶ Manager (sans-IO) ─Action─▶ swarm: one message a peer and batch
//!      ▲                          ▲      │                        │
//!      └── Found, FindOutcome ────┘      └─ timeouts, retries     ▼
//!                                 └────────────── replies ─── peers
//! ```
//!
//! [`handle`]: what the asker holds. [`manager`]: decides who is asked what and when, with
//! [`cache`], [`timeout`] and [`score`]; [`preset`] tunes it, [`metrics`] counts. [`announce`]:
//! the other direction, "I provide these".

pub mod announce;
pub mod cache;
pub mod handle;
pub mod manager;
pub mod metrics;
pub mod preset;
pub mod score;
pub mod timeout;

pub use handle::{
    Completion, FindOptions, FindOutcome, Found, KeyAnswer, Provider, Query, QueryId, Reporter,
};
pub use manager::{Action, Config, Failure, Manager};
pub use metrics::{PeerScore, QueryMetrics};
pub use preset::Preset;

/// The most keys of one query, and of one message of the batched protocol.
pub const KEYS_PER_QUERY_MAX: usize = 4_096;
