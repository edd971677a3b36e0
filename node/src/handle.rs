//! The running node as the API sees it: submit a transfer, wait for its end, read what stands
//! where. Reads take the state's read lock for a few lines; nothing here waits for consensus but
//! [`Handle::wait`].

mod submit;

use crate::blames::Blames;
use crate::board::{self, Board};
use crate::config::NodeConfig;
use crate::driver::Command;
use crate::error::{Failure, NO_QUORUM, OVERLOADED, STORE_FAILED};
use crate::events::Events;
use crate::inbox::Inbox;
use crate::ipfs::IpfsNode;
use crate::ipfs::foreign::ForeignReceipts;
use crate::ipfs::trust::Trust;
use crate::metrics::Metrics;
use crate::snapshot::offer::Offers;
use crate::store::{Silence, Store, StoreError};
use crate::sync::lag::Lag;
use crate::telemetry::Telemetry;
use consensus::{AppliedBatch, Collected, Evidence, Validator};
use ledger::{BatchId, Digest, Name, Network, Receipt, SignedRecover, TransferId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn overloaded() -> Failure {
    Failure::new(OVERLOADED, "the node has too much to do; nothing was proposed")
        .help("send the same transfer again in a second")
}

/// A running node, cheap to clone.
#[derive(Clone)]
pub struct Handle {
    /// What the node is made of.
    pub shared: Arc<Shared>,
    /// To the driver.
    pub(crate) commands: tokio::sync::mpsc::Sender<Command>,
    /// Where many signatures are checked, as those of batches are.
    pool: Arc<rayon::ThreadPool>,
}

/// What the driver shares with readers.
pub struct Shared {
    /// The configuration it was started with.
    pub config: NodeConfig,
    /// The checked genesis.
    pub network: Arc<Network>,
    /// Index of this member.
    pub member: u16,
    /// Tips, locks and open batches; written by the driver only.
    pub validator: RwLock<Validator>,
    /// Receipts, batches and evidence on disk.
    pub store: Store,
    /// Transfers of late, with status and timings.
    pub board: Board,
    /// The stream of events.
    pub events: Events,
    /// Counters and timings.
    pub metrics: Metrics,
    /// Where traces are told.
    pub telemetry: Telemetry,
    /// The other members, as the driver sees them.
    pub peers: RwLock<Vec<PeerView>>,
    /// Why the node does not vote, when its store has failed.
    pub failed: RwLock<Option<String>>,
    /// Why the node never votes, when it may have forgotten promises or has found a fork.
    pub silence: RwLock<Option<Silence>>,
    /// Bytes of clients' transfers that wait for the driver.
    pub queued_bytes: AtomicUsize,
    /// Whether the index is so far behind that clients' transfers are refused; from the driver.
    pub is_index_behind: AtomicBool,
    /// The embedded IPFS node; `None` where it is switched off.
    pub ipfs: Option<IpfsNode>,
    /// How far behind it is, while it catches up.
    pub lag: RwLock<Option<Lag>>,
    /// The snapshot that it offers to others.
    pub offers: Offers,
    /// Told when something was applied: the pinner waits for it.
    pub applied: Arc<tokio::sync::Notify>,
    /// Receipts that others showed for what is not applied here.
    pub foreign: ForeignReceipts,
    /// The newest deliveries, for wallets that follow.
    pub inbox: Inbox,
    /// Who was named in the log lately for breaking rules.
    pub blames: Blames,
    /// Which providers have shown proofs.
    pub trust: Trust,
    /// Set when the node is to end.
    pub is_stopping: AtomicBool,
    /// Where the API listens.
    pub api_address: SocketAddr,
    /// Where QUIC listens.
    pub quic_address: SocketAddr,
    /// When the node started.
    pub started: Instant,
}

/// Another member as this node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Its index.
    pub member: u16,
    /// Its name.
    pub name: Name,
    /// Where it is dialled, when that is known.
    pub address: Option<SocketAddr>,
    /// Where its link goes, while that is up: a moved member's link follows its address.
    pub link: Option<SocketAddr>,
    /// Whether it was heard from within the last second or so.
    pub is_reachable: bool,
    /// Round trip, µs.
    pub rtt_us: u64,
    /// Bytes sent to it and received from it, UDP payload.
    pub bytes: (u64, u64),
    /// Messages dropped because its queue was full or its link down.
    pub dropped: u64,
    /// How many transfers it said it had applied.
    pub applied: u64,
    /// Rules it broke, counted.
    pub blamed: u64,
    /// Why its link is down, when it is.
    pub error: Option<String>,
}

impl Handle {
    /// To the driver that takes these commands; `pool` is the pipeline's.
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: tokio::sync::mpsc::Sender<Command>,
        pool: Arc<rayon::ThreadPool>,
    ) -> Self {
        Self { shared, commands, pool }
    }

    /// Asks all validators for rounds above 0, and gathers what they report: one for each
    /// `Recover`, in that order. The owners' signatures are checked by the caller. Takes up to
    /// some seconds when validators are silent.
    ///
    /// # Errors
    /// `no_quorum`, `overloaded`, `store_failed`.
    pub async fn recover(&self, recovers: Vec<SignedRecover>) -> Result<Vec<Collected>, Failure> {
        self.can_propose()?;
        let ids: Vec<Digest> = recovers.iter().map(|signed| signed.recover.id()).collect();
        // Whoever owns nothing can't make the validators work.
        let (recovers, strange): (Vec<_>, Vec<_>) =
            recovers.into_iter().partition(|signed| self.owns_any(signed));
        let mut found: HashMap<Digest, Collected> = strange
            .into_iter()
            .map(|signed| (signed.recover.id(), Collected::nothing(signed)))
            .collect();
        let permit = self.commands.try_reserve().map_err(|_| overloaded())?;
        let (collected_in, mut collected) = tokio::sync::mpsc::channel(ids.len().max(1));
        if recovers.is_empty() {
            drop(collected_in);
        } else {
            permit.send(Command::Recover { recovers, collected: collected_in });
        }
        while let Some(one) = collected.recv().await {
            found.insert(one.recover.recover.id(), one);
        }
        let rows: Option<Vec<Collected>> = ids.iter().map(|id| found.get(id).cloned()).collect();
        rows.ok_or_else(overloaded)
    }

    /// Whether one of the states is its signer's and unspent, as far as this node knows.
    fn owns_any(&self, signed: &SignedRecover) -> bool {
        let validator = self.shared.validator.read();
        let tips = validator.tips();
        signed.recover.states.iter().any(|state| {
            let is_owner =
                tips.tip(&state.token).is_some_and(|tip| tip.owner == signed.recover.owner);
            is_owner && tips.place(state) == consensus::Place::Current
        })
    }

    /// Whether a proposal could become final now.
    ///
    /// # Errors
    /// `no_quorum`, `store_failed`.
    pub fn can_propose(&self) -> Result<(), Failure> {
        if self.shared.is_stopping.load(Ordering::SeqCst) {
            let what = "the node is stopping; nothing was proposed";
            return Err(Failure::new(OVERLOADED, what).help("send it to another validator"));
        }
        if let Some(why) = self.shared.why_silent() {
            let what = format!("this node does not vote: {why}; nothing was proposed");
            return Err(Failure::new(STORE_FAILED, what).help("send it to another validator"));
        }
        let (weight, quorum) = self.shared.reachable_weight();
        if weight < quorum {
            let what = format!(
                "validators of weight {weight} can be reached and {quorum} are needed; \
                 nothing was proposed"
            );
            let down = self.shared.unreachable_names();
            return Err(Failure::new(NO_QUORUM, what)
                .help(format!("start the validators that are down: {}", down.join(", ")))
                .details(
                    serde_json::json!({"reachable": weight, "quorum": quorum, "down": down}),
                ));
        }
        Ok(())
    }

    /// Waits until a transfer has ended here or the time is over; returns what is known then, and
    /// `None` for a transfer that this node has never seen.
    pub async fn wait(&self, id: TransferId, time: Duration) -> Option<board::Entry> {
        self.shared.board.wait(id, time).await.or_else(|| self.transfer(&id))
    }

    /// What is known of a transfer: from the board, or final from the store.
    pub fn transfer(&self, id: &TransferId) -> Option<board::Entry> {
        if let Some(entry) = self.shared.board.get(id) {
            return Some(entry);
        }
        let receipt = self.shared.store.receipt(id).ok().flatten()?;
        Some(board::Entry::of_receipt(*id, &receipt))
    }

    /// The receipt of a final transfer; `None` when it is not known here to be final.
    ///
    /// # Errors
    /// A damaged or unreadable store.
    pub fn receipt(&self, id: &TransferId) -> Result<Option<Receipt>, StoreError> {
        let own = self.shared.store.receipt(id)?;
        Ok(own.or_else(|| self.shared.foreign.get(id)))
    }

    /// A batch with its Commit certificate.
    ///
    /// # Errors
    /// A damaged or unreadable store.
    pub fn batch(&self, id: &BatchId) -> Result<Option<AppliedBatch>, StoreError> {
        self.shared.store.applied_batch(id)
    }

    /// The evidence kept here, oldest first.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.shared.store.evidence()
    }

    /// Asks the node to end: finish, flush, close.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        // A full queue is as good: the driver looks at the flag with each command.
        drop(self.commands.try_send(Command::Stop));
    }
}

impl Shared {
    /// An instant in microseconds since the node started, as the state machines count time.
    pub fn us_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started);
        u64::try_from(since.as_micros()).expect("a node runs for less than 500,000 years")
    }

    /// Weight of the members that were heard from lately, this one included, and the quorum.
    pub fn reachable_weight(&self) -> (u64, u64) {
        let committee = &self.network.committee;
        let peers = self.peers.read();
        let others = peers.iter().filter(|peer| peer.is_reachable);
        let weight: u64 = others.map(|peer| committee.weight(peer.member)).sum();
        (weight + committee.weight(self.member), committee.quorum())
    }

    /// Names of the members that were not heard from lately.
    pub fn unreachable_names(&self) -> Vec<String> {
        let peers = self.peers.read();
        peers.iter().filter(|p| !p.is_reachable).map(|p| p.name.to_string()).collect()
    }

    /// Clients' transfers under way here, and how many became final in the last second.
    pub fn load(&self) -> (usize, usize) {
        self.board.load(self.us_of(Instant::now()))
    }

    /// Name of a member.
    pub fn name_of(&self, member: u16) -> String {
        let member = self.network.committee.member(member);
        member.map_or_else(|| "?".into(), |member| member.name.to_string())
    }

    /// Why this node does not vote, if it is not only catching up: its store has failed, or it is
    /// silent for good.
    pub fn why_silent(&self) -> Option<String> {
        let silence = || self.silence.read().as_ref().map(Silence::to_string);
        self.failed.read().clone().or_else(silence)
    }

    /// Whether this node is caught up, votes, and reaches a quorum.
    pub fn is_ready(&self) -> bool {
        let (weight, quorum) = self.reachable_weight();
        let is_voting = self.validator.read().mode() == consensus::Mode::Voting;
        is_voting && weight >= quorum && self.failed.read().is_none()
    }
}
