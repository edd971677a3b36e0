//! Quorate's consensus: `PROTOCOL.md` sections 3 and 4 as state machines without I/O. Bytes and the
//! time come in as arguments, a [`Step`] goes out; no sockets, files, clocks or threads.
//!
//! ```text
//!  client's transfer ──▶ Proposer ──Propose──▶ Validator (each) ──Answer(Lock vote)──▶ Proposer
//!  (found Valid here)       │                     │ locks, then Record, then vote         │
//!                           │◀── Commit cert ──── │ ◀──────────── Lock certificate ───────┘
//!                           ▼                     ▼ accepts, then Record, then vote
//!                    TransferReport          applies: tips move
//! ```
//!
//! | what | file |
//! |---|---|
//! | bounds with reasons | [`limits`] |
//! | batches and proposals | [`batch`] |
//! | what is said, and its wire form | [`message`], [`codec`] |
//! | where every token stands | [`tips`] |
//! | locks, promises, accepts | [`lock`] |
//! | the rules R1 to R10 | [`validator`] |
//! | what a member may cost the others | [`budget`] |
//! | counting votes | [`tally`] |
//! | batching, flights, outcomes | [`proposer`] |
//! | rounds above 0 | [`recovery`] |
//! | what must survive a crash | [`record`] |
//! | what leaves a state machine | [`step`] |

// The tests' kit is shared with `tests/golden.rs` and names this crate as that sees it.
#[cfg(test)]
extern crate self as consensus;

pub mod batch;
pub mod budget;
pub mod codec;
pub mod evidence;
pub mod judge;
pub mod limits;
pub mod lock;
pub mod message;
pub mod proposer;
pub mod record;
pub mod recovery;
pub mod step;
pub mod tally;
#[cfg(test)]
mod testkit;
pub mod tips;
pub mod validator;
pub mod verdict;

pub use batch::{AppliedBatch, AppliedLine, Batch, Proposal, WrongRoot};
pub use evidence::Evidence;
pub use judge::Judged;
pub use message::{
    Answer, CheckedCertificate, Message, Progress, RecoverReply, Reply, Request, SnapshotOffer,
};
pub use proposer::{Outcome, Proposer, Stages, Submitted, TransferReport};
pub use record::Record;
pub use recovery::{Collected, Collector, VerifiedEntry};
pub use step::{Applied, Blame, Fetch, Judge, Outgoing, Step, To};
pub use tips::{Change, Place, Sum, Tip, Tips};
pub use validator::{Mode, Validator};
pub use verdict::{Cause, Refusal, Refused, RefusedKind, Verdict};
