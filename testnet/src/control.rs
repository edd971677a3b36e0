//! Commands on a testnet that was started: status, logs, down, reset, kill, start, pause, resume.

use crate::args::{DirArgs, LogsArgs, NamesArgs};
use crate::dht;
use crate::faults::switch;
use crate::folder::{Folder, Listen};
use crate::launch::{Readiness, StopSignals, dht_peer, listens, ready, stdin_of, validator};
use crate::output::Output;
use crate::probe;
use crate::process::{State, kill_all, stop_all, until};
use crate::registry::{Registry, TestnetFile};
use crate::relay;
use crate::spawn::{Node, Role, last_lines};
use crate::up::{Hold, control_lock};
use node::Failure;
use node::error::{BUSY, INTERNAL, NOT_FOUND, USAGE};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a started validator to be ready, when a quorum runs: it has to catch up.
const READY_TIME: Duration = Duration::from_secs(10);
/// Longest wait until the system's first process has taken note of ended nodes, so that they are no
/// longer listed. They have ended either way; some containers take a second or two.
const REAP_TIME: Duration = Duration::from_secs(3);
/// Longest wait until a signal has shown its effect.
const SIGNAL_TIME: Duration = Duration::from_secs(10);

/// Which testnet is meant: the one named, or the newest.
///
/// # Errors
/// `not_found`.
pub fn choose(args: &DirArgs) -> Result<Folder, Failure> {
    match &args.dir {
        Some(dir) => Folder::at(dir),
        None => Folder::at(&Registry::open()?.newest()?),
    }
}

/// Its description.
///
/// # Errors
/// `not_found` when the folder has none.
pub fn describe(folder: &Folder) -> Result<TestnetFile, Failure> {
    TestnetFile::read(&folder.document())?.ok_or_else(|| {
        let what = format!("{} holds no started testnet; nothing was done", folder.dir.display());
        Failure::new(NOT_FOUND, what)
            .help(format!("quorate-testnet up --dir {}", folder.dir.display()))
    })
}

/// Runs `status`.
///
/// # Errors
/// There is no such testnet.
pub async fn status(args: &DirArgs, output: Output) -> Result<(), Failure> {
    let folder = choose(args)?;
    let file = describe(&folder)?;
    let mut validators = Vec::new();
    let mut lines = vec![format!("{} in {}", file.name, folder.dir.display())];
    let mut running: u32 = 0;
    for validator in &file.validators {
        let state = validator.process.state();
        let is_ready = state == State::Running && probe::is_ready(&validator.api).await;
        running += u32::from(state == State::Running);
        let ready = if is_ready { "ready" } else { "" };
        let line = format!(
            "  {:<5} {:<8} {ready:<6} process {:<8} {}",
            validator.name,
            state.word(),
            validator.process.pid,
            validator.api
        );
        lines.push(line.trim_end().into());
        let mut document = of_member(&file, &validator.name);
        document["ready"] = json!(is_ready);
        let node = if is_ready { probe::document(&validator.api, "/v1/node").await } else { None };
        let dht = node.map_or(Value::Null, |node| node["dht"].clone());
        if let Some(peers) = dht["peers"].as_u64() {
            let line = lines.last_mut().expect("the line above");
            line.push_str(&format!(", {peers} DHT peers"));
        }
        document["dht"] = dht;
        validators.push(document);
    }
    for peer in &file.dht_peers {
        let (name, state, pid) = (&peer.name, peer.process.state(), peer.process.pid);
        lines.push(format!("  {name:<5} {:<8} {:<6} process {pid:<8} DHT only", state.word(), ""));
    }
    let faults = switch::in_force(&folder, &file)?.filter(|faults| !faults.is_none());
    lines.extend(
        faults.iter().map(|faults| format!("  faults: {}", switch::describe_faults(faults))),
    );
    lines.push(format!("{running} of {} run; a quorum is {}", validators.len(), file.quorum));
    let document = json!({
        "schema": "quorate.testnet-status/1",
        "ok": true,
        "network": file.network,
        "name": file.name,
        "dir": folder.dir,
        "quorum": file.quorum,
        "running": running,
        "keeper": file.keeper.map(|k| k.process).filter(|p| p.is_alive()).map(|p| p.pid),
        "untrusted": file.untrusted,
        "faults": faults.as_ref().map(switch::faults_value),
        "relay": file.relay().map(|process| process.pid),
        "validators": validators,
        "dht_peers": file.dht_peers.iter().map(|p| of_member(&file, &p.name)).collect::<Vec<_>>(),
    });
    output.answer(&document, &lines.join("\n"))
}

/// What the description says of a validator or DHT peer, and its state.
fn of_member(file: &TestnetFile, name: &str) -> Value {
    let validator = file.validators.iter().find(|validator| validator.name == name);
    let peer = file.dht_peers.iter().find(|peer| peer.name == name);
    let document = validator.map(serde_json::to_value).or(peer.map(serde_json::to_value));
    let document = document.transpose().expect("strings and numbers only");
    let mut document = document.unwrap_or_default();
    let state = file.process(name).map_or(State::Gone, |process| process.state());
    document["state"] = json!(state.word());
    document["up"] = json!(state != State::Gone);
    document
}

/// Runs `logs`.
///
/// # Errors
/// There is no such testnet or validator.
pub fn logs(args: &LogsArgs, output: Output) -> Result<(), Failure> {
    let folder = choose(&args.testnet)?;
    let file = describe(&folder)?;
    let mut names = args.names.clone();
    if names.is_empty() {
        names = file.members().map(|(name, _)| name.into()).collect();
    }
    let (mut logs, mut text) = (Vec::new(), Vec::new());
    for name in &names {
        file.process(name)?;
        let path = folder.log(name);
        let lines = last_lines(&path, args.lines);
        if names.len() > 1 {
            text.push(format!("== {name}"));
        }
        text.extend(lines.iter().cloned());
        logs.push(json!({"name": name, "path": path, "lines": lines}));
    }
    let document = json!({"schema": "quorate.testnet-logs/1", "ok": true, "logs": logs});
    output.answer(&document, &text.join("\n"))
}

/// Stops the nodes of a folder and takes it off the registry; again is no harm.
///
/// # Errors
/// A process does not end.
pub async fn stop(folder: &Folder) -> Result<Vec<String>, Failure> {
    let mut stopped = Vec::new();
    if !folder.control().exists() {
        return Ok(stopped);
    }
    let guard = control_lock(folder)?;
    if let Some(file) = TestnetFile::read(&folder.document())? {
        let alive = file.members().filter(|(_, process)| process.is_alive());
        stopped.extend(alive.map(|(name, _)| name.to_string()));
        stopped.extend(file.relay().map(|_| relay::NAME.to_string()));
        stop_all(&file.processes()).await?;
    }
    Registry::open()?.remove(&folder.dir)?;
    drop(guard);
    Ok(stopped)
}

/// Stops the nodes and the foreground command that keeps them.
async fn stop_with_keeper(folder: &Folder) -> Result<Vec<String>, Failure> {
    let stopped = stop(folder).await?;
    let file = TestnetFile::read(&folder.document())?;
    if let Some(keeper) = file.and_then(|file| file.keeper) {
        keeper.process.signal(Signal::TERM)?;
        if !keeper.process.wait_for(|state| state == State::Gone, SIGNAL_TIME).await {
            kill_all(&[keeper.process]).await?;
        }
    }
    if let Some(file) = TestnetFile::read(&folder.document())? {
        let is_reaped = || file.processes().iter().all(|p| !p.is_listed()).then_some(());
        until(REAP_TIME, is_reaped).await;
    }
    Ok(stopped)
}

/// Runs `down`.
///
/// # Errors
/// A process does not end.
pub async fn down(args: &DirArgs, output: Output) -> Result<(), Failure> {
    let schema = "quorate.testnet-down/1";
    let folder = match choose(args) {
        Err(failure) if failure.code == NOT_FOUND => {
            let document = json!({"schema": schema, "ok": true, "dir": null, "stopped": []});
            return output.answer(&document, "no testnet of yours is running");
        }
        chosen => chosen?,
    };
    let stopped = stop_with_keeper(&folder).await?;
    let dir = folder.dir.display();
    let text = match stopped.len() {
        0 => format!("nothing was running in {dir}"),
        count => format!("{count} processes are stopped; their folder stays: {dir}"),
    };
    let document = json!({"schema": schema, "ok": true, "dir": folder.dir, "stopped": stopped});
    output.answer(&document, &text)
}

/// Runs `reset`: the testnet runs detached afterwards.
///
/// # Errors
/// There is no such testnet; a process does not end; a validator fails.
pub async fn reset(args: &DirArgs, output: Output) -> Result<(), Failure> {
    let folder = choose(args)?;
    let plan = folder.plan()?.ok_or_else(|| {
        let what = format!("{} holds no testnet; nothing was done", folder.dir.display());
        Failure::new(NOT_FOUND, what).help("quorate-testnet up")
    })?;
    let mut stop = StopSignals::listen()?;
    stop_with_keeper(&folder).await?;
    let hold = Hold::take(&folder)?;
    folder.wipe_all(&folder.network()?)?;
    folder.wipe_dht_peers(&plan.dht)?;
    let launched = hold.launch(&plan, 0, None, &mut stop).await?;
    let document = serde_json::to_value(&launched.file).expect("strings and numbers only");
    let count = launched.file.validators.len();
    output.answer(&document, &format!("{count} validators are ready, with empty stores"))
}

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

/// Runs `kill`, `pause` or `resume`, and waits until it has had its effect.
///
/// # Errors
/// There is no such testnet or validator, or one to be paused or resumed is down.
pub async fn signal(args: &NamesArgs, action: Action, output: Output) -> Result<(), Failure> {
    let folder = choose(&args.testnet)?;
    let guard = control_lock(&folder)?;
    let file = describe(&folder)?;
    let (signal, wanted, word) = action.parts();
    for name in &args.names {
        let process = file.process(name)?;
        if action != Action::Kill && !process.is_alive() {
            let what = format!("{name} is down, so it can't be {word}; nothing was done");
            return Err(Failure::new(USAGE, what).help(format!("quorate-testnet start {name}")));
        }
    }
    let mut done = Vec::new();
    for name in &args.names {
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
    answer(output, word, &args.names, done)
}

fn answer(
    output: Output,
    word: &str,
    names: &[String],
    validators: Vec<Value>,
) -> Result<(), Failure> {
    let document = json!({
        "schema": "quorate.testnet-validators/1",
        "ok": true,
        "action": word,
        "validators": validators,
    });
    output.answer(&document, &format!("{}: {word}", names.join(" ")))
}

/// Runs `start`: on the same stores, and the same ports where they are free.
///
/// # Errors
/// There is no such testnet or validator; it runs already; it fails.
pub async fn start(args: &NamesArgs, output: Output) -> Result<(), Failure> {
    let folder = choose(&args.testnet)?;
    let mut stop = StopSignals::listen()?;
    let guard = control_lock(&folder)?;
    let mut file = describe(&folder)?;
    for name in &args.names {
        let process = file.process(name)?;
        if process.is_alive() {
            let what = format!("{name} runs already as process {}", process.pid);
            return Err(Failure::new(BUSY, format!("{what}; nothing was started"))
                .help(format!("quorate-testnet kill {name}")));
        }
    }
    let mut nodes = Vec::new();
    let started = tokio::select! {
        started = start_all(&folder, &mut file, &args.names, &mut nodes) => started,
        () = stop.received() => Err(Failure::new(INTERNAL, "stopped by a signal")),
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
    for name in &args.names {
        let mut document = of_member(&file, name);
        if let Some(validator) = file.validator(name) {
            let readiness = ready(&folder, &mut nodes, &validator.api, deadline).await?;
            document["ready"] = json!(readiness == Readiness::Ready);
            document["catching_up"] = probe::catching_up_document(&validator.api).await;
            if has_quorum {
                readiness.tell_late(name);
            }
        }
        done.push(document);
    }
    answer(output, "started", &args.names, done)
}

/// Starts validators and makes known where they are.
async fn start_all(
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
