//! Power cuts: the homes of all validators are on one ext4 image, which is copied as its disk is at
//! one moment under load, and mounted again in the place of the original. What the kernel had not
//! written is lost, as when the power goes.
//!
//! ```text
//!  outer image, mounted at a ── holds ──▶ inner image, mounted at b ── holds ──▶ all homes
//!  cut: freeze a (the inner disk stands still) ─ copy the inner image ─ kill all ─ thaw ─
//!       unmount b ─ mount the copy at b (ext4 replays its journal) ─ start all
//! ```
//! Clients note what they were told elsewhere. While the outer image is frozen no sync of a home
//! ends, so nothing is acknowledged that the copy could lack but by a bug. What a disk's own cache
//! may lose between two flushes can't be shown this way.

use crate::mount::{Frozen, Mount, run};
use crate::running::{block_on, wait_until};
use crate::victim::{has, is_root};
use std::path::Path;
use std::time::{Duration, Instant};
use testnet::folder::Folder;
use testnet::launch::{Pipe, StopSignals};
use testnet::plan::Plan;
use testnet::torture::fleet::Fleet;
use testnet::torture::load::{Load, LoadPlan};
use testnet::torture::villain::{Class, Villain};
use testnet::torture::{self, check::check, history, run::Run};
use testnet::up::Hold;

/// Time for all to come back.
const BACK_TIME: Duration = Duration::from_secs(60);
/// Payments that become final between two cuts.
const FINALS_BETWEEN: u64 = 40;

/// The two images and where they are.
struct Disk {
    folder: tempfile::TempDir,
    inner: Option<Mount>,
    outer: Option<Mount>,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
        let at = |name: &str| folder.path().join(name);
        let outer = Mount::image(&at_made(&at("a"), &at("a.img")), &at("a"), "6G");
        let inner = Mount::image(&at("a").join("b.img"), &at("b"), "3G");
        Self { inner: Some(inner), outer: Some(outer), folder }
    }

    fn homes(&self) -> std::path::PathBuf {
        self.folder.path().join("b")
    }

    /// Copies the inner disk as it is now, has `kill` done before anything goes on, and mounts the
    /// copy in its place once `are_gone` holds.
    fn cut(&mut self, kill: impl FnOnce(), are_gone: impl FnOnce()) {
        let outer = self.folder.path().join("a");
        let (image, copy) = (outer.join("b.img"), self.folder.path().join("cut.img"));
        let frozen = Frozen::at(&outer);
        let path = |path: &Path| path.to_str().expect("a path of a test").to_string();
        run("cp", &["--sparse=always", &path(&image), &path(&copy)]);
        kill();
        drop(frozen);
        are_gone();
        self.inner.take().expect("it is mounted").end();
        run("cp", &["--sparse=always", &path(&copy), &path(&image)]);
        self.inner = Some(Mount::again(&image, &self.homes()));
    }
}

fn at_made(at: &Path, file: &Path) -> std::path::PathBuf {
    std::fs::create_dir_all(at).expect("a folder");
    file.to_path_buf()
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.inner.take());
        drop(self.outer.take());
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_of_all_validators() {
    if !is_root() || !["fsfreeze", "mkfs.ext4", "mount"].into_iter().all(has) {
        return;
    }
    let cuts = std::env::var("QUORATE_POWER_CUTS").map_or(2, |text| text.parse().expect("cuts"));
    let mut disk = Disk::new();
    block_on(cut_power(&mut disk, cuts));
}

async fn cut_power(disk: &mut Disk, cuts: u32) {
    let mut folder = Folder::at(&disk.homes().join("net")).expect("a path");
    folder.program = env!("CARGO_BIN_EXE_quorate-testnet").into();
    let histories = disk.folder.path().join("histories");
    std::fs::create_dir(&histories).expect("a folder");
    let mut stop = StopSignals::listen().expect("signals");
    let hold = Hold::take(&folder).expect("it is new");
    let plan = Plan { seed: Some(1), ..Plan::default() };
    folder.write(&plan, &plan.draw(None).expect("a plan")).expect("written");
    let pipe = Pipe::new().expect("a pipe");
    let launched = hold.launch(&plan, 0, Some(&pipe), &mut stop).await.expect("launched");
    drop(hold);
    // Whoever makes a network sees to it that keys and permissions are on the disk.
    run("sync", &[]);
    let fleet = Fleet::new(folder, plan, launched).expect("a fleet");
    let parties = torture::parties(&fleet.file.accounts).expect("keys");
    let accounts: Vec<_> = parties.iter().map(|party| party.address).collect();
    let load_plan = LoadPlan {
        clients: 4,
        batch: 8,
        rate: None,
        seed: 1,
        folder: histories.clone(),
        has_rivals: true,
    };
    let network = fleet.network.clone();
    let load = Load::start(load_plan, &network, parties, fleet.urls.clone()).expect("clients");
    let output = testnet::output::Output { is_json: true };
    let villain = Villain::new(1, fleet.count(), vec![Class::Kill], BACK_TIME);
    let mut run = Run::new(fleet, villain, output);
    for cut in 1..=cuts {
        pay_some(&mut run, &load).await;
        cut_once(disk, &mut run).await;
        assert_eq!(run.problems(), Vec::<String>::new(), "after cut {cut}");
        eprintln!("cut {cut} of {cuts}");
    }
    run.calm(BACK_TIME).await.expect("all are back");
    let settled = torture::settle(&mut run, &load).await.expect("asked");
    load.end().expect("the clients are well");
    assert!(settled.is_some(), "all that was sent ends, and all stand equal");
    let known = history::read_all(&histories).expect("histories");
    let urls = run.fleet.urls.all();
    let findings = check(&network, &accounts, &urls, &known).await.expect("checked");
    assert_eq!(findings.problems, Vec::<String>::new());
    assert_eq!(run.problems(), Vec::<String>::new());
    eprintln!("{} finals, {} acknowledged", findings.finals, findings.acknowledged);
    let all: Vec<usize> = (0..run.fleet.count()).collect();
    run.fleet.kill(&all).await.expect("killed");
    for index in all {
        assert_eq!(run.fleet.verify(index).await.expect("read"), Vec::<String>::new());
    }
}

/// Waits until payments have become final.
async fn pay_some(run: &mut Run, load: &Load) {
    let finals = || load.counts().finals.load(std::sync::atomic::Ordering::Relaxed);
    let (before, deadline) = (finals(), Instant::now() + BACK_TIME);
    while finals() < before + FINALS_BETWEEN {
        assert!(Instant::now() < deadline, "nothing becomes final: {:?}", run.problems());
        run.turn().await.expect("looked after");
        assert_eq!(run.problems(), Vec::<String>::new());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn cut_once(disk: &mut Disk, run: &mut Run) {
    let all: Vec<usize> = (0..run.fleet.count()).collect();
    let processes: Vec<_> = all.iter().filter_map(|index| run.fleet.process(*index)).collect();
    let kill = || {
        let killed = run.fleet.signal(&all, rustix::process::Signal::KILL);
        killed.expect("signalled");
    };
    let are_gone = || {
        let look = || processes.iter().all(|process| !process.is_alive()).then_some(());
        // On a thread of its own: this is within a runtime already.
        let gone = std::thread::scope(|scope| scope.spawn(|| wait_until(look)).join());
        gone.expect("no panic").expect("they end");
    };
    disk.cut(kill, are_gone);
    run.fleet.kill(&all).await.expect("taken note of");
    for index in &all {
        let problems = run.fleet.verify(*index).await.expect("read");
        assert_eq!(problems, Vec::<String>::new(), "the store of v{index} after a power cut");
    }
    run.fleet.start(&all).expect("started");
}
