//! One whole node - real QUIC, pipeline, journal with fdatasync, index - and a committee that is
//! played: what the others say was signed and encoded before, so that nearly all of the time and
//! of both cores is the node's. It is how FastPay measures one authority.

use crate::seven::{config, spawn};
use crate::{Fixture, MEMBERS, QUORUM, member_key};
use bytes::Bytes;
use consensus::{Message, Progress, codec};
use ledger::{BatchId, Digest, Phase, SignedTransfer};
use node::Handle;
use node::multicast::Sent;
use node::store::first_start;
use node::transport::{Inbound, Member, Timings, Transport, TransportConfig};
use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// How long anything may take before a bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The real node: the last member, whom all the others dial.
const REAL: u16 = MEMBERS - 1;
/// Who proposes.
const PROPOSER: u16 = 0;

/// What the proposer says of one batch, encoded.
pub struct Prepared {
    id: BatchId,
    /// Transfers in it.
    pub count: usize,
    propose: Bytes,
    /// The Lock certificate.
    lock: Bytes,
    /// The Commit certificate.
    commit: Bytes,
}

impl Prepared {
    /// Transfers as one batch, all of them voted for by the first five.
    pub fn new(fixture: &Fixture, transfers: Vec<SignedTransfer>) -> Self {
        let (proposal, batch) = fixture.propose(transfers);
        let certificate = |phase| encoded(&Message::Certify(fixture.certificate(phase, &batch)));
        Self {
            id: batch.id(),
            count: batch.count(),
            lock: certificate(Phase::Lock),
            commit: certificate(Phase::Commit),
            propose: encoded(&Message::Propose((*proposal).clone())),
        }
    }

    /// Bytes of the proposal, as it is sent.
    pub fn proposal_bytes(&self) -> usize {
        self.propose.len()
    }
}

fn encoded(message: &Message) -> Bytes {
    Bytes::from(codec::encode(message))
}

/// A running node and its links to the members that are played. End it with [`One::stop`].
pub struct One {
    /// The node.
    pub handle: Handle,
    thread: JoinHandle<()>,
    runtime: Runtime,
    links: Vec<Transport>,
    incoming: mpsc::Receiver<Inbound>,
    applied: u64,
    folder: tempfile::TempDir,
}

impl One {
    /// Starts the node in a temporary folder (`TMPDIR` chooses the disk) and waits until it votes.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(fixture: &Fixture) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let genesis = fixture.genesis.to_json();
        std::fs::write(folder.path().join("genesis.json"), genesis).expect("the genesis file");
        std::fs::write(folder.path().join("peers.toml"), "").expect("the peers file");
        let home = folder.path().join(format!("v{REAL}"));
        let permitted = first_start::permit(&home, &fixture.network.id, &member_key(REAL));
        permitted.expect("a first start");
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let thread = spawn(config(folder.path(), REAL), sender);
        let handle = receiver.recv_timeout(PATIENCE).expect("it listens");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (inbound, incoming) = mpsc::channel(1_024);
        let links = {
            let _inside = runtime.enter();
            let link = |member| {
                let config = played(fixture, &handle, member);
                Transport::start(config, inbound.clone()).expect("a transport")
            };
            (0..QUORUM).map(link).collect()
        };
        let mut one = Self { handle, thread, runtime, links, incoming, applied: 0, folder };
        one.become_ready();
        one
    }

    /// All links are up, all members have said that there is nothing yet, and the node votes.
    fn become_ready(&mut self) {
        let nothing = Progress { applied: 0, digest: Digest([0; 32]), lines: 0 };
        let nothing = encoded(&Message::Progress(nothing));
        let until = Instant::now() + PATIENCE;
        let Self { runtime, links, incoming, handle, .. } = self;
        runtime.block_on(async {
            for _ in 0..links.len() {
                loop {
                    let left = until.saturating_duration_since(Instant::now());
                    let inbound = tokio::time::timeout(left, incoming.recv()).await;
                    if let Some(Inbound::Up { .. }) = inbound.expect("the links come up in time") {
                        break;
                    }
                }
            }
            for link in links.iter() {
                assert_eq!(link.send(REAL, nothing.clone()), Sent::Queued);
            }
            while !handle.shared.is_ready() {
                assert!(Instant::now() < until, "the node does not vote");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    /// Sends the batches, `window` of them in flight, each with its certificates as soon as the
    /// node's vote of the phase before has come. Returns the time from the first proposal to the
    /// last Commit vote; everything is applied afterwards.
    ///
    /// # Panics
    /// When the node does not vote for all of a batch.
    pub fn settle(&mut self, batches: &[Prepared], window: usize) -> Duration {
        let Self { runtime, links, incoming, handle, .. } = self;
        let link = &links[usize::from(PROPOSER)];
        let send = |frame: &Bytes| assert_eq!(link.send(REAL, frame.clone()), Sent::Queued);
        let by_id: HashMap<BatchId, &Prepared> = batches.iter().map(|b| (b.id, b)).collect();
        let elapsed = runtime.block_on(async {
            let start = Instant::now();
            let mut next = batches.iter();
            next.by_ref().take(window).for_each(|batch| send(&batch.propose));
            let mut open = batches.len();
            while open > 0 {
                let inbound = tokio::time::timeout(PATIENCE, incoming.recv()).await;
                let Some(Inbound::Frame { from: REAL, bytes }) = inbound.expect("votes come")
                else {
                    continue;
                };
                let Message::Answer(answer) = codec::decode(&bytes).expect("a message") else {
                    continue;
                };
                // A proposal that came before its parent was applied is voted for later.
                let Some(vote) = answer.vote else { continue };
                let batch = by_id.get(&answer.batch).expect("it was proposed");
                let bits = vote.ballot.bitmap.ones();
                assert_eq!(bits, batch.count, "{:?}", answer.refused);
                match answer.phase {
                    Phase::Lock => send(&batch.lock),
                    Phase::Commit => {
                        send(&batch.commit);
                        open -= 1;
                        if let Some(batch) = next.next() {
                            send(&batch.propose);
                        }
                    }
                }
            }
            start.elapsed()
        });
        let sent: usize = batches.iter().map(|batch| batch.count).sum();
        self.applied += u64::try_from(sent).expect("a count");
        let until = Instant::now() + PATIENCE;
        let wait = async {
            while handle.shared.validator.read().tips().applied() < self.applied {
                assert!(Instant::now() < until, "not all is applied");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        runtime.block_on(wait);
        elapsed
    }

    /// Ends the node and removes its folder.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn stop(self) {
        for link in &self.links {
            self.runtime.block_on(link.close());
        }
        self.handle.stop();
        self.thread.join().expect("the node ends well");
        drop(self.folder);
    }
}

/// The transport of a member that is played: it dials the node and nobody else.
fn played(fixture: &Fixture, handle: &Handle, own: u16) -> TransportConfig {
    let members = fixture.network.committee.members().iter().zip(0..);
    let member = |(member, index): (&ledger::Member, u16)| Member {
        name: member.name.to_string(),
        key: member.key,
        address: (index == REAL).then_some(handle.shared.quic_address),
    };
    TransportConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        network: *fixture.network.id.bytes(),
        epoch: fixture.network.epoch,
        members: members.map(member).collect(),
        own,
        keypair: member_key(own),
        timings: Timings::default(),
    }
}
