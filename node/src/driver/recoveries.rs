//! Rounds above 0, on behalf of owners that turned to this node: asks all members to promise,
//! gathers the reports, and hands them back. What to propose then is the owner's to sign.

use super::Driver;
use consensus::{Collected, Collector, RecoverReply};
use ledger::{Digest, Network, SignedRecover};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Who wait for one recovery; more get what others got before them, by asking again.
const WAITING_MAX: usize = 16;

/// The recoveries under way.
pub(super) struct Recoveries {
    collector: Collector,
    /// Who waits for which. A caller that is gone is noticed when its end comes.
    waiting: HashMap<Digest, Vec<mpsc::Sender<Collected>>>,
}

impl Recoveries {
    /// None yet.
    pub(super) fn new(network: Arc<Network>, member: u16) -> Self {
        Self { collector: Collector::new(network, member), waiting: HashMap::new() }
    }
}

impl Driver {
    /// An owner asks. Dropping `collected` without a word says that there is too much to do.
    pub(super) fn recover(
        &mut self,
        recovers: Vec<SignedRecover>,
        collected: mpsc::Sender<Collected>,
    ) {
        let now_us = self.now_us();
        let Some(step) = self.recoveries.collector.begin(now_us, &recovers) else { return };
        for signed in &recovers {
            let waiting = self.recoveries.waiting.entry(signed.recover.id()).or_default();
            if waiting.len() < WAITING_MAX {
                waiting.push(collected.clone());
            }
        }
        self.take(step);
    }

    /// A member has answered a `Recover`.
    pub(super) fn reported(&mut self, from: u16, reply: RecoverReply) {
        let (step, collected) = self.recoveries.collector.replied(from, reply, &mut self.rng);
        self.take(step);
        if let Some(collected) = collected {
            self.collected(collected);
        }
    }

    /// Asks again, and ends what took too long.
    pub(super) fn look_at_recoveries(&mut self) {
        let now_us = self.now_us();
        let (step, late) = self.recoveries.collector.tick(now_us);
        self.take(step);
        for collected in late {
            self.collected(collected);
        }
    }

    fn collected(&mut self, collected: Collected) {
        self.shared.metrics.recoveries.inc();
        let waiting = self.recoveries.waiting.remove(&collected.recover.recover.id());
        for waiting in waiting.unwrap_or_default() {
            // Each caller has room for all that it asked for; one that is gone needs nothing.
            drop(waiting.try_send(collected.clone()));
        }
    }
}
