//! No secret leaves a node: a node with a sealed key runs with all logs at `trace`, is used and
//! asked nonsense, and then neither its seed nor its passphrase is in what it said, in any of the
//! forms that could be printed.

use ledger::{
    Address, Canonical, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Input, Keypair, Name,
    Output, Transfer,
};
use node::keyfile::{self, passphrase::Passphrase};
use node::node::{RunOptions, run_with};
use node::store::first_start;
use node::{Handle, NodeConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse battery staple";
const SEED: [u8; 32] = *b"thirty-two bytes that none sees!";

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn config(folder: &Path) -> NodeConfig {
    let text = "name = \"v0\"\nhome = \"home\"\ngenesis = \"genesis.json\"\nkey = \"key\"\n\
         key_passphrase_file = \"passphrase\"\npeers = \"peers.toml\"\n[ipfs]\nenabled = false\n";
    let path = folder.join("node.toml");
    std::fs::write(&path, text).expect("written");
    NodeConfig::load(&path).expect("a good configuration")
}

/// What the node's API says to this.
fn ask(handle: &Handle, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(handle.shared.api_address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("writing");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("reading");
    answer
}

#[test]
fn neither_logs_nor_answers_hold_a_seed_or_a_passphrase() {
    let log = Log::default();
    let writer = log.clone();
    let logging = tracing_subscriber::fmt().with_env_filter("trace").with_ansi(false);
    logging.with_writer(move || writer.clone()).init();
    let folder = tempfile::tempdir().expect("a folder");
    let (keypair, owner) = (Keypair::from_seed(SEED), Keypair::from_seed([200; 32]));
    let passphrase = Passphrase::new(PASSPHRASE.as_bytes()).expect("a good one");
    let file = folder.path().join("passphrase");
    std::fs::write(&file, PASSPHRASE).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("0600");
    keyfile::create_sealed(&folder.path().join("key"), &keypair, &passphrase).expect("sealed");
    let genesis = Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("secrets").expect("a name"),
        epoch: 0,
        committee: vec![GenesisMember {
            name: Name::new("v0").expect("a name"),
            key: Address(keypair.public()),
            weight: 1,
        }],
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 0 }],
        tokens: vec![GenesisTokens {
            owner: Address(owner.public()),
            asset: "QRT".into(),
            amount: "1".into(),
            count: 1,
        }],
    };
    std::fs::write(folder.path().join("genesis.json"), genesis.to_json()).expect("written");
    std::fs::write(folder.path().join("peers.toml"), "").expect("written");
    let network = genesis.network().expect("a good genesis");
    let config = config(folder.path());
    first_start::permit(&config.home, &network.id, &keypair).expect("permitted");
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let listening = |handle| sender.send(handle).expect("the test waits");
        run_with(config, RunOptions::default(), listening).expect("the sealed key opens");
    });
    let handle = receiver.recv_timeout(PATIENCE).expect("it listens");
    let until = Instant::now() + PATIENCE;
    while !handle.shared.is_ready() {
        assert!(Instant::now() < until, "not ready in time");
        std::thread::yield_now();
    }
    let made = network.tokens().next().expect("one token");
    let transfer = Transfer {
        network: network.id,
        epoch: 0,
        owner: Address(owner.public()),
        inputs: vec![Input { state: made.state, asset: made.asset, amount: made.amount }],
        outputs: vec![Output::Move { input: 0, to: Address(keypair.public()) }],
        memo: String::new(),
    };
    let paid = transfer.sign(&owner).to_bytes();
    let mut said = ask(&handle, "POST", "/v1/transfers?wait=final", &paid);
    assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    for path in ["/v1/node", "/v1/validators", "/metrics", "/", "/v1/network"] {
        said.extend(ask(&handle, "GET", path, b""));
    }
    said.extend(ask(&handle, "POST", "/v1/transfers", b"garbage"));
    handle.stop();
    drop(handle);
    thread.join().expect("the node ends well");

    said.extend_from_slice(&log.0.lock().expect("no panic"));
    assert!(said.len() > 10_000, "the log at trace is long: {}", said.len());
    let hexadecimal = hex::encode(SEED);
    let did = Address(keypair.public()).to_string();
    let base58 = did.strip_prefix("did:key:z").expect("a did:key");
    let holds = |what: &[u8]| said.windows(what.len()).any(|window| window == what);
    assert!(holds(base58.as_bytes()), "the public key is said, so the search finds things");
    let listed = format!("{SEED:?}");
    for secret in [
        &SEED[..],
        hexadecimal.as_bytes(),
        hexadecimal.to_uppercase().as_bytes(),
        &hexadecimal.as_bytes()[..32],
        bs58_of(&SEED).as_bytes(),
        &listed.as_bytes()[1..40],
        PASSPHRASE.as_bytes(),
    ] {
        assert!(!holds(secret), "a secret was said");
    }
}

/// Base58btc, as keys are written.
fn bs58_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit * 256;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let digit = |at: &u32| char::from(DIGITS[usize::try_from(*at).expect("below 58")]);
    digits.iter().rev().map(digit).collect()
}
