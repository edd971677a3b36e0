//! `slow`, `partition` and `heal`: they return when the faults are in force, or gone.
//!
//! A network without faults has no relay in its way. The first fault starts it without any, moves
//! every link to it, and only then puts the fault in force: a link that did not move would go
//! around it. Healing goes the other way round.

use super::{Faults, Slow};
use crate::args::{DirArgs, PartitionArgs, SlowArgs};
use crate::control::{choose, describe};
use crate::folder::Folder;
use crate::launch::{listens, stdin_of};
use crate::output::{Output, io_failure, tell};
use crate::probe;
use crate::process::{POLL, State, stop_all, until};
use crate::registry::{Relay, TestnetFile, remove_if_there};
use crate::relay::{Acknowledgement, NAME, VALIDATORS_MAX};
use crate::spawn::{Node, Role};
use crate::up::control_lock;
use node::Failure;
use node::error::{CONFIG, INTERNAL, USAGE};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Longest wait until the relay says that faults are in force; it takes some 20 ms.
const FORCE_TIME: Duration = Duration::from_secs(10);
/// Longest wait until all links have moved: a node looks at its file every 100 ms, an attempt to
/// dial takes up to a second, and the connection of a paused node falls after 5 s.
const MOVE_TIME: Duration = Duration::from_secs(20);
/// After this time a link that is down is waited for no longer: it can only come up where it is to
/// be. Above the 5 s that a link without a peer stands.
const DOWN_TIME: Duration = Duration::from_secs(7);

/// Runs `slow`.
///
/// # Errors
/// There is no such testnet or validator; none of it runs; the relay fails.
pub async fn slow(args: &SlowArgs, output: Output) -> Result<(), Failure> {
    let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let slow = Slow {
        delay_ms: milliseconds(args.delay),
        jitter_ms: milliseconds(args.jitter),
        lose_per_mille: args.lose,
        duplicate_per_mille: args.duplicate,
        reorder_per_mille: args.reorder,
    };
    let folder = choose(&args.testnet)?;
    let edit = |faults: &mut Faults| faults.set_slow(&args.name, slow);
    say(output, change(&folder, "slow", edit).await?)
}

/// Runs `partition`.
///
/// # Errors
/// As [`slow`]; the groups are none.
pub async fn partition(args: &PartitionArgs, output: Output) -> Result<(), Failure> {
    let folder = choose(&args.testnet)?;
    let edit = |faults: &mut Faults| faults.part(&args.groups);
    say(output, change(&folder, "partition", edit).await?)
}

/// Runs `heal`.
///
/// # Errors
/// As [`heal_all`]; there is no such testnet.
pub async fn heal(args: &DirArgs, output: Output) -> Result<(), Failure> {
    say(output, heal_all(&choose(args)?).await?)
}

/// What was done: the document for programs, and a line for people.
#[derive(Clone, Debug)]
pub struct Done {
    /// `quorate.testnet-faults/1`.
    pub document: Value,
    /// A sentence.
    pub text: String,
}

fn say(output: Output, done: Done) -> Result<(), Failure> {
    output.answer(&done.document, &done.text)
}

/// Takes all faults back and ends the relay; again is no harm.
///
/// # Errors
/// A link does not come back; the relay does not end.
pub async fn heal_all(folder: &Folder) -> Result<Done, Failure> {
    let guard = control_lock(folder).await?;
    let mut file = describe(folder)?;
    take_back(folder, &mut file).await?;
    drop(guard);
    let text = "healed: nobody is slow, nobody is parted; the links are direct".into();
    Ok(Done { document: document("heal", &file, None), text })
}

/// Changes the faults that are in force, under the name `action` in the document.
///
/// # Errors
/// What `edit` says; no validator runs; the relay fails.
pub async fn change(
    folder: &Folder,
    action: &str,
    edit: impl FnOnce(&mut Faults) -> Result<(), Failure>,
) -> Result<Done, Failure> {
    let guard = control_lock(folder).await?;
    let mut file = describe(folder)?;
    let seed = folder.plan()?.and_then(|plan| plan.seed).unwrap_or_default();
    let before = in_force(folder, &file)?;
    let mut faults = match &before {
        Some(faults) => faults.clone(),
        None => Faults::none(&file, seed)?,
    };
    edit(&mut faults)?;
    if !file.validators.iter().any(|validator| validator.process.is_alive()) {
        let what = "no validator of this testnet runs; nothing was changed";
        return Err(Failure::new(USAGE, what)
            .help(format!("quorate-testnet up --dir {}", folder.dir.display())));
    }
    if file.validators.len() > usize::from(VALIDATORS_MAX) {
        let what = format!("faults are for at most {VALIDATORS_MAX} validators");
        return Err(Failure::new(USAGE, what + "; nothing was changed"));
    }
    if faults.is_none() {
        take_back(folder, &mut file).await?;
    } else {
        if before.is_none() {
            faults.version = start_relay(folder, &mut file, seed).await?;
        }
        put_in_force(folder, &mut faults).await.map_err(unclear)?;
    }
    drop(guard);
    let faults = (!faults.is_none()).then_some(&faults);
    let text = faults.map_or("nobody is slow, nobody is parted".into(), describe_faults);
    Ok(Done { document: document(action, &file, faults), text })
}

/// The faults that the relay is under; `None` without one.
///
/// # Errors
/// The file can't be read.
pub fn in_force(folder: &Folder, file: &TestnetFile) -> Result<Option<Faults>, Failure> {
    if file.relay().is_some() { Faults::read(folder) } else { Ok(None) }
}

/// Faults for people.
pub fn describe_faults(faults: &Faults) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (name, slow) in &faults.slow {
        let mut part = format!("{name} is slow by {} ms each way", slow.delay_ms);
        let chances = [
            ("up to {} ms more", slow.jitter_ms),
            ("{} of 1,000 lost", u32::from(slow.lose_per_mille)),
            ("{} of 1,000 doubled", u32::from(slow.duplicate_per_mille)),
            ("{} of 1,000 late", u32::from(slow.reorder_per_mille)),
        ];
        for (words, number) in chances.into_iter().filter(|(_, number)| *number > 0) {
            part.push_str(&format!(", {}", words.replace("{}", &number.to_string())));
        }
        parts.push(part);
    }
    if !faults.groups.is_empty() {
        let groups: Vec<String> = faults.groups.iter().map(|group| group.join(",")).collect();
        parts.push(format!("nothing passes between {}", groups.join(" / ")));
    }
    parts.join("; ")
}

/// Faults in `status` and in the answers of the commands here.
pub fn faults_value(faults: &Faults) -> Value {
    let slow: Vec<Value> = faults
        .slow
        .iter()
        .map(|(name, slow)| {
            let mut value = serde_json::to_value(slow).expect("numbers only");
            value["name"] = json!(name);
            value
        })
        .collect();
    json!({"slow": slow, "partition": faults.groups})
}

fn document(action: &str, file: &TestnetFile, faults: Option<&Faults>) -> Value {
    let none = || json!({"slow": [], "partition": []});
    let mut document = faults.map_or_else(none, faults_value);
    document["schema"] = json!("quorate.testnet-faults/1");
    document["ok"] = json!(true);
    document["action"] = json!(action);
    document["relay"] = json!(file.relay().map(|process| process.pid));
    document
}

/// Starts the relay without faults and moves every link to it. Returns the version it is under.
///
/// # Errors
/// The relay does not start, or a link does not move; it is taken back then.
pub async fn start_relay(
    folder: &Folder,
    file: &mut TestnetFile,
    seed: u64,
) -> Result<u64, Failure> {
    let home = folder.home(NAME);
    std::fs::create_dir_all(&home).map_err(|error| io_failure(CONFIG, "making", &home, &error))?;
    let mut calm = Faults::none(file, seed)?;
    let version = calm.write(folder)?;
    let stdin = file.keeper.map(stdin_of).transpose()?.flatten();
    let mut relay = Node::spawn(folder, (NAME, Role::Relay), stdin)?;
    file.relay = Some(Relay { process: relay.process, home });
    file.write(&folder.document())?;
    let moved = match listens(folder, &mut relay).await {
        Ok(_) => publish(folder, file).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = moved {
        take_back(folder, file).await?;
        return Err(failure);
    }
    Ok(Faults::read(folder)?.map_or(version, |faults| faults.version))
}

/// Makes known where the validators are: to the relay if there is one, and to each validator where
/// it dials the others. Returns when every link goes there.
///
/// # Errors
/// A file can't be written, or the time is over.
pub async fn publish(folder: &Folder, file: &TestnetFile) -> Result<(), Failure> {
    let relay = write_places(folder, file).await?;
    if relay.is_none() {
        return Ok(());
    }
    links_moved(file, relay.as_ref()).await
}

/// As [`publish`], without waiting for the links.
///
/// # Errors
/// A file can't be written, or the relay does not follow.
pub async fn write_places(
    folder: &Folder,
    file: &TestnetFile,
) -> Result<Option<Acknowledgement>, Failure> {
    let mut relay = None;
    if let Some(mut faults) = in_force(folder, file)? {
        faults.follow(file)?;
        relay = Some(put_in_force(folder, &mut faults).await?);
    } else if file.relay.is_some() {
        tell("the relay of this testnet has ended: there are no faults any more");
    }
    let peers: Vec<_> =
        file.validators.iter().map(|v| (v.name.as_str(), v.quic.as_str())).collect();
    folder.write_peers(&peers, |own, other| Some(relay.as_ref()?.link(own, other)?.front))?;
    Ok(relay)
}

/// Writes the faults and waits until the relay says that they are in force.
///
/// # Errors
/// The file can't be written, or the time is over.
pub async fn put_in_force(
    folder: &Folder,
    faults: &mut Faults,
) -> Result<Acknowledgement, Failure> {
    let version = faults.write(folder)?;
    let said = || Acknowledgement::read(folder).filter(|said| said.version == version);
    until(FORCE_TIME, said).await.ok_or_else(|| {
        let log = folder.log(NAME);
        Failure::new(INTERNAL, "the relay did not put the faults in force in time")
            .help(format!("read {}", log.display()))
    })
}

fn unclear(failure: Failure) -> Failure {
    failure.help("quorate-testnet heal   takes all faults back")
}

/// Takes all faults back, moves the links away from the relay and ends it.
async fn take_back(folder: &Folder, file: &mut TestnetFile) -> Result<(), Failure> {
    if let Some(mut faults) = in_force(folder, file).unwrap_or_else(|failure| {
        // What can't be read is in nobody's way here.
        tell(&failure.message);
        None
    }) {
        faults.clear();
        put_in_force(folder, &mut faults).await?;
    }
    let relay = file.relay.take().map(|relay| relay.process).filter(|p| p.is_alive());
    write_places(folder, file).await?;
    if let Some(relay) = relay {
        let moved = links_moved(file, None).await;
        stop_all(&[relay]).await?;
        relay.reap();
        moved?;
    }
    file.write(&folder.document())?;
    remove_if_there(&folder.faults())
}

/// Waits until no link goes elsewhere than it is to: to the relay, or directly without one.
async fn links_moved(file: &TestnetFile, relay: Option<&Acknowledgement>) -> Result<(), Failure> {
    let start = Instant::now();
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(link) = unmoved(file, relay, start.elapsed() > DOWN_TIME).await else {
            return Ok(());
        };
        if start.elapsed() > MOVE_TIME {
            let what = format!("the link {link} did not move in time; the faults may go around it");
            return Err(unclear(Failure::new(INTERNAL, what)).help("quorate-testnet status"));
        }
    }
}

/// The name of a link that goes elsewhere, or, unless it `may_be_down`, of one between running
/// validators that is down.
async fn unmoved(
    file: &TestnetFile,
    relay: Option<&Acknowledgement>,
    may_be_down: bool,
) -> Option<String> {
    let mut views = Vec::new();
    for validator in &file.validators {
        let is_running = validator.process.state() == State::Running;
        let view = match is_running {
            true => probe::document(&validator.api, "/v1/validators").await,
            false => None,
        };
        views.push((is_running, view));
    }
    for (higher, of_higher) in file.validators.iter().enumerate() {
        for (lower, of_lower) in file.validators[..higher].iter().enumerate() {
            let place = relay.and_then(|relay| relay.link(&of_lower.name, &of_higher.name));
            let ends =
                [(lower, higher, place.map(|p| p.front)), (higher, lower, place.map(|p| p.back))];
            for (own, other, through) in ends {
                let (own_is_running, view) = &views[own];
                if !own_is_running {
                    continue;
                }
                let wanted = through.or_else(|| file.validators[other].quic.parse().ok());
                let found = link_of(view.as_ref(), &file.validators[other].name);
                let is_expected = views[other].0 && !may_be_down;
                if found.is_some_and(|found| Some(found) != wanted)
                    || (found.is_none() && is_expected)
                {
                    return Some(format!("{}-{}", of_lower.name, of_higher.name));
                }
            }
        }
    }
    None
}

/// Where a validator's link to another goes, as it says.
fn link_of(view: Option<&Value>, name: &str) -> Option<SocketAddr> {
    let rows = view?["validators"].as_array()?;
    rows.iter().find(|row| row["name"] == name)?["link"].as_str()?.parse().ok()
}
