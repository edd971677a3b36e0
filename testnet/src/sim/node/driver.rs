//! The driver around the state machines, and its order in one place: persist, then send what stands
//! on it,
//! then hand over work.

use super::{Effect, Held, JUDGE_US_MAX, Node, Surroundings, Timer};
use crate::sim::mutant::Mutant;
use crate::sim::packet::Packet;
use crate::sim::plan::MEMBERS;
use consensus::message::Message;
use consensus::proposer::Outcome;
use consensus::{Fetch, Outgoing, Step, To};
use ledger::{Phase, TransferId};
use rand::RngExt;
use std::collections::VecDeque;

impl Node {
    /// The driver's order, in one place.
    pub(super) fn absorb(&mut self, step: Step, around: &mut Surroundings<'_>) {
        let mut steps = VecDeque::from([step]);
        while let Some(mut step) = steps.pop_front() {
            if let Some(state) = step.fork {
                around.checks.forked(around.at_us, self.member, state);
            }
            if let Some(id) = step.forgotten {
                step.after.clear();
                self.silence(id, around);
            }
            let is_taken = !self.is_failed && self.persist(&step, around);
            if !is_taken {
                // What stands on records that were not taken must never leave (R5, R6).
                step.after.clear();
                step.reports.clear();
            }
            for evidence in step.evidence.iter().filter(|_| is_taken) {
                around.checks.convicted(around.at_us, self.member, evidence);
            }
            // With a smaller committee in mind, others are strangers.
            if self.mutant != Some(Mutant::SmallQuorum) {
                around.checks.blamed(around.at_us, self.member, &step.blame);
            }
            self.watch(around).step(&step);
            if !step.applied.is_empty() {
                steps.push_back(self.proposer.applied(around.now_us, &step.applied));
            }
            let mut reports: Vec<(TransferId, Outcome)> =
                step.reports.drain(..).map(|report| (report.id, report.outcome)).collect();
            self.final_at_lock(&step, &mut reports);
            for outgoing in step.now {
                self.post(outgoing, around);
            }
            self.hold(step.after, reports, around);
            for wanted in step.judge {
                let is_again = wanted.only.is_some();
                let judged = Box::new(self.judge(wanted, around));
                self.watch(around).batch(&judged, is_again, &self.network);
                let delay_us = self.rng.random_range(10..JUDGE_US_MAX);
                around.effects.push(Effect::Later(delay_us, Timer::Judged(judged)));
            }
            steps.extend(self.adopt(step.orphans, around));
            for fetch in step.fetch {
                self.fetch(fetch, around);
            }
            for checked in step.certificates {
                steps.push_back(self.validator.certified(around.now_us, checked));
            }
            for (proposal, batch) in step.own {
                around.checks.proposed(&batch);
                steps.push_back(self.validator.own(around.now_us, proposal, batch));
            }
            if steps.is_empty() {
                let step = self.proposer.poll(around.now_us);
                if !step.own.is_empty() {
                    steps.push_back(step);
                }
            }
        }
        self.work(around);
    }

    /// Hands a step's records to the journal; whether it took them all.
    fn persist(&mut self, step: &Step, around: &mut Surroundings<'_>) -> bool {
        for record in &step.persist {
            let is_written = self.mutant.is_none_or(|mutant| mutant.writes(record));
            if is_written && !self.append(record, around) {
                return false;
            }
            around.checks.persisted(around.at_us, self.member, record, &self.archive);
            self.archive.take(record);
        }
        true
    }

    fn final_at_lock(&self, step: &Step, reports: &mut Vec<(TransferId, Outcome)>) {
        if self.mutant != Some(Mutant::FinalAtLock) {
            return;
        }
        let locks = step.certificates.iter().filter(|c| c.certificate().phase == Phase::Lock);
        for checked in locks {
            if let Some((_, batch)) = self.archive.batch(&checked.certificate().batch) {
                let ids = checked.certified().indexes().map(|index| batch.ids()[index]);
                reports.extend(ids.map(|id| (id, Outcome::Final)));
            }
        }
    }

    pub(super) fn fetch(&mut self, fetch: Fetch, around: &mut Surroundings<'_>) {
        let is_served = self.mutant != Some(Mutant::NoCatchingUp);
        if is_served {
            let asks = self.catch_up.fetch(self.member, fetch, &mut self.rng);
            self.send(asks, around);
        }
    }

    /// Keeps what stands on the records written so far until they are durable.
    pub(super) fn hold(
        &mut self,
        sends: Vec<Outgoing>,
        reports: Vec<(TransferId, Outcome)>,
        around: &mut Surroundings<'_>,
    ) {
        let mut held = Held { upto: self.written, sends, reports };
        let at_once = Held { upto: 0, sends: Vec::new(), reports: Vec::new() };
        let mut early = at_once;
        if self.mutant == Some(Mutant::SendBeforeSync) {
            early.sends = std::mem::take(&mut held.sends);
        }
        if self.mutant == Some(Mutant::PromiseBeforeSync) {
            let is_report = |outgoing: &Outgoing| matches!(outgoing.message, Message::Report(_));
            (early.sends, held.sends) = held.sends.into_iter().partition(is_report);
        }
        if self.mutant == Some(Mutant::ReportBeforeSync) {
            early.reports = std::mem::take(&mut held.reports);
        }
        for held in [early, held] {
            let is_waited_for = !held.sends.is_empty() || !held.reports.is_empty();
            if is_waited_for && !self.is_failed {
                self.store.hurry(held.upto);
                let at = self.held.partition_point(|other| other.upto <= held.upto);
                self.held.insert(at, held);
            }
        }
        self.release(around);
    }

    pub(super) fn release(&mut self, around: &mut Surroundings<'_>) {
        while self.held.front().is_some_and(|held| held.upto <= self.store.durable()) {
            let Some(held) = self.held.pop_front() else { return };
            let report = |(id, outcome)| Effect::Report(id, outcome);
            around.effects.extend(held.reports.into_iter().map(report));
            for outgoing in held.sends {
                self.post(outgoing, around);
            }
        }
    }

    fn post(&mut self, outgoing: Outgoing, around: &mut Surroundings<'_>) {
        let Outgoing { to, message } = outgoing;
        around.checks.said(around.at_us, self.member, &message);
        match (to, message) {
            (To::Member(to), Message::Answer(answer)) if to == self.member => {
                let mut weights = self.weights();
                let step = self.proposer.answered(around.now_us, to, answer, &mut weights);
                self.absorb(step, around);
            }
            (To::Member(to), Message::Recover(recovers)) if to == self.member => {
                self.asked(to, &recovers, around);
            }
            (To::Member(to), Message::Report(reply)) if to == self.member => {
                self.replied(to, reply, around);
            }
            (To::Member(to), message) => self.send(vec![(to, Packet::Message(message))], around),
            (To::All, message) => {
                let others = (0..MEMBERS).filter(|to| *to != self.member);
                let packets = others.map(|to| (to, Packet::Message(message.clone()))).collect();
                self.send(packets, around);
            }
        }
    }

    pub(super) fn send(&mut self, packets: Vec<(u16, Packet)>, around: &mut Surroundings<'_>) {
        for (to, packet) in &packets {
            if let Packet::Ask(request) = packet {
                self.catch_up.asks(*to, request);
            }
        }
        let send = |(to, packet)| Effect::Send(to, packet);
        around.effects.extend(packets.into_iter().map(send));
    }
}
