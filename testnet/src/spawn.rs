//! One node process: starting this program in a hidden role, and how it ended.

use crate::folder::{Folder, Ready};
use crate::output::{code_of_exit, io_failure};
use crate::process::Process;
use node::Failure;
use node::error::INTERNAL;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Log lines shown when a node fails.
const FAILURE_LINES: usize = 12;
/// Most bytes of a log's end that are read for its last lines.
const LOG_TAIL_BYTES_MAX: u64 = 1 << 20;

/// What a process of a testnet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A validator.
    Validator,
    /// Only a DHT node.
    DhtPeer,
    /// What stands between the validators while there are faults.
    Relay,
}

/// A node process that this process started.
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The process.
    pub process: Process,
    child: Child,
}

impl Node {
    /// Starts the validator or DHT peer `name` of the folder. It ends when `stdin` closes, if there
    /// is one; it is in a session of its own either way, so that Ctrl-C reaches this process only.
    ///
    /// # Errors
    /// The program can't be started or the log can't be opened.
    pub fn spawn(
        folder: &Folder,
        (name, role): (&str, Role),
        stdin: Option<Stdio>,
    ) -> Result<Self, Failure> {
        crate::registry::remove_if_there(&folder.ready_file(name))?;
        let log_path = folder.log(name);
        let log = OpenOptions::new().create(true).append(true).open(&log_path);
        let failed = |error| io_failure(INTERNAL, "opening", &log_path, &error);
        let log = log.map_err(failed)?;
        let program = &folder.program;
        let mut command = Command::new(program);
        let (word, config) = match role {
            Role::Validator => ("node", folder.config(name)),
            Role::DhtPeer => ("dht-peer", folder.dht_config(name)),
            Role::Relay => ("relay", folder.faults()),
        };
        command.arg(word).arg("--config").arg(config).arg("--own-session");
        if stdin.is_some() {
            command.arg("--stop-with-stdin");
        }
        let child = command
            .stdin(stdin.unwrap_or_else(Stdio::null))
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(|error| io_failure(INTERNAL, "starting", program, &error))?;
        // It is there until it is waited for, even if it ended at once.
        let process = Process::of(child.id()).expect("a child that was not waited for");
        Ok(Self { name: name.into(), role, process, child })
    }

    /// How it ended, if it did; it is waited for then.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it wrote once it listened.
    pub fn ready(&self, folder: &Folder) -> Option<Ready> {
        folder.ready(&self.name).filter(|ready| ready.pid == self.process.pid)
    }

    /// Checks that it has not ended.
    ///
    /// # Errors
    /// It has: its last log lines, under the code that it ended with.
    pub fn check(&mut self, folder: &Folder) -> Result<(), Failure> {
        let Some(status) = self.ended() else { return Ok(()) };
        let lines = last_lines(&folder.log(&self.name), FAILURE_LINES).join("\n  | ");
        let code = status.code().filter(|code| *code != 0).map_or(INTERNAL, code_of_exit);
        let what = format!(
            "{} ended before it was ready ({status}); what this command started was stopped. \
             Its log ends with:\n  | {lines}",
            self.name
        );
        Err(Failure::new(code, what).help(format!("read {}", folder.log(&self.name).display())))
    }
}

/// The last lines of a file; none when it can't be read.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let text = read_tail(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).into()).collect()
}

fn read_tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
