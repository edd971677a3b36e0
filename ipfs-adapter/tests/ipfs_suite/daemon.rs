//! A foreign program that runs as long as the test does, and how two of them are connected.

use std::{path::Path, process::Stdio, time::Duration};

use ipfs_adapter::{Ipfs, Kubo, KuboConfig};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A daemon of Node.js needs some seconds on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running program with a folder of its own; killed, by its id, when dropped.
pub struct Daemon {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Its end tells the program, too, should this process be killed.
    _stdin: Option<ChildStdin>,
    folder: TempDir,
}

impl Daemon {
    /// `make` gets the program's folder.
    pub fn start(make: impl FnOnce(&Path) -> Command) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = make(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program is installed");
        let stdout = child.stdout.take().expect("it is piped");
        let stdin = child.stdin.take();
        Self { child, lines: BufReader::new(stdout).lines(), _stdin: stdin, folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The first line for which `pick` gives something.
    pub async fn line<T>(&mut self, pick: impl Fn(&str) -> Option<T>) -> T {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.expect("its output is text") {
                if let Some(picked) = pick(&line) {
                    return picked;
                }
            }
            panic!("the daemon has ended: {:?}", self.child.wait().await);
        };
        tokio::time::timeout(START, wait).await.expect("the daemon starts in time")
    }

    /// Ends it and waits for its end.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("it is ours to kill");
    }
}

/// The product's client of the daemon there.
pub fn client(url: &str) -> Kubo {
    let timeout = Duration::from_secs(20);
    let config = KuboConfig { url: url.into(), timeout, ..KuboConfig::default() };
    Kubo::connect(config).expect("loopback is allowed")
}

/// Connects the daemon at `url` to the node, and waits until both know.
pub async fn connect(url: &str, node: &dyn Ipfs, other: &dyn Ipfs) {
    let info = other.info().await.expect("the other daemon is there");
    let address = format!("{}/p2p/{}", info.addresses[0], info.peer);
    let call = reqwest::Client::new().post(format!("{url}/api/v0/swarm/connect"));
    let response = call.query(&[("arg", &address)]).send().await.expect("the daemon is there");
    let status = response.status();
    assert!(status.is_success(), "{address}: {status} {:?}", response.text().await);
    let wait = async {
        while node.peers().await.is_ok_and(|peers| peers.is_empty())
            || other.peers().await.is_ok_and(|peers| peers.is_empty())
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START, wait).await.expect("they connect in time");
}
