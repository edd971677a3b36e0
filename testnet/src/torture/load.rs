//! The clients of a torture: threads that pay through all nodes, note every request and answer in
//! their history, and send the same bytes again until they know the end.
//!
//! Now and then an owner signs two transfers of one state and sends them to two nodes; at most one
//! of them may ever be final, and nothing else is expected of them.

use super::history::{Event, History};
use super::lane::{Lane, Party, Signed};
use bytes::Bytes;
use ledger::{Made, Network, TransferId};
use node::Failure;
use node::client::{Client, Wait};
use node::error::INTERNAL;
use node::view::OutcomesDocument;
use orders::Order;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

mod orders;

/// Longest time for a request over all nodes.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Pause of a client that was told nothing, so that it does not spin.
const LOST_PAUSE: Duration = Duration::from_millis(50);
/// Of so many requests one is of an owner who signs twice.
const RIVALS_EVERY: u32 = 100;

/// What the clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Pay.
    Paying,
    /// Bring what was sent to its end, and sign nothing new.
    Settling,
    /// End.
    Over,
}

/// How much load.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Threads.
    pub clients: usize,
    /// Transfers in one request.
    pub batch: usize,
    /// Transfers a second, all clients together; without it, as fast as answers come.
    pub rate: Option<u64>,
    /// Chance comes from it.
    pub seed: u64,
    /// Where the histories go.
    pub folder: PathBuf,
    /// Whether owners sign twice now and then.
    pub has_rivals: bool,
}

/// What the clients count.
#[derive(Debug, Default)]
pub struct Counts {
    /// Transfers sent, repeats too.
    pub sent: AtomicU64,
    /// Told final.
    pub finals: AtomicU64,
    /// Told rejected.
    pub rejected: AtomicU64,
    /// Without an outcome; sent again.
    pub lost: AtomicU64,
    /// Pairs of transfers of one state.
    pub rivals: AtomicU64,
}

/// Running clients.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), Failure>>>,
}

struct Shared {
    plan: LoadPlan,
    parties: Vec<Party>,
    urls: Arc<orders::Urls>,
    phase: Order<Phase>,
    counts: Counts,
    start: Instant,
    /// Transfers that the rate has allowed so far.
    slots: AtomicU64,
}

impl Load {
    /// Starts the clients on a fresh network, each on tokens of its own. `urls` may change.
    ///
    /// # Errors
    /// A history can't be made; there are too few tokens.
    pub fn start(
        plan: LoadPlan,
        network: &Network,
        parties: Vec<Party>,
        urls: Arc<Urls>,
    ) -> Result<Self, Failure> {
        let mut tokens: Vec<Vec<(Made, usize)>> = (0..plan.clients).map(|_| Vec::new()).collect();
        for (index, made) in network.tokens().enumerate() {
            let owner = parties.iter().position(|party| party.address == made.owner);
            let owner = owner.ok_or_else(|| Failure::new(INTERNAL, "a token of a stranger"))?;
            tokens[index % plan.clients].push((made, owner));
        }
        if tokens.iter().any(|tokens| tokens.len() < plan.batch) {
            let what = "fewer tokens than transfers at a time; nothing was started";
            return Err(Failure::new(node::error::USAGE, what).help("--tokens N"));
        }
        let start = Instant::now();
        let shared = Arc::new(Shared {
            plan,
            parties,
            urls,
            phase: Order::new(Phase::Paying),
            counts: Counts::default(),
            start,
            slots: AtomicU64::new(0),
        });
        let mut threads = Vec::new();
        for (client, tokens) in tokens.into_iter().enumerate() {
            let history = History::create(&shared.plan.folder, client, start)?;
            let payer = Payer::new(client, shared.clone(), history, network.clone(), tokens);
            let thread = std::thread::Builder::new().name(format!("client-{client}"));
            let thread = thread.spawn(move || payer.run());
            threads.push(thread.map_err(|error| Failure::new(INTERNAL, error.to_string()))?);
        }
        Ok(Self { shared, threads })
    }

    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// From now on this is to be done.
    pub fn set(&self, phase: Phase) {
        self.shared.phase.set(phase);
    }

    /// Whether every client has ended.
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends the clients and waits for them.
    ///
    /// # Errors
    /// One has failed: its history or its thread.
    pub fn end(self) -> Result<(), Failure> {
        self.shared.phase.set(Phase::Over);
        let ended = self.threads.into_iter().map(|thread| {
            let died = |_| Err(Failure::new(INTERNAL, "a client of the load has died"));
            thread.join().unwrap_or_else(died)
        });
        ended.fold(Ok(()), Result::and)
    }
}

pub use orders::Urls;

/// One client.
struct Payer {
    client: usize,
    shared: Arc<Shared>,
    history: History,
    network: Network,
    /// Tokens that no lane has yet.
    spare: Vec<(Made, usize)>,
    lanes: Vec<Lane>,
    rng: StdRng,
}

impl Payer {
    fn new(
        client: usize,
        shared: Arc<Shared>,
        history: History,
        network: Network,
        spare: Vec<(Made, usize)>,
    ) -> Self {
        let seed = shared.plan.seed ^ (u64::try_from(client).expect("few clients") << 32);
        let rng = StdRng::seed_from_u64(seed);
        Self { client, shared, history, network, spare, lanes: Vec::new(), rng }
    }

    fn run(mut self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
        runtime.block_on(self.pay())
    }

    async fn pay(&mut self) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let (mut version, mut clients) = (0, Vec::new());
        loop {
            let phase = shared.phase.now();
            match phase {
                Phase::Paying => self.fill(),
                Phase::Settling => self.lanes.retain(Lane::is_pending),
                Phase::Over => return Ok(()),
            }
            if self.lanes.is_empty() {
                return Ok(());
            }
            if let Some((newer, urls)) = shared.urls.newer(version) {
                version = newer;
                clients = clients_of(&urls)?;
            }
            let first = self.rng.random_range(0..clients.len());
            let is_double = phase == Phase::Paying
                && shared.plan.has_rivals
                && self.rng.random_range(0..RIVALS_EVERY) == 0;
            if is_double {
                self.pay_twice(&clients, first).await?;
            } else {
                self.pace(phase).await;
                self.pay_once(&clients[first]).await?;
            }
        }
    }

    fn fill(&mut self) {
        while self.lanes.len() < self.shared.plan.batch {
            let Some((made, owner)) = self.spare.pop() else { return };
            self.lanes.push(Lane::new(&self.network, &made, owner));
        }
    }

    /// With a rate: waits for the time of the next transfers. Who is late catches up for a second
    /// at most.
    async fn pace(&self, phase: Phase) {
        let Some(rate) = self.shared.plan.rate.filter(|_| phase == Phase::Paying) else { return };
        let count = u64::try_from(self.lanes.len()).expect("a batch");
        let now_us = u64::try_from(self.shared.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let late = now_us.saturating_sub(1_000_000).saturating_mul(rate) / 1_000_000;
        self.shared.slots.fetch_max(late, Ordering::Relaxed);
        let slot = self.shared.slots.fetch_add(count, Ordering::Relaxed);
        let due = self.shared.start + Duration::from_micros(slot * 1_000_000 / rate.max(1));
        tokio::time::sleep_until(due.into()).await;
    }

    async fn pay_once(&mut self, client: &Client) -> Result<(), Failure> {
        let parties = &self.shared.parties;
        let rng = &mut self.rng;
        let sent: Vec<Signed> = self.lanes.iter_mut().map(|lane| lane.next(parties, rng)).collect();
        let ids: Vec<TransferId> = sent.iter().map(|signed| signed.id).collect();
        self.note_sent(ids.clone(), false)?;
        let bytes: Vec<Bytes> = sent.into_iter().map(|signed| signed.bytes).collect();
        let answer = client.submit_batch(&bytes, Wait::Final).await;
        let at_us = self.history.now_us();
        match answer {
            Ok(answer) => {
                let outcomes = outcomes(&ids, &answer);
                self.history.note(&Event::Told { at_us, outcomes: outcomes.clone() })?;
                self.count(&outcomes);
            }
            Err(failure) => {
                self.history.note(&Event::Lost { at_us, why: failure.message })?;
                add(&self.shared.counts.lost, ids.len());
                tokio::time::sleep(LOST_PAUSE).await;
            }
        }
        Ok(())
    }

    /// One owner, two transfers of one state, two nodes.
    async fn pay_twice(&mut self, clients: &[Client], first: usize) -> Result<(), Failure> {
        let Some(index) = self.lanes.iter().position(|lane| !lane.is_pending()) else {
            return Ok(());
        };
        let rivals = self.lanes.swap_remove(index).rivals(&self.shared.parties, &mut self.rng);
        self.note_sent(rivals.iter().map(|signed| signed.id).collect(), true)?;
        add(&self.shared.counts.rivals, 1);
        let other = (first + clients.len() / 2) % clients.len();
        let send = |client: usize, signed: &Signed| {
            let bytes = [signed.bytes.clone()];
            async move { clients[client].submit_batch(&bytes, Wait::Final).await }
        };
        let (one, two) = tokio::join!(send(first, &rivals[0]), send(other, &rivals[1]));
        for (signed, answer) in rivals.iter().zip([one, two]) {
            let at_us = self.history.now_us();
            let event = match answer {
                Ok(answer) => Event::Told { at_us, outcomes: outcomes(&[signed.id], &answer) },
                Err(failure) => Event::Lost { at_us, why: failure.message },
            };
            self.history.note(&event)?;
        }
        Ok(())
    }

    fn note_sent(&mut self, ids: Vec<TransferId>, is_rival: bool) -> Result<(), Failure> {
        add(&self.shared.counts.sent, ids.len());
        let at_us = self.history.now_us();
        self.history.note(&Event::Send { at_us, ids, is_rival })
    }

    /// Lanes whose transfer was rejected end; the check asks why an honest one was.
    fn count(&mut self, outcomes: &[(TransferId, String)]) {
        let counts = &self.shared.counts;
        let mut kept = Vec::with_capacity(self.lanes.len());
        for (mut lane, (_, status)) in self.lanes.drain(..).zip(outcomes) {
            match status.as_str() {
                "final" => {
                    add(&counts.finals, 1);
                    lane.moved();
                }
                "rejected" => {
                    add(&counts.rejected, 1);
                    tracing::warn!(client = self.client, "an honest transfer was rejected");
                    continue;
                }
                _ => add(&counts.lost, 1),
            }
            kept.push(lane);
        }
        self.lanes = kept;
    }
}

/// A client for each node to begin with.
fn clients_of(urls: &[String]) -> Result<Vec<Client>, Failure> {
    let rotated = |first: usize| {
        let mut urls = urls.to_vec();
        urls.rotate_left(first);
        Client::new(urls, REQUEST_TIME)
    };
    (0..urls.len()).map(rotated).collect()
}

/// Status words in the order of the request; what the answer leaves out is unknown.
fn outcomes(ids: &[TransferId], answer: &OutcomesDocument) -> Vec<(TransferId, String)> {
    let mut rows = answer.outcomes.iter();
    let row = |id: &TransferId| {
        let row = rows.next().filter(|row| row.id == Some(*id));
        (*id, row.map_or_else(|| "unknown".into(), |row| row.status.clone()))
    };
    ids.iter().map(row).collect()
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).expect("a batch"), Ordering::Relaxed);
}
