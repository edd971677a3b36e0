//! Processes as `/proc` shows them: is it the one that was meant, and how much CPU it has used.

use serde::{Deserialize, Serialize};

/// Ticks a second in `/proc/<pid>/stat`: USER_HZ, 100 on every Linux that Rust runs on (proc(5)).
const TICKS_PER_SECOND: u64 = 100;

/// A process that no later one with the same number can be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since boot.
    pub started: u64,
}

/// What is read of `/proc/<pid>/stat`.
struct Stat {
    state: char,
    cpu_ticks: u64,
    started: u64,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self { pid, started: stat(pid).map_or(0, |stat| stat.started) }
    }

    /// The running process with this number; `None` when there is none, or it has ended.
    pub fn running(pid: u32) -> Option<Self> {
        let found = stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X' | 'x'))?;
        Some(Self { pid, started: found.started })
    }

    /// Whether it runs, and is not another one that got its number.
    pub fn is_alive(&self) -> bool {
        Self::running(self.pid) == Some(*self)
    }

    /// CPU time used so far by user code and the kernel for it, µs; `None` when it has ended.
    pub fn cpu_us(&self) -> Option<u64> {
        let found = stat(self.pid).filter(|stat| stat.started == self.started)?;
        found.cpu_ticks.checked_mul(1_000_000 / TICKS_PER_SECOND)
    }
}

/// Reads the fields behind the command's name, which may itself hold spaces and brackets (proc(5)).
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // Field 3 of the manual (state) is the first here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        cpu_ticks: number(14)?.checked_add(number(15)?)?,
        started: number(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_of_its_number_is_not() {
        let current = Process::current();
        assert!(current.is_alive());
        assert_eq!(Process::running(current.pid), Some(current));
        assert!(current.cpu_us().is_some());
        let earlier = Process { started: current.started.wrapping_sub(1), ..current };
        assert!(!earlier.is_alive());
        assert_eq!(earlier.cpu_us(), None);
    }

    #[test]
    fn a_process_that_has_ended_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().expect("spawned");
        let process = Process::running(child.id());
        child.wait().expect("ended");
        assert!(process.is_none_or(|process| !process.is_alive()));
    }
}
