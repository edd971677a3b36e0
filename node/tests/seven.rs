//! Seven whole nodes in one process: real QUIC, real journals, each on its own threads.

use ledger::{
    Address, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Input, Keypair, Name, Network,
    Output, SignedTransfer, Transfer,
};
use node::board::Status;
use node::config::{
    ApiConfig, LogConfig, PerformanceConfig, QuicConfig, StoreConfig, ValidationConfig,
};
use node::ipfs::config::IpfsConfig;
use node::node::{RunOptions, run_with};
use node::store::first_start;
use node::{Handle, NodeConfig};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NODES: u8 = 7;

struct Network7 {
    nodes: Vec<Option<Running>>,
    network: Network,
    folder: tempfile::TempDir,
}

struct Running {
    handle: Handle,
    thread: JoinHandle<()>,
}

/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

fn owner() -> Keypair {
    Keypair::from_seed([200; 32])
}

fn genesis(tokens: u64) -> Genesis {
    let member = |index: u8| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a name"),
        key: Address(Keypair::from_seed([index + 1; 32]).public()),
        weight: 1,
    };
    Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("seven").expect("a name"),
        epoch: 0,
        committee: (0..NODES).map(member).collect(),
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
        tokens: vec![GenesisTokens {
            owner: Address(owner().public()),
            asset: "QRT".into(),
            amount: "1".into(),
            count: tokens,
        }],
    }
}

fn config(folder: &Path, index: u8) -> NodeConfig {
    let home = folder.join(format!("v{index}"));
    std::fs::create_dir_all(&home).expect("a folder");
    let key = home.join("key");
    let keypair = Keypair::from_seed([index + 1; 32]);
    let text = serde_json::json!({
        "schema": "quorate.key/1",
        "address": Address(keypair.public()).to_string(),
        "seed": hex::encode(keypair.seed()),
    });
    std::fs::write(&key, text.to_string()).expect("a key file");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("0600");
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
        performance: PerformanceConfig::default(),
        log: LogConfig::default(),
        telemetry: Default::default(),
    }
}

fn start(tokens: u64) -> Network7 {
    let folder = tempfile::tempdir().expect("a folder");
    let genesis = genesis(tokens);
    std::fs::write(folder.path().join("genesis.json"), genesis.to_json()).expect("genesis");
    let network = genesis.network().expect("a good genesis");
    let mut seven = Network7 { nodes: Vec::new(), network, folder };
    for index in 0..NODES {
        let home = seven.folder.path().join(format!("v{index}"));
        let key = Keypair::from_seed([index + 1; 32]);
        first_start::permit(&home, &seven.network.id, &key).expect("permitted");
        let running = seven.run(index);
        seven.nodes.push(Some(running));
    }
    seven.write_peers();
    wait("the nodes are ready", || seven.handles().all(|handle| handle.shared.is_ready()));
    seven
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}

impl Network7 {
    fn run(&self, index: u8) -> Running {
        let config = config(self.folder.path(), index);
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            run_with(config, RunOptions::default(), |handle| {
                sender.send(handle).expect("the test waits");
            })
            .expect("the node runs");
        });
        Running { handle: receiver.recv_timeout(PATIENCE).expect("it listens"), thread }
    }

    fn write_peers(&self) {
        let line = |handle: &Handle| {
            format!("v{} = \"{}\"\n", handle.shared.member, handle.shared.quic_address)
        };
        let peers: String = self.handles().map(line).collect();
        std::fs::write(self.folder.path().join("peers.toml"), peers).expect("peers");
    }

    fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.nodes.iter().flatten().map(|running| &running.handle)
    }

    fn handle(&self, index: usize) -> &Handle {
        &self.nodes[index].as_ref().expect("it runs").handle
    }

    fn stop_one(&mut self, index: usize) {
        let running = self.nodes[index].take().expect("it runs");
        running.handle.stop();
        drop(running.handle);
        running.thread.join().expect("the node ends well");
    }

    fn start_one(&mut self, index: u8) {
        self.nodes[usize::from(index)] = Some(self.run(index));
        self.write_peers();
    }

    fn applied(&self, index: usize) -> u64 {
        self.handle(index).shared.validator.read().tips().applied()
    }

    fn check_supply(&self) {
        for handle in self.handles() {
            let validator = handle.shared.validator.read();
            for (_, asset) in validator.tips().assets() {
                assert_eq!(asset.issued, asset.live);
            }
        }
    }

    fn stop(mut self) {
        self.check_supply();
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_some() {
                self.stop_one(index);
            }
        }
    }
}

fn moves(network: &Network, first: usize, count: usize, to: Address) -> SignedTransfer {
    let mut inputs: Vec<Input> = network
        .tokens()
        .skip(first)
        .take(count)
        .map(|made| Input { state: made.state, asset: made.asset, amount: made.amount })
        .collect();
    inputs.sort_by_key(|input| input.state.token);
    let outputs = (0..count)
        .map(|index| Output::Move { input: u16::try_from(index).expect("few"), to })
        .collect();
    Transfer {
        network: network.id,
        epoch: network.epoch,
        owner: Address(owner().public()),
        inputs,
        outputs,
        memo: String::new(),
    }
    .sign(&owner())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn pay(handle: &Handle, signed: SignedTransfer) -> Status {
    let id = handle.submit(signed).await.expect("it is taken");
    handle.wait(id, Duration::from_secs(12)).await.expect("it is known").status
}

#[test]
fn transfers_become_final_at_all_seven() {
    let seven = start(3_000);
    let bob = Address(Keypair::from_seed([201; 32]).public());
    block_on(async {
        let mut times = Vec::new();
        for index in 0..100 {
            let start = Instant::now();
            let signed = moves(&seven.network, index, 1, bob);
            assert_eq!(pay(seven.handle(index % 7), signed).await, Status::Final);
            times.push(start.elapsed());
        }
        times.sort();
        eprintln!("alone: p50 {:?}, p90 {:?}, max {:?}", times[50], times[90], times[99]);
        let start = Instant::now();
        let signed = moves(&seven.network, 1_000, 1_000, bob);
        assert_eq!(pay(seven.handle(0), signed).await, Status::Final);
        eprintln!("1,000 tokens: {:?}", start.elapsed());
        let start = Instant::now();
        let mut ids = Vec::new();
        for index in 2_000..3_000 {
            let signed = moves(&seven.network, index, 1, bob);
            ids.push(seven.handle(0).submit(signed).await.expect("it is taken"));
        }
        for id in ids {
            let entry = seven.handle(0).wait(id, PATIENCE).await.expect("it is known");
            assert_eq!(entry.status, Status::Final, "{entry:?}");
        }
        eprintln!("1,000 transfers: {:?}", start.elapsed());
    });
    wait("all have applied all", || (0..7).all(|index| seven.applied(index) == 1_101));
    seven.stop();
}

#[test]
fn a_token_goes_from_hand_to_hand_through_all_nodes() {
    let seven = start(1);
    let keys: Vec<Keypair> = (0..2).map(|n| Keypair::from_seed([200 + n; 32])).collect();
    let made = seven.network.tokens().next().expect("one token");
    let mut input = Input { state: made.state, asset: made.asset, amount: made.amount };
    block_on(async {
        for round in 0..100usize {
            let to = Address(keys[(round + 1) % 2].public());
            let transfer = Transfer {
                network: seven.network.id,
                epoch: 0,
                owner: Address(keys[round % 2].public()),
                inputs: vec![input],
                outputs: vec![Output::Move { input: 0, to }],
                memo: format!("round {round}"),
            };
            let id = transfer.id();
            input.state = transfer.made(id)[0].state;
            let signed = transfer.sign(&keys[round % 2]);
            let status = pay(seven.handle(round % 7), signed).await;
            assert_eq!(status, Status::Final, "round {round}");
        }
    });
    wait("all have applied all", || (0..7).all(|index| seven.applied(index) == 100));
    seven.stop();
}

#[test]
fn of_two_conflicting_transfers_never_both_are_final() {
    let seven = start(60);
    let to = |n| Address(Keypair::from_seed([n; 32]).public());
    let mut counts = [0; 3];
    block_on(async {
        for index in 0..60 {
            let one = moves(&seven.network, index, 1, to(201));
            let two = moves(&seven.network, index, 1, to(202));
            let (first, second) = tokio::join!(
                pay(seven.handle(index % 7), one),
                pay(seven.handle((index + 3) % 7), two)
            );
            let finals = [first, second].iter().filter(|s| **s == Status::Final).count();
            assert!(finals < 2, "both are final");
            for status in [first, second] {
                assert!(
                    matches!(status, Status::Final | Status::Rejected | Status::Locked),
                    "{status:?} is no answer"
                );
            }
            counts[finals] += 1;
        }
    });
    eprintln!("no winner {}, one winner {}", counts[0], counts[1]);
    wait("evidence is found", || seven.handles().any(|handle| !handle.evidence().is_empty()));
    for handle in seven.handles() {
        for evidence in handle.evidence() {
            assert_eq!(evidence.verify(&seven.network), Ok(()));
        }
    }
    seven.stop();
}

#[test]
fn a_node_that_was_down_catches_up_and_votes_again() {
    let mut seven = start(400);
    let bob = Address(Keypair::from_seed([201; 32]).public());
    let pay_some = |seven: &Network7, from: usize, count: usize| {
        block_on(async {
            for index in from..from + count {
                let signed = moves(&seven.network, index, 1, bob);
                let status = pay(seven.handle(index % 3), signed).await;
                assert_eq!(status, Status::Final, "transfer {index}");
            }
        });
    };
    pay_some(&seven, 0, 20);
    seven.stop_one(5);
    seven.stop_one(6);
    pay_some(&seven, 20, 100);
    seven.start_one(5);
    seven.start_one(6);
    wait("they catch up", || seven.applied(5) == 120 && seven.applied(6) == 120);
    wait("they are ready", || {
        seven.handle(5).shared.is_ready() && seven.handle(6).shared.is_ready()
    });
    // Their votes are needed now.
    seven.stop_one(3);
    seven.stop_one(4);
    pay_some(&seven, 120, 20);
    seven.stop_one(2);
    wait("it is noticed", || seven.handle(0).can_propose().is_err());
    let refused = block_on(seven.handle(0).submit(moves(&seven.network, 200, 1, bob)));
    assert_eq!(refused.expect_err("four are no quorum").code, node::error::NO_QUORUM);
    seven.stop();
}

#[test]
fn a_node_with_an_older_copy_of_its_journal_meets_its_own_votes_and_is_silent() {
    let mut seven = start(100);
    let bob = Address(Keypair::from_seed([201; 32]).public());
    let pay_some = |seven: &Network7, from: usize, count: usize| {
        block_on(async {
            for index in from..from + count {
                let signed = moves(&seven.network, index, 1, bob);
                assert_eq!(pay(seven.handle(0), signed).await, Status::Final, "{index}");
            }
        });
    };
    pay_some(&seven, 0, 5);
    seven.stop_one(3);
    let journal = seven.folder.path().join("v3/journal");
    let older = seven.folder.path().join("older");
    std::fs::create_dir(&older).expect("a folder");
    for entry in std::fs::read_dir(&journal).expect("readable").flatten() {
        std::fs::copy(entry.path(), older.join(entry.file_name())).expect("copied");
    }
    seven.start_one(3);
    wait("it votes", || seven.handle(3).shared.is_ready());
    // Its votes are needed now, so they are in the certificates.
    seven.stop_one(5);
    seven.stop_one(6);
    pay_some(&seven, 5, 5);
    seven.stop_one(3);
    std::fs::remove_dir_all(&journal).expect("removed");
    std::fs::rename(&older, &journal).expect("rolled back");
    for _ in 0..2 {
        seven.start_one(3);
        wait("it is silent", || seven.handle(3).shared.why_silent().is_some());
        wait("it catches up", || seven.applied(3) == 10);
        let why = seven.handle(3).shared.why_silent().expect("it is silent");
        assert!(why.contains("rolled back"), "{why}");
        assert!(!seven.handle(3).shared.is_ready());
        seven.stop_one(3);
    }
    seven.stop();
}
