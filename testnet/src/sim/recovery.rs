//! Owners that split the locks of their own tokens and want them back (protocol §4): the client
//! side of recovery, with good manners and with bad ones. It asks members for reports, signs
//! refreshes, and hands out entries with their justifications; whether they hold is for the
//! members.

use super::node::Answered;
use super::plan::MEMBERS;
use consensus::recovery::collector::Advice;
use consensus::recovery::refresh;
use ledger::{
    Accepted, Address, Canonical, Digest, Entry, Input, Justification, Keypair, LockProof, Network,
    Receipt, Recover, SignedRecover, SignedReport, SignedTransfer, TokenState, TransferId,
};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An owner that has no answer asks again in a higher round after this, µs.
const PATIENCE_US: u64 = 1_500_000;

/// How an owner goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All states at once, one member at a time.
    Plain,
    /// One state after the other.
    Apart,
    /// Two members at once, with one round or two.
    Twice,
    /// Signs what the reports allow and is not heard of again until the calm.
    Leaver,
    /// Asks several members for one round, and puts two transfers into it where it can.
    Greedy,
}

/// Those that tell most are drawn twice; the first two are honest about it.
const MANNERS: [Manner; 7] = [
    Manner::Plain,
    Manner::Apart,
    Manner::Apart,
    Manner::Twice,
    Manner::Leaver,
    Manner::Greedy,
    Manner::Greedy,
];

/// How a recovery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing was accepted.
    Refresh,
    /// What was accepted is proposed again.
    Again,
    /// What was accepted can no longer live, as a receipt shows.
    Dead,
}

/// How many recoveries ended how, by what became final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// By a refresh.
    pub refresh: u64,
    /// By a transfer that was accepted before.
    pub again: u64,
    /// By a refresh, because what was accepted was dead.
    pub dead: u64,
    /// Owners that had two transfers in one round.
    pub two: u64,
}

impl Ends {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Ends) {
        self.refresh += other.refresh;
        self.again += other.again;
        self.dead += other.dead;
        self.two += other.two;
    }
}

/// All that was reported to one owner in one round.
#[derive(Clone, Debug, Default)]
struct Seen {
    reports: BTreeMap<u16, SignedReport>,
    locks: BTreeMap<Accepted, LockProof>,
}

/// The tokens of one owner whose locks it has split.
#[derive(Clone, Debug)]
struct Case {
    owner: usize,
    /// Those that are not known to be spent.
    inputs: BTreeMap<TokenState, Input>,
    manner: Manner,
    /// The highest round asked for or named.
    round: u32,
    next_us: u64,
    /// What is asked for next, if not by the manner.
    wanted: Option<Vec<TokenState>>,
    seen: BTreeMap<(u32, Vec<TokenState>), Seen>,
}

/// All owners that recover.
#[derive(Debug)]
pub struct Recoveries {
    network: Arc<Network>,
    keys: Vec<Keypair>,
    cases: Vec<Case>,
    asked: BTreeMap<Digest, usize>,
    /// What was handed out, and what it would mean if it became final.
    sent: BTreeMap<TransferId, (SignedTransfer, End)>,
    rng: StdRng,
    ends: Ends,
    /// Whom owners turn to: everybody, and in the calm those that are there.
    members: Vec<u16>,
}

/// What an answer leads to.
type Entries = Vec<(u16, Entry)>;

impl Recoveries {
    /// Nobody recovers yet.
    pub fn new(network: Arc<Network>, keys: Vec<Keypair>, rng: StdRng) -> Self {
        let (asked, sent) = (BTreeMap::new(), BTreeMap::new());
        let (cases, ends) = (Vec::new(), Ends::default());
        let members = (0..MEMBERS).collect();
        Self { network, keys, cases, asked, sent, rng, ends, members }
    }

    /// An owner has split the locks of these tokens; it begins at `at_us`.
    pub fn open(&mut self, at_us: u64, owner: usize, inputs: &[Input]) {
        let manner = MANNERS[self.rng.random_range(0..MANNERS.len())];
        self.cases.push(Case {
            owner,
            inputs: inputs.iter().map(|input| (input.state, *input)).collect(),
            manner,
            round: 0,
            next_us: at_us,
            wanted: None,
            seen: BTreeMap::new(),
        });
    }

    /// From here on every owner wants its tokens back, and means it: a client that can't reach a
    /// member tries the next, so none asks those that are `gone` (six times in a row: seed 503111).
    pub fn calm(&mut self, now_us: u64, gone: &BTreeSet<u16>) {
        self.members.retain(|member| !gone.contains(member));
        for case in &mut self.cases {
            case.next_us = now_us + self.rng.random_range(0..500_000);
            case.manner = MANNERS[self.rng.random_range(0..2)];
        }
    }

    /// What owners ask now, and whom.
    pub fn ask(&mut self, now_us: u64) -> Vec<(u16, SignedRecover)> {
        let mut asks = Vec::new();
        for (index, case) in self.cases.iter_mut().enumerate() {
            if case.next_us > now_us || case.inputs.is_empty() {
                continue;
            }
            let mut states: Vec<TokenState> = case.inputs.keys().copied().collect();
            if case.manner == Manner::Apart {
                states = vec![states[self.rng.random_range(0..states.len())]];
            }
            states = case.wanted.take().unwrap_or(states);
            case.next_us = now_us + PATIENCE_US;
            let first = case.round.saturating_add(1);
            let rounds = match case.manner {
                Manner::Twice => vec![first, first.saturating_add(self.rng.random_range(0..2))],
                Manner::Greedy => vec![first; 4],
                _ => vec![first],
            };
            for round in rounds {
                let owner = Address(self.keys[case.owner].public());
                let states = states.clone();
                let recover = Recover { epoch: self.network.epoch, owner, round, states };
                self.asked.insert(recover.id(), index);
                case.round = case.round.max(round);
                let signed = recover.sign(&self.network.id, &self.keys[case.owner]);
                asks.push((any(&mut self.rng, &self.members), signed));
            }
        }
        asks
    }

    /// An owner has its answer: what it signs, and whom it sends that. Reports prove themselves;
    /// `is_trusted` is whether this member's own word counts.
    pub fn answered(&mut self, now_us: u64, is_trusted: bool, answered: &Answered) -> Entries {
        let Answered { collected, receipts, spent } = answered;
        let recover = &collected.recover.recover;
        let Some(index) = self.asked.get(&recover.id()).copied() else { return Vec::new() };
        let case = &mut self.cases[index];
        if is_trusted {
            case.inputs.retain(|state, _| !spent.contains(state));
        }
        if !collected.is_justified {
            case.round = case.round.max(collected.promised);
            case.next_us = case.next_us.min(now_us + self.rng.random_range(50_000..300_000));
            return Vec::new();
        }
        let seen = case.seen.entry((recover.round, recover.states.clone())).or_default();
        seen.locks.extend(collected.locks.clone());
        let reports = collected.reports.iter().map(|signed| (signed.member, signed.clone()));
        seen.reports.extend(reports);
        if case.manner == Manner::Greedy {
            return self.two_in_one_round(index, answered);
        }
        let mut entries = Vec::new();
        let inputs: Vec<Input> = case.inputs.values().copied().collect();
        let mut ids = BTreeSet::new();
        for input in inputs.iter().filter(|input| recover.states.contains(&input.state)) {
            let Some((signed, end)) = self.advised(index, input, (answered, now_us)) else {
                continue;
            };
            if ids.insert(signed.transfer.id()) {
                let all = collected.justification(receipts);
                let justification = all.about(&signed.transfer).to_bytes();
                entries.push(self.entry((signed, end), recover.round, justification));
            }
        }
        let case = &mut self.cases[index];
        if case.manner == Manner::Leaver {
            case.next_us = u64::MAX;
        }
        entries
    }

    fn advised(
        &mut self,
        index: usize,
        input: &Input,
        (answered, now_us): (&Answered, u64),
    ) -> Option<(SignedTransfer, End)> {
        let Answered { collected, receipts, .. } = answered;
        let case = &mut self.cases[index];
        match collected.advice(&input.state, receipts) {
            Advice::Torn => None,
            Advice::Refresh => {
                let is_plain = collected.advice(&input.state, &[]) == Advice::Refresh;
                let end = if is_plain { End::Refresh } else { End::Dead };
                Some((self.refresh(index, *input), end))
            }
            Advice::Again(signed) => {
                let inputs = signed.transfer.inputs.iter();
                let states: Vec<TokenState> = inputs.map(|input| input.state).collect();
                let asked = &collected.recover.recover.states;
                if states.iter().all(|state| asked.contains(state)) {
                    return Some((*signed, End::Again));
                }
                // It may be proposed again on all of its states or not at all.
                case.wanted = Some(states);
                case.next_us = now_us;
                None
            }
        }
    }

    fn refresh(&self, index: usize, input: Input) -> SignedTransfer {
        let key = &self.keys[self.cases[index].owner];
        refresh(&self.network, Address(key.public()), input).sign(key)
    }

    /// One subset of the reports knows of an accept, and another does not: both transfers may be
    /// proposed in this round, and split the locks again.
    fn two_in_one_round(&mut self, index: usize, answered: &Answered) -> Entries {
        let recover = &answered.collected.recover.recover;
        let case = &self.cases[index];
        let Some(seen) = case.seen.get(&(recover.round, recover.states.clone())) else {
            return Vec::new();
        };
        let (seen, mut entries) = (seen.clone(), Vec::new());
        let says =
            |signed: &SignedReport| signed.report.claims.iter().any(|c| c.accepted.is_some());
        let none: Vec<SignedReport> =
            seen.reports.values().filter(|signed| !says(signed)).cloned().collect();
        let all: Vec<SignedReport> = seen.reports.values().cloned().collect();
        let locks: Vec<LockProof> = seen.locks.values().cloned().collect();
        let inputs: Vec<Input> = case.inputs.values().copied().collect();
        let refreshes: Vec<SignedTransfer> =
            inputs.into_iter().map(|input| self.refresh(index, input)).collect();
        for signed in refreshes {
            let justification = justification(&none, &[], &answered.receipts);
            entries.push(self.entry((signed, End::Refresh), recover.round, justification));
        }
        let is_two = !locks.is_empty() && none.len() >= 5;
        self.ends.two += u64::from(is_two);
        for lock in &locks {
            let justification = justification(&all, &locks, &answered.receipts);
            let again = (lock.signed.clone(), End::Again);
            entries.push(self.entry(again, recover.round, justification));
        }
        entries
    }

    fn entry(
        &mut self,
        (signed, end): (SignedTransfer, End),
        round: u32,
        justification: Vec<u8>,
    ) -> (u16, Entry) {
        let id = signed.transfer.id();
        self.sent.insert(id, (signed.clone(), end));
        (any(&mut self.rng, &self.members), Entry { signed, round, justification })
    }

    /// A transfer is final, as an honest member says: what it spent is recovered. Returns it when
    /// it is one that only this machine knows.
    pub fn told(&mut self, id: TransferId) -> Option<SignedTransfer> {
        let (signed, end) = self.sent.remove(&id)?;
        match end {
            End::Refresh => self.ends.refresh += 1,
            End::Again => self.ends.again += 1,
            End::Dead => self.ends.dead += 1,
        }
        for input in &signed.transfer.inputs {
            self.cases.iter_mut().for_each(|case| {
                case.inputs.remove(&input.state);
            });
        }
        (end != End::Again).then_some(signed)
    }

    /// How many ended how.
    pub fn ends(&self) -> Ends {
        self.ends
    }
}

/// One of the members. Never empty: two of seven go at most.
fn any(rng: &mut StdRng, members: &[u16]) -> u16 {
    let count = u16::try_from(members.len()).expect("at most seven");
    members[usize::from(rng.random_range(0..count))]
}

fn justification(reports: &[SignedReport], locks: &[LockProof], receipts: &[Receipt]) -> Vec<u8> {
    let (reports, locks) = (reports.to_vec(), locks.to_vec());
    Justification { reports, locks, receipts: receipts.to_vec() }.to_bytes()
}
