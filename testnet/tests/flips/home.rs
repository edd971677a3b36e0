//! The home whose bits are flipped: made once with everything in it that a home can have, put back
//! for each flip, and started as a process of its own.

use crate::Outcome;
use crate::asking::answer;
use crate::folders::copy;
use crate::running::{Place, finish, wait_until};
use node::NodeConfig;
use node::store::{self, Cause, Silence, first_start};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// Whose panics are told and lead to a rebuild: the paths of their sources.
const ENGINES: [&str; 2] = ["/sled-0.34", "/lsm-tree-3."];

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Journal,
    JournalHead,
    Index,
    Content,
    Records,
    IpfsKey,
    Key,
    Config,
    Peers,
    Genesis,
    FirstStart,
    SilentMark,
    Lock,
}

/// All of them, in the order in which they are flipped.
pub const KINDS: [Kind; 13] = [
    Kind::Journal,
    Kind::Index,
    Kind::JournalHead,
    Kind::Content,
    Kind::Genesis,
    Kind::Key,
    Kind::Config,
    Kind::FirstStart,
    Kind::SilentMark,
    Kind::Records,
    Kind::IpfsKey,
    Kind::Peers,
    Kind::Lock,
];

/// One bit.
#[derive(Debug)]
pub struct Bit {
    path: PathBuf,
    byte: u64,
    bit: u32,
}

/// The home, its copy, and what it holds.
pub struct Home {
    place: Place,
    /// Ids of final transfers.
    finals: Vec<String>,
    account: String,
    /// Applied, digest, supply, balance.
    before: [Value; 4],
    content: String,
}

struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn state(api: &str, account: &str) -> Option<[Value; 4]> {
    let node = answer(api, "/v1/node")?;
    let supply = answer(api, "/v1/supply")?["supply"].clone();
    let balance = answer(api, &format!("/v1/accounts/{account}"))?["balances"].clone();
    Some([node["applied"].clone(), node["digest"].clone(), supply, balance])
}

impl Home {
    /// Pays, stores a file, makes a checkpoint of the index, and keeps a copy of all of it.
    pub fn new(engine: &str) -> Self {
        let place = Place::new();
        let document = place.testnet(&format!("up --detach -n 1 --index {engine}")).ok();
        let account = document["accounts"][1]["address"].as_str().expect("bob").to_string();
        let mut finals = Vec::new();
        for _ in 0..6 {
            let paid = place.quorate("transfer alice bob 1.5").ok();
            finals.push(paid["id"].as_str().expect("an id").to_string());
        }
        let file = place.path("file");
        fs::write(&file, vec![7; 300_000]).expect("written");
        let put = place.quorate(&format!("content put {}", file.display())).ok();
        let content = put["cid"].as_str().expect("a CID").to_string();
        let api = document["validators"][0]["api"].as_str().expect("a URL").to_string();
        let before = state(&api, &account).expect("it answers");
        place.testnet("down").ok();
        let home = Self { place, finals, account, before, content };
        home.checkpoint();
        copy(&home.place.dir(), &home.place.path("copy"));
        home
    }

    fn dir(&self) -> PathBuf {
        self.place.dir().join("v0")
    }

    /// Moves the index' rows to its engine, as a node with more of them does.
    fn checkpoint(&self) {
        let config = NodeConfig::load(&self.dir().join("node.toml")).expect("it is good");
        let (network, keypair, member) = node::node::identity(&config).expect("it is a member");
        let opened = store::open(&config.home, &network, member, &keypair, &config.store);
        let opened = opened.expect("open");
        let job = opened.store.begin_checkpoint(&opened.validator.live_records());
        let done = job.expect("none runs").run().expect("its engine is well");
        let deadline = Instant::now() + Duration::from_secs(20);
        opened.store.end_checkpoint(done, deadline).expect("durable");
    }

    /// Puts the home back, as it has to be for this kind.
    pub fn restore(&self, kind: Kind) {
        fs::remove_dir_all(self.place.dir()).expect("removed");
        copy(&self.place.path("copy"), &self.place.dir());
        let home = self.dir();
        let config = NodeConfig::load(&home.join("node.toml")).expect("it is good");
        match kind {
            Kind::FirstStart => {
                let (network, keypair, _) = node::node::identity(&config).expect("a member");
                for folder in ["journal", "index", "ipfs"] {
                    fs::remove_dir_all(home.join(folder)).expect("removed");
                }
                first_start::permit(&home, &network.id, &keypair).expect("permitted");
            }
            Kind::SilentMark => {
                Silence::new(Cause::StoreDamaged, "a test").keep(&home).expect("written");
            }
            _ => {}
        }
    }

    /// A bit of a file of this kind; `None` when there is no such file.
    pub fn choose(&self, kind: Kind, draw: impl FnMut(u64) -> u64) -> Option<Bit> {
        choose(&self.place.dir(), &self.dir(), kind, draw)
    }

    /// Starts the node and looks at what it says.
    pub fn start(&self, kind: Kind) -> Outcome {
        let (ready, log) = (self.dir().join("ready.json"), self.place.path("log"));
        drop(fs::remove_file(&ready));
        let stderr = File::create(&log).expect("a log");
        let mut command = self.place.command();
        command.arg("node").arg("--config").arg(self.dir().join("node.toml"));
        command.stdout(stderr.try_clone().expect("a copy")).stderr(stderr);
        let mut started = Started(command.spawn().expect("started"));
        let settled = wait_until(|| {
            if let Some(status) = started.0.try_wait().expect("asked") {
                return Some((Some(status), String::new()));
            }
            let document: Value = serde_json::from_slice(&fs::read(&ready).ok()?).ok()?;
            let api = document["api"].as_str()?.to_string();
            let mode = answer(&api, "/v1/node")?["mode"].clone();
            (mode == "voting" || mode == "silent").then_some((None, api))
        });
        let words = fs::read_to_string(&log).unwrap_or_default();
        let bad = |what: String| Outcome::Bad(format!("{what}; its log: {words}"));
        let Some((status, api)) = settled else { return bad("it comes to no end".into()) };
        if words.contains("panicked at") && !ENGINES.iter().any(|engine| words.contains(engine)) {
            return bad("it panicked".into());
        }
        if let Some(status) = status {
            let is_told = status.code().is_some_and(|code| code != 0) && words.contains("error:");
            return if is_told { Outcome::Refused } else { bad(format!("it ended: {status}")) };
        }
        let node = answer(&api, "/v1/node").unwrap_or_default();
        if node["mode"] == "silent" {
            let is_told = node["failed"].is_string() && words.contains("ERROR");
            return if is_told { Outcome::Silent } else { bad("silent without a word".into()) };
        }
        if matches!(kind, Kind::FirstStart | Kind::SilentMark) {
            return bad("it votes".into());
        }
        match self.compare(kind, &api) {
            Err(what) => bad(what),
            Ok(()) if words.contains(" WARN ") || words.contains(" ERROR ") => Outcome::Told,
            Ok(()) => Outcome::Harmless,
        }
    }

    /// Everything is as it was.
    fn compare(&self, kind: Kind, api: &str) -> Result<(), String> {
        let now = state(api, &self.account).ok_or("it does not answer")?;
        if now != self.before {
            return Err(format!("{now:?} is not {:?}", self.before));
        }
        for id in &self.finals {
            let answer = answer(api, &format!("/v1/transfers/{id}"));
            if answer.is_none_or(|transfer| transfer["status"] != "final") {
                return Err(format!("{id} is not final"));
            }
        }
        let out = self.place.path("out");
        drop(fs::remove_file(&out));
        let mut command = self.place.command();
        command.args(["cli", "--", "--json", "--node", api, "--timeout", "1s", "content", "get"]);
        command.arg(&self.content).arg("--out").arg(&out);
        let got = finish(command);
        // Content can be lost to a flipped bit, and then that is said; it is never another.
        let is_whole = fs::read(&out).is_ok_and(|bytes| bytes == vec![7; 300_000]);
        match (got.exit, is_whole) {
            (0, true) => Ok(()),
            (0, false) => Err("another file came back".into()),
            _ if kind == Kind::Content => Ok(()),
            _ => Err(format!("the file is gone: {got:?}")),
        }
    }
}

/// A bit of a file of this kind in a validator's home, or beside it in the testnet's folder; `draw`
/// gives a number below its argument. `None` when there is no such file.
pub fn choose(
    testnet: &Path,
    home: &Path,
    kind: Kind,
    mut draw: impl FnMut(u64) -> u64,
) -> Option<Bit> {
    let files = match kind {
        Kind::Journal | Kind::JournalHead => files_in(&home.join("journal")),
        Kind::Index => files_in(&home.join("index")),
        Kind::Content => files_in(&home.join("ipfs/content")),
        Kind::Records => vec![home.join("ipfs/records.log"), home.join("ipfs/peers")],
        Kind::IpfsKey => vec![home.join("ipfs/key")],
        Kind::Key => vec![home.join("key")],
        Kind::Config => vec![home.join("node.toml")],
        Kind::Peers => vec![home.join("peers.toml")],
        Kind::Genesis => vec![testnet.join("genesis.json")],
        Kind::FirstStart => vec![home.join("first-start")],
        Kind::SilentMark => vec![home.join("silent")],
        Kind::Lock => vec![home.join("lock")],
    };
    let is_there = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() > 0);
    let files: Vec<PathBuf> = files.into_iter().filter(is_there).collect();
    let count = u64::try_from(files.len()).expect("few");
    if count == 0 {
        return None;
    }
    let path = files[usize::try_from(draw(count)).expect("few")].clone();
    let bytes = match kind {
        // The header and both slots of the head; then the records.
        Kind::JournalHead => 12_288,
        _ => used_bytes(&path),
    };
    let mut byte = draw(bytes);
    if kind == Kind::Config {
        // Another home could be one that is not this test's.
        let config = fs::read_to_string(&path).expect("a file");
        let line = config.find("home =").expect("a line");
        let end = line + config[line..].find('\n').expect("a line");
        byte =
            if usize::try_from(byte).is_ok_and(|at| (line..end).contains(&at)) { 0 } else { byte };
    }
    let bit = u32::try_from(draw(8)).expect("below 8");
    Some(Bit { path, byte, bit })
}

/// Flips it.
pub fn flip(place: &Bit) {
    let file = File::options().read(true).write(true).open(&place.path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, place.byte).expect("it is in the file");
    byte[0] ^= 1 << place.bit;
    file.write_all_at(&byte, place.byte).expect("written");
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(files_in(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// Up to a page behind the last byte that is not zero.
fn used_bytes(path: &Path) -> u64 {
    let bytes = fs::read(path).expect("a file");
    let last = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    u64::try_from((last + 4_096).min(bytes.len())).expect("a length").max(1)
}
