//! The validators of a torture: killing, pausing and starting them, many at once, and noticing
//! those that end by themselves, which none may.
//!
//! Started ones are not waited for: `poll` takes note of those that have come to listen. One that
//! was paused or killed meanwhile is what it is; every deed is right at any time.

use super::load::Urls;
use crate::faults::switch;
use crate::folder::{Folder, Listen};
use crate::launch::{self, Launched, stdin_of};
use crate::plan::Plan;
use crate::process::{Process, State, kill_all};
use crate::registry::TestnetFile;
use crate::spawn::{Node, Role, last_lines};
use ledger::Network;
use node::error::{BUSY, INTERNAL, VERIFICATION_FAILED};
use node::{Failure, store};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time from the start of a process until it listens: busy machine, long journal.
const LISTEN_TIME: Duration = Duration::from_secs(60);
/// Log lines told when a validator ends by itself.
const LOG_LINES: usize = 8;

/// One validator's process.
enum Seat {
    /// Nobody.
    Empty,
    /// A process that does not listen yet, and since when.
    Starting(Node, Instant),
    /// A process that listens.
    Up(Node),
}

/// All validators of a testnet that this process has started.
pub struct Fleet {
    /// The testnet's folder.
    pub folder: Folder,
    /// The genesis.
    pub network: Arc<Network>,
    /// The description, as it stands.
    pub file: TestnetFile,
    /// URLs of the validators' APIs.
    pub urls: Arc<Urls>,
    plan: Plan,
    seats: Vec<Seat>,
    /// What went wrong by itself.
    problems: Vec<String>,
    /// Processes killed.
    kills: u64,
}

impl Fleet {
    /// Takes over what was launched in the folder.
    ///
    /// # Errors
    /// The genesis can't be read.
    pub fn new(folder: Folder, plan: Plan, launched: Launched) -> Result<Self, Failure> {
        let network = Arc::new(folder.network()?);
        let file = launched.file;
        let urls = Arc::new(Urls::new(file.validators.iter().map(|v| v.api.clone()).collect()));
        let seats = launched.nodes.into_iter().map(Seat::Up).collect();
        Ok(Self { folder, network, file, urls, plan, seats, problems: Vec::new(), kills: 0 })
    }

    /// How many validators there are.
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// The name of a validator.
    pub fn name(&self, index: usize) -> &str {
        &self.file.validators[index].name
    }

    /// The process of a validator, if it has one.
    pub fn process(&self, index: usize) -> Option<Process> {
        match &self.seats[index] {
            Seat::Empty => None,
            Seat::Starting(node, _) | Seat::Up(node) => Some(node.process),
        }
    }

    /// Processes killed so far.
    pub fn kills(&self) -> u64 {
        self.kills
    }

    /// What validators did by themselves and should not have.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Kills these at once and waits until they are gone.
    ///
    /// # Errors
    /// One does not end.
    pub async fn kill(&mut self, victims: &[usize]) -> Result<(), Failure> {
        let processes: Vec<Process> = victims.iter().filter_map(|v| self.process(*v)).collect();
        for process in &processes {
            process.signal(Signal::KILL)?;
        }
        kill_all(&processes).await?;
        for victim in victims {
            if let Seat::Starting(mut node, _) | Seat::Up(mut node) = self.take(*victim) {
                // It is gone; this only takes note of it.
                node.ended();
                self.kills += 1;
            }
        }
        Ok(())
    }

    /// Pauses them, or lets them go on.
    ///
    /// # Errors
    /// One can't be signalled.
    pub fn signal(&self, victims: &[usize], signal: Signal) -> Result<(), Failure> {
        let processes = victims.iter().filter_map(|victim| self.process(*victim));
        processes.into_iter().try_for_each(|process| process.signal(signal).map(drop))
    }

    /// Starts those of them that have no process.
    ///
    /// # Errors
    /// A file can't be written or the program not started.
    pub fn start(&mut self, victims: &[usize]) -> Result<(), Failure> {
        for victim in victims {
            if matches!(self.seats[*victim], Seat::Empty) {
                self.spawn(*victim)?;
            }
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> Result<(), Failure> {
        let validator = &self.file.validators[index];
        let quic = port_of(&validator.quic, |address| UdpSocket::bind(address).is_ok());
        let api = port_of(&validator.api, |address| TcpListener::bind(address).is_ok());
        let name = validator.name.clone();
        let listen = Listen::loopback(quic, api, self.count());
        self.folder.configure(&name, listen, &self.plan.dht)?;
        let stdin = self.file.keeper.map(stdin_of).transpose()?.flatten();
        let node = Node::spawn(&self.folder, (&name, Role::Validator), stdin)?;
        self.seats[index] = Seat::Starting(node, Instant::now());
        Ok(())
    }

    fn take(&mut self, index: usize) -> Seat {
        std::mem::replace(&mut self.seats[index], Seat::Empty)
    }

    /// Takes note of processes that listen now and of those that have ended by themselves; these
    /// are a problem. One whose port somebody else has taken meanwhile is started again.
    ///
    /// # Errors
    /// A file can't be written.
    pub async fn poll(&mut self) -> Result<(), Failure> {
        let (mut is_moved, mut is_new) = (false, false);
        for index in 0..self.count() {
            match self.take(index) {
                Seat::Empty => {}
                Seat::Up(mut node) => match node.ended() {
                    Some(status) => self.fell(index, status)?,
                    None => self.seats[index] = Seat::Up(node),
                },
                Seat::Starting(mut node, since) => {
                    if let Some(ready) = node.ready(&self.folder) {
                        let now = launch::validator(&self.folder, &node, ready);
                        let before = &self.file.validators[index];
                        is_moved |= (&before.api, &before.quic) != (&now.api, &now.quic);
                        is_new = true;
                        self.file.validators[index] = now;
                        self.seats[index] = Seat::Up(node);
                    } else if let Some(status) = node.ended() {
                        self.fell(index, status)?;
                    } else {
                        self.seats[index] = self.waits(node, since);
                    }
                }
            }
        }
        if is_moved {
            self.urls.set(self.file.validators.iter().map(|v| v.api.clone()).collect());
            switch::write_places(&self.folder, &self.file).await?;
        }
        match is_new {
            true => self.file.write(&self.folder.document()),
            false => Ok(()),
        }
    }

    /// Whether every validator has a process that listens.
    pub fn is_up(&self) -> bool {
        self.seats.iter().all(|seat| matches!(seat, Seat::Up(_)))
    }

    /// The store of a validator without a process, checked as `quorate store verify` does.
    ///
    /// # Errors
    /// The key or the store can't be read.
    pub async fn verify(&self, index: usize) -> Result<Vec<String>, Failure> {
        let home = self.folder.home(self.name(index));
        let network = self.network.clone();
        let member = u16::try_from(index).expect("at most 256 validators");
        let checking = tokio::task::spawn_blocking(move || {
            let keypair = node::keyfile::load(&home.join("key"))?;
            store::verify(&home, &network, member, &keypair)
                .map_err(|error| Failure::new(VERIFICATION_FAILED, error.to_string()))
        });
        let report = checking.await.map_err(|e| Failure::new(INTERNAL, e.to_string()))??;
        Ok(report.problems)
    }

    /// One that does not come to listen is a problem, but not while it is paused.
    fn waits(&mut self, node: Node, since: Instant) -> Seat {
        if node.process.state() != State::Running {
            return Seat::Starting(node, Instant::now());
        }
        if since.elapsed() > LISTEN_TIME {
            let seconds = LISTEN_TIME.as_secs();
            self.problems.push(format!("{} does not listen after {seconds} s", node.name));
            return Seat::Starting(node, Instant::now());
        }
        Seat::Starting(node, since)
    }

    fn fell(&mut self, index: usize, status: ExitStatus) -> Result<(), Failure> {
        if status.code() == Some(i32::from(BUSY.exit)) {
            return self.spawn(index);
        }
        let name = self.name(index).to_string();
        let lines = last_lines(&self.folder.log(&name), LOG_LINES).join("\n  | ");
        self.problems.push(format!("{name} ended by itself ({status}):\n  | {lines}"));
        Ok(())
    }
}

/// The port of an address if it is free, else 0.
fn port_of(address: &str, is_free: impl Fn(SocketAddr) -> bool) -> u16 {
    let address = address.trim_start_matches("http://").parse().ok();
    address.filter(|address| is_free(*address)).map_or(0, |address| address.port())
}
