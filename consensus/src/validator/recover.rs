//! Recovery (protocol §4): an owner asks for a round, and this validator promises it for each of
//! its unspent states and says what it has accepted of them. The promise is durable before the
//! report leaves. Whoever passes the owner's `Recover` on gets the answer.

use super::{Mode, Validator, blame};
use crate::limits::PROMISES_MAX;
use crate::lock::Held;
use crate::message::{Message, RecoverReply, Withheld, WithheldKind};
use crate::record::{Promise, Promised, Record};
use crate::step::{Outgoing, Step, To};
use crate::tips::Place;
use ledger::{Accepted, Claim, LockProof, Recover, Report, SignedRecover, TokenState, TransferId};
use std::collections::BTreeMap;

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
        let mut locks: BTreeMap<Accepted, LockProof> = BTreeMap::new();
        let mut promises = Vec::new();
        for state in open {
            let (reported, is_new) = match self.locks.promise(state, recover.round) {
                Ok(promised) => promised,
                Err(round) => {
                    withheld.push(of(state, WithheldKind::Promised, round));
                    continue;
                }
            };
            if is_new {
                promises.push(Promise { state, accepted: reported.accepted });
            }
            match self.claim(state, reported.accepted, &mut locks) {
                Some(claim) => claims.push(claim),
                None => withheld.push(of(state, WithheldKind::Promised, recover.round)),
            }
        }
        for promises in promises.chunks(PROMISES_MAX) {
            let promises = promises.to_vec();
            step.persist.push(Record::Promised(Promised { round: recover.round, promises }));
        }
        withheld.sort_by_key(|withheld| withheld.state);
        let report = Report { epoch: recover.epoch, round: recover.round, claims };
        let report = (!report.claims.is_empty())
            .then(|| report.sign(&self.network.id, self.member, &self.keypair));
        let locks = locks.into_values().collect();
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

    /// What is said of a state, with its proof; `None` when the proof is not here any more.
    fn claim(
        &self,
        state: TokenState,
        accepted: Option<Held>,
        locks: &mut BTreeMap<Accepted, LockProof>,
    ) -> Option<Claim> {
        let Some(held) = accepted else { return Some(Claim { state, accepted: None }) };
        let accepted = Accepted { round: held.round, transfer: held.transfer };
        if let std::collections::btree_map::Entry::Vacant(e) = locks.entry(accepted) {
            e.insert(self.lock_proof(held)?);
        }
        Some(Claim { state, accepted: Some(accepted) })
    }

    /// The Lock certificate behind an accept: kept as long as the row that names it.
    fn lock_proof(&self, held: Held) -> Option<LockProof> {
        let open = self.open.get(&held.batch)?;
        let index = open.batch.index_of(&held.transfer)?;
        let mut certified = open.lock_certificates.iter();
        let certified = certified.find(|certified| certified.bitmap.has(index))?;
        Some(open.batch.lock_proof(index, &certified.certificate))
    }
}

fn of(state: TokenState, kind: WithheldKind, round: u32) -> Withheld {
    Withheld { state, kind, round, transfer: TransferId::default() }
}
