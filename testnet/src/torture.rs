//! `torture`: a fresh testnet, clients that pay, a villain that kills, pauses, parts and slows its
//! validators, and in the end a check of all that clients were told.
//!
//! ```text
//!  load ─ pays ─▶ fleet: real processes ◀─ kills, stops ─ run ◀─ chooses ─ villain (seed)
//!   │ fsync          │ relay, strace                       │
//!   ▼ histories      ▼ public API, receipts               ▼ memory
//!  check: acknowledged stays final, one spender a state, value, histories, evidence
//! ```
//! Nobody is damaged and nobody lies here: any number of validators may be down, and what was
//! acknowledged must be there when they are back. Same seed, same deeds; when they hit, the machine
//! decides.

pub mod check;
pub mod fleet;
pub mod history;
pub mod lane;
pub mod load;
pub mod memory;
pub mod run;
pub mod slow_disk;
pub mod villain;

use crate::args::TortureArgs;
use crate::control;
use crate::faults::switch;
use crate::folder::Folder;
use crate::launch::{Pipe, StopSignals};
use crate::output::{Output, io_failure};
use crate::plan::Plan;
use crate::registry::Account;
use crate::up::{Hold, control_lock};
use check::{Findings, check};
use fleet::Fleet;
use lane::Party;
use load::{Load, LoadPlan, Phase};
use node::client::Client;
use node::error::{CONFIG, UNREACHABLE, VERIFICATION_FAILED};
use node::{Failure, keyfile};
use run::{Bounds, Run};
use serde_json::{Value, json};
use slow_disk::SlowDisk;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};
use villain::{Class, Villain};

/// Longest time until all validators are back in the end.
const CALM_TIME: Duration = Duration::from_secs(60);
/// Longest time from then until all that was sent has ended and all stand equal.
const SETTLE_TIME: Duration = Duration::from_secs(120);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Longest time for a look.
const LOOK_TIME: Duration = Duration::from_secs(5);

/// Runs `torture`.
///
/// # Errors
/// `verification_failed` (exit 9) when an invariant broke; the folder stays then.
pub async fn torture(args: &TortureArgs, output: Output) -> Result<(), Failure> {
    let folder = args.dir.as_deref().map_or_else(Folder::fresh, Folder::at)?;
    let ended = torture_in(&folder, args, output).await;
    let stopped = control::stop(&folder).await.map(drop);
    let document = ended?;
    stopped?;
    let is_ok = document["ok"] == true;
    if is_ok && args.dir.is_none() {
        let removed = std::fs::remove_dir_all(&folder.dir);
        removed.map_err(|error| io_failure(CONFIG, "removing", &folder.dir, &error))?;
    }
    let text = summary(&document);
    if is_ok {
        return output.answer(&document, &text);
    }
    let what = format!("an invariant broke; the evidence lies in {}", folder.dir.display());
    output.say(&text)?;
    Err(Failure::new(VERIFICATION_FAILED, what).details(document))
}

async fn torture_in(folder: &Folder, args: &TortureArgs, output: Output) -> Result<Value, Failure> {
    let mut stop = StopSignals::listen()?;
    let hold = Hold::take(folder)?;
    let plan = Plan {
        validators: args.validators,
        tokens: args.tokens,
        seed: Some(args.seed),
        ..Plan::default()
    };
    folder.write(&plan, &plan.draw(None)?)?;
    let pipe = Pipe::new()?;
    let launched = hold.launch(&plan, 0, Some(&pipe), &mut stop).await?;
    let guard = control_lock(folder).await?;
    let fleet = Fleet::new(folder.clone(), plan, launched)?;
    let torturing = torture_fleet(fleet, args, output);
    let ended = tokio::select! {
        ended = torturing => ended,
        () = stop.received() => {
            let what = "the torture was stopped by a signal before its end; nothing was checked";
            Err(Failure::new(UNREACHABLE, what))
        }
    };
    drop(guard);
    ended
}

async fn torture_fleet(
    mut fleet: Fleet,
    args: &TortureArgs,
    output: Output,
) -> Result<Value, Failure> {
    let classes = classes(&args.faults, output)?;
    if classes.iter().any(|class| matches!(class, Class::Links | Class::Partition)) {
        let folder = fleet.folder.clone();
        switch::start_relay(&folder, &mut fleet.file, args.seed).await?;
    }
    let histories = histories(&fleet.folder)?;
    let parties = parties(&fleet.file.accounts)?;
    let accounts: Vec<_> = parties.iter().map(|party| party.address).collect();
    let load_plan = LoadPlan {
        clients: args.clients.into(),
        batch: args.batch.into(),
        rate: args.rate,
        seed: args.seed,
        folder: histories.clone(),
        has_rivals: !args.no_rivals,
    };
    let load = Load::start(load_plan, &fleet.network, parties, fleet.urls.clone())?;
    let network = fleet.network.clone();
    let villain = Villain::new(args.seed, fleet.count(), classes, args.pause);
    let mut run = Run::new(fleet, villain, output);
    let bounds = Bounds { time: Duration::from_secs(args.seconds), kills: args.kills };
    run.go(bounds).await?;
    let tortured = run.elapsed();
    run.calm(CALM_TIME).await?;
    let settled = settle(&mut run, &load).await?;
    let counts = counts(&load);
    load.end()?;
    let known = history::read_all(&histories)?;
    let urls = run.fleet.urls.all();
    let mut findings = check(&network, &accounts, &urls, &known).await?;
    run.problems().into_iter().for_each(|what| findings.add(what));
    panics(&run.fleet).into_iter().for_each(|what| findings.add(what));
    if settled.is_none() {
        findings.add("not all that was sent has ended in time, or validators do not stand equal");
    }
    let finals = u64::try_from(findings.finals).unwrap_or(u64::MAX);
    Ok(json!({
        "schema": "quorate.torture/1",
        "ok": findings.problems.is_empty(),
        "seed": args.seed,
        "seconds": tortured.as_secs_f64(),
        "settled_seconds": settled.map(|settled| settled.as_secs_f64()),
        "dir": run.fleet.folder.dir,
        "counts": counts,
        "finals_per_second": finals / tortured.as_secs().max(1),
        "kills": run.fleet.kills(),
        "deeds": run.deeds,
        "stores_verified": run.stores_verified,
        "check": check_document(&findings),
        "memory_is_flat": run.memory.is_flat(),
        "memory": run.memory.document(finals),
    }))
}

/// The classes asked for, without those that this machine can't do.
fn classes(asked: &[Class], output: Output) -> Result<Vec<Class>, Failure> {
    let mut classes = if asked.is_empty() { Class::ALL.to_vec() } else { asked.to_vec() };
    if classes.contains(&Class::Disk) && !SlowDisk::is_possible() {
        output.say("strace is not there: no slow disks")?;
        classes.retain(|class| *class != Class::Disk);
    }
    match classes.is_empty() {
        true => Err(Failure::new(CONFIG, "no class of faults is left; nothing was started")),
        false => Ok(classes),
    }
}

/// Where the clients' histories go.
///
/// # Errors
/// The folder can't be made.
pub fn histories(folder: &Folder) -> Result<PathBuf, Failure> {
    let path = folder.dir.join("histories");
    let made = std::fs::create_dir_all(&path);
    made.map_err(|error| io_failure(CONFIG, "making", &path, &error))?;
    Ok(path)
}

/// The accounts with their keys.
///
/// # Errors
/// A key can't be read.
pub fn parties(accounts: &[Account]) -> Result<Vec<Party>, Failure> {
    let party = |account: &Account| {
        let keypair = keyfile::load(&account.key)?;
        Ok(Party { address: keyfile::address_of(&keypair), keypair })
    };
    accounts.iter().map(party).collect()
}

/// Lets the clients bring to its end what they sent and waits until all nodes stand equal; how long
/// that took, or `None` when the time was over.
///
/// # Errors
/// As [`Run::go`].
pub async fn settle(run: &mut Run, load: &Load) -> Result<Option<Duration>, Failure> {
    load.set(Phase::Settling);
    let start = Instant::now();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while start.elapsed() < SETTLE_TIME {
        looks.tick().await;
        run.turn().await?;
        if load.is_over() && is_even(&run.fleet.urls.all()).await {
            return Ok(Some(start.elapsed()));
        }
    }
    Ok(None)
}

/// Whether all nodes are ready and have applied the same.
async fn is_even(urls: &[String]) -> bool {
    let mut first: Option<(u64, String)> = None;
    for url in urls {
        let Ok(client) = Client::new([url], LOOK_TIME) else { return false };
        let Ok(node) = client.node().await else { return false };
        let stands = (node.applied, node.digest);
        if !node.ready || first.get_or_insert_with(|| stands.clone()) != &stands {
            return false;
        }
    }
    true
}

fn counts(load: &Load) -> Value {
    let counts = load.counts();
    let now = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "sent": now(&counts.sent),
        "final": now(&counts.finals),
        "rejected": now(&counts.rejected),
        "lost": now(&counts.lost),
        "rivals": now(&counts.rivals),
    })
}

/// Lines of the validators' logs that tell of a panic.
fn panics(fleet: &Fleet) -> Vec<String> {
    let names = (0..fleet.count()).map(|index| fleet.name(index));
    names.flat_map(|name| panics_of(&fleet.folder.log(name))).collect()
}

fn panics_of(log: &Path) -> Vec<String> {
    // A log that can't be read was not written to.
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| line.contains("panicked at"));
    lines.take(3).map(|line| format!("{}: {line}", log.display())).collect()
}

/// What was found, for the report.
fn check_document(findings: &Findings) -> Value {
    json!({
        "known": findings.known,
        "final": findings.finals,
        "acknowledged": findings.acknowledged,
        "receipts_verified": findings.verified,
        "histories_compared": findings.histories,
        "problems": findings.problems,
        "more_problems": findings.more_problems,
    })
}

fn summary(document: &Value) -> String {
    let check = &document["check"];
    let mut lines = vec![
        format!(
            "{} s of torture with seed {}: {} processes killed, deeds {}",
            document["seconds"], document["seed"], document["kills"], document["deeds"]
        ),
        format!(
            "{} transfers are final on every node, {} of {} were acknowledged ({} a second)",
            check["final"], check["acknowledged"], check["known"], document["finals_per_second"]
        ),
        format!(
            "{} receipts verified offline, {} histories compared, {} stores verified; memory is \
             flat: {}",
            check["receipts_verified"],
            check["histories_compared"],
            document["stores_verified"],
            document["memory_is_flat"]
        ),
    ];
    let problems = check["problems"].as_array().into_iter().flatten();
    lines.extend(problems.map(|what| format!("BROKEN: {}", what.as_str().unwrap_or_default())));
    lines.join("\n")
}
