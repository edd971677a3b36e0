//! `store info`, `verify`, `init`, `snapshot`, `restore`: a node's store while the node is stopped.

mod snapshot;

use super::answer::Answer;
use super::args::{Global, StoreArgs, StoreCommand};
use crate::config::NodeConfig;
use crate::error::{BUSY, CONFIG, Failure, GENESIS, INTERNAL, USAGE, VERIFICATION_FAILED};
use crate::index::Engine;
use crate::keyfile;
use crate::keyfile::passphrase::Unlock;
use crate::store::{StoreReport, first_start, verify};
use crate::store_lock::{LockError, StoreLock};
use ledger::{Keypair, Network};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Problems that people are shown; programs get all of them.
const SHOWN_MAX: usize = 20;

/// `store …`.
pub fn store(global: &Global, command: &StoreCommand) -> Result<Answer, Failure> {
    let home = home(global)?;
    let home = home.as_path();
    let (args, is_deep) = match command {
        StoreCommand::Info(args) => (args, false),
        StoreCommand::Verify(args) => (args, true),
        StoreCommand::Init(args) => return init(global, &args.files, home),
        StoreCommand::Restore(args) => return snapshot::restore(global, args, home),
        StoreCommand::Snapshot(args) => (&args.files, false),
    };
    if !home.join("journal").is_dir() {
        let what = format!("{} holds no store (no journal in it)", home.display());
        return Err(Failure::new(CONFIG, what).help("name the node's home with --home DIR"));
    }
    if let StoreCommand::Snapshot(args) = command {
        return snapshot::snapshot(global, args, home);
    }
    let _held = hold(home)?;
    let report = read(global, args, home)?;
    Ok(answer(&report, is_deep))
}

/// The node's folder: the flag, then the configuration, then the environment, whose `QUORATE_HOME`
/// is more often the wallet's.
fn home(global: &Global) -> Result<PathBuf, Failure> {
    let of_environment = std::env::var_os("QUORATE_HOME").map(PathBuf::from);
    let flag = global.home.clone().filter(|home| of_environment.as_ref() != Some(home));
    if let Some(home) = flag {
        return Ok(home);
    }
    if let Some(path) = &global.config {
        return Ok(NodeConfig::load(path)?.home);
    }
    global.home.clone().ok_or_else(|| {
        let what = "which store? Nothing was read";
        Failure::new(USAGE, what)
            .help("quorate store verify --home DIR")
            .help("quorate store verify --config node.toml")
    })
}

/// Permits a first start. What shows that there was one already refuses it.
fn init(global: &Global, args: &StoreArgs, home: &Path) -> Result<Answer, Failure> {
    let refused = |what: String| Failure::new(CONFIG, what + "; nothing was written");
    for name in ["journal", "index", "silent", "silent.overridden"] {
        if home.join(name).symlink_metadata().is_ok() {
            let home = home.display();
            let what = format!("{home} has {name:?}: a node was started there before");
            return Err(refused(what).help("a first start has an empty home"));
        }
    }
    let (network, keypair, _) = member(global, args, home)?;
    let failed = |error: std::io::Error| refused(format!("{}: {error}", home.display()));
    std::fs::create_dir_all(home).map_err(failed)?;
    let held = hold(home)?;
    first_start::permit(home, &network.id, &keypair).map_err(failed)?;
    drop(held);
    let path = first_start::path(home);
    let shown = path.display().to_string();
    let document = json!({"schema": "quorate.store-init/1", "ok": true, "permission": shown});
    let text = format!("{} may be started for the first time, once\n", home.display());
    Ok(Answer::new(document, text))
}

/// Both commands read all of it: what has been applied stands nowhere else but in the journal.
fn read(global: &Global, args: &StoreArgs, home: &Path) -> Result<StoreReport, Failure> {
    let (network, keypair, member) = member(global, args, home)?;
    let checked = verify(home, &network, member, &keypair);
    checked.map_err(|error| {
        let what = format!("the store in {} can't be read: {error}", home.display());
        Failure::new(VERIFICATION_FAILED, what + "; nothing was changed").help(
            "keep the folder as it is, make an empty home, and start the node there: it \
                 catches up and never votes. Never put an older copy in its place",
        )
    })
}

/// The network, the key, and which member it is.
fn member(
    global: &Global,
    args: &StoreArgs,
    home: &Path,
) -> Result<(Arc<Network>, Keypair, u16), Failure> {
    let (genesis, key, unlock) = files(global, args, home)?;
    let network = Arc::new(crate::node::load_network(&genesis)?);
    let keypair = keyfile::open(&key, &unlock)?;
    let member = network.committee.index_of(&keypair.public()).ok_or_else(|| {
        let what = format!("key {} is no member's of {}", key.display(), genesis.display());
        Failure::new(GENESIS, what + "; nothing was read")
            .help("name both with --genesis and --key")
    })?;
    Ok((network, keypair, member))
}

/// Genesis and key file, and how that is opened: flags, then the node's configuration.
fn files(
    global: &Global,
    args: &StoreArgs,
    home: &Path,
) -> Result<(PathBuf, PathBuf, Unlock), Failure> {
    let mut unlock = super::keys::unlock(global);
    if let (Some(genesis), Some(key)) = (&args.genesis, &args.key) {
        return Ok((genesis.clone(), key.clone(), unlock));
    }
    let path = global.config.clone().unwrap_or_else(|| home.join("node.toml"));
    if !path.is_file() {
        let what = format!("{} is not there, so genesis and key are not known", path.display());
        return Err(Failure::new(CONFIG, what + "; nothing was read")
            .help("quorate store verify --home DIR --config node.toml")
            .help("quorate store verify --home DIR --genesis FILE --key FILE"));
    }
    let config = NodeConfig::load(&path)?;
    let genesis = args.genesis.clone().unwrap_or(config.genesis);
    unlock.file = unlock.file.or(config.key_passphrase_file);
    Ok((genesis, args.key.clone().unwrap_or(config.key), unlock))
}

/// Takes the store's lock, as a starting node does: one that was just killed may still be cleared
/// away.
fn hold(home: &Path) -> Result<StoreLock, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(INTERNAL, format!("no runtime: {error}")))?;
    runtime.block_on(crate::node::start::lock_store(home)).map_err(busy)
}

fn busy(error: LockError) -> Failure {
    match &error {
        LockError::Busy { pid, .. } => {
            let help = pid.map_or("stop the node".into(), |pid| format!("kill -TERM {pid}"));
            Failure::new(BUSY, format!("{error}; nothing was read"))
                .help(help)
                .details(json!({"pid": pid}))
        }
        LockError::Io { .. } => Failure::new(CONFIG, format!("{error}; nothing was read"))
            .help("name the node's home with --home DIR"),
    }
}

fn answer(report: &StoreReport, is_deep: bool) -> Answer {
    let is_good = report.problems.is_empty();
    let document = json!({
        "schema": "quorate.store/1",
        "ok": true,
        "verified": is_good,
        "applied": report.applied,
        "journal_bytes": report.journal_bytes,
        "index_bytes": report.index_bytes,
        "index": report.index,
        "records": report.records,
        "torn_bytes": report.torn_bytes,
        "silence": report.silence,
        "problems": report.problems,
    });
    let (journal, index) = (report.journal_bytes, report.index_bytes);
    let engine = report.index.map_or("none", Engine::word);
    let mut text = format!("journal {journal} bytes, index {index} bytes ({engine})\n");
    let (records, applied) = (report.records, report.applied);
    text.push_str(&format!("{records} records, {applied} transfers applied\n"));
    if report.torn_bytes > 0 {
        let torn = report.torn_bytes;
        text.push_str(&format!("{torn} bytes that a crash left; the next start cuts them\n"));
    }
    if let Some(silence) = &report.silence {
        text.push_str(&format!("this validator does not vote: {silence}\n"));
    }
    for problem in report.problems.iter().take(SHOWN_MAX) {
        text.push_str(&format!("problem: {problem}\n"));
    }
    let hidden = report.problems.len().saturating_sub(SHOWN_MAX);
    if hidden > 0 {
        text.push_str(&format!("and {hidden} more; see --json\n"));
    }
    if is_deep {
        text.push_str(if is_good { "verified: all of it holds\n" } else { "NOT verified\n" });
    }
    let exit = if is_good || !is_deep { 0 } else { VERIFICATION_FAILED.exit };
    Answer::new(document, text).exit(exit)
}
