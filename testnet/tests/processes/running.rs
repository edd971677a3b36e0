//! Running the program in tests: every command has a deadline, and whatever was started is stopped.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;
use testnet::process::{Process, State, kill_all, until};

/// Longest time a command may take, on a machine that runs other tests too.
pub const COMMAND_TIME: Duration = Duration::from_secs(90);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status; -1 for a signal.
    pub exit: i32,
    /// The document on standard output; null without one.
    pub json: Value,
    /// Standard error.
    pub words: String,
}

impl Ended {
    /// The document of a command that has to succeed.
    pub fn ok(self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        self.json
    }

    /// The code in the error document of a command that has to fail with this exit status.
    pub fn failed(self, exit: i32) -> String {
        assert_eq!(self.exit, exit, "{self:?}");
        assert_eq!(self.json["error"]["exit"], exit, "{self:?}");
        assert_eq!(self.json["ok"], false, "{self:?}");
        self.json["error"]["code"].as_str().expect("a code").into()
    }
}

/// A folder with room for a testnet, a registry and temporary files; its testnet is taken down at
/// the end of the test, however that ends.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
        Self { folder }
    }

    /// The testnet's folder.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    /// Where the program finds the temporary folder.
    pub fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// A path of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with this place's registry, wallet and temporary folder.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-testnet"));
        command
            .env("XDG_RUNTIME_DIR", self.folder.path().join("run"))
            .env("TMPDIR", self.tmp())
            .env("QUORATE_HOME", self.folder.path().join("wallet"))
            .env_remove("QUORATE_TESTNET")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of `quorate-testnet` with `--json`.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        let mut command = self.command();
        command.arg("--json").args(arguments);
        finish(command)
    }

    /// Runs a command of `quorate-testnet`, given in words, on this place's testnet.
    pub fn testnet(&self, words: &str) -> Ended {
        let mut arguments: Vec<String> = words.split_whitespace().map(String::from).collect();
        arguments.extend(["--dir".into(), self.dir().display().to_string()]);
        self.run(arguments)
    }

    /// Runs a command of `quorate`, given in words, on this place's testnet.
    pub fn quorate(&self, words: &str) -> Ended {
        let mut command = self.command();
        command.env("QUORATE_TESTNET", self.dir()).args(["cli", "--", "--json"]);
        command.args(words.split_whitespace());
        finish(command)
    }

    /// Starts a testnet of `count` validators in the background; returns its description.
    pub fn up(&self, count: u16) -> Value {
        self.testnet(&format!("up --detach -n {count}")).ok()
    }

    /// Starts a foreground command and waits until the testnet is described, so that it is ready.
    pub fn foreground(&self, words: &str) -> (Child, Value) {
        let mut command = self.command();
        command.arg("--json").args(words.split_whitespace()).arg("--dir").arg(self.dir());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        let path = self.dir().join("testnet.json");
        let read = || serde_json::from_slice(&std::fs::read(&path).ok()?).ok();
        let document = wait_until(read).expect("a ready testnet");
        (child, document)
    }

    /// The state word of each validator, in order.
    pub fn states(&self) -> Vec<String> {
        let status = self.testnet("status").ok();
        let states = status["validators"].as_array().expect("validators").iter();
        states.map(|v| v["state"].as_str().expect("a state").into()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let ended = self.testnet("down");
        if ended.exit != 0 && !std::thread::panicking() {
            panic!("down failed: {ended:?}");
        }
    }
}

/// Runs a command to its end, within the deadline.
pub fn finish(command: Command) -> Ended {
    finish_within(command, COMMAND_TIME)
}

/// Runs a command to its end, within this time.
pub fn finish_within(mut command: Command, time: Duration) -> Ended {
    let shown = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let process = Process::of(child.id()).expect("a child");
    let (sender, receiver) = mpsc::sync_channel(1);
    let waiting = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(time);
    if output.is_err() {
        block_on(kill_all(&[process])).expect("killed");
    }
    let output = output.unwrap_or_else(|_| panic!("over time: {shown}")).expect("waited for");
    waiting.join().expect("no panic").expect("received");
    Ended {
        exit: output.status.code().unwrap_or(-1),
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        words: String::from_utf8_lossy(&output.stderr).into(),
    }
}

/// The processes of a testnet's validators.
pub fn processes(document: &Value) -> Vec<Process> {
    let validators = document["validators"].as_array().expect("validators").iter();
    validators
        .map(|v| serde_json::from_value::<Process>(v.clone()).expect("pid and start time"))
        .collect()
}

/// Waits until none of the processes runs.
pub fn all_end(processes: &[Process]) -> bool {
    wait_until(|| processes.iter().all(|p| p.state() == State::Gone).then_some(())).is_some()
}

/// Whether a process has this path on its command line: something of that folder is left.
pub fn is_mentioned(path: &Path) -> bool {
    let path = path.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(&path))
}

/// Looks until something is found, or the deadline is over.
pub fn wait_until<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    block_on(until(COMMAND_TIME, look))
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
