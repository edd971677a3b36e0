//! A torture under way: what the villain chooses is done, and taken back when its time is over,
//! while the clients pay. Deeds overlap.

use super::fleet::Fleet;
use super::memory::Memory;
use super::slow_disk::SlowDisk;
use super::villain::{Deed, Villain};
use crate::faults::{Faults, Slow, switch};
use crate::output::Output;
use node::Failure;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(20);
/// How often the memory of the validators is looked at.
const MEMORY_LOOK: Duration = Duration::from_secs(2);

/// What takes a deed back, or follows it.
enum Undo {
    /// Start these; kill them once more so long after.
    Start(Vec<usize>, Option<Duration>),
    /// Kill and start these.
    KillAgain(Vec<usize>),
    /// Let these go on.
    Resume(Vec<usize>),
    /// The links of this one are good.
    Links(usize),
    /// Nothing is parted.
    Join,
    /// Its syncs are fast.
    Disk(SlowDisk),
}

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// At most so long.
    pub time: Duration,
    /// Until so many processes were killed; 0 for no such bound.
    pub kills: u64,
}

/// A torture under way.
pub struct Run {
    /// The validators.
    pub fleet: Fleet,
    /// Their memory.
    pub memory: Memory,
    /// How often each class of deed was done.
    pub deeds: BTreeMap<&'static str, u64>,
    /// Stores that were checked while their validator was down.
    pub stores_verified: u64,
    villain: Villain,
    output: Output,
    start: Instant,
    due: Vec<(Instant, Undo)>,
    memory_at: Instant,
    problems: Vec<String>,
}

impl Run {
    /// Nothing is done yet.
    pub fn new(fleet: Fleet, villain: Villain, output: Output) -> Self {
        let names = fleet.file.validators.iter().map(|validator| validator.name.clone()).collect();
        let start = Instant::now();
        Self {
            fleet,
            memory: Memory::new(names),
            deeds: BTreeMap::new(),
            stores_verified: 0,
            villain,
            output,
            start,
            due: Vec::new(),
            memory_at: start,
            problems: Vec::new(),
        }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What did not hold on the way.
    pub fn problems(&self) -> Vec<String> {
        self.problems.iter().chain(self.fleet.problems()).cloned().collect()
    }

    /// Does deeds until a bound is reached, or something did not hold.
    ///
    /// # Errors
    /// Something can't be done: a process, a file, the relay.
    pub async fn go(&mut self, bounds: Bounds) -> Result<(), Failure> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut deed) = self.villain.next_deed();
        let mut next_at = Instant::now() + pause;
        loop {
            ticks.tick().await;
            self.turn().await?;
            let is_enough = bounds.kills > 0 && self.fleet.kills() >= bounds.kills;
            if is_enough || self.elapsed() >= bounds.time || !self.problems().is_empty() {
                return Ok(());
            }
            if Instant::now() >= next_at {
                self.tell(&deed)?;
                self.perform(deed).await?;
                (pause, deed) = self.villain.next_deed();
                next_at = Instant::now() + pause;
            }
        }
    }

    /// Takes all deeds back and starts whoever is down; returns when all listen, or the time is
    /// over.
    ///
    /// # Errors
    /// As [`Run::go`].
    pub async fn calm(&mut self, time: Duration) -> Result<(), Failure> {
        for (_, undo) in std::mem::take(&mut self.due) {
            match undo {
                Undo::Start(..) | Undo::KillAgain(..) => {}
                other => self.undo(other).await?,
            }
        }
        let all: Vec<usize> = (0..self.fleet.count()).collect();
        self.fleet.signal(&all, Signal::CONT)?;
        let deadline = Instant::now() + time;
        let mut ticks = interval(TICK);
        loop {
            self.fleet.start(&all)?;
            self.fleet.poll().await?;
            let is_over = Instant::now() >= deadline;
            if is_over {
                self.problems.push("not all validators listen in the end".into());
            }
            if is_over || self.fleet.is_up() {
                return Ok(());
            }
            ticks.tick().await;
        }
    }

    /// Looks after processes, memory and what is due.
    ///
    /// # Errors
    /// As [`Run::go`].
    pub async fn turn(&mut self) -> Result<(), Failure> {
        self.fleet.poll().await?;
        let now = Instant::now();
        if now >= self.memory_at {
            self.memory_at = now + MEMORY_LOOK;
            let processes: Vec<_> =
                (0..self.fleet.count()).map(|index| self.fleet.process(index)).collect();
            self.memory.look(self.elapsed(), &processes);
        }
        while let Some(at) = self.due.iter().position(|(at, _)| now >= *at) {
            let (_, undo) = self.due.swap_remove(at);
            self.undo(undo).await?;
        }
        Ok(())
    }

    fn tell(&self, deed: &Deed) -> Result<(), Failure> {
        let text = serde_json::to_string(deed).expect("words and numbers only");
        self.output.say(&format!("{:7.2} s  {text}", self.elapsed().as_secs_f64()))
    }

    fn later(&mut self, time_ms: u64, undo: Undo) {
        self.due.push((Instant::now() + Duration::from_millis(time_ms), undo));
    }

    async fn perform(&mut self, deed: Deed) -> Result<(), Failure> {
        let word = match &deed {
            Deed::Kill { .. } => "kill",
            Deed::Pause { .. } => "pause",
            Deed::Links { .. } => "links",
            Deed::Partition { .. } => "partition",
            Deed::Disk { .. } => "disk",
        };
        *self.deeds.entry(word).or_default() += 1;
        match deed {
            Deed::Kill { victims, down_ms, again_ms, is_verified } => {
                self.fleet.kill(&victims).await?;
                if is_verified {
                    self.verify(victims[0]).await?;
                }
                let again = again_ms.map(Duration::from_millis);
                self.later(down_ms, Undo::Start(victims, again));
            }
            Deed::Pause { victims, time_ms } => {
                self.fleet.signal(&victims, Signal::STOP)?;
                self.later(time_ms, Undo::Resume(victims));
            }
            Deed::Links { victim, slow, time_ms } => {
                self.set_slow(victim, slow).await?;
                self.later(time_ms, Undo::Links(victim));
            }
            Deed::Partition { side, time_ms } => {
                // All on one side is no partition.
                if side.len() < self.fleet.count() {
                    let names: Vec<&str> =
                        side.iter().map(|index| self.fleet.name(*index)).collect();
                    let groups = names.join(",");
                    self.change(|faults| faults.part(&groups)).await?;
                    self.later(time_ms, Undo::Join);
                }
            }
            Deed::Disk { victim, sync_ms, time_ms } => {
                if let Some(process) = self.fleet.process(victim) {
                    let disk = SlowDisk::attach(process, sync_ms)?;
                    self.later(time_ms, Undo::Disk(disk));
                }
            }
        }
        Ok(())
    }

    async fn undo(&mut self, undo: Undo) -> Result<(), Failure> {
        match undo {
            Undo::Start(victims, again) => {
                self.fleet.start(&victims)?;
                if let Some(again) = again {
                    self.due.push((Instant::now() + again, Undo::KillAgain(victims)));
                }
                Ok(())
            }
            Undo::KillAgain(victims) => {
                self.fleet.kill(&victims).await?;
                self.fleet.start(&victims)
            }
            Undo::Resume(victims) => self.fleet.signal(&victims, Signal::CONT),
            Undo::Links(victim) => self.set_slow(victim, Slow::default()).await,
            Undo::Join => {
                self.change(|faults| {
                    faults.groups.clear();
                    Ok(())
                })
                .await
            }
            Undo::Disk(disk) => disk.end().await,
        }
    }

    /// The store of one that was just killed holds.
    async fn verify(&mut self, index: usize) -> Result<(), Failure> {
        let problems = self.fleet.verify(index).await?;
        self.stores_verified += 1;
        let name = self.fleet.name(index).to_string();
        self.problems.extend(problems.into_iter().map(|what| format!("store of {name}: {what}")));
        Ok(())
    }

    async fn set_slow(&mut self, victim: usize, slow: Slow) -> Result<(), Failure> {
        let name = self.fleet.name(victim).to_string();
        self.change(|faults| faults.set_slow(&name, slow)).await
    }

    /// Changes the faults of the relay, which is there.
    async fn change(
        &mut self,
        edit: impl FnOnce(&mut Faults) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let Some(mut faults) = Faults::read(&self.fleet.folder)? {
            edit(&mut faults)?;
            switch::put_in_force(&self.fleet.folder, &mut faults).await?;
        }
        Ok(())
    }
}
