//! What a member has said and written, under the simulator's checks: one lock a state and round,
//! votes that only gain, reports that hide nothing and hold, evidence that convicts no honest key.

use super::super::fixture;
use super::run::OWN;
use crate::sim::check::only_gains::OnlyGains;
use crate::sim::check::reports::Reports;
use crate::sim::check::{Broken, Known, evidence, one_lock::OneLock};
use consensus::message::{Answer, Message, RecoverReply};
use consensus::{Batch, Evidence, Proposal, Record};
use ledger::{BatchId, Phase, Vote};
use std::collections::{BTreeMap, BTreeSet};

/// The checks of one member, over all of its lives.
#[derive(Default)]
pub struct Watch {
    batches: BTreeMap<BatchId, Known>,
    one_lock: OneLock,
    only_gains: OnlyGains,
    reports: Reports,
}

fn ok(found: Result<(), Broken>) {
    if let Err((name, what)) = found {
        panic!("`{name}` does not hold: {what}");
    }
}

/// It keeps evidence.
///
/// # Panics
/// When that proves nothing, or convicts this member.
pub fn convicted(found: &Evidence) {
    let mut kept = evidence::Found::default();
    ok(kept.convicted((0, OWN), (fixture::network(), &BTreeSet::from([OWN])), found));
}

impl Watch {
    /// A batch comes into the world.
    pub fn know(&mut self, proposal: &Proposal) {
        let Ok(batch) = Batch::of(proposal) else { return };
        let known = batch.entries().iter().zip(batch.ids()).map(|(entry, id)| {
            let states = entry.signed.transfer.inputs.iter().map(|input| input.state);
            (*id, entry.round, states.collect())
        });
        self.batches.entry(batch.id()).or_insert_with(|| known.collect());
    }

    /// It writes a record.
    ///
    /// # Panics
    /// When it may not.
    pub fn wrote(&mut self, record: &Record) {
        let (batch, phase, bits) = match record {
            Record::Locked(locked) => (locked.batch, Phase::Lock, &locked.bitmap),
            Record::Accepted(accepted) => {
                (accepted.certificate.batch, Phase::Commit, &accepted.bitmap)
            }
            _ => return,
        };
        let known = &self.batches[&batch];
        ok(self.reports.wrote(OWN, (batch, phase), (known, bits)));
    }

    /// It says something.
    ///
    /// # Panics
    /// When it may not.
    pub fn said(&mut self, message: &Message) {
        match message {
            Message::Report(RecoverReply { report: Some(report), .. }) => {
                ok(self.reports.reported(report));
            }
            Message::Answer(Answer { vote: Some(vote), .. }) => self.voted(vote),
            _ => {}
        }
    }

    fn voted(&mut self, vote: &Vote) {
        assert_eq!(vote.member, OWN);
        ok(self.only_gains.voted(OWN, vote));
        let known = &self.batches[&vote.ballot.batch];
        ok(self.reports.voted(OWN, vote, known));
        if vote.ballot.phase == Phase::Lock {
            ok(self.one_lock.voted(OWN, vote, Some(known)));
        }
    }
}
