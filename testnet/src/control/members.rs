//! Commands on single members of a testnet: kill, pause, resume and start. What they do is a
//! function that returns a document; printing it is the command's.

use super::{SIGNAL_TIME, choose, describe, of_member};
use crate::args::NamesArgs;
use crate::dht;
use crate::faults::switch;
use crate::folder::{Folder, Listen};
use crate::launch::{Readiness, StopSignals, dht_peer, listens, ready, stdin_of, validator};
use crate::output::Output;
use crate::probe;
use crate::process::{State, stop_all};
use crate::registry::TestnetFile;
use crate::spawn::{Node, Role};
use crate::up::control_lock;
use node::Failure;
use node::error::{BUSY, INTERNAL, USAGE};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a started validator to be ready, when a quorum runs: it has to catch up.
const READY_TIME: Duration = Duration::from_secs(10);

/// A signal and what it should lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
}

impl Action {
    fn parts(self) -> (Signal, State, &'static str) {
        match self {
            Action::Kill => (Signal::KILL, State::Gone, "killed"),
            Action::Pause => (Signal::STOP, State::Paused, "paused"),
            Action::Resume => (Signal::CONT, State::Running, "resumed"),
        }
    }
}

/// Runs `kill`, `pause` or `resume`.
///
/// # Errors
/// As [`signal_all`]; there is no such testnet.
pub async fn signal(args: &NamesArgs, action: Action, output: Output) -> Result<(), Failure> {
    let done = signal_all(&choose(&args.testnet)?, &args.names, action).await?;
    answer(output, &args.names, &done)
}

/// Signals members, waits until that has had its effect, and says what they are then.
///
/// # Errors
/// There is no such member, or one to be paused or resumed is down.
pub async fn signal_all(
    folder: &Folder,
    names: &[String],
    action: Action,
) -> Result<Value, Failure> {
    let guard = control_lock(folder).await?;
    let file = describe(folder)?;
    let (signal, wanted, word) = action.parts();
    for name in names {
        let process = file.process(name)?;
        if action != Action::Kill && !process.is_alive() {
            let what = format!("{name} is down, so it can't be {word}; nothing was done");
            return Err(Failure::new(USAGE, what).help(format!("quorate-testnet start {name}")));
        }
    }
    let mut done = Vec::new();
    for name in names {
        let process = file.process(name)?;
        process.signal(signal)?;
        let is_so = match wanted {
            State::Gone => |state| state == State::Gone,
            State::Paused => |state| state == State::Paused,
            State::Running => |state| state == State::Running,
        };
        if !process.wait_for(is_so, SIGNAL_TIME).await {
            return Err(Failure::new(INTERNAL, format!("{name} was not {word} in time")));
        }
        done.push(of_member(&file, name));
    }
    drop(guard);
    Ok(document(word, done))
}

fn document(word: &str, validators: Vec<Value>) -> Value {
    json!({
        "schema": "quorate.testnet-validators/1",
        "ok": true,
        "action": word,
        "validators": validators,
    })
}

fn answer(output: Output, names: &[String], done: &Value) -> Result<(), Failure> {
    let word = done["action"].as_str().unwrap_or_default();
    output.answer(done, &format!("{}: {word}", names.join(" ")))
}

/// Runs `start`.
///
/// # Errors
/// As [`start_all`]; there is no such testnet.
pub async fn start(args: &NamesArgs, output: Output) -> Result<(), Failure> {
    let mut stop = StopSignals::listen()?;
    let (done, _) = start_all(&choose(&args.testnet)?, &args.names, stop.received()).await?;
    answer(output, &args.names, &done)
}

/// Starts members on the same stores, and the same ports where they are free; waits until they are
/// ready when a quorum runs. Says what they are then, and gives the processes: children of this
/// one. When `stop` is ready before they listen, they are stopped again.
///
/// # Errors
/// There is no such member; it runs already; it fails.
pub async fn start_all(
    folder: &Folder,
    names: &[String],
    stop: impl Future<Output = ()>,
) -> Result<(Value, Vec<Node>), Failure> {
    let guard = control_lock(folder).await?;
    let mut file = describe(folder)?;
    for name in names {
        let process = file.process(name)?;
        if process.is_alive() {
            let what = format!("{name} runs already as process {}", process.pid);
            return Err(Failure::new(BUSY, format!("{what}; nothing was started"))
                .help(format!("quorate-testnet kill {name}")));
        }
    }
    let mut nodes = Vec::new();
    let started = tokio::select! {
        started = spawn_all(folder, &mut file, names, &mut nodes) => started,
        () = stop => Err(Failure::new(INTERNAL, "stopped by a signal")),
    };
    if let Err(failure) = started {
        let processes: Vec<_> = nodes.iter().map(|node: &Node| node.process).collect();
        stop_all(&processes).await?;
        return Err(failure);
    }
    drop(guard);
    let running = file.validators.iter().filter(|v| v.process.state() == State::Running).count();
    let has_quorum = u64::try_from(running).is_ok_and(|running| running >= file.quorum);
    let deadline = Instant::now() + if has_quorum { READY_TIME } else { Duration::ZERO };
    let mut done = Vec::new();
    for name in names {
        let mut document = of_member(&file, name);
        if let Some(validator) = file.validator(name) {
            let readiness = ready(folder, &mut nodes, &validator.api, deadline).await?;
            document["ready"] = json!(readiness == Readiness::Ready);
            document["catching_up"] = probe::catching_up_document(&validator.api).await;
            if has_quorum {
                readiness.tell_late(name);
            }
        }
        done.push(document);
    }
    Ok((document("started", done), nodes))
}

/// Starts members and makes known where they are.
async fn spawn_all(
    folder: &Folder,
    file: &mut TestnetFile,
    names: &[String],
    nodes: &mut Vec<Node>,
) -> Result<(), Failure> {
    let count = file.validators.len();
    let keeper = file.keeper;
    let plan = folder.plan()?.unwrap_or_default();
    // Its folder may be gone by now; then these find each other all the same.
    let joined = dht::joined(&plan.dht).unwrap_or_default();
    for name in names {
        let stdin = keeper.map(stdin_of).transpose()?.flatten();
        let Some(validator) = file.validator(name) else {
            nodes.push(Node::spawn(folder, (name, Role::DhtPeer), stdin)?);
            continue;
        };
        let is_free = |address: SocketAddr| UdpSocket::bind(address).is_ok();
        let quic = port_of(&validator.quic, is_free);
        let api = port_of(&validator.api, |address| TcpListener::bind(address).is_ok());
        folder.configure(name, Listen::loopback(quic, api, count), &plan.dht)?;
        nodes.push(Node::spawn(folder, (name, Role::Validator), stdin)?);
    }
    for node in nodes {
        let ready = listens(folder, node).await?;
        if let Some(known) = file.validator(&node.name) {
            *known = validator(folder, node, ready);
        } else if let Some(known) = file.dht_peer(&node.name) {
            *known = dht_peer(folder, node, ready);
        }
    }
    dht::write_bootstrap(folder, &file.validators, &file.dht_peers, &joined)?;
    switch::write_places(folder, file).await?;
    file.write(&folder.document())
}

/// The port of an address if it is free, else 0.
fn port_of(address: &str, is_free: impl Fn(SocketAddr) -> bool) -> u16 {
    let address = address.trim_start_matches("http://").trim_end_matches('/').parse().ok();
    address.filter(|address| is_free(*address)).map_or(0, |address| address.port())
}
