//! Seven whole nodes in one process: real QUIC, real journals, each on its own threads.

use ledger::{
    Address, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Input, Keypair, Name, Network,
    Output, SignedTransfer, Transfer,
};
use node::board::Status;
use node::config::{ApiConfig, LogConfig, QuicConfig, StoreConfig, ValidationConfig};
use node::node::{RunOptions, run_with};
use node::{Handle, NodeConfig};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NODES: u8 = 7;

struct Network7 {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    network: Network,
    folder: tempfile::TempDir,
}

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
        peers: folder.join("peers.toml"),
        quic: QuicConfig::default(),
        api: ApiConfig::default(),
        validation: ValidationConfig::default(),
        store: StoreConfig::default(),
        log: LogConfig::default(),
    }
}

fn start(tokens: u64) -> Network7 {
    let folder = tempfile::tempdir().expect("a folder");
    let genesis = genesis(tokens);
    std::fs::write(folder.path().join("genesis.json"), genesis.to_json()).expect("genesis");
    let (sender, receiver) = mpsc::sync_channel(NODES.into());
    let mut threads = Vec::new();
    for index in 0..NODES {
        let config = config(folder.path(), index);
        let sender = sender.clone();
        threads.push(std::thread::spawn(move || {
            run_with(config, RunOptions::default(), |handle| {
                sender.send(handle).expect("the test waits");
            })
            .expect("the node runs");
        }));
    }
    let deadline = Duration::from_secs(30);
    let mut handles: Vec<Handle> =
        (0..NODES).map(|_| receiver.recv_timeout(deadline).expect("it listens")).collect();
    handles.sort_by_key(|handle| handle.shared.member);
    let peers: String = handles
        .iter()
        .map(|handle| format!("v{} = \"{}\"\n", handle.shared.member, handle.shared.quic_address))
        .collect();
    std::fs::write(folder.path().join("peers.toml"), peers).expect("peers");
    let until = Instant::now() + deadline;
    while !handles.iter().all(|handle| handle.shared.is_ready()) {
        assert!(Instant::now() < until, "the nodes did not become ready");
        std::thread::yield_now();
    }
    Network7 { handles, threads, network: genesis.network().expect("a good genesis"), folder }
}

impl Network7 {
    fn stop(self) {
        for handle in &self.handles {
            handle.stop();
        }
        for thread in self.threads {
            thread.join().expect("the node ends well");
        }
        drop(self.folder);
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

#[test]
fn a_transfer_becomes_final_at_all_seven() {
    let seven = start(3_000);
    let bob = Address(Keypair::from_seed([201; 32]).public());
    block_on(async {
        let mut times = Vec::new();
        for index in 0..100 {
            let handle = &seven.handles[index % 7];
            let signed = moves(&seven.network, index, 1, bob);
            let start = Instant::now();
            let id = handle.submit(signed).await.expect("it is taken");
            let entry = handle.wait(id, Duration::from_secs(5)).await.expect("it is known");
            assert_eq!(entry.status, Status::Final, "{entry:?}");
            times.push(start.elapsed());
        }
        times.sort();
        eprintln!("single p50 {:?} p90 {:?} max {:?}", times[50], times[90], times[99]);
        let start = Instant::now();
        let signed = moves(&seven.network, 1_000, 1_000, bob);
        let id = seven.handles[0].submit(signed).await.expect("it is taken");
        let entry = seven.handles[0].wait(id, Duration::from_secs(5)).await.expect("known");
        assert_eq!(entry.status, Status::Final, "{entry:?}");
        eprintln!("1000 tokens {:?} {:?}", start.elapsed(), entry.report.map(|r| r.stages));
        let start = Instant::now();
        let mut ids = Vec::new();
        for index in 2_000..3_000 {
            let signed = moves(&seven.network, index, 1, bob);
            ids.push(seven.handles[0].submit(signed).await.expect("it is taken"));
        }
        for id in ids {
            let entry = seven.handles[0].wait(id, Duration::from_secs(5)).await.expect("known");
            assert_eq!(entry.status, Status::Final, "{entry:?}");
        }
        eprintln!("1000 transfers {:?}", start.elapsed());
    });
    let until = Instant::now() + Duration::from_secs(10);
    let applied = |handle: &Handle| handle.shared.validator.read().tips().applied();
    while !seven.handles.iter().all(|handle| applied(handle) == 1_101) {
        assert!(Instant::now() < until, "not all have applied everything");
        std::thread::yield_now();
    }
    seven.stop();
}
