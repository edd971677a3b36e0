//! Commands on a testnet that was started: status, logs, down, reset. Those on single members are
//! in `members`.

pub mod members;

use crate::args::{DirArgs, LogsArgs};
use crate::faults::switch;
use crate::folder::Folder;
use crate::launch::StopSignals;
use crate::output::Output;
use crate::probe;
use crate::process::{State, kill_all, stop_all, until};
use crate::registry::{Registry, TestnetFile};
use crate::relay;
use crate::spawn::last_lines;
use crate::up::{Hold, control_lock};
use node::Failure;
use node::error::NOT_FOUND;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

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
    let guard = control_lock(folder).await?;
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
