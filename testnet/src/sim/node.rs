//! One simulated node: the real state machines, and what comes in to them. What goes out is in
//! `node/driver.rs`.

mod driver;
mod judge;
mod process;
mod proof;
mod recover;
mod twice;
mod watch;

use super::archive::Archive;
use super::catch_up::{self, CatchUp};
use super::check::Checks;
use super::mutant::Mutant;
use super::packet::Packet;
use super::plan::{MEMBERS, Plan};
use super::store::Store;
use consensus::judge::judge_entry;
use consensus::message::{Message, Progress, Reply, Request};
use consensus::proposer::Outcome;
use consensus::{
    Batch, Cause, Collector, Fetch, Judged, Mode, Outgoing, Proposer, Refusal, Step, Submitted,
    Tips, Validator, Verdict, VerifiedEntry,
};
use ledger::{Entry, Keypair, Network, TransferId};
use node::journal::Options;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

pub use process::Clock;
pub use recover::Answered;

/// Of a disk that nothing has happened to.
const FRESH: &str = "a fresh disk takes a first start";

/// The pipeline takes up to this, µs.
const JUDGE_US_MAX: u64 = 2_000;

/// What a node does to the world.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A packet to another member.
    Send(u16, Packet),
    /// An end that is told to the client.
    Report(TransferId, Outcome),
    /// What an owner gets that recovers its tokens.
    Recovered(Box<Answered>),
    /// Something that happens to this node later, unless it crashes before.
    Later(u64, Timer),
}

/// How much a node keeps.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Batches that are open.
    pub open: usize,
    /// Batches in the pipeline.
    pub judging: usize,
    /// Certificates and batches that wait for something.
    pub waiting: usize,
    /// Transfers that wait for a batch.
    pub queued: usize,
    /// Recoveries that are collected.
    pub collecting: usize,
    /// Messages that wait for a sync.
    pub held: usize,
}

/// What happens to a node by itself.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A sync has ended.
    Synced,
    /// The journal wanted to be looked at, at this time of the node's clock.
    Wake(u64),
    /// The pipeline has judged a batch.
    Judged(Box<Judged>),
}

/// What leaves when so many records are durable.
#[derive(Clone, Debug)]
struct Held {
    upto: u64,
    sends: Vec<Outgoing>,
    reports: Vec<(TransferId, Outcome)>,
}

/// One member.
#[derive(Debug)]
pub struct Node {
    network: Arc<Network>,
    /// With a smaller quorum in one mutant.
    believed: Arc<Network>,
    member: u16,
    keypair: Keypair,
    mutant: Option<Mutant>,
    sync_us_max: u64,
    orphan_age_us: u64,
    /// Whether it runs.
    pub is_up: bool,
    /// The state machine that votes.
    pub validator: Validator,
    proposer: Proposer,
    collector: Collector,
    /// Orphaned batches that it took over.
    pub adopted: u64,
    /// The journal and the disk under it.
    pub store: Store,
    segment_bytes: u64,
    /// Records that the journal has taken.
    written: u64,
    /// When the journal wants to be looked at.
    wakes_us: Option<u64>,
    /// Its clock.
    pub clock: Clock,
    /// Its disk has failed; a restart may help.
    pub is_failed: bool,
    /// Its journal is damaged, so that it takes nothing any more.
    pub is_damaged: bool,
    /// Its disk is slow.
    pub is_slow: bool,
    /// What it can serve.
    pub archive: Archive,
    held: VecDeque<Held>,
    catch_up: CatchUp,
    rng: StdRng,
}

/// What a node uses of the world while it handles one input.
pub struct Surroundings<'a> {
    /// Virtual time, µs.
    pub at_us: u64,
    /// What the node's clock shows, µs.
    pub now_us: u64,
    /// What it does to the world.
    pub effects: Vec<Effect>,
    /// Who watches.
    pub checks: &'a mut Checks,
}

/// A planted bug must show in what the checks see, not in the validator's own doubts.
fn doubts(validator: &mut Validator, mutant: Option<Mutant>) {
    if mutant.is_some() {
        validator.accept_amnesia();
    }
}

impl Node {
    /// A member with an empty disk, running: its first start.
    pub fn new(
        network: &Arc<Network>,
        member: u16,
        keypair: Keypair,
        mutant: Option<Mutant>,
        plan: &Plan,
    ) -> Self {
        let believed = match mutant {
            Some(Mutant::SmallQuorum) => Arc::new(small_quorum(network)),
            _ => network.clone(),
        };
        let seed = plan.seed ^ (u64::from(member) << 32);
        let mut store = Store::new(seed, &network.id, &keypair).expect(FRESH);
        store.disk.image().weakness.lie = mutant.and_then(Mutant::lie);
        let mut options = Options::new(*network.id.bytes());
        options.segment_bytes = plan.machines.segment_bytes;
        store.open(&keypair, &network.id, options).expect(FRESH);
        let tips = Tips::genesis(network.clone());
        let mut validator = Validator::new(network.clone(), member, keypair.clone(), tips);
        validator.set_mode(Mode::Voting);
        validator.set_orphan_age(plan.orphan_age_us);
        doubts(&mut validator, mutant);
        Self {
            collector: Collector::new(network.clone(), member),
            adopted: 0,
            orphan_age_us: plan.orphan_age_us,
            proposer: Proposer::new(believed.clone(), member, keypair.clone()),
            validator,
            network: network.clone(),
            believed,
            member,
            keypair,
            mutant,
            sync_us_max: plan.sync_us_max,
            is_up: true,
            store,
            segment_bytes: plan.machines.segment_bytes,
            written: 0,
            wakes_us: None,
            clock: Clock::default(),
            is_failed: false,
            is_damaged: false,
            is_slow: false,
            archive: Archive::default(),
            held: VecDeque::new(),
            catch_up: CatchUp::default(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// How much it keeps.
    pub fn load(&self) -> Load {
        let (open, judging, waiting) = self.validator.load();
        let (queued, _) = self.proposer.load();
        let held = self.held.iter().map(|held| held.sends.len() + held.reports.len()).sum();
        Load { open, judging, waiting, queued, collecting: self.collector.count(), held }
    }

    /// What weighs signatures against each other that are checked together: a generator of its own
    /// each time. How much is drawn before a bad one is met follows a hash map's order in
    /// `ed25519-zebra`, and would change everything that comes after.
    fn weights(&mut self) -> StdRng {
        StdRng::seed_from_u64(self.rng.random())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            applied: self.validator.tips().applied(),
            digest: self.validator.tips().digest(),
            lines: u64::try_from(self.archive.lines()).expect("small"),
        }
    }

    /// Time passes.
    pub fn tick(&mut self, around: &mut Surroundings<'_>) {
        if self.catch_up.is_done() {
            self.validator.set_mode(Mode::Voting);
        }
        let step = self.validator.tick(around.now_us);
        self.absorb(step, around);
        self.tick_collector(around);
        if self.mutant != Some(Mutant::NoRetries) {
            let step = self.proposer.tick(around.now_us);
            self.absorb(step, around);
        }
    }

    /// A link is up.
    pub fn peer_up(&mut self, member: u16, around: &mut Surroundings<'_>) {
        if self.mutant != Some(Mutant::NoRetries) {
            let step = self.proposer.peer_up(around.now_us, member);
            self.absorb(step, around);
        }
    }

    /// Something that it waited for is done.
    pub fn timer(&mut self, timer: Timer, around: &mut Surroundings<'_>) {
        match timer {
            Timer::Synced => self.synced(around),
            Timer::Wake(at_us) => {
                if self.wakes_us == Some(at_us) {
                    self.wakes_us = None;
                }
            }
            Timer::Judged(judged) => {
                let step = self.validator.judged(around.now_us, *judged);
                self.absorb(step, around);
            }
        }
        self.work(around);
    }

    /// A client's transfer comes in, in whatever round.
    pub fn submitted(&mut self, entry: Entry, around: &mut Surroundings<'_>) {
        if self.is_failed {
            // No answer leaves a node whose disk has failed.
            return;
        }
        let id = entry.signed.transfer.id();
        if self.archive.is_final(&id) {
            self.hold(Vec::new(), vec![(id, Outcome::Final)], around);
            return;
        }
        let mut weights = self.weights();
        let verdict = judge_entry(self.validator.tips(), &entry, &mut weights);
        self.watch(around).judged(&verdict, (&entry, &self.network));
        match verdict {
            Verdict::Valid => {
                let verified = VerifiedEntry::assume_verified(entry, id);
                let now_us = around.now_us;
                let submitted = self.proposer.submit_entry(now_us, now_us, &verified);
                if submitted == Submitted::Full {
                    around.effects.push(Effect::Report(id, Outcome::Unknown));
                }
                let step = self.proposer.poll(now_us);
                self.absorb(step, around);
            }
            Verdict::Invalid(Refusal::Spent { by: None, .. }) => {
                around.effects.push(Effect::Report(id, Outcome::Unknown));
            }
            Verdict::Invalid(refusal) => {
                around.effects.push(Effect::Report(id, Outcome::Rejected(refusal)));
            }
            Verdict::Unknown(cause) => {
                around.effects.push(Effect::Report(id, Outcome::Unknown));
                if let Cause::ParentMissing { state } = cause {
                    let from = self.rng.random_range(0..MEMBERS);
                    let fetch = Fetch::Parents { transfers: vec![state.made_by], from };
                    self.fetch(fetch, around);
                }
            }
        }
    }

    /// A packet arrives.
    pub fn received(&mut self, from: u16, packet: Packet, around: &mut Surroundings<'_>) {
        let now_us = around.now_us;
        match packet {
            Packet::Message(Message::Propose(proposal)) => {
                let named = proposal.proposer;
                let mut step = self.validator.proposed(now_us, from, Arc::new(proposal));
                if self.mutant == Some(Mutant::BlamesTheNamed) {
                    step.blame.iter_mut().for_each(|blame| blame.member = named);
                }
                self.absorb(step, around);
            }
            Packet::Message(Message::Answer(answer)) => {
                let mut weights = self.weights();
                let step = self.proposer.answered(now_us, from, answer, &mut weights);
                self.absorb(step, around);
            }
            Packet::Message(Message::Certify(certificate)) => {
                let step = match self.validator.wants(&certificate) {
                    Ok(()) => match self.check(certificate, around) {
                        Some(checked) => self.validator.certified(now_us, checked),
                        None => Step::default(),
                    },
                    Err(answer) => {
                        self.watch(around).note("R8 a certificate tells nothing new");
                        answer
                    }
                };
                self.absorb(step, around);
            }
            Packet::Message(Message::Proof(applied)) => self.proven(from, applied, around),
            Packet::Message(Message::Progress(theirs)) => {
                if self.mutant != Some(Mutant::NoCatchingUp) {
                    let asks = self.catch_up.progress(from, theirs, self.progress());
                    self.send(asks, around);
                }
            }
            Packet::Message(Message::Recover(recovers)) => self.asked(from, &recovers, around),
            Packet::Message(Message::Report(reply)) => self.replied(from, reply, around),
            Packet::Ask(request) => {
                if let Some(reply) = catch_up::serve(&self.archive, &request) {
                    self.send(vec![(from, Packet::Tell(request, reply))], around);
                }
            }
            Packet::Tell(request, reply) => {
                if self.catch_up.answered(from, &request) {
                    self.told(from, &request, reply, around);
                }
            }
            // Refused where it arrived.
            Packet::Bytes(_) => {}
        }
    }

    fn told(&mut self, from: u16, request: &Request, reply: Reply, around: &mut Surroundings<'_>) {
        match (request, reply) {
            (Request::Log { from: at }, reply @ Reply::Log { .. }) => {
                let asks = self.catch_up.log(from, (*at, &reply), &self.archive);
                self.send(asks, around);
            }
            (Request::Applied(_) | Request::Transfers(_), Reply::Applied(list)) => {
                for applied in list {
                    self.proven(from, applied, around);
                }
            }
            (Request::Batches(_), Reply::Batches(list)) => {
                for proposal in list {
                    if let Ok(batch) = Batch::of(&proposal) {
                        let (proposal, batch) = (Arc::new(proposal), Arc::new(batch));
                        let step = self.validator.fetched(around.now_us, proposal, batch);
                        self.absorb(step, around);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The same network with a committee of its first five members, whose quorum is four.
fn small_quorum(network: &Network) -> Network {
    let members = network.committee.members()[..5].to_vec();
    let committee = ledger::Committee::new(members).expect("five of seven good members");
    let mut small = network.clone();
    small.committee = committee;
    small
}
