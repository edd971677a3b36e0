//! Recovery (protocol §4): an owner asks for a round, and this validator promises it for each of
//! its unspent states and says what it has accepted of them. The promise is durable before the
//! report leaves. Whoever passes the owner's `Recover` on gets the answer.

use super::{Mode, Open, Validator, blame};
use crate::limits::{PROMISES_MAX, REPORT_PROOFS_BYTES_MAX};
use crate::lock::Held;
use crate::message::{Message, RecoverReply, Withheld, WithheldKind};
use crate::record::{Promise, Promised, Record};
use crate::step::{Outgoing, Step, To};
use crate::tips::Place;
use ledger::{
    Accepted, BatchId, Canonical, Claim, Inclusion, LockProof, Recover, Report, SignedRecover,
    TokenState, TransferId, merkle,
};
use std::collections::{BTreeMap, HashMap};

/// What is found about one `Recover` before anything is promised.
struct Found {
    /// States that are the owner's and unspent here.
    open: Vec<TokenState>,
    withheld: Vec<Withheld>,
}

impl Validator {
    /// An owner asks for a round; `from` gets the answer. All is looked at first, then promised.
    pub fn recover(&mut self, from: u16, signed: &SignedRecover) -> Step {
        let mut step = Step::default();
        let recover = &signed.recover;
        if recover.epoch != self.network.epoch || !signed.is_signed(&self.network.id) {
            blame(&mut step, from, "a recover that its owner did not sign for this network".into());
            return step;
        }
        let Found { open, mut withheld } = self.look_at(recover);
        let mut claims = Vec::new();
        let mut promises = Vec::new();
        let mut proofs = Proofs::default();
        for state in open {
            let accepted = match self.locks.would_report(&state, recover.round) {
                Ok(accepted) => accepted,
                Err(round) => {
                    withheld.push(of(state, WithheldKind::Promised, round));
                    continue;
                }
            };
            // What can't be proven in this answer is not promised by it.
            let Some(claim) = proofs.claim(&self.open, state, accepted) else {
                withheld.push(of(state, WithheldKind::Unknown, 0));
                continue;
            };
            let promised = self.locks.promise(state, recover.round);
            let (reported, is_new) = promised.expect("it was looked at above");
            assert_eq!(reported.accepted, accepted);
            if is_new {
                promises.push(Promise { state, accepted });
            }
            claims.push(claim);
        }
        for promises in promises.chunks(PROMISES_MAX) {
            let promises = promises.to_vec();
            step.persist.push(Record::Promised(Promised { round: recover.round, promises }));
        }
        withheld.sort_by_key(|withheld| withheld.state);
        let report = Report { epoch: recover.epoch, round: recover.round, claims };
        let report = (!report.claims.is_empty())
            .then(|| report.sign(&self.network.id, self.member, &self.keypair));
        let locks = proofs.found.into_values().collect();
        let reply = RecoverReply { recover: recover.id(), report, locks, withheld };
        step.after.push(Outgoing { to: To::Member(from), message: Message::Report(reply) });
        step
    }

    fn look_at(&self, recover: &Recover) -> Found {
        let mut found = Found { open: Vec::new(), withheld: Vec::new() };
        for state in &recover.states {
            let withheld = match self.tips.place(state) {
                Place::Spent { by } => Withheld {
                    transfer: by.unwrap_or_default(),
                    ..of(*state, WithheldKind::Spent, 0)
                },
                Place::Nowhere => of(*state, WithheldKind::Refused, 0),
                Place::Ahead => of(*state, WithheldKind::Unknown, 0),
                Place::Current if !self.is_owner(recover, state) => {
                    of(*state, WithheldKind::Refused, 0)
                }
                // A validator that may have forgotten what it accepted reports nothing (§5).
                Place::Current if self.mode != Mode::Voting => of(*state, WithheldKind::Unknown, 0),
                Place::Current => {
                    found.open.push(*state);
                    continue;
                }
            };
            found.withheld.push(withheld);
        }
        found
    }

    fn is_owner(&self, recover: &Recover, state: &TokenState) -> bool {
        self.tips.tip(&state.token).is_some_and(|tip| tip.owner == recover.owner)
    }
}

/// The Lock certificates behind what one answer claims.
#[derive(Default)]
struct Proofs {
    found: BTreeMap<Accepted, LockProof>,
    bytes: usize,
    /// The batches that they are out of: hashed once, and looked through once.
    batches: HashMap<BatchId, Indexed>,
}

struct Indexed {
    tree: merkle::Tree,
    /// Where a transfer is: a Byzantine proposer may have put it in more than once.
    indexes: HashMap<TransferId, Vec<usize>>,
}

impl Proofs {
    /// What is said of a state; `None` when its proof is not here, or does not fit any more.
    fn claim(
        &mut self,
        open: &HashMap<BatchId, Open>,
        state: TokenState,
        accepted: Option<Held>,
    ) -> Option<Claim> {
        let Some(held) = accepted else { return Some(Claim { state, accepted: None }) };
        let accepted = Accepted { round: held.round, transfer: held.transfer };
        if !self.found.contains_key(&accepted) {
            let proof = self.proof(open.get(&held.batch)?, held)?;
            let bytes = proof.to_bytes().len();
            if self.bytes + bytes > REPORT_PROOFS_BYTES_MAX {
                return None;
            }
            self.bytes += bytes;
            self.found.insert(accepted, proof);
        }
        Some(Claim { state, accepted: Some(accepted) })
    }

    /// The Lock certificate behind an accept: kept as long as the row that names it.
    fn proof(&mut self, open: &Open, held: Held) -> Option<LockProof> {
        let indexed = self.batches.entry(held.batch).or_insert_with(|| {
            let mut indexes: HashMap<TransferId, Vec<usize>> = HashMap::new();
            for (index, id) in open.batch.ids().iter().enumerate() {
                indexes.entry(*id).or_default().push(index);
            }
            Indexed { tree: merkle::Tree::new(open.batch.leaves()), indexes }
        });
        let entries = open.batch.entries();
        let of_round = |index: &&usize| entries[**index].round == held.round;
        let mut indexes = indexed.indexes.get(&held.transfer)?.iter().filter(of_round);
        let (index, certified) = indexes.find_map(|index| {
            let mut certified = open.lock_certificates.iter();
            certified.find(|certified| certified.bitmap.has(*index)).map(|found| (*index, found))
        })?;
        let entry = &entries[index];
        let inclusion = Inclusion::new(index, open.batch.count(), indexed.tree.path(index));
        Some(LockProof::of(entry, inclusion, &certified.certificate))
    }
}

fn of(state: TokenState, kind: WithheldKind, round: u32) -> Withheld {
    Withheld { state, kind, round, transfer: TransferId::default() }
}
