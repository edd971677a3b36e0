//! Core dumps, switched off: a dump holds every key that the process holds, and ends up on a disk
//! that nobody thinks of. With it goes the right of the user's other processes to look into this
//! one's memory (`ptrace`, `/proc/PID/mem`). An operator who looks for a crash may leave them on.

use crate::error::{CONFIG, Failure};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Switches them off for this process and what it starts.
///
/// # Errors
/// `config` when the system refuses, which it does not.
pub fn switch_off() -> Result<(), Failure> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let done = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    done.map_err(|error| {
        let what = format!("core dumps can't be switched off: {error}; nothing was started");
        Failure::new(CONFIG, what).help("for a node: core_dumps = true in its configuration")
    })
}
