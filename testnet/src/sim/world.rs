//! The one event loop: a heap of (time, sequence), so that a seed is an exact run.

mod faults;
mod recover;
mod schedule;
mod telling;
mod treason;

use super::check::Checks;
use super::client::{Clients, OWNERS, owner_key};
use super::disk::Image;
use super::links::Links;
use super::mutant::Mutant;
use super::node::{Answered, Effect, Node, Surroundings, Timer};
use super::packet::{Packer, Packet, Parcel};
use super::plan::{MEMBERS, Plan};
use super::recovery::Recoveries;
use super::trace::Trace;
use super::{Failure, Report, catch_up};
use consensus::proposer::Outcome;
use faults::Fault;
use ledger::{Entry, Keypair, Network, SignedRecover, SignedTransfer, TransferId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schedule::{member_key, network};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;

/// Time between two ticks of a node, µs.
const TICK_US: u64 = 20_000;
/// Ticks between two times that a node tells how far it is.
const TELL_TICKS: u64 = 10;
/// Time between two looks of the clients, µs.
const CLIENT_US: u64 = 50_000;
/// A crashed node is down for up to this, µs.
const DOWN_US_MAX: u64 = 1_500_000;
/// Events that no run comes near; the longest of thousands of seeds had an eighth of it.
const EVENTS_MAX: u64 = 400_000;

/// What happens at one time.
#[derive(Clone, Debug)]
enum Event {
    Deliver { from: u16, to: u16, parcel: Rc<Parcel> },
    Timer { to: u16, life: u32, timer: Timer },
    Tick { to: u16, round: u64 },
    Submit { to: u16, entry: Entry },
    Recover { to: u16, signed: SignedRecover },
    Answered { by: u16, answered: Box<Answered> },
    Told { by: u16, id: TransferId, outcome: Outcome },
    Clients,
    Conflict,
    Pay { home: Option<u16> },
    PayOnce { home: Option<u16> },
    Vanish { to: u16 },
    Ask,
    Crash { to: u16, down_us_max: u64 },
    Restart { to: u16 },
    PeerUp { to: u16, member: u16 },
    Part { side: Vec<u16> },
    Link { link: (u16, u16), until_us: u64, is_clog: bool },
    Machine { to: u16, fault: Fault },
    Calm,
}

/// A whole run.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    now_us: u64,
    sequence: u64,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    nodes: Vec<Node>,
    lives: Vec<u32>,
    keys: Vec<Keypair>,
    network: Arc<Network>,
    links: Links,
    packer: Packer,
    clients: Clients,
    recoveries: Recoveries,
    /// The Byzantine members.
    traitors: BTreeMap<u16, treason::Traitor>,
    /// Members with a second instance; those are behind the seven.
    twins: Vec<u16>,
    /// Members that crashed for good.
    gone: BTreeSet<u16>,
    /// What waits for members whose process is paused.
    paused: BTreeMap<u16, Vec<Event>>,
    /// Copies of disks, for rollbacks.
    copies: BTreeMap<u16, Image>,
    /// Members that have failed and that somebody will restart.
    mending: BTreeSet<u16>,
    checks: Checks,
    trace: Trace,
    rng: StdRng,
    report: Report,
    is_calm: bool,
}

impl World {
    /// The world of a plan, at time zero; of its trace, the last so many lines are kept.
    pub fn new(plan: Plan, mutant: Option<Mutant>, lines_max: usize) -> Self {
        let network = Arc::new(network());
        let keys: Vec<Keypair> = (0..MEMBERS).map(member_key).collect();
        let nodes = treason::nodes(&network, &keys, (&plan, mutant));
        let mut honest: BTreeSet<u16> = (0..MEMBERS).collect();
        if mutant != Some(Mutant::VotesForAll) {
            honest.retain(|member| plan.byzantine.iter().all(|(traitor, _)| traitor != member));
        }
        let client_rng = StdRng::seed_from_u64(plan.seed ^ 0x0063_6c69);
        let owner_keys: Vec<Keypair> = (0..OWNERS).map(owner_key).collect();
        let recovery_rng = StdRng::seed_from_u64(plan.seed ^ 0x7265_6376);
        let is_patient = mutant != Some(Mutant::NoRetries);
        let mut world = Self {
            clients: Clients::new(network.clone(), client_rng, is_patient),
            recoveries: Recoveries::new(network.clone(), owner_keys, recovery_rng),
            traitors: treason::traitors(&plan),
            twins: treason::twins(&plan),
            gone: BTreeSet::new(),
            paused: BTreeMap::new(),
            copies: BTreeMap::new(),
            mending: BTreeSet::new(),
            checks: Checks::new(network.clone(), honest),
            links: Links::new(plan.clone()),
            packer: Packer::default(),
            rng: StdRng::seed_from_u64(plan.seed),
            report: Report { seed: plan.seed, ..Report::default() },
            lives: vec![0; nodes.len()],
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            trace: Trace::keeping(lines_max),
            now_us: 0,
            sequence: 0,
            is_calm: false,
            nodes,
            keys,
            network,
            plan,
        };
        world.checks.is_strict = mutant == Some(Mutant::RollbackUnnoticed);
        world.schedule();
        world.schedule_twins();
        world
    }

    /// The lines of its trace.
    pub fn into_lines(self) -> Vec<String> {
        self.trace.into_lines()
    }

    fn rng_below(&mut self, most: u64) -> u64 {
        self.rng.random_range(1..most)
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.heap.push(Reverse((at_us, self.sequence)));
        self.events.insert(self.sequence, event);
        self.sequence += 1;
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn run(&mut self) -> Result<Report, Failure> {
        let failure = |seed, at_us, (invariant, what)| Failure { seed, at_us, invariant, what };
        let seed = self.plan.seed;
        let end_us = self.plan.chaos_us + self.plan.settle_us_max;
        while let Some(Reverse((at_us, sequence))) = self.heap.pop() {
            let event = self.events.remove(&sequence).expect("scheduled once");
            assert!(at_us >= self.now_us, "time goes forward");
            self.now_us = at_us;
            self.report.events += 1;
            if self.report.events > EVENTS_MAX {
                let what = format!("{EVENTS_MAX} events and no end: messages that make messages");
                return Err(failure(seed, at_us, ("quiet", what)));
            }
            let is_look = matches!(event, Event::Clients);
            self.trace.add(&at_us.to_le_bytes());
            self.links.now_us = at_us;
            if let Some(event) = self.hold_back(event) {
                self.happen(event);
            }
            if let Some((at_us, broken)) = self.checks.broken.take() {
                return Err(failure(seed, at_us, broken));
            }
            if !is_look {
                continue;
            }
            for (member, node) in (0..).zip(&self.nodes).filter(|(_, node)| node.is_up) {
                self.checks.standing(at_us, member, node);
            }
            if self.is_calm {
                let wanted = (self.clients.honest(false), self.clients.honest(true));
                match self.checks.settled((&wanted.0, &wanted.1), &self.nodes) {
                    Ok(()) => return Ok(self.finished()),
                    Err(broken) if at_us >= end_us => return Err(failure(seed, at_us, broken)),
                    Err(_) => {}
                }
            }
        }
        unreachable!("clients look again and again")
    }

    fn finished(&mut self) -> Report {
        self.report.coverage = self.checks.coverage.clone();
        self.report.trace = self.trace.hash();
        self.report.end_us = self.now_us;
        self.report.settled_us = self.now_us.saturating_sub(self.plan.chaos_us);
        let count = |count: usize| u64::try_from(count).expect("small");
        self.report.honest = count(self.clients.honest(false).len());
        self.finish_recoveries();
        self.report.equivocal = count(self.clients.equivocal());
        let finals = self.nodes.iter().map(|node| node.progress().applied);
        self.report.finals = finals.max().unwrap_or(0);
        std::mem::take(&mut self.report)
    }

    fn happen(&mut self, event: Event) {
        self.tell(&event);
        match event {
            Event::Deliver { from, to, parcel } => self.deliver(from, to, &parcel),
            Event::Timer { to, life, timer } if self.lives[usize::from(to)] == life => {
                self.with(to, |node, around| node.timer(timer, around));
            }
            Event::Timer { .. } => {}
            Event::Tick { to, round } => self.ticked(to, round),
            Event::Submit { to, entry } => {
                self.with(to, |node, around| node.submitted(entry, around));
            }
            Event::Recover { to, signed } => {
                self.with(to, |node, around| node.recover(signed, around));
            }
            Event::Answered { by, answered } => self.answered(by, &answered),
            Event::Told { by, id, outcome } => self.told(by, id, &outcome),
            Event::Clients => {
                let again = self.clients.retry(self.now_us);
                self.submit(again);
                self.ask_for_rounds();
                self.at(self.now_us + CLIENT_US, Event::Clients);
            }
            Event::Pay { home } => {
                let payment = self.clients.pay(self.now_us, home);
                self.submit(payment.into_iter().collect());
            }
            Event::PayOnce { home } => {
                let payment = self.clients.pay_once(self.now_us, home);
                self.submit(payment.into_iter().collect());
            }
            Event::Conflict => self.conflict(),
            Event::Vanish { to } => self.vanish(to),
            Event::Ask => self.ask_for_rounds(),
            Event::Crash { to, down_us_max } => self.crash(to, down_us_max),
            Event::Restart { to } => self.restart(to),
            Event::PeerUp { to, member } => {
                self.with(to, |node, around| node.peer_up(member, around));
            }
            Event::Part { side } => {
                let is_healing = side.is_empty();
                self.links.part(side);
                if is_healing {
                    self.all_links_up();
                }
            }
            Event::Link { link, until_us, is_clog } => self.link(link, until_us, is_clog),
            Event::Machine { to, fault } => self.fault(to, fault),
            Event::Calm => {
                self.is_calm = true;
                self.calm_machines();
                self.recoveries.calm(self.now_us, &self.gone);
                self.links.calm();
                self.all_links_up();
            }
        }
    }

    fn ticked(&mut self, to: u16, round: u64) {
        self.with(to, |node, around| node.tick(around));
        self.plot(to);
        if round.is_multiple_of(TELL_TICKS) && self.nodes[usize::from(to)].is_up {
            let packet = catch_up::tell(self.nodes[usize::from(to)].progress());
            let own = self.member_of(to);
            for other in (0..MEMBERS).filter(|other| *other != own) {
                self.dispatch(to, other, &packet);
            }
        }
        self.at(self.now_us + TICK_US, Event::Tick { to, round: round + 1 });
    }

    fn all_links_up(&mut self) {
        for to in 0..MEMBERS + u16::try_from(self.twins.len()).expect("at most two") {
            let own = self.member_of(to);
            for member in (0..MEMBERS).filter(|member| *member != own) {
                self.at(self.now_us + 1_000, Event::PeerUp { to, member });
            }
        }
    }

    fn submit(&mut self, transfers: Vec<(u16, SignedTransfer)>) {
        for (to, signed) in transfers {
            let at = self.now_us + self.rng_below(2_000);
            self.at(at, Event::Submit { to, entry: Entry::ordinary(signed) });
        }
    }

    /// What a traitor tells is no answer: it may be true, and shown to nobody else.
    fn told(&mut self, by: u16, id: TransferId, outcome: &Outcome) {
        if self.is_traitor(by) {
            return;
        }
        let node = &self.nodes[usize::from(by)];
        self.checks.told(self.now_us, (by, id), outcome, node);
        if !self.clients.told(id, outcome) {
            self.checks.refused(self.now_us, (by, id), outcome);
        }
        if *outcome == Outcome::Final
            && let Some(refresh) = self.recoveries.told(id)
        {
            self.clients.receive(&refresh.transfer);
        }
    }

    fn deliver(&mut self, from: u16, to: u16, parcel: &Parcel) {
        self.trace.add(&[u8::try_from(from).unwrap_or(255), u8::try_from(to).unwrap_or(255)]);
        self.trace.add(&parcel.mark.to_le_bytes());
        if !self.nodes[usize::from(to)].is_up {
            return;
        }
        match parcel.open() {
            Ok(packet) => {
                self.betray(from, to, &packet);
                self.with(to, |node, around| node.received(from, packet, around));
            }
            Err(error) => self.checks.babbled(self.now_us, (from, to), &error),
        }
    }

    /// Lets a node do something, and does to the world what it wants.
    fn with(&mut self, to: u16, act: impl FnOnce(&mut Node, &mut Surroundings<'_>)) {
        let node = &mut self.nodes[usize::from(to)];
        if !node.is_up {
            return;
        }
        let (at_us, checks) = (self.now_us, &mut self.checks);
        let now_us = node.clock.at(at_us);
        let mut around = Surroundings { at_us, now_us, effects: Vec::new(), checks };
        act(node, &mut around);
        let effects = std::mem::take(&mut around.effects);
        self.checks.keeps(at_us, to, &self.nodes[usize::from(to)]);
        let life = self.lives[usize::from(to)];
        for effect in effects {
            match effect {
                Effect::Send(other, packet) => self.dispatch(to, other, &packet),
                Effect::Later(delay_us, timer) => {
                    self.at(self.now_us + delay_us, Event::Timer { to, life, timer });
                }
                Effect::Recovered(answered) => {
                    let at = self.now_us + self.rng_below(2_000);
                    self.at(at, Event::Answered { by: to, answered });
                }
                Effect::Report(id, outcome) => {
                    let at = self.now_us + self.rng_below(2_000);
                    self.at(at, Event::Told { by: to, id, outcome });
                }
            }
        }
        self.look_at_disk(to);
    }

    /// A packet of an instance's honest half goes out, to all instances of a member.
    fn dispatch(&mut self, from: u16, to: u16, packet: &Packet) {
        self.strike(from, packet);
        if !self.is_traitor(from) {
            return self.dispatch_raw(from, to, packet);
        }
        for packet in self.instead(from, to, packet) {
            self.dispatch_raw(from, to, &packet);
        }
    }

    fn dispatch_raw(&mut self, from: u16, to: u16, packet: &Packet) {
        self.overhear(from, packet);
        let parcel = self.packer.pack(packet);
        let from = self.member_of(from);
        for instance in self.instances(to) {
            for delay_us in self.links.delays(from, to, &mut self.rng) {
                let parcel = parcel.clone();
                self.at(self.now_us + delay_us, Event::Deliver { from, to: instance, parcel });
            }
        }
    }
}
