//! What time brings: repeats and deadlines, what peers are up to.

use super::{Driver, told};
use crate::handle::PeerView;
use crate::sync::Fetched;
use crate::sync::join::{HalfWritten, JoinState, Joined};
use crate::transport::PeerStatus;
use consensus::limits::RESOLVED_KEEP_US;
use consensus::{Message, Mode, Progress};
use std::sync::Arc;

/// A member counts as reachable when it was heard from within this time. Keep-alives come every 300
/// ms.
const REACHABLE_MS: u64 = 1_200;
/// Every how many ticks the validator forgets what is resolved, progress is told, and checkpoints
/// begin.
const SLOW_TICKS: u64 = 10;
/// Transfers of catching up that are applied before anything else gets its turn: some 20 ms.
const APPLIED_PER_TURN: usize = 4_096;

impl Driver {
    pub(super) fn tick(&mut self) {
        self.ticks += 1;
        let now_us = self.now_us();
        let step = self.proposer.tick(now_us);
        self.take(step);
        self.look_at_held();
        self.look_at_recoveries();
        self.report_peers();
        self.catch_up();
        let own = self.progress();
        if self.ticks.is_multiple_of(SLOW_TICKS) {
            let step = self.shared.validator.write().tick(now_us);
            self.take(step);
            self.forget_batches();
            if self.sync.has_news(&own) {
                let message = consensus::codec::encode(&Message::Progress(own));
                self.transport.send_all(message.into());
            }
            self.checkpoint_if_due();
        }
    }

    /// How far this node is.
    pub(super) fn progress(&self) -> Progress {
        let validator = self.shared.validator.read();
        let tips = validator.tips();
        let lines = self.shared.store.line_count();
        Progress { applied: tips.applied(), digest: tips.digest(), lines }
    }

    /// Something that was asked for has come.
    pub(super) fn fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Log { from, at, lines, log } => self.sync.log_came(from, at, lines, log),
            Fetched::Proven { from, generation, checked } => {
                if let Some(what) = checked.bad {
                    self.shared.blame(from, &format!("a reply: {what}"));
                }
                match generation {
                    Some(generation) => self.sync.batches_came(from, generation, checked.proven),
                    None => {
                        for proven in checked.proven {
                            self.proven(self.now_us(), proven);
                            self.settle();
                        }
                    }
                }
            }
            Fetched::Batch(proposal) => {
                if let Ok(batch) = consensus::Batch::of(&proposal)
                    && proposal.is_signed(&self.shared.network)
                {
                    let now_us = self.now_us();
                    let (proposal, batch) = (Arc::new(proposal), Arc::new(batch));
                    let mut validator = self.shared.validator.write();
                    let step = validator.fetched(now_us, proposal, batch);
                    drop(validator);
                    self.take(step);
                }
            }
            Fetched::Split { admission, split, held_by } => {
                self.split_known(admission, split, held_by);
            }
            Fetched::Joined(joined) => self.joined(joined),
            Fetched::Ended(task) => self.sync.ended(task),
        }
        self.catch_up();
    }

    /// Applies what has come and is checked, in the order of the peers' logs: as much as leaves
    /// peers and clients their turn.
    pub(super) fn apply_ready(&mut self) {
        let mut left = APPLIED_PER_TURN;
        while left > 0 {
            let Some(batches) = self.sync.next_ready(&self.shared.store) else { break };
            for proven in batches {
                let id = proven.batch.id();
                left = left.saturating_sub(proven.batch.count());
                // It is old: nobody asks for its vote again, so it need not be remembered long.
                let then_us = self.now_us().saturating_sub(RESOLVED_KEEP_US);
                self.proven(then_us, proven);
                let resolved = self.shared.validator.read().applied_of(&id);
                if let Some(bits) = resolved {
                    self.sync.batch_applied(&self.shared.store, id, bits);
                }
                self.settle();
            }
        }
        self.catch_up();
    }

    /// Joining from a snapshot is over: its tips are taken, and the logs are walked for the rest.
    fn joined(&mut self, joined: Result<Option<Box<Joined>>, HalfWritten>) {
        let joined = match joined {
            Ok(joined) => joined,
            // The join stays: nothing is applied behind a snapshot that may be there in part.
            Err(error) => return self.fail(&error.to_string()),
        };
        self.join = None;
        let Some(joined) = joined else { return };
        let Joined { snapshot, checked } = *joined;
        self.shared.store.load_snapshot(&snapshot, &checked);
        let applied = checked.tips.applied();
        tracing::info!(applied, "joined from a snapshot");
        self.shared.validator.write().replay_tips(checked.tips);
        self.shared.metrics.applied.set(i64::try_from(applied).unwrap_or(i64::MAX));
        self.shared.applied.notify_one();
    }

    /// Looks at what is missing and asks for it, and says how far behind this node is.
    pub(super) fn catch_up(&mut self) {
        self.show_lag();
        if let Some(join) = &mut self.join {
            let (checker, fetched) = self.sync.tools();
            let tools = (&self.transport, checker, fetched);
            match join.look(&self.sync.told(), &self.shared, tools) {
                JoinState::Waiting => return,
                JoinState::Over => self.join = None,
            }
        }
        let own = self.progress();
        self.sync.tick(&self.transport, &self.shared.store, &own);
        self.look_at_mode();
    }

    fn show_lag(&mut self) {
        let own = self.progress();
        let mode = self.shared.validator.read().mode();
        let is_starting = self.join.is_some() || mode == Mode::CatchingUp;
        let lag = self.sync.lag(&self.shared.network.committee, &own, is_starting);
        if lag.is_some() || self.shared.lag.read().is_some() {
            *self.shared.lag.write() = lag;
        }
    }

    /// A validator votes once it has what a quorum, itself included, has applied, and stops voting
    /// while it is left behind: never from a guess (protocol §5).
    fn look_at_mode(&mut self) {
        let mode = self.shared.validator.read().mode();
        let committee = &self.shared.network.committee;
        let own = self.progress();
        if mode == Mode::Voting && self.sync.fell_behind(committee, &own) {
            tracing::warn!("left behind; not voting until caught up with a quorum again");
            self.shared.validator.write().set_mode(Mode::CatchingUp);
            self.shared.metrics.voting.set(0);
        }
        if mode != Mode::CatchingUp {
            return;
        }
        let weight: u64 = self.sync.caught_up().map(|member| committee.weight(member)).sum();
        if weight + committee.weight(self.shared.member) >= committee.quorum() {
            let applied = self.shared.validator.read().tips().applied();
            tracing::info!(applied, "caught up with a quorum; voting");
            self.shared.validator.write().set_mode(Mode::Voting);
            self.shared.metrics.voting.set(1);
        }
    }

    /// Copies what the transport knows of the peers to where readers look.
    pub(super) fn report_peers(&mut self) {
        let status = self.transport.peers();
        let mut peers = self.shared.peers.write();
        let mut changed = Vec::new();
        for status in status {
            if let Some(peer) = peers.iter_mut().find(|peer| peer.member == status.member) {
                let was_reachable = peer.is_reachable;
                update(peer, &status, self.sync.applied_by(status.member));
                if peer.is_reachable != was_reachable {
                    changed.push((peer.name.to_string(), peer.is_reachable));
                }
            }
        }
        let reachable = peers.iter().filter(|peer| peer.is_reachable).count() + 1;
        let dropped: u64 = peers.iter().map(|peer| peer.dropped).sum();
        drop(peers);
        let metrics = &self.shared.metrics;
        metrics.reachable.set(i64::try_from(reachable).unwrap_or(i64::MAX));
        metrics.dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
        metrics.queued.set(i64::try_from(self.proposer.load().0).unwrap_or(i64::MAX));
        for (name, is_up) in changed {
            self.shared.events.tell("validator", || told::validator(&name, is_up));
        }
    }

    fn forget_batches(&mut self) {
        let validator = self.shared.validator.read();
        self.shared.store.forget_batches(|id| validator.proposal(id).is_some());
    }
}

fn update(peer: &mut PeerView, status: &PeerStatus, applied: u64) {
    peer.is_reachable =
        status.is_up && status.heard_ago_ms.is_some_and(|ago_ms| ago_ms <= REACHABLE_MS);
    peer.link = status.remote;
    peer.rtt_us = status.rtt_us;
    peer.bytes = (status.sent_bytes, status.received_bytes);
    peer.dropped = status.dropped;
    peer.applied = applied;
    peer.error = status.error.as_ref().map(ToString::to_string);
}
