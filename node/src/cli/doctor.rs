//! `doctor`: looks for what commonly keeps a client or a node from working, and says what to do.
//! It changes nothing but a file of its own in the home, which it removes.

use super::answer::Answer;
use super::context::Context;
use super::network;
use super::table::Table;
use crate::error::{Failure, VERIFICATION_FAILED};
use crate::view::NodeDocument;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// A sync that takes longer makes transfers slow: two are on the way of each.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// Syncs that are timed; the median counts.
const SYNCS: usize = 5;
/// Less free room than this is soon full: a journal's segment has 64 MiB.
const ROOM_MIN: u64 = 512 << 20;
/// A node has a connection a peer, API clients and the DHT's peers.
const FILES_MIN: u64 = 1_024;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Well,
    Doubtful,
    Bad,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Well => "ok",
            Verdict::Doubtful => "warning",
            Verdict::Bad => "problem",
        }
    }
}

/// One thing that was looked at.
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; empty when all is well.
    help: String,
}

impl Check {
    fn well(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Well, found: found.into(), help: String::new() }
    }

    fn doubtful(name: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        let verdict = Verdict::Doubtful;
        Self { name, verdict, found: found.into(), help: help.into() }
    }

    fn bad(name: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Bad, found: found.into(), help: help.into() }
    }
}

/// `doctor`.
pub async fn doctor(context: &Context) -> Result<Answer, Failure> {
    let mut checks = vec![processor(), open_files()];
    let home = context.settings.home.clone().unwrap_or_else(std::env::temp_dir);
    // A home is made by whoever first needs it.
    let there = home.ancestors().find(|path| path.exists()).unwrap_or(&home);
    checks.extend(disk(there));
    checks.extend(nodes(context).await);
    Ok(answer(&checks))
}

fn answer(checks: &[Check]) -> Answer {
    let mut table = Table::new(&["check", "result", "found"]);
    let (mut rows, mut help) = (Vec::new(), String::new());
    for check in checks {
        let word = check.verdict.word();
        rows.push(json!({
            "check": check.name, "result": word, "found": check.found, "help": check.help,
        }));
        table.row([check.name.to_string(), word.to_string(), check.found.clone()]);
        if !check.help.is_empty() {
            help.push_str(&format!("  {}: {}\n", check.name, check.help));
        }
    }
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad).count();
    let text = match help.is_empty() {
        true => format!("{}all is well\n", table.render()),
        false => format!("{}what to do:\n{help}", table.render()),
    };
    let ok = bad == 0;
    let document = json!({"schema": "quorate.doctor/1", "ok": ok, "checks": rows});
    Answer::new(document, text).exit(if ok { 0 } else { VERIFICATION_FAILED.exit })
}

fn processor() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let version = env!("CARGO_PKG_VERSION");
    let found = format!("quorate {version}, {cores} cores");
    if cores < 2 {
        let help = "a validator verifies signatures on all cores; two or more are advisable";
        return Check::doubtful("machine", found, help);
    }
    Check::well("machine", found)
}

fn open_files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FILES_MIN => {
            let help = format!("ulimit -n {FILES_MIN}, or LimitNOFILE= in the unit");
            Check::doubtful("open files", format!("at most {limit}"), help)
        }
        Some(limit) => Check::well("open files", format!("at most {limit}")),
        None => Check::well("open files", "no limit"),
    }
}

/// Room, and how long a sync takes: a transfer waits for two, one after the other.
fn disk(home: &Path) -> Vec<Check> {
    let shown = home.display();
    let room = match rustix::fs::statvfs(home) {
        Err(error) => {
            let help = "name a folder that exists with --home DIR";
            return vec![Check::bad("disk", format!("{shown}: {error}"), help)];
        }
        Ok(stat) => {
            let bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{} MiB free at {shown}", bytes >> 20);
            match bytes < ROOM_MIN {
                true => Check::bad("room", found, "make room: a node stops voting on a full disk"),
                false => Check::well("room", found),
            }
        }
    };
    vec![room, syncs(home)]
}

fn syncs(home: &Path) -> Check {
    let shown = home.display();
    let timed = || -> std::io::Result<Duration> {
        let mut file = tempfile_in(home)?;
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            file.0.write_all(&[0; 256])?;
            let start = Instant::now();
            file.0.sync_data()?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        Ok(times[SYNCS / 2])
    };
    match timed() {
        Err(error) => {
            let help = "name a folder with --home DIR in which this user may write";
            Check::bad("disk sync", format!("{shown} can't be written: {error}"), help)
        }
        Ok(time) if time > SYNC_SLOW => {
            let help = "each transfer waits for two syncs: put the home on a faster disk";
            Check::doubtful("disk sync", format!("{time:.1?}"), help)
        }
        Ok(time) => Check::well("disk sync", format!("{time:.1?}")),
    }
}

/// A file that goes when it is dropped.
struct Scratch(std::fs::File, std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is empty of meaning; who can't remove it was told of the folder already.
        drop(std::fs::remove_file(&self.1));
    }
}

fn tempfile_in(home: &Path) -> std::io::Result<Scratch> {
    let path = home.join(format!(".quorate-doctor-{}", std::process::id()));
    let file = std::fs::File::create_new(&path)?;
    Ok(Scratch(file, path))
}

async fn nodes(context: &Context) -> Vec<Check> {
    let nodes = match context.nodes() {
        Ok(nodes) => nodes,
        Err(failure) => {
            let help = "quorate-testnet up --detach, or name a node with --node URL";
            return vec![Check::bad("network", failure.message, help)];
        }
    };
    let found = match network::ask_all(context, &nodes).await {
        Ok(found) => found,
        Err(failure) => return vec![Check::bad("network", failure.message, "quorate status")],
    };
    let (mut up, mut checks) = (Vec::new(), Vec::new());
    for (node, found) in nodes.iter().zip(found) {
        let name = node.name.clone().unwrap_or_else(|| node.url.clone());
        match found {
            Some((document, _supply)) => up.push((name, document)),
            None => checks.push(Check::doubtful(
                "node",
                format!("{name} does not answer"),
                format!("quorate-testnet start {name}, or look into its log"),
            )),
        }
    }
    if up.is_empty() {
        let help = "start the nodes, or name others with --node URL";
        return vec![Check::bad("network", format!("none of {} nodes answers", nodes.len()), help)];
    }
    checks
        .insert(0, Check::well("network", format!("{} of {} nodes answer", up.len(), nodes.len())));
    checks.extend(same_network(&up));
    checks.extend(up.iter().flat_map(|(name, document)| of_node(name, document)));
    checks
}

/// All speak of one network, and their sums agree where they have applied as much.
fn same_network(up: &[(String, NodeDocument)]) -> Option<Check> {
    let (first, rest) = up.split_first()?;
    let other = rest.iter().find(|(_, document)| document.network != first.1.network);
    if let Some((name, _)) = other {
        let found = format!("{} and {name} are of different networks", first.0);
        return Some(Check::bad("genesis", found, "look at the URLs and at genesis.json"));
    }
    let differs = up.iter().enumerate().find_map(|(at, (name, one))| {
        let same_count = up[at + 1..]
            .iter()
            .find(|(_, other)| other.applied == one.applied && other.digest != one.digest);
        same_count.map(|(other, _)| format!("{name} and {other} applied different transfers"))
    });
    differs.map(|found| {
        let help = "they may have been asked at different moments; run it again, then \
                    `quorate evidence list` on both";
        Check::doubtful("digests", found, help)
    })
}

fn of_node(name: &str, node: &NodeDocument) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(failed) = &node.failed {
        let help = "quorate store verify --home DIR; the book's chapter on troubleshooting";
        checks.push(Check::bad("vote", format!("{name} does not vote: {failed}"), help));
    } else if let Some(behind) = &node.catching_up {
        let found = format!("{name} catches up: {} of {}", behind.applied, behind.target);
        checks.push(Check::doubtful("lag", found, "wait; quorate status shows how far it is"));
    } else if node.reachable < node.quorum {
        let found = format!("{name} reaches weight {} of {}", node.reachable, node.quorum);
        checks.push(Check::bad("quorum", found, "start more validators; look at UDP between them"));
    } else if !node.ready {
        let found = format!("{name} is not ready ({})", node.mode);
        checks.push(Check::doubtful("ready", found, "quorate health --node URL"));
    }
    let own = env!("CARGO_PKG_VERSION");
    if node.version != own {
        let found = format!("{name} is {}, this program {own}", node.version);
        checks.push(Check::doubtful("version", found, "use one version everywhere"));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_an_exit_status_and_a_warning_is_none() {
        let well = answer(&[Check::well("a", "fine")]);
        assert_eq!((well.exit, &well.document["ok"]), (0, &json!(true)));
        assert!(well.text.ends_with("all is well\n"));
        let warned = answer(&[Check::well("a", "fine"), Check::doubtful("b", "slow", "wait")]);
        assert_eq!(warned.exit, 0);
        assert!(warned.text.contains("what to do:\n  b: wait\n"), "{}", warned.text);
        let bad = answer(&[Check::bad("c", "gone", "bring it back")]);
        assert_eq!((bad.exit, &bad.document["ok"]), (VERIFICATION_FAILED.exit, &json!(false)));
        assert_eq!(bad.document["checks"][0]["result"], "problem");
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let checks = disk(folder.path());
        assert!(checks.iter().all(|check| check.verdict != Verdict::Bad));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let gone = folder.path().join("gone");
        assert_eq!(disk(&gone)[0].verdict, Verdict::Bad);
    }
}
