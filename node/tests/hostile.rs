//! A hostile member, with a real committee key and our own transport, against three real nodes of
//! a committee of four: whatever it sends, the nodes live, honest payments become final, and it is
//! blamed and not listened to. What a peer does to streams and handshakes is tested at the
//! transport.

#[path = "hostile/background.rs"]
mod background;

use background::Background;
use bytes::Bytes;
use consensus::limits::{RECOVERS_MAX, WRONGS_BURST};
use consensus::message::REQUEST_IDS_MAX;
use consensus::{Batch, Message, Proposal, Request, codec};
use ledger::{
    Address, BatchId, Certificate, Entry, Genesis, GenesisAsset, GenesisMember, GenesisTokens,
    Input, Keypair, Name, Network, Output, Phase, Recover, SignedTransfer, Transfer, TransferId,
    Vote,
};
use node::board::Status;
use node::config::{ApiConfig, LogConfig, QuicConfig, StoreConfig, ValidationConfig};
use node::ipfs::config::IpfsConfig;
use node::multicast::Sent;
use node::node::{RunOptions, run_with};
use node::store::first_start;
use node::transport::{Inbound, Member, Timings, Transport, TransportConfig};
use node::{Handle, NodeConfig, keyfile};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MEMBERS: u8 = 4;
/// The lowest index dials all the others.
const HOSTILE: u16 = 0;
const TOKENS: u64 = 2_000;
/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn member_key(member: u8) -> Keypair {
    Keypair::from_seed([member + 1; 32])
}

fn owner() -> Keypair {
    Keypair::from_seed([200; 32])
}

fn bob() -> Address {
    Address(Keypair::from_seed([201; 32]).public())
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Three honest nodes, and the link of the fourth member to all of them.
struct Besieged {
    nodes: Vec<(Handle, std::thread::JoinHandle<()>)>,
    network: Network,
    hostile: Arc<Transport>,
    background: Background,
    paid: usize,
    _folder: tempfile::TempDir,
}

fn genesis() -> Genesis {
    let member = |index: u8| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a name"),
        key: Address(member_key(index).public()),
        weight: 1,
    };
    Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("besieged").expect("a name"),
        epoch: 0,
        committee: (0..MEMBERS).map(member).collect(),
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
        tokens: vec![GenesisTokens {
            owner: Address(owner().public()),
            asset: "QRT".into(),
            amount: "1".into(),
            count: TOKENS,
        }],
    }
}

fn config(folder: &Path, index: u8) -> NodeConfig {
    let home = folder.join(format!("v{index}"));
    let key = home.join("key");
    keyfile::create(&key, &member_key(index)).expect("a key file");
    NodeConfig {
        name: format!("v{index}"),
        home,
        genesis: folder.join("genesis.json"),
        key,
        key_passphrase_file: None,
        core_dumps: false,
        peers: folder.join("peers.toml"),
        quic: QuicConfig::default(),
        api: ApiConfig::default(),
        validation: ValidationConfig::default(),
        store: StoreConfig::default(),
        ipfs: IpfsConfig { enabled: false, ..IpfsConfig::default() },
        performance: Default::default(),
        log: LogConfig::default(),
        telemetry: Default::default(),
    }
}

impl Besieged {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let genesis = genesis();
        std::fs::write(folder.path().join("genesis.json"), genesis.to_json()).expect("genesis");
        let network = genesis.network().expect("a good genesis");
        let run = |index: u8| {
            let home = folder.path().join(format!("v{index}"));
            first_start::permit(&home, &network.id, &member_key(index)).expect("permitted");
            let config = config(folder.path(), index);
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            let thread = std::thread::spawn(move || {
                let listening = |handle| sender.send(handle).expect("the test waits");
                run_with(config, RunOptions::default(), listening).expect("the node runs");
            });
            (receiver.recv_timeout(PATIENCE).expect("it listens"), thread)
        };
        let nodes: Vec<_> = (1..MEMBERS).map(run).collect();
        let places = nodes.iter().map(|(handle, _)| &handle.shared);
        let line = |shared: &Arc<node::handle::Shared>| {
            format!("v{} = \"{}\"\n", shared.member, shared.quic_address)
        };
        let peers: String = places.map(line).collect();
        std::fs::write(folder.path().join("peers.toml"), peers).expect("peers");
        let background = Background::start();
        let hostile = Arc::new(hostile(&background.runtime, &network, &nodes));
        wait("all are ready", || nodes.iter().all(|(handle, _)| handle.shared.is_ready()));
        wait("the hostile one is linked", || hostile.peers().iter().all(|peer| peer.is_up));
        Self { nodes, network, hostile, background, paid: 0, _folder: folder }
    }

    fn target(&self) -> &Handle {
        &self.nodes[0].0
    }

    /// Sends as fast as the link takes it.
    fn send(&self, frame: &Bytes) {
        let to = self.target().shared.member;
        wait("the link takes a frame", || self.hostile.send(to, frame.clone()) == Sent::Queued);
    }

    fn say(&self, message: &Message) {
        self.send(&Bytes::from(codec::encode(message)));
    }

    fn blamed(&self) -> u64 {
        let peers = self.target().shared.peers.read();
        peers.iter().find(|peer| peer.member == HOSTILE).expect("a peer").blamed
    }

    fn is_refused(&self) -> bool {
        let shared = &self.target().shared;
        let now_us = shared.us_of(Instant::now());
        shared.validator.read().is_refused(now_us, HOSTILE)
    }

    /// Pays at the besieged node, one after the other.
    fn pay(&mut self, count: usize) {
        for number in self.paid..self.paid + count {
            let handle = self.target().clone();
            let signed = self.transfer(number, bob(), "paid");
            let status = block_on(async {
                let id = handle.submit(signed).await.expect("it is taken");
                handle.wait(id, PATIENCE).await.expect("it is known").status
            });
            assert_eq!(status, Status::Final, "payment {number}");
        }
        self.paid += count;
    }

    fn transfer(&self, token: usize, to: Address, memo: &str) -> SignedTransfer {
        let made = self.network.tokens().nth(token).expect("there are that many");
        let transfer = Transfer {
            network: self.network.id,
            epoch: 0,
            owner: Address(owner().public()),
            inputs: vec![Input { state: made.state, asset: made.asset, amount: made.amount }],
            outputs: vec![Output::Move { input: 0, to }],
            memo: memo.into(),
        };
        transfer.sign(&owner())
    }

    fn proposal(&self, transfers: Vec<SignedTransfer>) -> Proposal {
        let batch = Batch::new(transfers.into_iter().map(Entry::ordinary).collect());
        Proposal::sign(&batch, &self.network.id, 0, HOSTILE, &member_key(0))
    }

    /// All nodes live and have applied all that was paid; what the hostile one proposed and left
    /// may have become final, too.
    fn end(self) {
        let paid = u64::try_from(self.paid).expect("few");
        for (handle, _) in &self.nodes {
            let applied = || handle.shared.validator.read().tips().applied();
            wait("all have applied all", || applied() >= paid);
            assert!(handle.shared.failed.read().is_none());
        }
        block_on(self.hostile.close());
        self.background.end();
        for (handle, thread) in self.nodes {
            handle.stop();
            thread.join().expect("the node ends well");
        }
    }
}

/// The hostile member's transport. What comes in is thrown away.
fn hostile(
    runtime: &tokio::runtime::Handle,
    network: &Network,
    nodes: &[(Handle, std::thread::JoinHandle<()>)],
) -> Transport {
    let member = |(index, member): (usize, &ledger::Member)| Member {
        name: member.name.to_string(),
        key: member.key,
        address: index.checked_sub(1).map(|at| nodes[at].0.shared.quic_address),
    };
    let config = TransportConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        network: *network.id.bytes(),
        epoch: 0,
        members: network.committee.members().iter().enumerate().map(member).collect(),
        own: HOSTILE,
        keypair: member_key(0),
        timings: Timings::default(),
    };
    let _inside = runtime.enter();
    let (inbound, mut incoming) = tokio::sync::mpsc::channel::<Inbound>(64);
    runtime.spawn(async move { while incoming.recv().await.is_some() {} });
    Transport::start(config, inbound).expect("a transport")
}

#[test]
fn frames_that_are_no_messages_are_blamed_and_their_sender_is_not_listened_to() {
    let mut besieged = Besieged::start();
    let good = codec::encode(&Message::Propose(besieged.proposal(vec![
        besieged.transfer(
            1_999,
            bob(),
            &"x".repeat(200)
        );
        40
    ])));
    assert_eq!(good[1], 1, "it is compressed");
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good.clone();
        change(&mut frame);
        Bytes::from(frame)
    };
    let bomb = |length: u32, body: &[u8]| {
        let mut frame = vec![codec::VERSION, 1];
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(body);
        Bytes::from(frame)
    };
    let frames = [
        Bytes::from_static(b""),
        Bytes::from_static(b"garbage"),
        Bytes::from(vec![0xff; 100_000]),
        changed(&|frame| frame[0] += 1),
        changed(&|frame| frame[1] = 9),
        changed(&|frame| frame[2] ^= 1),
        changed(&|frame| frame.truncate(good.len() / 2)),
        changed(&|frame| frame.push(0)),
        changed(&|frame| frame.extend_from_slice(&good[6..])),
        // A kind that is not known, and a window of 2^31 bytes in a frame's descriptor.
        Bytes::from_static(&[codec::VERSION, 0, 1, 0, 0, 0, 99]),
        bomb(1 << 20, &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]),
        bomb(u32::MAX, &[0x28, 0xb5, 0x2f, 0xfd]),
    ];
    let each = u64::try_from(frames.len()).expect("few");
    for (sent, frame) in (1..).zip(&frames) {
        besieged.send(frame);
        wait("it is blamed", || besieged.blamed() >= sent);
    }
    besieged.pay(5);
    let rounds = 4 * WRONGS_BURST / each;
    for frame in (0..rounds).flat_map(|_| &frames) {
        besieged.send(frame);
    }
    wait("it is not listened to", || besieged.is_refused());
    besieged.pay(10);
    besieged.end();
}

#[test]
fn proposals_full_of_bad_signatures_are_refused_unchecked_and_payments_go_on() {
    let mut besieged = Besieged::start();
    besieged.pay(10);
    let junk = |number: usize| {
        let forged = |at: usize| {
            let mut signed = besieged.transfer(1_000 + at, bob(), &format!("junk {number}"));
            signed.signature.0[0] ^= 1;
            signed
        };
        Message::Propose(besieged.proposal((0..256).map(forged).collect()))
    };
    let frames: Vec<Bytes> = (0..30).map(|n| Bytes::from(codec::encode(&junk(n)))).collect();
    for frame in frames.iter().chain(&frames).chain(&frames) {
        besieged.send(frame);
    }
    wait("it is not listened to", || besieged.is_refused());
    besieged.pay(20);
    let open = besieged.target().shared.validator.read().load().0;
    assert!(open < 60, "{open} batches are open; most were never looked at");
    besieged.end();
}

#[test]
fn certificates_with_bad_votes_by_the_thousand_are_charged_for() {
    let mut besieged = Besieged::start();
    let (batch, bitmap) =
        (BatchId(ledger::hash::hash(ledger::hash::Tag::Transfer, &[b"none"])), [true]);
    let vote = |member: u16| {
        let bitmap = ledger::Bitmap::from_bools(&bitmap);
        let ballot = ledger::Ballot { epoch: 0, phase: Phase::Commit, batch, bitmap };
        ballot.sign(&besieged.network.id, member, &member_key(0))
    };
    let votes: Vec<Vote> = (0..3).map(vote).collect();
    let votes: Vec<&Vote> = votes.iter().collect();
    let message = Message::Certify(Certificate::from_votes(&votes));
    for _ in 0..3_000 {
        besieged.say(&message);
    }
    wait("it is not listened to", || besieged.is_refused());
    besieged.pay(10);
    besieged.end();
}

#[test]
fn recovers_and_repeats_and_questions_without_end_leave_payments_their_turn() {
    let mut besieged = Besieged::start();
    besieged.pay(10);
    let state = besieged.transfer(1_500, bob(), "").transfer.inputs[0].state;
    let recover = |round: u32| {
        let (owner_of, states) = (Address(owner().public()), vec![state]);
        Recover { epoch: 0, owner: owner_of, round, states }.sign(&besieged.network.id, &owner())
    };
    let rounds = |from: u32| (from..).take(RECOVERS_MAX).map(&recover).collect();
    let recovers = Message::Recover(rounds(1));
    for _ in 0..40 {
        besieged.say(&recovers);
    }
    let dropped = || besieged.target().shared.metrics.recovers_dropped.get();
    wait("most are dropped", || dropped() > 0);
    assert!(!besieged.is_refused(), "owners are not its fault");
    // The same good proposal again and again: each is answered, nothing is written.
    let repeated = (1_600..1_700).map(|at| besieged.transfer(at, bob(), "again")).collect();
    let repeated = Message::Propose(besieged.proposal(repeated));
    for _ in 0..500 {
        besieged.say(&repeated);
    }
    // Everything is asked for, and most answers are not waited for.
    let ids = vec![TransferId::default(); REQUEST_IDS_MAX];
    let questions = [Request::Transfers(ids), Request::Log { from: 0 }, Request::Snapshot];
    let (to, asking) = (besieged.target().shared.member, besieged.hostile.clone());
    besieged.background.runtime.spawn(async move {
        for question in questions.iter().cycle().take(3_000) {
            let question = Bytes::from(codec::encode(question));
            drop(asking.request(to, question, Duration::from_millis(2)).await);
        }
    });
    besieged.pay(20);
    besieged.end();
}
