//! Processes told apart by id and start time, and how they are signalled and stopped.
//!
//! A process id alone may be somebody else's by now. So every signal goes through a pidfd that was
//! opened before the start time was compared: it can't reach another process.

use crate::output::io_failure;
use node::Failure;
use node::error::INTERNAL;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::process::{pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a state is looked at while waiting for it.
pub const POLL: Duration = Duration::from_millis(5);
/// A node finishes, flushes and exits within this time (INTERFACE.md).
const STOP_TIME: Duration = Duration::from_secs(3);
/// The kernel ends a killed process soon, but for a hanging disk.
const KILL_TIME: Duration = Duration::from_secs(10);

/// One process, of all that ever had its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Clock ticks between boot and its start: `/proc/PID/stat`, field 22 (proc(5)).
    pub started: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It was paused by SIGSTOP.
    Paused,
    /// It has ended, or only waits for its parent to notice.
    Gone,
}

impl State {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Paused => "paused",
            State::Gone => "down",
        }
    }
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        let (_, started) = read_stat(pid)?;
        Some(Self { pid, started })
    }

    /// What it does now.
    pub fn state(self) -> State {
        match read_stat(self.pid) {
            Some((_, started)) if started != self.started => State::Gone,
            Some((b'Z' | b'X' | b'x', _)) | None => State::Gone,
            Some((b'T' | b't', _)) => State::Paused,
            Some(_) => State::Running,
        }
    }

    /// Whether it has not ended.
    pub fn is_alive(self) -> bool {
        self.state() != State::Gone
    }

    /// Whether the system still lists it, be it as an ended one that nobody took note of.
    pub fn is_listed(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal to this process and no other; `false` when it has ended.
    ///
    /// # Errors
    /// It belongs to somebody else.
    pub fn signal(self, signal: Signal) -> Result<bool, Failure> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => {
                let path = Path::new("/proc").join(self.pid.to_string());
                Err(io_failure(INTERNAL, "signalling", &path, &error.into()))
            }
        }
    }

    /// Takes note of its end if it is a child of this process that nobody else waits for: nothing
    /// of it is left then.
    pub fn reap(self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // Whoever's child it is otherwise does that.
            if let Err(error) = waitpid(Some(pid), WaitOptions::NOHANG) {
                tracing::debug!(pid = self.pid, %error, "not a child of this process");
            }
        }
    }

    /// Waits until `is_so` holds for its state; `false` when the time is over.
    pub async fn wait_for(self, is_so: fn(State) -> bool, time: Duration) -> bool {
        until(time, || is_so(self.state()).then_some(())).await.is_some()
    }
}

/// Stops all of them, whatever they do: wakes the paused ones, asks, and after three seconds kills.
///
/// # Errors
/// One can't be signalled, or does not even end when killed.
pub async fn stop_all(processes: &[Process]) -> Result<(), Failure> {
    for process in processes {
        process.signal(Signal::CONT)?;
        process.signal(Signal::TERM)?;
    }
    if all_gone(processes, STOP_TIME).await {
        return Ok(());
    }
    kill_all(processes).await
}

/// Kills all of them.
///
/// # Errors
/// One can't be signalled, or does not end.
pub async fn kill_all(processes: &[Process]) -> Result<(), Failure> {
    for process in processes {
        process.signal(Signal::KILL)?;
    }
    if all_gone(processes, KILL_TIME).await {
        return Ok(());
    }
    let left: Vec<String> =
        processes.iter().filter(|p| p.is_alive()).map(|p| p.pid.to_string()).collect();
    Err(Failure::new(INTERNAL, format!("processes {} do not end", left.join(", "))))
}

async fn all_gone(processes: &[Process], time: Duration) -> bool {
    until(time, || processes.iter().all(|p| !p.is_alive()).then_some(())).await.is_some()
}

/// Looks every few milliseconds until `look` finds something or the time is over.
pub async fn until<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
    }
}

/// State letter and start time. The name, in parentheses, may itself hold spaces and parentheses.
fn read_stat(pid: u32) -> Option<(u8, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // The state is field 3; the start time is field 22, 18 fields behind the one after it.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time_too() {
        let me = Process::of(std::process::id()).expect("this process");
        assert_eq!(me.state(), State::Running);
        let other = Process { started: me.started + 1, ..me };
        assert_eq!(other.state(), State::Gone);
        assert!(!other.signal(Signal::KILL).expect("nobody is signalled"));
    }
}
