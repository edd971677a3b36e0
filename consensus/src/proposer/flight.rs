//! One batch in flight: its votes of both phases, and what a member still has to get.

use super::{Outcome, Proposer, VoteSplit, outcome};
use crate::batch::{Batch, Proposal};
use crate::limits::FLIGHT_BUSY_US_MAX;
use crate::message::{Answer, CheckedCertificate, Message};
use crate::record::Record;
use crate::step::{Applied, Blame, Fetch, Outgoing, Step, To};
use crate::tally::{Counted, Tally};
use crate::verdict::{Refusal, Refused, RefusedKind};
use ledger::{BatchId, Bitmap, Phase, TransferId, Vote};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A batch that is proposed and not over.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub proposal: Arc<Proposal>,
    pub batch: Arc<Batch>,
    lock: Tally,
    commit: Tally,
    /// Who has sent a vote with a bad signature: it is not asked a second time.
    liars: BTreeSet<u16>,
    /// The newest refusals of each member.
    refused: BTreeMap<u16, Vec<Refused>>,
    /// The newest certificate of each phase, for members that come late.
    certificates: BTreeMap<Phase, CheckedCertificate>,
    proposed_us: u64,
    locked_us: u64,
    /// Entries whose transfers have not ended.
    open: Bitmap,
    /// Taken over from another proposer until then, µs; 0 for one of its own.
    pub adopted_until_us: u64,
}

impl Flight {
    pub fn new(proposal: Arc<Proposal>, batch: Arc<Batch>, now_us: u64) -> Self {
        let count = batch.count();
        Self {
            proposal,
            lock: Tally::new(count),
            commit: Tally::new(count),
            liars: BTreeSet::new(),
            refused: BTreeMap::new(),
            certificates: BTreeMap::new(),
            proposed_us: now_us,
            locked_us: 0,
            open: Bitmap::from_bools(&vec![true; count]),
            adopted_until_us: 0,
            batch,
        }
    }

    /// Whether it holds up the next batch: something in it is still open and may soon end. What has
    /// not
    /// ended by then is stuck, and must not keep others waiting.
    pub fn is_busy(&self, now_us: u64) -> bool {
        self.is_open() && now_us < self.busy_until_us()
    }

    /// When it holds up the next batch no longer, whatever happens, µs.
    pub fn busy_until_us(&self) -> u64 {
        self.proposed_us + FLIGHT_BUSY_US_MAX
    }

    /// Whether a transfer in it has not ended.
    pub fn is_open(&self) -> bool {
        self.open.ones() > 0
    }

    /// Whether votes may still come that matter: all that has ended waits a moment for the rest of
    /// them.
    pub fn is_needed(&self, now_us: u64) -> bool {
        let is_adopted = self.adopted_until_us > 0;
        (self.is_open() && !is_adopted) || now_us < self.busy_until_us().max(self.adopted_until_us)
    }

    /// What a member that has not voted for all of it may have missed.
    pub fn missed_by(&self, member: u16) -> Vec<Outgoing> {
        let to = To::Member(member);
        let covers = |bits: Option<&Bitmap>, of: &Bitmap| bits.is_some_and(|bits| bits.covers(of));
        let mut missed = Vec::new();
        if !covers(self.lock.of(member), &self.open) {
            missed.push(Outgoing { to, message: Message::Propose((*self.proposal).clone()) });
        }
        let lock = self.certificates.get(&Phase::Lock);
        if let Some(checked) = lock.filter(|c| !covers(self.commit.of(member), c.certified())) {
            let message = Message::Certify(checked.certificate().clone());
            missed.push(Outgoing { to, message });
        }
        if let Some(checked) = self.certificates.get(&Phase::Commit) {
            let message = Message::Certify(checked.certificate().clone());
            missed.push(Outgoing { to, message });
        }
        missed
    }

    /// The transfer of entry `index` has ended, or goes on in another batch.
    pub fn leave(&mut self, index: usize) {
        self.open.clear(index);
    }

    fn tally(&mut self, phase: Phase) -> &mut Tally {
        match phase {
            Phase::Lock => &mut self.lock,
            Phase::Commit => &mut self.commit,
        }
    }
}

impl Proposer {
    /// A member answers about a batch. `from` is whom the link belongs to.
    pub fn answered(
        &mut self,
        now_us: u64,
        from: u16,
        answer: Answer,
        rng: &mut impl CryptoRng,
    ) -> Step {
        let mut step = Step::default();
        let id = answer.batch;
        let Some(flight) = self.flights.get_mut(&id) else { return step };
        if let Some(vote) = answer.vote.filter(|_| !flight.liars.contains(&from)) {
            let is_member = self.network.committee.member(from).is_some();
            if !is_member || !is_for(&vote, from, flight, answer.phase, self.network.epoch) {
                let what = "a vote that is not the sender's, or of another length".into();
                step.blame.push(Blame { member: from, what });
                return step;
            }
            let counted = flight.tally(answer.phase).add(vote, &self.network.committee);
            if let Counted::Contradicts(evidence) = counted {
                let is_new = !self.convicted.contains(&from);
                // One of the two may have a bad signature: then they are no evidence.
                if is_new && evidence.verify(&self.network).is_ok() {
                    self.convicted.insert(from);
                    step.persist.push(Record::Evidence((*evidence).clone()));
                    step.evidence.push(*evidence);
                } else if is_new {
                    flight.liars.insert(from);
                }
                let what = "a vote that takes bits back (R9)".into();
                step.blame.push(Blame { member: from, what });
            }
        }
        if answer.phase == Phase::Lock {
            let count = flight.batch.count();
            let is_inside =
                |refused: &Refused| usize::try_from(refused.index).is_ok_and(|i| i < count);
            let refused = answer.refused.into_iter().filter(is_inside).collect();
            flight.refused.insert(from, refused);
        }
        self.certify(now_us, id, answer.phase, &mut step, rng);
        if answer.phase == Phase::Lock {
            self.ask_for_spenders(now_us, from, id, &mut step);
            self.find_doomed(now_us, id);
        }
        step
    }

    fn certify(
        &mut self,
        now_us: u64,
        id: BatchId,
        phase: Phase,
        step: &mut Step,
        rng: &mut impl CryptoRng,
    ) {
        let flight = self.flights.get_mut(&id).expect("the caller looked");
        let (checked, bad) = flight.tally(phase).certificate(&self.network, rng);
        for member in bad {
            flight.liars.insert(member);
            step.blame.push(Blame { member, what: "a vote with a bad signature".into() });
        }
        let Some(checked) = checked else { return };
        for index in checked.certified().indexes() {
            let Some(pending) = self.pending.get_mut(&flight.batch.ids()[index]) else { continue };
            match phase {
                Phase::Lock => {
                    pending.stages.lock = now_us.saturating_sub(flight.proposed_us);
                    pending.doomed = None;
                }
                Phase::Commit => {
                    pending.stages.commit = now_us.saturating_sub(flight.locked_us);
                }
            }
        }
        if phase == Phase::Lock {
            flight.locked_us = now_us;
        }
        flight.certificates.insert(phase, checked.clone());
        let message = Message::Certify(checked.certificate().clone());
        step.now.push(Outgoing { to: To::All, message });
        step.certificates.push(checked);
    }

    /// R8: a member says that an input is spent, and by which transfer. If it is this very
    /// transfer, it is
    /// final and this node has not heard of it; if it is another, this one is rejected. Either way
    /// the
    /// proof is asked for. Nothing rests on the member's word but the asking, once an answer.
    fn ask_for_spenders(&mut self, now_us: u64, from: u16, id: BatchId, step: &mut Step) {
        let flight = &self.flights[&id];
        let refused = flight.refused.get(&from).map(Vec::as_slice).unwrap_or_default();
        let mut spenders: BTreeSet<TransferId> = BTreeSet::new();
        let mut ended: Vec<(TransferId, Outcome)> = Vec::new();
        for refused in refused.iter().filter(|refused| refused.kind == RefusedKind::Spent) {
            let index = usize::try_from(refused.index).expect("looked at on arrival");
            let (transfer, by) = (flight.batch.ids()[index], refused.transfer);
            if by == TransferId::default() {
                continue;
            }
            let Some(pending) = self.pending.get(&transfer) else {
                if flight.adopted_until_us > 0 && from != self.member {
                    spenders.insert(by);
                }
                continue;
            };
            if from != self.member {
                spenders.insert(by);
            } else if by == transfer {
                // It was applied here while it was on its way to this proposer.
                ended.push((transfer, Outcome::Final));
            } else if let Some(state) = pending.state_of(&refused.token) {
                let refusal = Refusal::Spent { state, by: Some(by) };
                ended.push((transfer, Outcome::Rejected(refusal)));
            }
        }
        if !spenders.is_empty() {
            let transfers = spenders.into_iter().collect();
            step.fetch.push(Fetch::Parents { transfers, from });
        }
        for (transfer, outcome) in ended {
            self.end(transfer, outcome, now_us, step);
        }
    }

    /// Finds transfers whose locks are split so that no quorum can come in this round any more, and
    /// those
    /// that too many refuse for good. Where one says "spent", the proof decides, see above.
    fn find_doomed(&mut self, now_us: u64, id: BatchId) {
        let flight = &self.flights[&id];
        let undecided = flight.open.without(flight.lock.certified());
        let mut refusals: HashMap<usize, Vec<(u16, Refused)>> = HashMap::new();
        for (member, refused) in &flight.refused {
            for refused in refused {
                let Ok(index) = usize::try_from(refused.index) else { continue };
                if undecided.has(index) {
                    refusals.entry(index).or_default().push((*member, *refused));
                }
            }
        }
        let committee = &self.network.committee;
        for (index, refusals) in refusals {
            let is_final = |kind| matches!(kind, RefusedKind::Locked | RefusedKind::Invalid);
            let for_good = refusals.iter().filter(|(_, r)| is_final(r.kind));
            let against: u64 = for_good.map(|(member, _)| committee.weight(*member)).sum();
            let Some(pending) = self.pending.get_mut(&flight.batch.ids()[index]) else { continue };
            if committee.total() - against < committee.quorum() {
                let split = VoteSplit::of(flight.lock.voters(index), &refusals);
                let since_us = pending.doomed.as_ref().map_or(now_us, |doom| doom.since_us);
                pending.doomed = Some(super::Doom { since_us, split });
            }
        }
    }

    /// Transfers are applied at this node: those that were pending here are final, those that
    /// wanted the
    /// same states are rejected.
    pub fn applied(&mut self, now_us: u64, applied: &[Applied]) -> Step {
        let mut step = Step::default();
        if self.pending.is_empty() {
            return step;
        }
        for applied in applied {
            let id = applied.change.id;
            if self.pending.contains_key(&id) {
                self.end(id, Outcome::Final, now_us, &mut step);
            }
            for input in &applied.change.spent {
                let losers = self.by_token.get(&input.state.token).cloned().unwrap_or_default();
                for loser in losers {
                    let outcome = self.pending.get(&loser).and_then(|pending| {
                        outcome::lost(&pending.entry.signed.transfer, &input.state, id)
                    });
                    if let Some(outcome) = outcome {
                        self.end(loser, outcome, now_us, &mut step);
                    }
                }
            }
        }
        step
    }

    /// Ends a transfer: it leaves all tables and its report goes out.
    pub(super) fn end(&mut self, id: TransferId, outcome: Outcome, now_us: u64, step: &mut Step) {
        let Some(pending) = self.pending.remove(&id) else { return };
        if pending.is_queued {
            self.queue_bytes = self.queue_bytes.saturating_sub(pending.bytes);
            self.queue.retain(|queued| *queued != id);
        }
        for input in &pending.entry.signed.transfer.inputs {
            if let Some(ids) = self.by_token.get_mut(&input.state.token) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_token.remove(&input.state.token);
                }
            }
        }
        let mut voters = (Vec::new(), Vec::new());
        for (flight, index) in pending.flights.clone() {
            let Some(flight) = self.flights.get_mut(&flight) else { continue };
            flight.leave(index);
            voters = (flight.lock.voters(index), flight.commit.voters(index));
        }
        step.reports.push(pending.report(id, outcome, voters, now_us));
    }
}

fn is_for(vote: &Vote, from: u16, flight: &Flight, phase: Phase, epoch: u64) -> bool {
    let ballot = &vote.ballot;
    vote.member == from
        && ballot.phase == phase
        && ballot.epoch == epoch
        && ballot.batch == flight.batch.id()
        && ballot.bitmap.count() == flight.batch.count()
}
