//! Starting all validators of a folder: spawn, wait until each listens, tell each where the others
//! are, wait until all are ready. All or nothing: when one fails, the others are stopped. One that
//! is silent for good is no failure: it serves, and is named.

use crate::dht;
use crate::folder::{Folder, Listen, Ready};
use crate::output::{io_failure, tell};
use crate::plan::{DhtPlan, Plan};
use crate::probe;
use crate::process::{POLL, Process, stop_all};
use crate::registry::{DhtPeer, Keeper, TESTNET_SCHEMA, TestnetFile, Validator, remove_if_there};
use crate::spawn::{Node, Role};
use ledger::Network;
use node::Failure;
use node::error::{INTERNAL, UNREACHABLE, USAGE};
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A node that catches up and has come no nearer for so long has stalled.
const STALL_TIME: Duration = Duration::from_secs(10);
/// How often people are told how far it is.
const TELL_TIME: Duration = Duration::from_secs(1);
/// Longest wait until all are ready. Seven take well under five seconds; many on a small machine,
/// or with millions of genesis tokens, take longer.
const READY_TIME: Duration = Duration::from_secs(60);

/// What tells a program to end.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// From now on these signals do not end this process by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| io_failure(INTERNAL, "listening to", Path::new("signals"), &error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The pipe that is the standard input of a foreground testnet's nodes. This process alone holds
/// the writing end: whatever way it ends, the nodes see the pipe close.
pub struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Pipe {
    /// A new pipe.
    ///
    /// # Errors
    /// No more files can be opened.
    pub fn new() -> Result<Self, Failure> {
        let (reader, writer) = std::io::pipe()
            .map_err(|error| io_failure(INTERNAL, "opening", Path::new("a pipe"), &error))?;
        Ok(Self { reader, writer })
    }

    fn stdin(&self) -> Result<Stdio, Failure> {
        let failed = |error| io_failure(INTERNAL, "copying", Path::new("a pipe"), &error);
        Ok(self.reader.try_clone().map_err(failed)?.into())
    }

    fn keeper(&self) -> Keeper {
        let process = Process::of(std::process::id()).expect("this process");
        Keeper { process, fd: self.writer.as_raw_fd() }
    }
}

/// The pipe that the keeper's nodes end with, opened once more: what was started by another process
/// ends with the keeper, too. None when the keeper is gone.
///
/// # Errors
/// The pipe can't be opened.
pub fn stdin_of(keeper: Keeper) -> Result<Option<Stdio>, Failure> {
    if !keeper.process.is_alive() {
        return Ok(None);
    }
    let path = format!("/proc/{}/fd/{}", keeper.process.pid, keeper.fd);
    let path = Path::new(&path);
    let file = File::open(path).map_err(|error| io_failure(INTERNAL, "opening", path, &error))?;
    Ok(Some(file.into()))
}

/// A started testnet.
pub struct Launched {
    /// Its description, not yet written.
    pub file: TestnetFile,
    /// Its processes, children of this one.
    pub nodes: Vec<Node>,
}

/// Starts every validator of the folder, which holds what `plan` says. `port` is the first port, 0
/// for free ones. With a pipe the nodes end with this process.
///
/// # Errors
/// One fails, the time is over, or a stop signal comes; everything was stopped then.
pub async fn launch(
    folder: &Folder,
    plan: &Plan,
    port: u16,
    pipe: Option<&Pipe>,
    stop: &mut StopSignals,
) -> Result<Launched, Failure> {
    let network = folder.network()?;
    let accounts = folder.accounts(plan)?;
    let joined = dht::joined(&plan.dht)?;
    configure(folder, &network, plan, port)?;
    let mut nodes = Vec::new();
    let launched = tokio::select! {
        launched = start(folder, (&network, &plan.dht), &joined, pipe, &mut nodes) => launched,
        () = stop.received() => Err(Failure::new(
            UNREACHABLE,
            "stopped by a signal before the validators were ready; all are stopped",
        )),
    };
    match launched {
        Ok((validators, dht_peers)) => {
            let file = TestnetFile {
                schema: TESTNET_SCHEMA.into(),
                ok: true,
                network: network.id.to_string(),
                name: network.name.to_string(),
                quorum: network.committee.quorum(),
                genesis: folder.genesis(),
                dir: folder.dir.clone(),
                keeper: pipe.map(Pipe::keeper),
                untrusted: plan.dht.untrusted,
                validators,
                dht_peers,
                relay: None,
                accounts,
            };
            Ok(Launched { file, nodes })
        }
        Err(failure) => {
            let processes: Vec<Process> = nodes.iter().map(|node| node.process).collect();
            stop_all(&processes).await?;
            bury(&mut nodes);
            Err(failure)
        }
    }
}

/// Writes each validator's configuration with its ports, and the DHT peers'.
fn configure(folder: &Folder, network: &Network, plan: &Plan, port: u16) -> Result<(), Failure> {
    for index in 0..plan.dht.dht_peers {
        dht::configure(folder, &dht::peer_name(index))?;
    }
    let members = network.committee.members();
    for (index, member) in (0u16..).zip(members) {
        let at = |offset: u16| match port {
            0 => Some(0),
            base => index.checked_mul(2)?.checked_add(offset)?.checked_add(base),
        };
        let (Some(quic), Some(api)) = (at(0), at(1)) else {
            let what = format!("--port {port} leaves no ports for {}", member.name);
            return Err(Failure::new(USAGE, format!("{what}; nothing was started"))
                .help("use a lower --port, or 0 for free ports"));
        };
        let listen = Listen::loopback(quic, api, members.len());
        folder.configure(member.name.as_str(), listen, &plan.dht)?;
    }
    Ok(())
}

async fn start(
    folder: &Folder,
    (network, plan): (&Network, &DhtPlan),
    joined: &[String],
    pipe: Option<&Pipe>,
    nodes: &mut Vec<Node>,
) -> Result<(Vec<Validator>, Vec<DhtPeer>), Failure> {
    let deadline = Instant::now() + READY_TIME;
    // Its ports are those of another run.
    remove_if_there(&folder.dht_peers())?;
    for member in network.committee.members() {
        let stdin = pipe.map(Pipe::stdin).transpose()?;
        nodes.push(Node::spawn(folder, (member.name.as_str(), Role::Validator), stdin)?);
    }
    for name in (0..plan.dht_peers).map(dht::peer_name) {
        let stdin = pipe.map(Pipe::stdin).transpose()?;
        nodes.push(Node::spawn(folder, (&name, Role::DhtPeer), stdin)?);
    }
    let (mut validators, mut dht_peers) = (Vec::new(), Vec::new());
    for index in 0..nodes.len() {
        let ready = listening(folder, nodes, index, deadline).await?;
        match nodes[index].role {
            Role::Validator => validators.push(validator(folder, &nodes[index], ready)),
            Role::DhtPeer => dht_peers.push(dht_peer(folder, &nodes[index], ready)),
            Role::Relay => unreachable!("no fault before the start"),
        }
    }
    let peers: Vec<_> = validators.iter().map(|v| (v.name.as_str(), v.quic.as_str())).collect();
    folder.write_peers(&peers, |_, _| None)?;
    dht::write_bootstrap(folder, &validators, &dht_peers, joined)?;
    for (index, validator) in validators.iter().enumerate() {
        if ready(folder, nodes, &validator.api, deadline).await? == Readiness::Late {
            return Err(late(folder, &nodes[index], "ready"));
        }
    }
    Ok((validators, dht_peers))
}

/// A validator that listens.
pub fn validator(folder: &Folder, node: &Node, ready: Ready) -> Validator {
    Validator {
        name: node.name.clone(),
        process: node.process,
        api: ready.api,
        quic: ready.quic,
        ipfs: ready.ipfs,
        home: folder.home(&node.name),
    }
}

/// A DHT peer that listens.
pub fn dht_peer(folder: &Folder, node: &Node, ready: Ready) -> DhtPeer {
    let (name, home) = (node.name.clone(), folder.home(&node.name));
    DhtPeer { name, process: node.process, ipfs: ready.ipfs, home }
}

/// Waits until one of the nodes listens, while none of them ends.
async fn listening(
    folder: &Folder,
    nodes: &mut [Node],
    index: usize,
    deadline: Instant,
) -> Result<Ready, Failure> {
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        if let Some(ready) = nodes[index].ready(folder) {
            return Ok(ready);
        }
        nodes.iter_mut().try_for_each(|node| node.check(folder))?;
        if Instant::now() >= deadline {
            return Err(late(folder, &nodes[index], "listening"));
        }
    }
}

/// How the wait for a node to be ready ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is ready.
    Ready,
    /// It never will be, as was told on standard error: it serves and does not vote.
    Silent,
    /// The time is over.
    Late,
}

impl Readiness {
    /// Tells people when the time was over for a validator that goes on.
    pub fn tell_late(self, name: &str) {
        if self == Readiness::Late {
            tell(&format!(
                "{name} runs, is not ready yet, and has come no nearer for a while; nothing was \
                 stopped: quorate status"
            ));
        }
    }
}

/// Waits until the node at `api` is ready, or known never to be, while none of them ends; longer
/// than `deadline` while it catches up and comes nearer.
pub async fn ready(
    folder: &Folder,
    nodes: &mut [Node],
    api: &str,
    deadline: Instant,
) -> Result<Readiness, Failure> {
    let mut ticks = ticks();
    let mut progress = Progress { deadline, applied: 0, told: Instant::now() };
    loop {
        ticks.tick().await;
        if probe::is_ready(api).await {
            return Ok(Readiness::Ready);
        }
        progress.look(api, probe::catching_up(api).await);
        if let Some(why) = probe::silence(api).await {
            tell(&format!("the validator at {api} does not vote: {why}"));
            return Ok(Readiness::Silent);
        }
        nodes.iter_mut().try_for_each(|node| node.check(folder))?;
        if Instant::now() >= progress.deadline {
            return Ok(Readiness::Late);
        }
    }
}

/// A node that catches up is waited for as long as it comes nearer.
struct Progress {
    deadline: Instant,
    applied: u64,
    told: Instant,
}

impl Progress {
    fn look(&mut self, api: &str, behind: Option<(u64, u64)>) {
        let Some((applied, target)) = behind else { return };
        let now = Instant::now();
        if applied > self.applied {
            self.applied = applied;
            self.deadline = self.deadline.max(now + STALL_TIME);
        }
        if now >= self.told + TELL_TIME {
            self.told = now;
            tell(&format!("the validator at {api} catches up: {applied} of {target} transfers"));
        }
    }
}

/// Waits until a single started node listens, or has ended.
///
/// # Errors
/// It ended, or the time is over.
pub async fn listens(folder: &Folder, node: &mut Node) -> Result<Ready, Failure> {
    let deadline = Instant::now() + READY_TIME;
    listening(folder, std::slice::from_mut(node), 0, deadline).await
}

/// Takes note of children that have ended, so that nothing of them is left.
pub fn bury(nodes: &mut Vec<Node>) {
    nodes.retain_mut(|node| node.ended().is_none());
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn late(folder: &Folder, node: &Node, what: &str) -> Failure {
    let seconds = READY_TIME.as_secs();
    let lines = crate::spawn::last_lines(&folder.log(&node.name), 12).join("\n  | ");
    let what = format!(
        "{} was not {what} after {seconds} s; what this command started was stopped. \
         Its log ends with:\n  | {lines}",
        node.name
    );
    Failure::new(UNREACHABLE, what).help(format!("read {}", folder.log(&node.name).display()))
}
