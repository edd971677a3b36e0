//! A slow disk: `strace` attached to a validator, which delays each of its syncs. It goes on as
//! before when strace is told to end.

use crate::process::Process;
use node::Failure;
use node::error::INTERNAL;
use rustix::process::Signal;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long strace may take to let go.
const LET_GO_TIME: Duration = Duration::from_secs(2);

/// While it is there, the syncs of one process are slow.
pub struct SlowDisk(Child);

impl SlowDisk {
    /// Whether strace is installed.
    pub fn is_possible() -> bool {
        let mut command = Command::new("strace");
        command.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Attaches to the process.
    ///
    /// # Errors
    /// strace can't be started.
    pub fn attach(process: Process, sync_ms: u64) -> Result<Self, Failure> {
        let inject = format!("inject=fdatasync:delay_enter={sync_ms}ms");
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject])
            .args(["-p", &process.pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new(INTERNAL, format!("starting strace: {error}")))?;
        Ok(Self(child))
    }

    /// Lets go of it.
    ///
    /// # Errors
    /// strace can't be signalled.
    pub async fn end(self) -> Result<(), Failure> {
        if let Some(process) = Process::of(self.0.id()) {
            process.signal(Signal::TERM)?;
            process.wait_for(|state| state == crate::process::State::Gone, LET_GO_TIME).await;
        }
        Ok(())
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
