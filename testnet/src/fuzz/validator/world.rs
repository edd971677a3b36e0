//! What a script can say to a validator: the owners, the other six members with their keys, and all
//! that has been said before, to be said again, mixed, or changed.

use super::super::fixture::{self, MEMBERS, OWNERS, TOKENS};
use super::super::script::Script;
use super::run::OWN;
use consensus::codec;
use consensus::message::{Answer, Message, RecoverReply};
use consensus::{AppliedBatch, Batch, Proposal, Tips};
use ledger::{
    Accepted, BatchId, Canonical, Certificate, Claim, Digest, Entry, Input, Justification,
    LockProof, Output, Phase, Report, SignedRecover, SignedReport, SignedTransfer, TokenState,
    Vote,
};
use std::collections::BTreeMap;

/// Things of one kind that are kept; above it the oldest goes.
const KEPT_MAX: usize = 24;

/// What has been made and heard.
pub struct World {
    transfers: Vec<SignedTransfer>,
    batches: Vec<(Proposal, Batch)>,
    certificates: Vec<Certificate>,
    reports: Vec<SignedReport>,
    messages: Vec<Message>,
    /// What the member under test has voted, by batch and phase.
    votes: BTreeMap<(BatchId, Phase), Vote>,
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= KEPT_MAX {
        list.remove(0);
    }
    list.push(item);
}

fn pick<'a, T>(list: &'a [T], script: &mut Script<'_>) -> Option<&'a T> {
    (!list.is_empty()).then(|| script.one_of(list))
}

/// Somebody else.
fn other(script: &mut Script<'_>) -> u16 {
    1 + u16::from(script.byte()) % (MEMBERS - 1)
}

impl World {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            transfers: Vec::new(),
            batches: Vec::new(),
            certificates: Vec::new(),
            reports: Vec::new(),
            messages: Vec::new(),
            votes: BTreeMap::new(),
        }
    }

    /// Takes in what the member under test has said.
    pub fn learn(&mut self, said: Vec<Message>) {
        for message in said {
            match &message {
                Message::Answer(Answer { vote: Some(vote), .. }) => {
                    self.votes.insert((vote.ballot.batch, vote.ballot.phase), vote.clone());
                }
                Message::Propose(proposal) => {
                    if let Ok(batch) = Batch::of(proposal) {
                        keep(&mut self.batches, (proposal.clone(), batch));
                    }
                }
                Message::Certify(certificate) => {
                    keep(&mut self.certificates, certificate.clone());
                }
                Message::Report(reply) => {
                    reply.report.iter().for_each(|report| keep(&mut self.reports, report.clone()));
                }
                _ => {}
            }
            keep(&mut self.messages, message);
        }
    }

    /// An owner signs a transfer of one or two of its tokens: live ones, old ones, others'.
    pub fn pay(&mut self, tips: &Tips, script: &mut Script<'_>) {
        let owner = script.byte() % OWNERS;
        let count = 1 + usize::from(script.byte() % 4 == 3);
        let mut inputs: Vec<Input> = (0..count).map(|_| input(tips, owner, script)).collect();
        inputs.sort_by_key(|input| input.state.token);
        inputs.dedup_by_key(|input| input.state.token);
        let (kind, to) = (script.byte() % 8, fixture::address(script.byte() % OWNERS));
        let memo = ["", "a", "b", "c"][usize::from(script.byte() % 4)];
        let total = inputs.iter().map(|input| input.amount).fold(0, u64::saturating_add);
        let create = |amount| Output::Create { asset: inputs[0].asset, amount, to };
        let outputs = match kind {
            6 => vec![create(total.saturating_sub(1).max(1)), create(1)],
            7 => vec![create(total)],
            5 => vec![Output::Move { input: 0, to: fixture::address(owner) }],
            _ => (0..u16::try_from(inputs.len()).expect("one or two"))
                .map(|input| Output::Move { input, to })
                .collect(),
        };
        keep(&mut self.transfers, fixture::transfer(owner, inputs, outputs, memo));
    }

    /// A transfer of before as an entry: in round 0, or above with a justification of what has been
    /// reported, or of reports that liars make up.
    pub fn entry(&mut self, script: &mut Script<'_>) -> Option<Entry> {
        let signed = pick(&self.transfers, script)?.clone();
        let round = u32::from(script.byte() % 4);
        if round == 0 {
            return Some(Entry::ordinary(signed));
        }
        let states: Vec<TokenState> =
            signed.transfer.inputs.iter().map(|input| input.state).collect();
        let heard = script.byte();
        let mut reports: Vec<SignedReport> = Vec::new();
        for member in 0..MEMBERS {
            let is_heard =
                |report: &&SignedReport| report.member == member && report.report.round == round;
            if let Some(report) = self.reports.iter().rev().find(is_heard) {
                reports.push(report.clone());
            } else if member != OWN && heard & (1 << member) == 0 {
                reports.push(fixture::report(member, round, &states));
            }
        }
        let claimed = reports.iter().flat_map(|report| &report.report.claims);
        let claimed: Vec<Accepted> = claimed.filter_map(|claim| claim.accepted).collect();
        let mut locks = self.locks();
        locks.retain(|lock| claimed.iter().any(|claim| claim.transfer == lock.id()));
        let justification = Justification { reports, locks, receipts: Vec::new() }.to_bytes();
        Some(Entry { signed, round, justification })
    }

    /// What certificates prove locked, each transfer and round once.
    fn locks(&self) -> Vec<LockProof> {
        let mut found: BTreeMap<(u32, ledger::TransferId), LockProof> = BTreeMap::new();
        for certificate in self.certificates.iter().filter(|c| c.phase == Phase::Lock) {
            let of = self.batches.iter().find(|(_, batch)| batch.id() == certificate.batch);
            let Some((_, batch)) = of else { continue };
            for index in 0..batch.count() {
                let key = (batch.entries()[index].round, batch.ids()[index]);
                found.entry(key).or_insert_with(|| batch.lock_proof(index, certificate));
            }
        }
        found.into_values().take(KEPT_MAX).collect()
    }

    /// A member proposes one to three entries, and may lie about something.
    pub fn propose(&mut self, script: &mut Script<'_>) -> Option<(u16, Proposal)> {
        let from = other(script);
        if script.byte() % 8 == 7 {
            return self.proposal(script).map(|proposal| (from, proposal));
        }
        let mut entries = vec![self.entry(script)?];
        let more = script.byte();
        if more % 4 == 3 {
            entries.extend(self.entry(script));
        }
        if more % 16 == 15 {
            entries.extend(self.entry(script));
        }
        let (mut proposal, batch) = fixture::batch(from, entries);
        keep(&mut self.batches, (proposal.clone(), batch));
        match more / 16 {
            12 => proposal.epoch += 1,
            13 => proposal.claimed = BatchId::default(),
            14 => proposal.signature.0[9] ^= 1,
            15 => proposal.proposer = other(script),
            _ => {}
        }
        keep(&mut self.messages, Message::Propose(proposal.clone()));
        Some((from, proposal))
    }

    /// A batch of before.
    pub fn proposal(&mut self, script: &mut Script<'_>) -> Option<Proposal> {
        pick(&self.batches, script).map(|(proposal, _)| proposal.clone())
    }

    /// A certificate over a batch of before: by all others, or by some, of some entries, with the
    /// votes that the member under test has cast or without.
    pub fn certificate(&mut self, script: &mut Script<'_>) -> Option<Certificate> {
        let (_, batch) = pick(&self.batches, script)?;
        let phase = if script.flag() { Phase::Commit } else { Phase::Lock };
        let (left_out, entries, lie) = (script.byte(), script.byte(), script.byte());
        let count = batch.count() + usize::from(lie == 255);
        let bits: Vec<bool> = (0..count).map(|index| entries & (1 << (index % 8)) == 0).collect();
        let all = vec![true; count];
        let voters = (1..MEMBERS).filter(|member| left_out & (1 << member) == 0);
        let mut votes: Vec<Vote> = voters
            .map(|member| {
                let is_more = lie % 8 == 7 && member % 2 == 0;
                fixture::vote(member, phase, batch, if is_more { &all } else { &bits })
            })
            .collect();
        let own = self.votes.get(&(batch.id(), phase));
        votes.extend(own.filter(|_| left_out % 2 == 0).cloned());
        if votes.is_empty() {
            return None;
        }
        let mut certificate = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
        if lie == 254 {
            certificate.batch = BatchId::default();
        }
        keep(&mut self.certificates, certificate.clone());
        keep(&mut self.messages, Message::Certify(certificate.clone()));
        Some(certificate)
    }

    /// A member's answer to a batch of before.
    pub fn answer(&mut self, script: &mut Script<'_>) -> Option<(u16, Answer)> {
        let (_, batch) = pick(&self.batches, script)?;
        let from = other(script);
        let phase = if script.flag() { Phase::Commit } else { Phase::Lock };
        let (entries, lie) = (script.byte(), script.byte());
        let count = batch.count() + usize::from(lie == 255);
        let bits: Vec<bool> = (0..count).map(|index| entries & (1 << (index % 8)) == 0).collect();
        let voter = if lie == 254 { other(script) } else { from };
        let vote = (lie != 253).then(|| fixture::vote(voter, phase, batch, &bits));
        let answer = Answer { batch: batch.id(), phase, vote, refused: Vec::new() };
        keep(&mut self.messages, Message::Answer(answer.clone()));
        Some((from, answer))
    }

    /// An owner asks for a round of one or two states.
    pub fn recover(&mut self, tips: &Tips, script: &mut Script<'_>) -> (u16, SignedRecover) {
        let from = other(script);
        let owner = script.byte() % OWNERS;
        let mut states = vec![input(tips, owner, script).state];
        if script.flag() {
            states.push(input(tips, owner, script).state);
        }
        states.sort();
        states.dedup();
        let round = match script.byte() {
            255 => u32::MAX,
            byte => 1 + u32::from(byte % 4),
        };
        (from, fixture::recover(owner, round, states))
    }

    /// A member's answer to a question that the member under test has passed on.
    pub fn reply(
        &mut self,
        asked_for: &[Digest],
        script: &mut Script<'_>,
    ) -> Option<(u16, RecoverReply)> {
        let recover = *pick(asked_for, script)?;
        let from = other(script);
        let heard = pick(&self.reports, script).cloned();
        let locks = self.locks();
        let accepted = pick(&locks, script)
            .filter(|_| script.flag())
            .map(|lock| Accepted { round: lock.round, transfer: lock.id() });
        let report = heard.map(|heard| {
            let claim = |claim: &Claim| Claim { state: claim.state, accepted };
            let claims = heard.report.claims.iter().map(claim).collect();
            let report = Report { epoch: heard.report.epoch, round: heard.report.round, claims };
            let key = fixture::member_key(from);
            report.sign(&fixture::network().id, from, key)
        });
        report.iter().for_each(|report| keep(&mut self.reports, report.clone()));
        let is_shown = |lock: &LockProof| accepted.is_some_and(|a| a.transfer == lock.id());
        let locks = locks.into_iter().filter(is_shown).collect();
        Some((from, RecoverReply { recover, report, locks, withheld: Vec::new() }))
    }

    /// A batch with a Commit certificate of before.
    pub fn applied(&mut self, script: &mut Script<'_>) -> Option<AppliedBatch> {
        let certificate = pick(&self.certificates, script)?.clone();
        let of = self.batches.iter().find(|(_, batch)| batch.id() == certificate.batch);
        let proposal = match of.filter(|_| script.byte() != 255) {
            Some((proposal, _)) => proposal.clone(),
            None => pick(&self.batches, script)?.0.clone(),
        };
        Some(AppliedBatch { proposal, certificate })
    }

    /// Something that was said before, changed on the wire.
    pub fn changed(&mut self, script: &mut Script<'_>) -> Option<(u16, Message)> {
        let from = other(script);
        let message = pick(&self.messages, script)?;
        let bytes = script.changed(&message.to_bytes(), 3);
        let message = Message::from_bytes(&bytes).ok()?;
        let message = codec::decode(&codec::encode(&message)).expect("it reads what it writes");
        Some((from, message))
    }
}

/// A token of an owner, as it stands or as it stood.
fn input(tips: &Tips, owner: u8, script: &mut Script<'_>) -> Input {
    let choice = script.byte();
    let address = fixture::address(owner);
    let live: Vec<Input> = tips
        .tokens_of(&address)
        .take(KEPT_MAX)
        .map(|(token, tip)| Input { state: tip.state(token), asset: tip.asset, amount: tip.amount })
        .collect();
    let old = usize::from(choice) % (usize::from(OWNERS) * TOKENS);
    match choice {
        0..192 if !live.is_empty() => live[usize::from(choice) % live.len()],
        _ => fixture::coin(old),
    }
}
