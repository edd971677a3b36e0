//! The driver: the one loop that owns the proposer and writes the validator. What comes in -
//! frames, clients' transfers, results of the pipeline, the journal's progress, time - goes to the
//! state machines, and what their [`Step`]s ask for is done in one fixed order: persist, then send,
//! then hand over work.
//!
//! | file | what |
//! |---|---|
//! | `driver.rs` | the loop and what comes in |
//! | `driver/checkpoint.rs` | when the index is written |
//! | `driver/execute.rs` | what a step asks for, in order |
//! | `driver/gate.rs` | what waits for the journal |
//! | `driver/hear.rs` | what members say, within what they may cost |
//! | `driver/held.rs` | clients' transfers that can't be proposed yet |
//! | `driver/recoveries.rs` | rounds above 0, for owners |
//! | `driver/serve.rs` | answers to peers' questions |
//! | `driver/told.rs` | the documents of events |
//! | `driver/upkeep.rs` | what time brings: repeats, peers |

mod checkpoint;
mod execute;
mod gate;
mod hear;
mod held;
mod recoveries;
mod serve;
mod told;
mod upkeep;

use crate::handle::Shared;
use crate::journal::Durable;
use crate::pipeline::{Admission, Done, Pipeline};
use crate::sync::join::Join;
use crate::sync::{Fetched, Sync};
use crate::transport::{Inbound, Transport};
use checkpoint::Running;
use consensus::{Collected, Message, Outgoing, Proposer, Step, TransferReport, VerifiedEntry};
use gate::Gate;
use held::Held;
use ledger::SignedRecover;
use rand::SeedableRng;
use rand::rngs::StdRng;
use recoveries::Recoveries;
use serve::{Question, Questions};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Clients' transfers that wait for the driver. When full, clients are refused with "overloaded".
pub const COMMANDS_MAX: usize = 32_768;
/// Messages from peers that wait for the driver; then reading from the peers pauses.
pub const INBOUND_MAX: usize = 1_024;
/// Clients' transfers that go through the pipeline as one group.
const GROUP_MAX: usize = 1_024;
/// How often time is looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long the end waits for transfers on their way.
const STOP_WAIT: Duration = Duration::from_millis(1_000);

/// What the API asks of the driver.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "almost all are transfers; the queue is bounded")]
pub enum Command {
    /// Judge a client's transfer and propose it.
    Submit {
        /// The transfer, in round 0 or with its justification.
        entry: VerifiedEntry,
        /// Its size, counted in `Shared::queued_bytes`.
        bytes: usize,
        /// When it came.
        admitted: Instant,
    },
    /// Ask all members to promise a round, and gather what they report.
    Recover {
        /// What owners ask, their signatures checked.
        recovers: Vec<SignedRecover>,
        /// Where what came of each goes, as it comes.
        collected: mpsc::Sender<Collected>,
    },
    /// End the node.
    Stop,
}

/// Where things come in.
pub struct Inputs {
    /// From the API.
    pub commands: mpsc::Receiver<Command>,
    /// From the transport.
    pub inbound: mpsc::Receiver<Inbound>,
    /// From the pipeline.
    pub done: mpsc::Receiver<Done>,
    /// From fetches and catching up.
    pub fetched: mpsc::Receiver<Fetched>,
}

/// The driver of one node.
pub struct Driver {
    shared: Arc<Shared>,
    transport: Arc<Transport>,
    pipeline: Pipeline,
    proposer: Proposer,
    sync: Sync,
    held: Held,
    recoveries: Recoveries,
    /// What peers ask, within what may be answered at a time.
    questions: Questions,
    /// Peers to whom proofs are under way.
    proving: BTreeMap<u16, tokio::task::AbortHandle>,
    /// A node that has nothing yet, while it may join from a snapshot: nothing is applied then.
    join: Option<Join>,
    durable: watch::Receiver<Durable>,
    /// Steps whose records are handed to the journal and whose other parts are still to be done.
    steps: VecDeque<Step>,
    /// Commit certificates for the others, sent when this node's own records are on their way.
    later: Vec<Outgoing>,
    /// What waits for the journal.
    gate: Gate,
    /// The newest record handed to the journal.
    newest: Option<u64>,
    checkpoint: Option<Running>,
    /// The store has failed, or there is a fork: no vote and no answer leaves any more.
    is_failed: bool,
    tasks: JoinSet<()>,
    ticks: u64,
    rng: StdRng,
}

impl Driver {
    /// Puts the parts together.
    pub fn new(
        shared: Arc<Shared>,
        transport: Arc<Transport>,
        pipeline: Pipeline,
        proposer: Proposer,
        sync: Sync,
    ) -> Self {
        let durable = shared.store.journal().watch();
        let recoveries = Recoveries::new(shared.network.clone(), shared.member);
        let join = Join::new(&shared);
        let questions = Questions::new(shared.network.committee.members().len());
        Self {
            shared,
            transport,
            pipeline,
            proposer,
            sync,
            held: Held::default(),
            recoveries,
            questions,
            proving: BTreeMap::new(),
            join,
            durable,
            steps: VecDeque::new(),
            later: Vec::new(),
            gate: Gate::default(),
            newest: None,
            checkpoint: None,
            is_failed: false,
            tasks: JoinSet::new(),
            ticks: 0,
            rng: StdRng::from_rng(&mut rand::rng()),
        }
    }

    /// Runs until the node is to stop, then waits shortly for what is on its way and closes the
    /// store.
    pub async fn run(mut self, mut inputs: Inputs) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop_at: Option<Instant> = None;
        loop {
            let age = self.next_poll();
            // Not biased: whatever one input brings, the others and the time get their turn.
            tokio::select! {
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        self.fail("the journal has ended");
                    }
                }
                Some(done) = inputs.done.recv() => self.done(done),
                Some(inbound) = inputs.inbound.recv() => self.inbound(inbound),
                Some(fetched) = inputs.fetched.recv() => self.fetched(fetched),
                Some(command) = inputs.commands.recv() => {
                    self.commands(command, &mut inputs.commands);
                }
                () = std::future::ready(()), if self.sync.has_ready() => self.apply_ready(),
                () = tokio::time::sleep_until(age.into()) => {}
                _ = ticks.tick() => self.tick(),
                () = self.transport.failed() => {
                    self.fail("a task of the transport died");
                    return;
                }
            }
            let now_us = self.now_us();
            let step = self.proposer.poll(now_us);
            self.take(step);
            self.settle();
            if self.shared.is_stopping.load(Ordering::SeqCst) {
                let stop_at = *stop_at.get_or_insert_with(|| Instant::now() + STOP_WAIT);
                let is_idle = self.proposer.load().1 == 0 && self.gate.is_empty();
                if is_idle || Instant::now() >= stop_at {
                    break;
                }
            }
        }
        self.tasks.shutdown().await;
        if let Some(checkpoint) = self.checkpoint.take() {
            // A checkpoint that did not end is begun again at the next start.
            drop(checkpoint.end_soon().await);
        }
    }

    fn now_us(&self) -> u64 {
        self.us_of(Instant::now())
    }

    fn us_of(&self, at: Instant) -> u64 {
        self.shared.us_of(at)
    }

    fn next_poll(&self) -> Instant {
        let next_us = self.proposer.next_poll_us(self.now_us());
        match next_us {
            Some(next_us) => self.shared.started + Duration::from_micros(next_us),
            None => Instant::now() + TICK,
        }
    }

    fn commands(&mut self, first: Command, rest: &mut mpsc::Receiver<Command>) {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Submit { entry, bytes, admitted } => {
                    group.push(Admission { entry, admitted, bytes });
                }
                Command::Recover { recovers, collected } => self.recover(recovers, collected),
                Command::Stop => break,
            }
            next = if group.len() < GROUP_MAX { rest.try_recv().ok() } else { None };
        }
        if group.is_empty() {
            return;
        }
        if let Some(admitted) = self.pipeline.admit(&self.shared, group) {
            self.admitted(admitted);
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Judged(judged) => self.judged(judged),
            Done::Unheard { batch, proposer } => {
                let step = self.shared.validator.write().unheard(batch, proposer);
                self.take(step);
            }
            Done::Admitted(admitted) => self.admitted(admitted),
        }
    }

    fn inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Frame { from, bytes } => self.frame(from, &bytes),
            Inbound::Request { from, bytes, reply } => {
                self.questions.answer(
                    &self.shared,
                    &mut self.tasks,
                    Question { from, bytes, reply },
                );
            }
            Inbound::Up { member } => {
                let progress = self.progress();
                self.send(member, &Message::Progress(progress));
                let now_us = self.now_us();
                let step = self.proposer.peer_up(now_us, member);
                self.take(step);
                self.report_peers();
            }
            Inbound::Down { member } => {
                self.sync.down(member);
                self.report_peers();
            }
        }
    }

    /// The store has failed, or safety is in doubt: no vote leaves this node any more.
    fn fail(&mut self, why: &str) {
        self.is_failed = true;
        self.gate.clear();
        let mut failed = self.shared.failed.write();
        if failed.is_none() {
            tracing::error!(why, "this node stops voting; what is stored stays readable");
            *failed = Some(why.to_string());
            self.shared.metrics.voting.set(0);
            self.shared.validator.write().set_mode(consensus::Mode::Silent);
        }
    }

    /// A transfer has ended, and all that this rests on is durable: whoever waits is told.
    fn ended(&mut self, mut report: TransferReport) {
        if report.outcome == consensus::Outcome::Final {
            report.stages.total = self.now_us().saturating_sub(report.admitted_us);
        }
        self.shared.metrics.ended(&report);
        self.shared.telemetry.transfer(&report, self.shared.started);
        self.shared.events.tell("transfer", || told::transfer(&report));
        self.shared.board.ended(report, self.now_us());
    }
}
