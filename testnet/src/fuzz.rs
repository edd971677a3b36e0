//! Fuzz targets: one property each, as ordinary functions over arbitrary bytes that panic when the
//! property is broken. No fuzzer is in here: `testnet/fuzz` runs them under libFuzzer, and
//! `tests/fuzz_corpus.rs` runs what that has found, and changes of it, in every test run.
//!
//! ```text
//!  bytes ─▶ Target::check ─┬─ decoders: what is read is written back to the same bytes
//!                          ├─ proofs: a changed one proves what the unchanged one did
//!                          ├─ files: an error, never a panic, never less than their head says
//!                          └─ scripts: a validator, a router; invariants hold after each step
//! ```
//! Each target starts from `seeds`: valid values that a fuzzer would not find by chance.

pub mod campaign;
pub mod fixture;
pub mod http;
pub mod ipfs;
pub mod journal;
pub mod kubo;
pub mod objects;
pub mod proofs;
pub mod receipt;
pub mod replay;
pub mod scratch;
pub mod script;
pub mod stored;
pub mod texts;
pub mod validator;
pub mod wire;

use script::Script;

/// One property over arbitrary bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as of its file here, its corpus folder and its program under libFuzzer.
    pub name: &'static str,
    /// Panics when the property does not hold.
    pub check: fn(&[u8]),
    /// Inputs to start from, each with a name.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
    /// Longest input that is worth trying, bytes.
    pub bytes_max: usize,
    /// What one input may allocate at one time at most: (bytes, and so many times the input).
    /// Held under libFuzzer only, where allocations are counted.
    pub memory_max: (usize, usize),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    wire::TARGET,
    objects::TARGET,
    receipt::TARGET,
    validator::TARGET,
    journal::TARGET,
    http::TARGET,
    texts::TARGET,
    proofs::TARGET,
    replay::TARGET,
    stored::TARGET,
    ipfs::TARGET,
    kubo::TARGET,
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
