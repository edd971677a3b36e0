//! The driver of the validator under test, and what must hold of it: persist, then send; all that
//! it says is consistent for ever, crashes or not; value is constant; what its records say is what
//! it is.

use super::super::fixture::{self, MEMBERS};
use super::super::script::Script;
use super::watch::{self, Watch};
use consensus::judge::{Judged, judge, judge_entry};
use consensus::limits::{OPEN_BATCHES_PER_PROPOSER_MAX, PARKED_MAX, WAITING_MAX};
use consensus::lock::Held;
use consensus::message::{Answer, Message, RecoverReply};
use consensus::{
    AppliedBatch, Batch, CheckedCertificate, Collector, Mode, Outgoing, Proposal, Proposer, Record,
    Step, Tips, To, Validator, Verdict, VerifiedEntry,
};
use ledger::{Certificate, Digest, Entry, SignedRecover, TokenState, TransferId};
use rand::rngs::StdRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The member under test.
pub const OWN: u16 = 0;
/// Times that pass, µs: below and above each of the validator's own.
const TIMES_US: [u64; 6] = [1_000, 25_000, 450_000, 1_100_000, 5_100_000, 700_000_000];
/// Batches in the pipeline; above it the oldest is judged.
const JUDGING_MAX: usize = 8;

/// Round and transfer of a lock or an accept.
type Chosen = Option<(u32, TransferId)>;
/// The round promised, the lock, the accept, and what was reported.
type Promises = (u32, Chosen, Chosen, Option<Chosen>);

/// One life after the other of one member.
pub struct Run {
    now_us: u64,
    validator: Validator,
    proposer: Proposer,
    collector: Collector,
    /// Its journal, as (kind, payload).
    records: Vec<(u8, Vec<u8>)>,
    /// How many of them survive a crash.
    synced: usize,
    /// What may leave when so many are durable.
    held: Vec<(usize, Outgoing)>,
    judging: VecDeque<Judged>,
    watch: Watch,
    /// What it has said and nobody has learnt yet.
    said: Vec<Message>,
    /// Recoveries that it collects for owners.
    asked_for: Vec<Digest>,
    rng: StdRng,
}

fn reborn() -> Validator {
    let network = fixture::network().clone();
    let tips = Tips::genesis(network.clone());
    Validator::new(network, OWN, fixture::member_key(OWN).clone(), tips)
}

impl Run {
    /// A voting member at genesis.
    pub fn new() -> Self {
        let network = fixture::network().clone();
        let mut validator = reborn();
        validator.set_mode(Mode::Voting);
        Self {
            now_us: 1,
            validator,
            proposer: Proposer::new(network.clone(), OWN, fixture::member_key(OWN).clone()),
            collector: Collector::new(network, OWN),
            records: Vec::new(),
            synced: 0,
            held: Vec::new(),
            judging: VecDeque::new(),
            watch: Watch::default(),
            said: Vec::new(),
            asked_for: Vec::new(),
            rng: fixture::rng(),
        }
    }

    /// Where every token stands.
    pub fn tips(&self) -> &Tips {
        self.validator.tips()
    }

    /// What it has said since the last time.
    pub fn said(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.said)
    }

    /// Recoveries that it collects reports for.
    pub fn asked_for(&self) -> &[Digest] {
        &self.asked_for
    }

    /// A batch arrives.
    pub fn proposed(&mut self, from: u16, proposal: Proposal) {
        self.watch.know(&proposal);
        let step = self.validator.proposed(self.now_us, from, Arc::new(proposal));
        self.absorb(step);
    }

    /// The pipeline is done with one of the batches in it.
    pub fn judged(&mut self, script: &mut Script<'_>) {
        if !self.judging.is_empty() {
            let index = script.below(self.judging.len());
            let judged = self.judging.remove(index).expect("below the count");
            let step = self.validator.judged(self.now_us, judged);
            self.absorb(step);
        }
    }

    /// The disk has all that was written.
    pub fn synced(&mut self) {
        self.synced = self.records.len();
        self.release();
    }

    /// A certificate arrives.
    pub fn certified(&mut self, certificate: Certificate) {
        let step = match self.validator.wants(&certificate) {
            Err(answer) => answer,
            Ok(()) => {
                match CheckedCertificate::check(certificate, fixture::network(), &mut self.rng) {
                    Ok(checked) => self.validator.certified(self.now_us, checked),
                    Err(_) => return,
                }
            }
        };
        self.absorb(step);
    }

    /// A client's entry comes in.
    pub fn submitted(&mut self, entry: Entry) {
        if judge_entry(self.validator.tips(), &entry, &mut self.rng) != Verdict::Valid {
            return;
        }
        let id = entry.signed.transfer.id();
        let verified = VerifiedEntry::assume_verified(entry, id);
        self.proposer.submit_entry(self.now_us, self.now_us, &verified);
        let step = self.proposer.poll(self.now_us);
        self.absorb(step);
    }

    /// A member answers this one's proposal.
    pub fn answered(&mut self, from: u16, answer: Answer) {
        let step = self.proposer.answered(self.now_us, from, answer, &mut self.rng);
        self.absorb(step);
    }

    /// An owner's question comes by, or the owner turns to this member with it.
    pub fn asked(&mut self, from: u16, recover: SignedRecover, is_own: bool) {
        let is_signed = recover.is_signed(&fixture::network().id);
        let step = if is_own && is_signed {
            self.asked_for.push(recover.recover.id());
            self.collector.begin(self.now_us, &[recover]).unwrap_or_default()
        } else {
            self.validator.recover(from, &recover)
        };
        self.absorb(step);
    }

    /// A member reports.
    pub fn replied(&mut self, from: u16, reply: RecoverReply) {
        let (step, collected) = self.collector.replied(from, reply, &mut self.rng);
        if let Some(collected) = collected {
            for state in &collected.recover.recover.states {
                collected.advice(state, &[]);
            }
            collected.justification(&[]);
        }
        self.absorb(step);
    }

    /// Time passes.
    pub fn time(&mut self, script: &mut Script<'_>) {
        self.now_us += *script.one_of(&TIMES_US);
        let step = self.validator.tick(self.now_us);
        self.absorb(step);
        let (step, _) = self.collector.tick(self.now_us);
        self.absorb(step);
        let step = self.proposer.tick(self.now_us);
        self.absorb(step);
    }

    /// Power is lost, with some of what was not synced, and comes back.
    pub fn crash(&mut self, script: &mut Script<'_>) {
        let kept = self.synced + script.below(self.records.len() - self.synced + 1);
        self.records.truncate(kept);
        self.synced = kept;
        self.held.clear();
        self.judging.clear();
        self.asked_for.clear();
        self.validator = self.replayed();
        self.validator.replayed_all();
        self.validator.set_mode(Mode::Voting);
        let network = fixture::network().clone();
        self.proposer = Proposer::new(network.clone(), OWN, fixture::member_key(OWN).clone());
        self.collector = Collector::new(network, OWN);
    }

    /// Somebody shows a batch with its Commit certificate.
    pub fn proven(&mut self, applied: AppliedBatch) {
        self.watch.know(&applied.proposal);
        let Ok(batch) = Batch::of(&applied.proposal) else { return };
        let certificate = applied.certificate.clone();
        let checked = CheckedCertificate::check(certificate, fixture::network(), &mut self.rng);
        let Ok(checked) = checked else { return };
        let step = self.validator.proven(self.now_us, applied, Arc::new(batch), checked);
        self.absorb(step);
    }

    /// A batch comes that was asked for, or not.
    pub fn fetched(&mut self, proposal: Proposal) {
        self.watch.know(&proposal);
        let Ok(batch) = Batch::of(&proposal) else { return };
        let step = self.validator.fetched(self.now_us, Arc::new(proposal), Arc::new(batch));
        self.absorb(step);
    }

    /// Any message arrives.
    pub fn received(&mut self, from: u16, message: Message) {
        match message {
            Message::Propose(proposal) => self.proposed(from, proposal),
            Message::Answer(answer) => self.answered(from, answer),
            Message::Certify(certificate) => self.certified(certificate),
            Message::Proof(applied) => self.proven(applied),
            Message::Progress(_) => {}
            Message::Recover(recovers) => {
                recovers.into_iter().for_each(|recover| self.asked(from, recover, false));
            }
            Message::Report(reply) => self.replied(from, reply),
        }
    }

    /// It catches up, or votes.
    pub fn set_mode(&mut self, mode: Mode) {
        self.validator.set_mode(mode);
    }

    /// A link is up.
    pub fn peer_up(&mut self, script: &mut Script<'_>) {
        let member = 1 + script.number() % (MEMBERS - 1);
        let step = self.proposer.peer_up(self.now_us, member);
        self.absorb(step);
    }

    /// The driver's order: persist, then what stands on it, then work.
    fn absorb(&mut self, step: Step) {
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            self.persist(&step);
            if !step.applied.is_empty() {
                steps.push_back(self.proposer.applied(self.now_us, &step.applied));
            }
            let upto = self.records.len();
            self.held.extend(step.after.into_iter().map(|outgoing| (upto, outgoing)));
            self.held.extend(step.now.into_iter().map(|outgoing| (0, outgoing)));
            for wanted in step.judge {
                let tips = self.validator.tips();
                let judged = judge(tips, wanted.proposal, wanted.only.as_ref(), &mut self.rng);
                self.judging.push_back(judged);
            }
            for checked in step.certificates {
                steps.push_back(self.validator.certified(self.now_us, checked));
            }
            for (proposal, batch) in step.own {
                self.watch.know(&proposal);
                steps.push_back(self.validator.own(self.now_us, proposal, batch));
            }
            for batch in step.orphans {
                steps.push_back(self.proposer.adopt(self.now_us, batch));
            }
            steps.extend(Some(self.proposer.poll(self.now_us)).filter(|step| !step.own.is_empty()));
            if self.judging.len() > JUDGING_MAX
                && let Some(judged) = self.judging.pop_front()
            {
                steps.push_back(self.validator.judged(self.now_us, judged));
            }
        }
        self.release();
    }

    fn persist(&mut self, step: &Step) {
        assert_eq!(step.forgotten, None, "it remembers every vote that has left");
        if step.fork.is_some() {
            assert_eq!(self.validator.mode(), Mode::Silent, "after a fork it never votes");
        }
        step.evidence.iter().for_each(watch::convicted);
        for record in &step.persist {
            let (kind, payload) = (record.kind(), record.payload());
            assert_eq!(Record::read(kind, &payload).as_ref(), Ok(&Some(record.clone())));
            self.watch.wrote(record);
            self.records.push((kind, payload));
        }
    }

    /// What stands on durable records leaves; what is for this member itself comes in.
    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        let (free, kept): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|(upto, _)| *upto <= self.synced);
        self.held = kept;
        for (_, outgoing) in free {
            self.watch.said(&outgoing.message);
            self.said.push(outgoing.message.clone());
            match (outgoing.to, outgoing.message) {
                (To::Member(OWN), Message::Answer(answer)) => self.answered(OWN, answer),
                (To::Member(OWN), Message::Recover(recovers)) => {
                    recovers.into_iter().for_each(|recover| self.asked(OWN, recover, false));
                }
                (To::Member(OWN), Message::Report(reply)) => self.replied(OWN, reply),
                _ => {}
            }
        }
    }

    fn replayed(&self) -> Validator {
        let mut validator = reborn();
        for (kind, payload) in &self.records {
            let record = Record::read(*kind, payload).expect("its own bytes").expect("its kind");
            validator.replay(record).expect("a journal that it wrote itself");
        }
        validator
    }

    /// What holds after every step.
    pub fn holds(&self) {
        for (id, asset) in self.tips().assets() {
            let live: u128 = self
                .tips()
                .tokens()
                .filter(|(_, tip)| tip.asset == *id && tip.ended_by.is_none())
                .map(|(_, tip)| u128::from(tip.amount))
                .sum();
            assert_eq!(live, u128::from(asset.issued), "value is constant");
            assert_eq!(asset.live, asset.issued);
        }
        let (open, judging, waiting) = self.validator.load();
        assert!(open + judging <= usize::from(MEMBERS) * 2 * OPEN_BATCHES_PER_PROPOSER_MAX);
        assert!(waiting <= PARKED_MAX + WAITING_MAX);
    }

    /// What holds at the end: the records, all of them or the live ones, make the same member.
    pub fn ends(&self) {
        let replayed = self.replayed();
        self.is_same(&replayed, "of all records");
        assert_eq!(replayed.locks(), self.validator.locks(), "locks of all records");
        let network = fixture::network().clone();
        let (key, tips) = (fixture::member_key(OWN).clone(), self.tips().clone());
        let mut compacted = Validator::new(network, OWN, key, tips);
        for record in self.validator.live_records() {
            let record = Record::read(record.kind(), &record.payload());
            let record = record.expect("its own bytes").expect("its kind");
            compacted.replay(record).expect("records that it wrote itself");
        }
        self.is_same(&compacted, "of the live records");
    }

    fn is_same(&self, other: &Validator, how: &str) {
        assert_eq!(other.tips().digest(), self.tips().digest(), "tips {how}");
        assert_eq!(other.tips().applied(), self.tips().applied(), "applied {how}");
        assert_eq!(promises(other), promises(&self.validator), "promises {how}");
    }
}

/// What a member has promised of each state. Out of which batch it knows a transfer is left out: of
/// several that hold it, live records may name another one.
fn promises(validator: &Validator) -> BTreeMap<TokenState, Promises> {
    let of = |held: Option<Held>| held.map(|held| (held.round, held.transfer));
    let rows = validator.locks().rows().map(|row| {
        let reported = row.reported.map(|reported| of(reported.accepted));
        (row.state, (row.promised, of(row.locked), of(row.accepted), reported))
    });
    rows.collect()
}
