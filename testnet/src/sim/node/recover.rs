//! Recovery at one simulated node: it promises and reports for owners, collects on behalf of an
//! owner that turned to it, and adopts orphans. The driver's order is `node/driver.rs`'s.

use super::{Effect, Node, Surroundings};
use crate::sim::mutant::Mutant;
use consensus::message::RecoverReply;
use consensus::{Batch, Collected, Fetch, Place, Step};
use ledger::{Receipt, SignedRecover, TokenState, TransferId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an owner gets for one `Recover`.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What the members reported.
    pub collected: Collected,
    /// Receipts of what ended claimed transfers, as far as this node has them.
    pub receipts: Vec<Receipt>,
    /// States that were asked for and are spent here.
    pub spent: Vec<TokenState>,
}

impl Node {
    /// An owner turns to this node.
    pub fn recover(&mut self, signed: SignedRecover, around: &mut Surroundings<'_>) {
        if let Some(step) = self.collector.begin(around.now_us, &[signed]) {
            self.absorb(step, around);
        }
    }

    /// Owners' `Recover`s, passed on by `from`.
    pub(super) fn asked(
        &mut self,
        from: u16,
        recovers: &[SignedRecover],
        around: &mut Surroundings<'_>,
    ) {
        for signed in recovers {
            let step = self.validator.recover(from, signed);
            self.absorb(step, around);
        }
    }

    /// A member reports.
    pub(super) fn replied(
        &mut self,
        from: u16,
        reply: RecoverReply,
        around: &mut Surroundings<'_>,
    ) {
        self.watch(around).report(from, &reply, &self.network);
        let mut weights = self.weights();
        let (step, collected) = self.collector.replied(from, reply, &mut weights);
        self.absorb(step, around);
        if let Some(collected) = collected {
            self.answer_owner(collected, around);
        }
    }

    /// Time passes for what is collected.
    pub(super) fn tick_collector(&mut self, around: &mut Surroundings<'_>) {
        let (step, ended) = self.collector.tick(around.now_us);
        self.absorb(step, around);
        for collected in ended {
            self.answer_owner(collected, around);
        }
    }

    fn answer_owner(&mut self, collected: Collected, around: &mut Surroundings<'_>) {
        let tips = self.validator.tips();
        let is_spent = |state: &TokenState| matches!(tips.place(state), Place::Spent { .. });
        let asked = &collected.recover.recover.states;
        let spent = asked.iter().copied().filter(is_spent).collect();
        // A claimed transfer is dead when another has spent one of its states.
        let claimed = collected.accepted().flat_map(|lock| &lock.signed.transfer.inputs);
        let enders: BTreeSet<TransferId> =
            claimed.filter_map(|input| self.archive.spender(&input.state)).collect();
        let receipts = enders.iter().filter_map(|id| self.archive.receipt(id)).collect();
        let hinted = collected.spent.values().filter(|by| !self.archive.is_final(by));
        let hinted: BTreeSet<TransferId> =
            hinted.filter(|by| **by != TransferId::default()).copied().collect();
        if !hinted.is_empty() {
            let from = self.member;
            self.fetch(Fetch::Parents { transfers: hinted.into_iter().collect(), from }, around);
        }
        let answered = Answered { collected, receipts, spent };
        around.effects.push(Effect::Recovered(Box::new(answered)));
    }

    /// Batches whose proposers are gone.
    pub(super) fn adopt(
        &mut self,
        orphans: Vec<Arc<Batch>>,
        around: &mut Surroundings<'_>,
    ) -> Vec<Step> {
        if self.mutant == Some(Mutant::NoOrphans) {
            return Vec::new();
        }
        self.adopted += u64::try_from(orphans.len()).expect("a few");
        let now_us = around.now_us;
        orphans.into_iter().map(|batch| self.proposer.adopt(now_us, batch)).collect()
    }
}
