//! What an honest member does, as the coverage of rules counts it.

use crate::sim::check::Checks;
use crate::sim::coverage::names;
use consensus::message::{Message, RecoverReply};
use consensus::{Answer, Fetch, Judged, RefusedKind, Step, Verdict};
use ledger::{CertificateError, Entry, Network, Phase, TransferId};

/// Counts for one member; a Byzantine one does not count.
pub(super) struct Watch<'a> {
    checks: Option<&'a mut Checks>,
}

impl<'a> Watch<'a> {
    pub fn of(member: u16, checks: &'a mut Checks) -> Self {
        Self { checks: checks.is_honest(member).then_some(checks) }
    }

    pub fn note(&mut self, point: &'static str) {
        if let Some(checks) = &mut self.checks {
            checks.coverage.note(point);
        }
    }

    pub fn judged(&mut self, verdict: &Verdict, about: (&Entry, &Network)) {
        if let Some(checks) = &mut self.checks {
            checks.coverage.verdict(verdict, about);
        }
    }

    pub fn certificate(&mut self, error: &CertificateError) {
        self.note("R7 a certificate is refused");
        self.note(names::certificate(error));
    }

    /// The pipeline's findings.
    pub fn batch(&mut self, judged: &Judged, is_again: bool, network: &Network) {
        if is_again {
            self.note("R10 what is unknown is judged again");
        }
        if judged.batch.is_err() {
            self.note("R1 a batch is refused whole: wrong root");
        } else if !judged.is_signed {
            self.note("R1 a batch is refused whole: proposer's signature");
        }
        for (verdict, entry) in judged.verdicts.iter().zip(judged.proposal.entries.iter()) {
            if let Some(verdict) = verdict {
                self.judged(verdict, (entry, network));
            }
        }
    }

    /// What a member that may lie reports.
    pub fn report(&mut self, from: u16, reply: &RecoverReply, network: &Network) {
        if let Some(checks) = &mut self.checks
            && !checks.is_honest(from)
        {
            checks.coverage.proofs(&reply.locks, network);
        }
    }

    /// What one step leads to.
    pub fn step(&mut self, step: &Step) {
        if self.checks.is_none() {
            return;
        }
        for outgoing in &step.after {
            match &outgoing.message {
                Message::Answer(answer) => self.answer(answer, step),
                Message::Report(reply) => {
                    for withheld in &reply.withheld {
                        self.note(names::withheld(withheld.kind));
                    }
                }
                _ => {}
            }
        }
        for fetch in &step.fetch {
            self.note(match fetch {
                Fetch::Batch { .. } => "R7 a certificate waits for its batch",
                Fetch::Parents { .. } => "R7 a parent is fetched",
            });
        }
        if !step.applied.is_empty() {
            self.note("R7 a Commit certificate is applied");
        }
        let arrival = ["a batch of epoch", "a batch of another proposer", "more open batches"];
        let is_arrival = |what: &str| arrival.iter().any(|begin| what.starts_with(begin));
        if step.blame.iter().any(|blame| is_arrival(&blame.what)) {
            self.note("R1 a batch is refused: epoch, proposer or room");
        }
    }

    fn answer(&mut self, answer: &Answer, step: &Step) {
        if let (Some(vote), false) = (&answer.vote, step.persist.is_empty()) {
            self.note(match answer.phase {
                Phase::Lock => "R5 a Lock vote waits for its sync",
                Phase::Commit => "R6 a Commit vote waits for its sync",
            });
            let bitmap = &vote.ballot.bitmap;
            if let Some(checks) = &mut self.checks
                && checks.gains(vote.member, answer.phase, (answer.batch, bitmap))
            {
                checks.coverage.note("R10 a vote gains bits");
            }
        }
        for refused in &answer.refused {
            self.note(names::refused(refused.kind));
            let is_named = refused.transfer != TransferId::default();
            match refused.kind {
                RefusedKind::Locked if is_named => {
                    self.note("R4 a state is locked for another transfer");
                    self.note("Refusal::LockConflict");
                }
                RefusedKind::Locked => {
                    self.note("R4 a higher round is promised");
                    self.note("Refusal::RoundTooLow");
                }
                RefusedKind::Spent if is_named => {
                    self.note("R8 a spent input is answered with its spender");
                }
                RefusedKind::Unknown if !is_named => self.note("Cause::CatchingUp"),
                _ => {}
            }
        }
    }
}
