//! The Quorate node: QUIC, store, pipeline, API and command line around the state machines of
//! `consensus`.
//!
//! Threads, channels and capacities:
//!
//! ```text
//!  ┌ "net" thread: tokio, current thread ──────────────────────────────────────────┐
//!  │ transport, one connection a peer ─Inbound, 1,024─▶ driver ─a queue a peer─▶ … │
//!  │ sync and fetch tasks (64) ────────Fetched, 256───▶   ▲                        │
//!  └──────────────────────────────────────────────────────┼────────────────────────┘
//!  ┌ "api" thread: tokio, current thread ┐                │
//!  │ HTTP handlers; read locks only      │─Command, 32,768┤
//!  └─────────────────────────────────────┘                │
//!    "cpu" pool: rayon, the pipeline ──────Done, 1,024────┤
//!    "journal" thread: write, fdatasync ───watch──────────┘
//!    "checkpoint" thread: sled or fjall, now and then
//!    "dht" thread: tokio, current thread: the embedded IPFS node, its pinner (see `ipfs`)
//!    "otel" thread: tokio, current thread: traces, with the feature; told by a queue, 16,384
//!    content: files of users, on the "api" thread's runtime and its blocking threads
//! ```
//!
//! A wallet node (`hosting`) is another process with none of these but "api" and "journal": its
//! main thread's runtime drains and follows validators, its blocking threads receive.
//!
//! One owner a datum: the driver alone writes the validator's state (others read it under a lock
//! held for a few lines) and owns the proposer; the journal's thread alone writes the journal.

pub mod api;
pub mod blames;
pub mod board;
pub mod cli;
pub mod client;
pub mod config;
pub mod content;
pub mod core_dumps;
pub mod driver;
pub mod durable;
pub mod error;
pub mod events;
pub mod handle;
pub mod hosting;
mod html;
pub mod inbox;
pub mod index;
pub mod ipfs;
pub mod journal;
pub mod keyfile;
pub mod metrics;
pub mod multicast;
pub mod node;
pub mod notify;
pub mod peers_file;
pub mod pipeline;
pub mod receive;
mod service_rate;
pub mod snapshot;
pub mod store;
pub mod store_lock;
pub mod sync;
pub mod telemetry;
pub mod transport;
pub mod view;
pub mod wallet;

pub use client::Client;
pub use config::NodeConfig;
pub use error::{Code, Failure};
pub use handle::Handle;
pub use node::run;

/// What both programs take memory from. glibc's own keeps what many threads have freed: after
/// 730,000 transfers a validator held 763 MB, of which `malloc_trim` gave 372 MB back.
pub type Allocator = mimalloc::MiMalloc;
/// See [`Allocator`]; for a program's `#[global_allocator]`.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;
