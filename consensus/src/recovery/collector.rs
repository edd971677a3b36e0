//! Asking the members to promise a round, and gathering what they report: on behalf of an owner, by
//! whichever member it turned to. Nothing here decides; the reports prove themselves.

use super::claims::{Highest, Proven, highest};
use crate::limits::{
    COLLECT_REPEAT_US, COLLECT_US, COLLECTING_MAX, COLLECTING_STATES_MAX, RECOVER_STATES_MAX,
    RECOVERS_MAX, ROUND_LEAP_MAX,
};
use crate::message::{Message, RecoverReply, Withheld, WithheldKind};
use crate::step::{Blame, Outgoing, Step, To};
use ledger::{
    Accepted, Committee, Digest, Justification, LockProof, Network, Receipt, Report, SignedRecover,
    SignedReport, SignedTransfer, TokenState, TransferId,
};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What came of one `Recover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// What was asked.
    pub recover: SignedRecover,
    /// Valid reports, at most one a member.
    pub reports: Vec<SignedReport>,
    /// What proves their claims, by what is proven.
    pub locks: BTreeMap<Accepted, LockProof>,
    /// States that somebody says are spent, and by which transfer (zero when it does not know). A
    /// hint: the receipt decides.
    pub spent: BTreeMap<TokenState, TransferId>,
    /// The highest round that members named when they refused; 0 for none. Where fewer name it than
    /// one honest member is sure to be among, at most [`ROUND_LEAP_MAX`] above what was asked: a
    /// liar must not use up the rounds.
    pub promised: u32,
    /// Whether every state has a quorum of reports.
    pub is_justified: bool,
}

/// What may be proposed on the strength of what was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing that may live is accepted: a refresh of each state.
    Refresh,
    /// This transfer, on all of its states.
    Again(Box<SignedTransfer>),
    /// Two of one round: more than f members lie.
    Torn,
}

impl Collected {
    /// Nothing has come of it.
    pub fn nothing(recover: SignedRecover) -> Self {
        Self {
            recover,
            reports: Vec::new(),
            locks: BTreeMap::new(),
            spent: BTreeMap::new(),
            promised: 0,
            is_justified: false,
        }
    }

    fn proven(&self, receipts: &[Receipt]) -> Proven {
        let mut proven = Proven::default();
        for (accepted, lock) in &self.locks {
            proven.add_lock(*accepted, &lock.signed.transfer);
        }
        for receipt in receipts {
            let transfer = &receipt.entry.signed.transfer;
            proven.add_final(transfer.id(), transfer);
        }
        proven
    }

    /// What is claimed of one state.
    fn claims(&self, state: &TokenState) -> BTreeSet<Accepted> {
        let claims = self.reports.iter().flat_map(|signed| &signed.report.claims);
        claims.filter(|claim| claim.state == *state).filter_map(|claim| claim.accepted).collect()
    }

    /// What may be proposed for `state`, given receipts that this node holds for it.
    pub fn advice(&self, state: &TokenState, receipts: &[Receipt]) -> Advice {
        match highest(&self.claims(state), &self.proven(receipts), None) {
            Highest::None => Advice::Refresh,
            Highest::Torn(..) => Advice::Torn,
            Highest::One(accepted) => {
                let lock = self.locks.get(&accepted).expect("claims are proven on arrival");
                Advice::Again(Box::new(lock.signed.clone()))
            }
        }
    }

    /// The transfers that are claimed as accepted for any state.
    pub fn accepted(&self) -> impl Iterator<Item = &LockProof> {
        self.locks.values()
    }

    /// All that was collected; an entry carries what of it is [`Justification::about`] its
    /// transfer.
    pub fn justification(&self, receipts: &[Receipt]) -> Justification {
        let (reports, locks) = (self.reports.clone(), self.locks.values().cloned().collect());
        Justification { reports, locks, receipts: receipts.to_vec() }
    }
}

#[derive(Clone, Debug)]
struct Collecting {
    collected: Collected,
    /// The states that each member has answered about, however.
    answered: BTreeSet<u16>,
    /// Who says of a state that it is spent: a lone liar must not end what is collected.
    said_spent: BTreeMap<TokenState, BTreeSet<u16>>,
    /// The highest round that each member named when it refused.
    named: BTreeMap<u16, u32>,
    until_us: u64,
    repeat_us: u64,
}

/// All that one member collects.
#[derive(Clone, Debug)]
pub struct Collector {
    network: Arc<Network>,
    member: u16,
    open: BTreeMap<Digest, Collecting>,
}

impl Collector {
    /// Nothing is collected yet.
    pub fn new(network: Arc<Network>, member: u16) -> Self {
        Self { network, member, open: BTreeMap::new() }
    }

    /// Asks all members. The caller has checked the owner's signature. `None` when too much is
    /// collected already.
    pub fn begin(&mut self, now_us: u64, recovers: &[SignedRecover]) -> Option<Step> {
        let states = |signed: &SignedRecover| signed.recover.states.len();
        let open: usize = self.open.values().map(|one| states(&one.collected.recover)).sum();
        let more: usize = recovers.iter().map(states).sum();
        let is_full = self.open.len() + recovers.len() > COLLECTING_MAX;
        if is_full || open + more > COLLECTING_STATES_MAX {
            return None;
        }
        for signed in recovers {
            let collected = Collected::nothing(signed.clone());
            let collecting = Collecting {
                collected,
                answered: BTreeSet::new(),
                said_spent: BTreeMap::new(),
                named: BTreeMap::new(),
                until_us: now_us + COLLECT_US,
                repeat_us: now_us + COLLECT_REPEAT_US,
            };
            self.open.entry(signed.recover.id()).or_insert(collecting);
        }
        let members = 0..u16::try_from(self.network.committee.members().len()).expect("few");
        let mut step = Step::default();
        for member in members {
            step.now.extend(asks(member, recovers.to_vec()));
        }
        Some(step)
    }

    /// A member has answered. Returns what is complete now.
    pub fn replied(
        &mut self,
        from: u16,
        reply: RecoverReply,
        rng: &mut impl CryptoRng,
    ) -> (Step, Option<Collected>) {
        let mut step = Step::default();
        let id = reply.recover;
        let Some(collecting) = self.open.get_mut(&id) else { return (step, None) };
        // One answer a member: who has given it is not listened to again.
        if collecting.answered.contains(&from) {
            return (step, None);
        }
        if let Err(what) = collecting.take(from, reply, &self.network, rng) {
            step.blame.push(Blame { member: from, what: what.into() });
            return (step, None);
        }
        if !collecting.is_complete(&self.network) {
            return (step, None);
        }
        (step, self.open.remove(&id).map(|collecting| collecting.collected))
    }

    /// Time passes: who has not answered is asked again, and what takes too long ends as it is.
    pub fn tick(&mut self, now_us: u64) -> (Step, Vec<Collected>) {
        let mut step = Step::default();
        let late = self.open.iter().filter(|(_, one)| one.until_us <= now_us);
        let late: Vec<Digest> = late.map(|(id, _)| *id).collect();
        let ended = late.iter().filter_map(|id| self.open.remove(id));
        let ended = ended.map(|collecting| collecting.collected).collect();
        let members = 0..u16::try_from(self.network.committee.members().len()).expect("few");
        for member in members {
            let missing = self
                .open
                .values()
                .filter(|one| one.repeat_us <= now_us && !one.answered.contains(&member));
            let recovers: Vec<SignedRecover> =
                missing.map(|one| one.collected.recover.clone()).collect();
            step.now.extend(asks(member, recovers));
        }
        for one in self.open.values_mut().filter(|one| one.repeat_us <= now_us) {
            one.repeat_us = now_us + COLLECT_REPEAT_US;
        }
        (step, ended)
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Which member this is.
    pub fn member(&self) -> u16 {
        self.member
    }
}

/// Messages of the size that members take.
fn asks(member: u16, recovers: Vec<SignedRecover>) -> Vec<Outgoing> {
    let mut groups: Vec<Vec<SignedRecover>> = Vec::new();
    let mut states = 0;
    for signed in recovers {
        let more = signed.recover.states.len();
        let is_full = groups.last().is_none_or(|group| group.len() >= RECOVERS_MAX);
        if is_full || states + more > RECOVER_STATES_MAX {
            groups.push(Vec::new());
            states = 0;
        }
        states += more;
        groups.last_mut().expect("one was pushed").push(signed);
    }
    let message = |group| Outgoing { to: To::Member(member), message: Message::Recover(group) };
    groups.into_iter().map(message).collect()
}

impl Collecting {
    /// Takes a valid answer in.
    fn take(
        &mut self,
        from: u16,
        reply: RecoverReply,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<(), &'static str> {
        let recover = &self.collected.recover.recover;
        let is_asked = |state: &TokenState| recover.states.binary_search(state).is_ok();
        if let Some(signed) = &reply.report {
            let report = &signed.report;
            let is_right = signed.member == from
                && report.round == recover.round
                && report.epoch == network.epoch
                && report.claims.iter().all(|claim| is_asked(&claim.state))
                && are_claimed(report, &reply.locks)
                && network.committee.verifies(
                    from,
                    &signed.signature,
                    &report.statement(&network.id),
                );
            if !is_right {
                return Err("a report that is not the sender's, or not what was asked");
            }
            let mut locks = Vec::new();
            for lock in reply.locks {
                let accepted = Accepted { round: lock.round, transfer: lock.id() };
                if !self.collected.locks.contains_key(&accepted) {
                    lock.verify(network, rng).map_err(|_| "a lock proof that does not hold")?;
                    locks.push((accepted, lock));
                }
            }
            let proof = |accepted: &Accepted| {
                let new = locks.iter().find(|(known, _)| known == accepted);
                new.map(|(_, lock)| lock).or_else(|| self.collected.locks.get(accepted))
            };
            let is_proven = |claim: &ledger::Claim| {
                claim.accepted.is_none_or(|accepted| {
                    let lock = proof(&accepted);
                    accepted.round < recover.round
                        && lock.is_some_and(|lock| spends(lock, &claim.state))
                })
            };
            if !report.claims.iter().all(is_proven) {
                return Err("a report whose claims are not proven");
            }
            self.collected.locks.extend(locks);
            self.collected.reports.retain(|known| known.member != from);
            self.collected.reports.push(signed.clone());
        }
        for Withheld { state, kind, round, transfer } in reply.withheld {
            match kind {
                WithheldKind::Spent if is_asked(&state) => {
                    self.said_spent.entry(state).or_default().insert(from);
                    let known = self.collected.spent.entry(state).or_insert(transfer);
                    if *known == TransferId::default() {
                        *known = transfer;
                    }
                }
                WithheldKind::Promised => {
                    let named = self.named.entry(from).or_default();
                    *named = round.max(*named);
                }
                _ => {}
            }
        }
        self.answered.insert(from);
        self.collected.promised = self.promised(&network.committee);
        Ok(())
    }

    /// The round to go above, as far as it may be believed.
    fn promised(&self, committee: &Committee) -> u32 {
        let weight = |round: u32| -> u64 {
            let naming = self.named.iter().filter(|(_, named)| **named >= round);
            naming.map(|(member, _)| committee.weight(*member)).sum()
        };
        let is_sure = |round: &u32| has_honest(weight(*round), committee);
        let sure = self.named.values().copied().filter(is_sure).max().unwrap_or(0);
        let near = self.collected.recover.recover.round.saturating_add(ROUND_LEAP_MAX);
        let named = self.named.values().copied().max().unwrap_or(0);
        sure.max(named.min(near))
    }

    /// Whether nothing more can come that matters: every state has its quorum or is said to be
    /// spent by one that must be honest, or all members have answered.
    fn is_complete(&mut self, network: &Network) -> bool {
        let recover = &self.collected.recover.recover;
        let weight = |state: &TokenState| -> u64 {
            let has = |signed: &&SignedReport| {
                signed.report.claims.binary_search_by_key(state, |claim| claim.state).is_ok()
            };
            let members = self.collected.reports.iter().filter(has);
            members.map(|signed| network.committee.weight(signed.member)).sum()
        };
        let is_enough = |state: &TokenState| weight(state) >= network.committee.quorum();
        self.collected.is_justified = recover.states.iter().all(is_enough);
        let is_spent = |state: &TokenState| {
            let members = self.said_spent.get(state).into_iter().flatten();
            let weight = members.map(|member| network.committee.weight(*member)).sum();
            has_honest(weight, &network.committee)
        };
        // Who has answered and not reported of a state does not do it any more.
        let is_hopeless = |state: &TokenState| {
            let answered: u64 = self.answered.iter().map(|m| network.committee.weight(*m)).sum();
            let against = answered.saturating_sub(weight(state));
            network.committee.total() - against < network.committee.quorum()
        };
        let is_known =
            |state: &TokenState| is_enough(state) || is_spent(state) || is_hopeless(state);
        recover.states.iter().all(is_known)
            || self.answered.len() == network.committee.members().len()
    }
}

/// Whether members of this weight can't all be Byzantine.
fn has_honest(weight: u64, committee: &Committee) -> bool {
    weight > committee.total() - committee.quorum()
}

/// Whether the proofs are exactly those of what is claimed, each once: nobody is made to check
/// more, and justifications don't grow by what nobody asked for.
fn are_claimed(report: &Report, locks: &[LockProof]) -> bool {
    let claimed: BTreeSet<Accepted> =
        report.claims.iter().filter_map(|claim| claim.accepted).collect();
    if locks.len() != claimed.len() {
        return false;
    }
    let shown = locks.iter().map(|lock| Accepted { round: lock.round, transfer: lock.id() });
    shown.collect::<BTreeSet<_>>() == claimed
}

fn spends(lock: &LockProof, state: &TokenState) -> bool {
    lock.signed.transfer.inputs.iter().any(|input| input.state == *state)
}

#[cfg(test)]
mod tests;
