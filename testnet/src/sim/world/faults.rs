//! What happens to machines: power cuts between any two calls of a disk, failing and full disks,
//! harm to what they hold, killed and paused processes, clocks that jump, links that go one way.

use super::{DOWN_US_MAX, Event, MEMBERS, Plan, World};
use crate::sim::check::kept::Harm;
use crate::sim::disk::{SECTOR_BYTES, SimDisk};
use rand::RngExt;
use std::collections::btree_map::Entry;

/// Calls of a disk until power goes, at most.
const FUSE_MAX: u32 = 40;
/// Syncs of a disk until one fails, at most.
const BAD_SYNC_MAX: u32 = 20;
/// How long a disk is full or slow, a process paused, a link cut or clogged, µs, at most.
const FAULT_US_MAX: u64 = 1_500_000;
/// A clock jumps by this, µs, at most: past every deadline of a member.
const JUMP_US_MAX: u64 = 60_000_000;
/// Somebody restarts a node that has failed after this, µs, at most.
const MEND_US_MAX: u64 = 1_000_000;
/// A node that could not start tries again after this, µs.
const AGAIN_US: u64 = 100_000;

/// One fault of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Fuse,
    BadSync,
    Full(bool),
    Slow(bool),
    Kill,
    /// A node whose disk has failed is restarted by somebody.
    Mend,
    Pause,
    Resume,
    Jump,
    /// Its disk is copied, for a rollback.
    Copy,
    Harm(Harm),
}

impl World {
    /// Each fault of the plan at its time.
    pub(super) fn schedule_machines(&mut self, plan: &Plan) {
        let counts = [
            (plan.machines.fuses, Fault::Fuse),
            (plan.machines.bad_syncs, Fault::BadSync),
            (plan.machines.full, Fault::Full(true)),
            (plan.machines.slow, Fault::Slow(true)),
            (plan.machines.kills, Fault::Kill),
            (plan.machines.pauses, Fault::Pause),
            (plan.machines.jumps, Fault::Jump),
        ];
        for (count, fault) in counts {
            for _ in 0..count {
                let at = self.rng.random_range(0..plan.chaos_us);
                let to = self.rng.random_range(0..MEMBERS);
                self.at(at, Event::Machine { to, fault });
            }
        }
        for (to, harm) in &plan.harmed {
            let copied = self.rng.random_range(0..plan.chaos_us);
            let at = self.rng.random_range(copied..plan.chaos_us);
            if *harm == Harm::RolledBack {
                self.at(copied, Event::Machine { to: *to, fault: Fault::Copy });
            }
            self.at(at, Event::Machine { to: *to, fault: Fault::Harm(*harm) });
        }
        for (count, is_clog) in [(plan.machines.oneway, false), (plan.machines.clogs, true)] {
            for _ in 0..count {
                let at = self.rng.random_range(0..plan.chaos_us);
                let link = (self.rng.random_range(0..MEMBERS), self.rng.random_range(0..MEMBERS));
                let until_us = at + self.rng_below(FAULT_US_MAX);
                self.at(at, Event::Link { link, until_us, is_clog });
            }
        }
    }

    /// A link fails until then; after that both ends find it up again.
    pub(super) fn link(&mut self, link: (u16, u16), until_us: u64, is_clog: bool) {
        self.links.fault(link, until_us, is_clog);
        let (to, member) = link;
        if to != member {
            self.at(until_us, Event::PeerUp { to, member });
            self.at(until_us, Event::PeerUp { to: member, member: to });
        }
    }

    /// A fault, or its end.
    pub(super) fn fault(&mut self, to: u16, fault: Fault) {
        let node = &mut self.nodes[usize::from(to)];
        if self.is_calm || self.gone.contains(&to) {
            return;
        }
        let later = self.now_us + self.rng.random_range(1..FAULT_US_MAX);
        match fault {
            Fault::Fuse if node.is_up => {
                let calls = self.rng.random_range(0..FUSE_MAX);
                node.store.disk.image().weakness.fuse = Some(calls);
            }
            Fault::BadSync => {
                let syncs = self.rng.random_range(0..BAD_SYNC_MAX);
                node.store.disk.image().weakness.bad_sync = Some(syncs);
            }
            Fault::Full(is_full) => {
                node.store.disk.image().weakness.is_full = is_full;
                if is_full {
                    self.at(later, Event::Machine { to, fault: Fault::Full(false) });
                }
            }
            Fault::Slow(is_slow) => {
                node.is_slow = is_slow;
                if is_slow {
                    self.at(later, Event::Machine { to, fault: Fault::Slow(false) });
                }
            }
            Fault::Kill if node.is_up => self.kill(to),
            Fault::Mend => {
                self.mending.remove(&to);
                let node = &self.nodes[usize::from(to)];
                match node.is_up && node.is_failed {
                    true if self.rng.random_range(0..2) == 0 => self.crash(to, MEND_US_MAX),
                    true => self.kill(to),
                    false => {}
                }
            }
            Fault::Pause => {
                if let Entry::Vacant(vacant) = self.paused.entry(to) {
                    vacant.insert(Vec::new());
                    self.report.machines.pauses += 1;
                    self.at(later, Event::Machine { to, fault: Fault::Resume });
                }
            }
            Fault::Resume => self.resume(to),
            Fault::Jump => node.clock.jump(self.rng.random_range(0..JUMP_US_MAX)),
            Fault::Copy => {
                let copy = node.store.disk.image().clone();
                self.copies.insert(to, copy);
            }
            Fault::Harm(harm) => self.harm(to, harm),
            Fault::Fuse | Fault::Kill => {}
        }
    }

    /// Power is lost at a member, for a while.
    pub(super) fn crash(&mut self, to: u16, down_us_max: u64) {
        let node = &mut self.nodes[usize::from(to)];
        if !node.is_up || self.is_calm {
            return;
        }
        node.crash();
        self.report.crashes += 1;
        self.ended(to, down_us_max);
    }

    /// A member starts, if it can.
    pub(super) fn restart(&mut self, to: u16) {
        if self.gone.contains(&to) || self.nodes[usize::from(to)].is_up {
            return;
        }
        let own = self.member_of(to);
        if to >= MEMBERS && self.rng.random_range(0..2) == 0 {
            self.nodes[usize::from(to)].begin_anew();
        }
        if !self.start(to) {
            return;
        }
        self.checks.back(self.now_us, to, &self.nodes[usize::from(to)]);
        self.checks.standing(self.now_us, to, &self.nodes[usize::from(to)]);
        for member in (0..MEMBERS).filter(|member| *member != own) {
            self.at(self.now_us + 1_000, Event::PeerUp { to: member, member: own });
        }
    }

    fn kill(&mut self, to: u16) {
        self.nodes[usize::from(to)].kill();
        self.report.machines.kills += 1;
        self.ended(to, MEND_US_MAX);
    }

    /// A process has ended: it comes back, at the latest when calm comes.
    pub(super) fn ended(&mut self, to: u16, down_us_max: u64) {
        self.lives[usize::from(to)] += 1;
        self.checks.crashed(self.now_us, to);
        let back_us = (self.now_us + self.rng_below(down_us_max)).min(self.plan.chaos_us);
        self.at(back_us.max(self.now_us), Event::Restart { to });
    }

    fn harm(&mut self, to: u16, harm: Harm) {
        let node = &mut self.nodes[usize::from(to)];
        let was_up = node.is_up;
        match harm {
            // Bits that turn in the newest group after a crash may go unnoticed, the head trails
            // it: that hole is known. So it ends in good order before.
            Harm::Changed => {
                let is_changed = was_up && node.stop() && change(&node.store.disk, &mut self.rng);
                if !is_changed {
                    let again = self.now_us + AGAIN_US;
                    self.at(again, Event::Machine { to, fault: Fault::Harm(harm) });
                    if was_up {
                        self.ended(to, DOWN_US_MAX);
                    }
                    return;
                }
            }
            Harm::Lost => {
                node.crash();
                node.lose_disk();
            }
            Harm::RolledBack => {
                let Some(copy) = self.copies.remove(&to) else { return };
                node.crash();
                *node.store.disk.image() = copy;
                node.store.disk.image().crash();
            }
        }
        self.checks.harmed(to, harm);
        self.report.machines.harms += 1;
        if was_up {
            self.ended(to, DOWN_US_MAX);
        }
    }

    /// After anything that a node did: its power may be gone, or its disk broken.
    pub(super) fn look_at_disk(&mut self, to: u16) {
        let node = &self.nodes[usize::from(to)];
        if !node.is_up {
            return;
        }
        if node.store.disk.image().is_dark() {
            self.report.machines.fuses += 1;
            self.trace.line(self.now_us, &format!("v{to} loses power in a call of its disk"));
            self.crash(to, DOWN_US_MAX);
        } else if node.is_failed && !node.is_damaged && self.mending.insert(to) {
            self.report.machines.failures += 1;
            self.trace.line(self.now_us, &format!("the disk of v{to} has failed"));
            let at = self.now_us + self.rng_below(MEND_US_MAX);
            self.at(at, Event::Machine { to, fault: Fault::Mend });
        }
    }

    /// A process gets time again: everything that came meanwhile comes at once.
    pub(super) fn resume(&mut self, to: u16) {
        for event in self.paused.remove(&to).unwrap_or_default() {
            self.happen(event);
        }
    }

    /// Keeps what is for a paused process until it goes on.
    pub(super) fn hold_back(&mut self, event: Event) -> Option<Event> {
        let to = match &event {
            Event::Deliver { to, .. }
            | Event::Timer { to, .. }
            | Event::Tick { to, .. }
            | Event::Submit { to, .. }
            | Event::Recover { to, .. }
            | Event::PeerUp { to, .. } => *to,
            _ => return Some(event),
        };
        match self.paused.get_mut(&to) {
            Some(waiting) => {
                waiting.push(event);
                None
            }
            None => Some(event),
        }
    }

    /// Nothing fails from here on, and what has failed is restarted.
    pub(super) fn calm_machines(&mut self) {
        for to in (0..).take(self.nodes.len()) {
            self.resume(to);
            let node = &mut self.nodes[usize::from(to)];
            node.is_slow = false;
            let lie = node.store.disk.image().weakness.lie;
            node.store.disk.image().weakness =
                crate::sim::disk::Weakness { lie, ..Default::default() };
            if node.is_up && node.is_failed && !node.is_damaged {
                self.kill(to);
            }
        }
    }

    /// A node starts; when it can't, it tries again.
    pub(super) fn start(&mut self, to: u16) -> bool {
        if !self.is_calm && self.plan.machines.fuses > 0 && self.rng.random_range(0..4) == 0 {
            let calls = self.rng.random_range(0..FUSE_MAX);
            self.nodes[usize::from(to)].store.disk.image().weakness.fuse = Some(calls);
        }
        let node = &mut self.nodes[usize::from(to)];
        let Err(error) = node.restart(self.now_us, &mut self.checks) else { return true };
        if node.store.disk.image().is_dark() {
            self.report.machines.fuses += 1;
            node.crash();
        }
        self.report.machines.false_starts += 1;
        self.trace.line(self.now_us, &format!("v{to} can't start: {error}"));
        if self.is_calm {
            self.checks.stranded(self.now_us, to, &error);
        }
        self.at(self.now_us + AGAIN_US, Event::Restart { to });
        false
    }
}

/// Turns a bit, or puts a sector in another one's place; whether there was anything.
fn change(disk: &SimDisk, rng: &mut rand::rngs::StdRng) -> bool {
    let mut image = disk.image();
    let mut files = image.files("/home/journal/");
    if files.is_empty() {
        return false;
    }
    let at = rng.random_range(0..files.len());
    let file = &mut files[at];
    let used: Vec<usize> = file
        .durable()
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte != 0)
        .map(|(at, _)| at)
        .collect();
    let any = |rng: &mut rand::rngs::StdRng| match used.len() {
        0 => 0,
        count => used[rng.random_range(0..count)],
    };
    if rng.random_range(0..3) == 0 {
        let (from, to) = (any(rng) / SECTOR_BYTES, any(rng) / SECTOR_BYTES);
        file.misdirect(from, to);
    } else {
        let byte = if rng.random_range(0..5) == 0 {
            rng.random_range(0..file.durable().len())
        } else {
            any(rng)
        };
        file.flip(byte, rng.random_range(0..8));
    }
    true
}
