//! `up`: a folder's testnet is written if it is new, started, described, and kept or left running.

use crate::args::UpArgs;
use crate::control;
use crate::folder::Folder;
use crate::launch::{Launched, Pipe, StopSignals, bury, launch};
use crate::output::{Output, client_command, io_failure, tell};
use crate::panel::Panel;
use crate::plan::{DhtPlan, Plan};
use crate::process::POLL;
use crate::registry::{Registry, TestnetFile, remove_if_there};
use crate::spawn::Node;
use node::Failure;
use node::config::DhtSilence;
use node::error::{BUSY, CONFIG, INTERNAL, USAGE};
use node::store_lock::{LockError, StoreLock};
use serde_json::json;
use std::fs::{File, TryLockError};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// Runs `up`.
///
/// # Errors
/// The folder is in use, can't be written, or asks for another plan; a validator failed.
pub async fn up(args: &UpArgs, output: Output) -> Result<(), Failure> {
    let mut folder = args.dir.as_deref().map_or_else(Folder::fresh, Folder::at)?;
    folder.index = args.index.or(folder.index);
    let mut stop = StopSignals::listen()?;
    let hold = Hold::take(&folder)?;
    let plan = settle(&folder, args)?;
    let pipe = if args.detach { None } else { Some(Pipe::new()?) };
    let panel = if args.detach { None } else { Some(Panel::bind(&folder, 0).await?) };
    let launched = hold.launch(&plan, args.port, pipe.as_ref(), &mut stop).await?;
    let url = panel.as_ref().map(Panel::url);
    let text = summary(&launched.file, url.as_deref());
    let mut document = serde_json::to_value(&launched.file).expect("strings and numbers only");
    if let Some(url) = url {
        document["panel"] = json!(url);
    }
    output.answer(&document, &text)?;
    match panel {
        Some(panel) => keep(&folder, launched.nodes, panel, &mut stop).await,
        None => Ok(()),
    }
}

/// The right to start a folder's testnet, until dropped.
pub struct Hold<'a> {
    folder: &'a Folder,
    _lock: StoreLock,
}

impl<'a> Hold<'a> {
    /// Takes the folder, which is made if it isn't there.
    ///
    /// # Errors
    /// `busy`, with the first testnet's process: it is being started, or it runs.
    pub fn take(folder: &'a Folder) -> Result<Self, Failure> {
        let dir = &folder.dir;
        std::fs::create_dir_all(dir).map_err(|error| io_failure(CONFIG, "making", dir, &error))?;
        let lock = StoreLock::acquire(dir).map_err(|error| match error {
            LockError::Busy { pid, .. } => busy(dir, pid, "up"),
            LockError::Io { .. } => Failure::new(CONFIG, error.to_string()),
        })?;
        if let Some(file) = TestnetFile::read(&folder.document())?
            && let Some((name, process)) = file.members().find(|(_, process)| process.is_alive())
        {
            return Err(busy(dir, Some(process.pid), name));
        }
        Ok(Self { folder, _lock: lock })
    }

    /// Starts everything and makes it known.
    ///
    /// # Errors
    /// As [`launch`]; or the description can't be written, and everything was stopped.
    pub async fn launch(
        &self,
        plan: &Plan,
        port: u16,
        pipe: Option<&Pipe>,
        stop: &mut StopSignals,
    ) -> Result<Launched, Failure> {
        let guard = control_lock(self.folder).await?;
        // The relay of validators that are all down stands between nobody.
        let old = TestnetFile::read(&self.folder.document())?;
        let relay: Vec<_> = old.iter().filter_map(TestnetFile::relay).collect();
        crate::process::stop_all(&relay).await?;
        remove_if_there(&self.folder.faults())?;
        let launched = launch(self.folder, plan, port, pipe, stop).await?;
        let file = &launched.file;
        let known = file
            .write(&self.folder.document())
            .and_then(|()| Registry::open()?.add(&self.folder.dir));
        if let Err(failure) = known {
            crate::process::stop_all(&file.processes()).await?;
            return Err(failure);
        }
        drop(guard);
        Ok(launched)
    }
}

/// Waits for the right to change a folder's processes and their description; it ends when the file
/// is dropped. Held for as long as a few nodes start or stop. Who waits blocks no thread: the one
/// that has the right may need it, for it may be this program's own panel.
///
/// # Errors
/// The folder can't be written.
pub async fn control_lock(folder: &Folder) -> Result<File, Failure> {
    let path = folder.control();
    let failed = |error| io_failure(CONFIG, "locking", &path, &error);
    let file = File::create(&path).map_err(failed)?;
    let mut looks = interval(POLL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn busy(dir: &Path, pid: Option<u32>, who: &str) -> Failure {
    let holder = pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
    let dir = dir.display();
    let what =
        format!("a testnet runs in {dir} already ({who} is process {holder}); nothing was started");
    Failure::new(BUSY, what)
        .help(format!("quorate-testnet down --dir {dir}"))
        .details(json!({"dir": dir.to_string(), "pid": pid}))
}

/// The folder's plan, written now if it has none; one that is there is continued.
fn settle(folder: &Folder, args: &UpArgs) -> Result<Plan, Failure> {
    let old = folder.plan()?;
    let plan = old.clone().unwrap_or_default();
    let join_dht = args.join_dht.as_deref().map(Folder::at).transpose()?;
    let asked = Plan {
        validators: args.validators.unwrap_or(plan.validators),
        accounts: args.accounts.unwrap_or(plan.accounts),
        tokens: args.tokens.unwrap_or(plan.tokens),
        seed: args.seed.or(plan.seed),
        dht: DhtPlan {
            untrusted: args.untrusted || plan.dht.untrusted,
            dht_silence: args.dht_silence.unwrap_or(plan.dht.dht_silence),
            dht_peers: args.dht_peers.unwrap_or(plan.dht.dht_peers),
            join_dht: join_dht.map(|folder| folder.dir).or(plan.dht.join_dht.clone()),
        },
    };
    if old.is_some() && asked != plan {
        return Err(another(folder, &plan));
    }
    if asked.dht.dht_silence == DhtSilence::Unknown && !asked.dht.untrusted {
        let what = "--dht-silence is for a network that asks the DHT; nothing was started";
        return Err(Failure::new(USAGE, what).help("add --untrusted"));
    }
    if old.is_none() {
        // Before anything is written: the folder would remember what can't be joined.
        crate::dht::joined(&asked.dht)?;
        folder.write(&asked, &asked.draw(None)?)?;
    }
    Ok(asked)
}

/// The folder is another testnet's.
fn another(folder: &Folder, plan: &Plan) -> Failure {
    let seed = plan.seed.map_or_else(|| "no seed".into(), |seed| format!("seed {seed}"));
    let what = format!(
        "{} holds another testnet ({} validators, {} accounts, {} tokens each, {seed}, {}, \
         {} DHT peers); nothing was started",
        folder.dir.display(),
        plan.validators,
        plan.accounts,
        plan.tokens,
        if plan.dht.untrusted { "untrusted" } else { "trusted" },
        plan.dht.dht_peers,
    );
    Failure::new(USAGE, what).help("name another folder, or leave these options out")
}

/// Stays until a stop signal comes, then stops the testnet.
async fn keep(
    folder: &Folder,
    mut nodes: Vec<Node>,
    panel: Panel,
    stop: &mut StopSignals,
) -> Result<(), Failure> {
    watch_with_panel(&mut nodes, panel, stop).await?;
    control::stop(folder).await?;
    bury(&mut nodes);
    tell("all validators are stopped");
    Ok(())
}

/// As [`watch`], with a panel that ends before this returns: it changes nothing afterwards.
///
/// # Errors
/// Signals can't be heard.
pub async fn watch_with_panel(
    nodes: &mut Vec<Node>,
    panel: Panel,
    stop: &mut StopSignals,
) -> Result<(), Failure> {
    let (ended, end) = oneshot::channel::<()>();
    let serving = panel.run(async {
        // A sender that is gone says the same.
        drop(end.await);
    });
    let watching = async {
        let watched = watch(nodes, stop).await;
        drop(ended);
        watched
    };
    tokio::join!(serving, watching).1
}

/// Waits for a stop signal. Nodes that end meanwhile are buried and mentioned.
///
/// # Errors
/// Signals can't be heard.
pub async fn watch(nodes: &mut Vec<Node>, stop: &mut StopSignals) -> Result<(), Failure> {
    let mut children = signal(SignalKind::child())
        .map_err(|error| io_failure(INTERNAL, "listening to", Path::new("signals"), &error))?;
    loop {
        nodes.retain_mut(|node| {
            let Some(status) = node.ended() else { return true };
            tell(&format!("{} ended ({status})", node.name));
            false
        });
        tokio::select! {
            () = stop.received() => return Ok(()),
            _ = children.recv() => {}
        }
    }
}

fn summary(file: &TestnetFile, panel: Option<&str>) -> String {
    let dir = file.dir.display();
    let mut lines = vec![format!(
        "{}: {} validators run, {} of them are a quorum",
        file.name,
        file.validators.len(),
        file.quorum
    )];
    lines.extend(file.validators.iter().map(|v| format!("  {:<5} {}", v.name, v.api)));
    let peers = match file.dht_peers.len() {
        0 => String::new(),
        count => format!("; {count} further processes are the DHT"),
    };
    lines.push(match file.untrusted {
        true => format!("network:  untrusted, the DHT is asked about every transfer{peers}"),
        false => format!("network:  trusted, the DHT is not asked{peers}"),
    });
    let names: Vec<&str> = file.accounts.iter().take(10).map(|a| a.name.as_str()).collect();
    let more = file.accounts.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(format!("accounts: {}{more}", names.join(" ")));
    lines.push(format!("folder:   {dir}"));
    let quorate = client_command();
    lines.push(format!("pay:      {quorate} --testnet {dir} transfer alice bob 12.5"));
    lines.push(match panel {
        Some(url) => format!("panel:    {url}/   the explorer, with buttons and forms"),
        None => format!("panel:    quorate-testnet panel --dir {dir}"),
    });
    lines.push(match panel {
        Some(_) => "stop:     Ctrl-C".into(),
        None => format!("stop:     quorate-testnet down --dir {dir}"),
    });
    lines.join("\n")
}
