//! One simulated node: the real state machines, and what comes in to them. What goes out is in
//! `node/driver.rs`.

mod driver;
mod proof;
mod recover;
mod twice;
mod watch;

use super::archive::Archive;
use super::catch_up::{self, CatchUp};
use super::check::Checks;
use super::disk::Disk;
use super::mutant::Mutant;
use super::packet::Packet;
use super::plan::{MEMBERS, Plan};
use consensus::judge::judge_entry;
use consensus::message::{Message, Progress, Reply, Request};
use consensus::proposer::Outcome;
use consensus::{
    Batch, Cause, Collector, Fetch, Judged, Mode, Outgoing, Proposer, Refusal, Step, Submitted,
    Tips, Validator, Verdict, VerifiedEntry,
};
use ledger::{Entry, Keypair, Network, TransferId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

pub use recover::Answered;

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
    /// A sync has ended, of so many records.
    Synced(usize),
    /// The pipeline has judged a batch.
    Judged(Box<Judged>),
}

/// What leaves when so many records are durable.
#[derive(Clone, Debug)]
struct Held {
    upto: usize,
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
    disk: Disk,
    /// What it can serve.
    pub archive: Archive,
    held: VecDeque<Held>,
    catch_up: CatchUp,
    rng: StdRng,
}

/// What a node uses of the world while it handles one input.
pub struct Surroundings<'a> {
    /// Virtual time, µs.
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
    /// A member with an empty disk, running.
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
            disk: Disk::default(),
            archive: Archive::default(),
            held: VecDeque::new(),
            catch_up: CatchUp::default(),
            rng: StdRng::seed_from_u64(plan.seed ^ (u64::from(member) << 32)),
        }
    }

    /// Power is lost.
    pub fn crash(&mut self) {
        self.is_up = false;
        self.disk.crash(&mut self.rng);
    }

    /// Its disk is lost, while it is down.
    pub fn lose_disk(&mut self) {
        self.disk = Disk::default();
    }

    /// Power is back: all that it knows comes from its disk.
    pub fn restart(&mut self) {
        let mut tips = Tips::genesis(self.network.clone());
        if self.mutant == Some(Mutant::Mints) {
            let minted = tips.tokens().next().map(|(id, tip)| (*id, *tip));
            let (id, mut tip) = minted.expect("genesis has tokens");
            tip.amount += 1;
            tips.load(id, tip);
        }
        let (network, keypair) = (self.network.clone(), self.keypair.clone());
        self.validator = Validator::new(network, self.member, keypair.clone(), tips);
        self.validator.set_orphan_age(self.orphan_age_us);
        doubts(&mut self.validator, self.mutant);
        self.collector = Collector::new(self.network.clone(), self.member);
        self.proposer = Proposer::new(self.believed.clone(), self.member, keypair);
        self.archive = Archive::default();
        self.held.clear();
        self.catch_up = CatchUp::default();
        if self.mutant == Some(Mutant::LostStoreVotes) {
            self.disk = Disk::default();
        }
        for record in self.disk.read().collect::<Vec<_>>() {
            if self.mutant.is_none_or(|mutant| mutant.reads(&record)) {
                self.archive.take(&record);
                self.validator.replay(record).expect("its own journal");
            }
        }
        self.validator.replayed_all();
        let is_blind = matches!(self.mutant, Some(Mutant::LostStoreVotes | Mutant::NoCatchingUp));
        self.validator.set_mode(if is_blind { Mode::Voting } else { Mode::CatchingUp });
        self.is_up = true;
    }

    /// How much it keeps.
    pub fn load(&self) -> Load {
        let (open, judging, waiting) = self.validator.load();
        let (queued, _) = self.proposer.load();
        let held = self.held.iter().map(|held| held.sends.len() + held.reports.len()).sum();
        Load { open, judging, waiting, queued, collecting: self.collector.count(), held }
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
            Timer::Synced(count) => {
                self.disk.synced_to(count);
                self.release(around);
            }
            Timer::Judged(judged) => {
                let step = self.validator.judged(around.now_us, *judged);
                self.absorb(step, around);
            }
        }
        self.begin_sync(around);
    }

    /// A client's transfer comes in, in whatever round.
    pub fn submitted(&mut self, entry: Entry, around: &mut Surroundings<'_>) {
        let id = entry.signed.transfer.id();
        if self.archive.is_final(&id) {
            self.hold(Vec::new(), vec![(id, Outcome::Final)], around);
            return;
        }
        let verdict = judge_entry(self.validator.tips(), &entry, &mut self.rng);
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
                let step = self.proposer.answered(now_us, from, answer, &mut self.rng);
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
            Packet::Tell(request, reply) => self.told(from, &request, reply, around),
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
