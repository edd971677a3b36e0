//! The checks: they watch what members say, write and tell, and share no counting code with the
//! product. One invariant a file.

pub mod acknowledged;
pub mod blameless;
pub mod books;
pub mod certified;
pub mod conserved;
pub mod evidence;
pub mod judged;
pub mod kept;
pub mod monotonic;
pub mod one_final;
pub mod one_lock;
pub mod only_gains;
mod orphans;
pub mod reports;
pub mod settled;
pub mod silent;
mod stores;
pub mod unlocked;
pub mod within;

use super::archive::Archive;
use super::coverage::{Coverage, names};
use super::node::Node;
use consensus::codec::FrameError;
use consensus::message::Message;
use consensus::proposer::Outcome;
use consensus::{Batch, Blame, Evidence, Judged, Record};
use ledger::{BatchId, Bitmap, Network, Phase, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was broken: the invariant's name, and what was seen.
pub type Broken = (&'static str, String);
/// One batch as the checks know it, entry by entry.
pub type Known = Vec<KnownEntry>;

/// One entry: the transfer, its round, and the states it spends.
pub type KnownEntry = (TransferId, u32, Vec<TokenState>);

/// All checks of one run.
#[derive(Debug)]
pub struct Checks {
    network: Arc<Network>,
    /// Members that are not meant to be Byzantine.
    honest: BTreeSet<u16>,
    batches: BTreeMap<BatchId, Known>,
    one_lock: one_lock::OneLock,
    one_final: one_final::OneFinal,
    only_gains: only_gains::OnlyGains,
    certified: certified::Certified,
    acknowledged: acknowledged::Acknowledged,
    reports: reports::Reports,
    evidence: evidence::Found,
    books: books::Books,
    monotonic: monotonic::Monotonic,
    conserved: conserved::Conserved,
    /// Which rules fired.
    pub coverage: Coverage,
    kept: kept::Kept,
    silent: silent::Silent,
    /// Honest members whose store is not what they wrote: they may lack what they told.
    harmed: BTreeSet<u16>,
    /// Members whose store is an older copy: Byzantine, as far as they do not know it.
    rolled_back: BTreeSet<u16>,
    orphans: orphans::Orphans,
    /// Members that are gone for good.
    gone: BTreeSet<u16>,
    /// Whether a rolled back member is held to everything, as it is for a planted bug.
    pub is_strict: bool,
    /// The first broken invariant, and when, µs.
    pub broken: Option<(u64, Broken)>,
}

impl Checks {
    /// For a network with these honest members.
    pub fn new(network: Arc<Network>, honest: BTreeSet<u16>) -> Self {
        Self {
            books: books::Books::new(&network),
            conserved: conserved::Conserved::new(&network),
            network,
            honest,
            batches: BTreeMap::new(),
            one_lock: Default::default(),
            one_final: Default::default(),
            only_gains: Default::default(),
            certified: Default::default(),
            acknowledged: Default::default(),
            reports: Default::default(),
            evidence: Default::default(),
            monotonic: Default::default(),
            coverage: Default::default(),
            kept: Default::default(),
            silent: Default::default(),
            harmed: BTreeSet::new(),
            rolled_back: BTreeSet::new(),
            orphans: orphans::Orphans::default(),
            gone: BTreeSet::new(),
            is_strict: false,
            broken: None,
        }
    }

    fn note(&mut self, now_us: u64, found: Result<(), Broken>) {
        if let (Err(broken), None) = (found, &self.broken) {
            self.broken = Some((now_us, broken));
        }
    }

    /// A batch comes into the world.
    pub fn proposed(&mut self, batch: &Batch) {
        let known = batch.entries().iter().zip(batch.ids()).map(|(entry, id)| {
            let states = entry.signed.transfer.inputs.iter().map(|input| input.state);
            (*id, entry.round, states.collect())
        });
        self.batches.entry(batch.id()).or_insert_with(|| known.collect());
    }

    /// A member sends a message.
    pub fn said(&mut self, now_us: u64, member: u16, message: &Message) {
        if self.is_itself(member) {
            let found = self.silent.said(member, message);
            self.note(now_us, found);
        }
        if let Message::Report(reply) = message
            && let Some(report) = reply.report.as_ref().filter(|_| self.honest.contains(&member))
        {
            let found = self.reports.reported(report);
            self.note(now_us, found);
        }
        let Message::Answer(answer) = message else { return };
        let Some(vote) = answer.vote.as_ref().filter(|_| self.honest.contains(&member)) else {
            return;
        };
        let found = self.only_gains.voted(member, vote);
        self.note(now_us, found);
        if let Some(known) = self.batches.get(&vote.ballot.batch) {
            let found = self.reports.voted(member, vote, known);
            if vote.ballot.phase == Phase::Lock {
                let ids = vote.ballot.bitmap.indexes().map(|index| known[index].0);
                ids.for_each(|id| self.orphans.locked(member, id));
            }
            self.note(now_us, found);
        }
        if vote.ballot.phase == Phase::Lock {
            let known = self.batches.get(&vote.ballot.batch);
            let found = self.one_lock.voted(member, vote, known);
            self.note(now_us, found);
        }
    }

    /// A member writes a record.
    pub fn persisted(&mut self, now_us: u64, member: u16, record: &Record, archive: &Archive) {
        if !self.honest.contains(&member) {
            return;
        }
        let taken = match record {
            Record::Locked(locked) => Some((locked.batch, Phase::Lock, &locked.bitmap)),
            Record::Accepted(accepted) => {
                Some((accepted.certificate.batch, Phase::Commit, &accepted.bitmap))
            }
            _ => None,
        };
        if let Some((id, phase, bits)) = taken {
            if let Some((_, batch)) = archive.batch(&id) {
                self.proposed(batch);
            }
            if let Some(known) = self.batches.get(&id) {
                let found = self.reports.wrote(member, (id, phase), (known, bits));
                self.note(now_us, found);
            }
        }
        let Record::Applied(applied) = record else { return };
        let found = self.certified.applied(&self.network, member, applied);
        self.note(now_us, found);
        let batch = applied.certificate.batch;
        if let Some((_, batch)) = archive.batch(&batch) {
            self.proposed(batch);
            let found = self.books.applied(member, batch, &applied.bitmap);
            self.note(now_us, found);
        }
        if let Some(known) = self.batches.get(&batch) {
            let found = self.one_final.applied(member, known, &applied.bitmap);
            self.note(now_us, found);
        }
    }

    /// A member's pipeline has judged a batch, and so has the slow sequential form of it.
    pub fn judged(
        &mut self,
        now_us: u64,
        (fast, slow): (&Judged, &Judged),
        is_final: impl Fn(&TransferId) -> bool,
    ) {
        self.note(now_us, judged::same(fast, slow, is_final));
    }

    /// Whether it is one instance on one disk.
    fn is_itself(&self, member: u16) -> bool {
        self.honest.contains(&member) || self.rolled_back.contains(&member)
    }

    /// A member is gone for good.
    pub fn gone(&mut self, member: u16) {
        self.gone.insert(member);
    }

    /// A member finds two certified transfers of one state.
    pub fn forked(&mut self, now_us: u64, member: u16, state: TokenState) {
        let what = format!("member {member} found a fork of {state:?}");
        self.note(now_us, Err(("one_final", what)));
    }

    /// Bytes arrive that are no message.
    pub fn babbled(&mut self, now_us: u64, (from, to): (u16, u16), error: &FrameError) {
        if self.honest.contains(&from) {
            let what = format!("member {to} cannot read honest member {from}: {error}");
            self.note(now_us, Err(("blameless", what)));
        }
        if self.honest.contains(&to) {
            self.coverage.note("R1 a frame is refused and its sender blamed");
            self.coverage.note(names::frame(error));
        }
    }

    /// A member blames others.
    pub fn blamed(&mut self, now_us: u64, by: u16, blames: &[Blame]) {
        if self.honest.contains(&by) && !blames.is_empty() {
            let found = blameless::blamed(by, blames, &self.honest);
            self.note(now_us, found);
        }
    }

    /// Whether a vote has more bits than the member's last one.
    pub fn gains(&self, member: u16, phase: Phase, (batch, bits): (BatchId, &Bitmap)) -> bool {
        self.only_gains.gains((member, batch, phase), bits)
    }

    /// Whether a member is not meant to be Byzantine.
    pub fn is_honest(&self, member: u16) -> bool {
        self.honest.contains(&member)
    }

    /// A member crashes.
    pub fn crashed(&mut self, now_us: u64, member: u16) {
        self.evidence.crashed(now_us, member);
    }

    /// A member is back after a crash.
    pub fn back(&mut self, now_us: u64, member: u16, node: &Node) {
        self.monotonic.reborn(member);
        if self.honest.contains(&member) && !self.harmed.contains(&member) {
            let found = self.evidence.back(member, &node.archive);
            self.note(now_us, found);
        }
    }

    /// A member has done something: what it keeps now.
    pub fn keeps(&mut self, now_us: u64, member: u16, node: &Node) {
        if self.honest.contains(&member) {
            let found = within::holds(member, &node.load());
            self.note(now_us, found);
        }
    }

    /// A member keeps evidence.
    pub fn convicted(&mut self, now_us: u64, by: u16, evidence: &Evidence) {
        if self.honest.contains(&by) {
            self.coverage.note("R9 evidence is kept");
            self.coverage.note(names::evidence(evidence));
            let known = (&*self.network, &self.honest);
            let found = self.evidence.convicted((now_us, by), known, evidence);
            self.note(now_us, found);
        }
    }

    /// A client is told how its transfer ended.
    pub fn told(
        &mut self,
        now_us: u64,
        (by, id): (u16, TransferId),
        outcome: &Outcome,
        node: &Node,
    ) {
        if *outcome == Outcome::Final && self.honest.contains(&by) {
            let found = self.acknowledged.told(by, id, node);
            self.note(now_us, found);
        }
    }

    /// An honest owner is told something that never holds for it.
    pub fn refused(&mut self, now_us: u64, (by, id): (u16, TransferId), outcome: &Outcome) {
        if self.honest.contains(&by) {
            let what = format!("member {by} refused honest {id:?}: {outcome:?}");
            self.note(now_us, Err(("settled", what)));
        }
    }

    /// A member is back, rebuilt from what was durable; or it is looked at because time has passed.
    pub fn standing(&mut self, now_us: u64, member: u16, node: &Node) {
        if !self.honest.contains(&member) {
            return;
        }
        if !self.harmed.contains(&member) {
            let found = self.acknowledged.restarted(member, node);
            self.note(now_us, found);
        }
        let tips = node.validator.tips();
        let found = self.monotonic.shows(member, tips);
        self.note(now_us, found);
        let found = self.conserved.holds(member, tips);
        self.note(now_us, found);
        // What it has applied since its disk failed is in no record, and so in no book.
        if !node.is_failed {
            let found = self.books.stands(member, tips);
            self.note(now_us, found);
        }
    }

    /// Whether all is settled; `Err` says what is not.
    ///
    /// # Errors
    /// What is missing.
    pub fn settled(
        &self,
        (wanted, lonely): (&[TransferId], &[TransferId]),
        nodes: &[Node],
    ) -> Result<(), Broken> {
        let of = |(member, node): &(u16, &Node)| {
            let is_there = !self.gone.contains(member) && !node.is_damaged;
            self.honest.contains(member) && is_there
        };
        let honest: Vec<(u16, &Node)> = (0..).zip(nodes).filter(of).collect();
        settled::holds(wanted, &honest)?;
        let is_there = |member: &u16| honest.iter().any(|(there, _)| there == member);
        let knows = |member: &u16| is_there(member) && !self.harmed.contains(member);
        settled::holds(&self.orphans.known(lonely, knows), &honest)?;
        unlocked::holds(&honest)?;
        self.acknowledged.everywhere(&honest)
    }
}
