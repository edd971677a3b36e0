//! The command line of `quorate-testnet`.

use crate::faults::DELAY_MAX;
use crate::simulate::{ReplayArgs, SimArgs};
use crate::torture::villain::Class;
use clap::{Args, Parser, Subcommand};
use node::config::DhtSilence;
use node::index::Engine;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A whole local Quorate network: one real node process per validator, on loopback.
#[derive(Debug, Parser)]
#[command(name = "quorate-testnet", version, about)]
pub struct CommandLine {
    /// One JSON document on standard output, errors included; words go to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seven validators, and Alice pays Bob: explained step by step
    Demo(DemoArgs),
    /// Start a testnet, and keep it up until Ctrl-C (or --detach)
    Up(UpArgs),
    /// Which validators run
    Status(DirArgs),
    /// Stop every process of a testnet; its folder stays
    Down(DirArgs),
    /// Stop it, wipe the stores, and start it again with the same genesis and keys
    Reset(DirArgs),
    /// The last lines that validators logged
    Logs(LogsArgs),
    /// Kill validators at once (SIGKILL), as a crash would
    Kill(NamesArgs),
    /// Start validators again on the stores they had
    Start(NamesArgs),
    /// Pause validators (SIGSTOP)
    Pause(NamesArgs),
    /// Let paused validators go on (SIGCONT)
    Resume(NamesArgs),
    /// Make the links of a validator slow: what it sends and what is sent to it comes later
    Slow(SlowArgs),
    /// Part the validators: nothing passes between the groups
    Partition(PartitionArgs),
    /// Take every fault back: nobody is slow, nobody is parted
    Heal(DirArgs),
    /// Serve the explorer with buttons that kill, slow and part validators, and forms that pay
    Panel(PanelArgs),
    /// Write genesis, configurations and keys for real machines; start nothing
    Init(InitArgs),
    /// Pay on a fresh testnet while its validators are killed, paused, parted and slowed; then
    /// check everything
    Torture(TortureArgs),
    /// Simulated networks of seven, a seed each: faults, traitors, and what must hold all the same
    Sim(SimArgs),
    /// One seed of the simulator again, exactly, with everything that happens
    Replay(ReplayArgs),
    /// The node's role: what a testnet starts, one process per validator
    #[command(hide = true)]
    Node(NodeArgs),
    /// A node of the DHT and nothing else
    #[command(hide = true)]
    DhtPeer(NodeArgs),
    /// What stands between the validators while there are faults
    #[command(hide = true)]
    Relay(NodeArgs),
    /// The `quorate` program's commands, for tests
    #[command(hide = true)]
    Cli(CliArgs),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the transfers, on a terminal too
    #[arg(long)]
    pub once: bool,
    /// The same seed gives the same keys and addresses
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Ask the DHT about every transfer
    #[arg(long)]
    pub untrusted: bool,
}

/// Arguments of `up`. What a folder already holds need not be said again.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Validators [default: 7]
    #[arg(short = 'n', long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub validators: Option<u16>,
    /// The testnet's folder [default: a fresh one under the temporary folder]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The same seed gives the same keys and addresses
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// First port: v0 takes N (QUIC) and N+1 (API), v1 the next two; 0 takes free ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
    /// Ask the DHT about every transfer: is a token spent in a network that these do not see?
    #[arg(long)]
    pub untrusted: bool,
    /// What the DHT's silence means: proceed, the transfer is marked incomplete; unknown, it waits
    /// [default: proceed]
    #[arg(long, value_name = "WORD", value_parser = parse_silence)]
    pub dht_silence: Option<DhtSilence>,
    /// Further processes that are only DHT nodes, d0, d1, …; the validators are their clients
    /// [default: 0, the validators are the DHT]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    pub dht_peers: Option<u16>,
    /// Share the DHT of the testnet in this folder
    #[arg(long, value_name = "DIR")]
    pub join_dht: Option<PathBuf>,
    /// What keeps the validators' indexes, sled or fjall; another than before makes them anew
    /// [default: what they have, at first sled]
    #[arg(long, value_name = "ENGINE", env = "QUORATE_INDEX")]
    pub index: Option<Engine>,
    /// Return when every validator is ready, and leave them running
    #[arg(long)]
    pub detach: bool,
    /// Accounts: alice, bob, … judy, acct-11, … [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub accounts: Option<u32>,
    /// Whole tokens of QRT of each account, of 1 QRT each [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: Option<u64>,
}

fn parse_silence(word: &str) -> Result<DhtSilence, String> {
    match word {
        "proceed" => Ok(DhtSilence::Proceed),
        "unknown" => Ok(DhtSilence::Unknown),
        _ => Err("it is proceed or unknown".into()),
    }
}

/// Which testnet.
#[derive(Debug, Args)]
pub struct DirArgs {
    /// The testnet's folder [default: the newest running testnet of this user]
    #[arg(long, value_name = "DIR", env = "QUORATE_TESTNET")]
    pub dir: Option<PathBuf>,
}

/// Which validators of which testnet.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Validators, like v3, and DHT peers, like d0
    #[arg(required = true, value_name = "VALIDATOR")]
    pub names: Vec<String>,
    /// The testnet.
    #[command(flatten)]
    pub testnet: DirArgs,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Validators, like v3, and DHT peers, like d0; all without one
    #[arg(value_name = "VALIDATOR")]
    pub names: Vec<String>,
    /// Lines of each
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub lines: usize,
    /// The testnet.
    #[command(flatten)]
    pub testnet: DirArgs,
}

/// Arguments of `slow`.
#[derive(Debug, Args)]
pub struct SlowArgs {
    /// A validator, like v3
    #[arg(value_name = "VALIDATOR")]
    pub name: String,
    /// Added to each datagram on each way, to it and from it: a question and its answer take twice
    /// as much. 0ms takes it back. Above 200ms a broken link may not come back before that
    #[arg(value_name = "TIME", value_parser = parse_delay)]
    pub delay: Duration,
    /// Up to this much more, by chance
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = parse_delay)]
    pub jitter: Duration,
    /// Datagrams lost, of a thousand
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub lose: u16,
    /// Datagrams that come twice, of a thousand
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub duplicate: u16,
    /// Datagrams that come behind later ones, of a thousand
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub reorder: u16,
    /// The testnet.
    #[command(flatten)]
    pub testnet: DirArgs,
}

fn parse_delay(text: &str) -> Result<Duration, String> {
    let delay = node::cli::args::parse_time(text)?;
    match delay <= DELAY_MAX {
        true => Ok(delay),
        false => Err(format!("at most {} s", DELAY_MAX.as_secs())),
    }
}

/// Arguments of `partition`.
#[derive(Debug, Args)]
pub struct PartitionArgs {
    /// Names by commas, groups by slashes, like v0,v1/v2,v3,v4,v5,v6; who is not named is in one
    /// more group. It replaces the partition that is there
    #[arg(value_name = "GROUPS")]
    pub groups: String,
    /// The testnet.
    #[command(flatten)]
    pub testnet: DirArgs,
}

/// Arguments of `panel`.
#[derive(Debug, Args)]
pub struct PanelArgs {
    /// Port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
    /// The testnet.
    #[command(flatten)]
    pub testnet: DirArgs,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Validators
    #[arg(short = 'n', long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub validators: u16,
    /// The folder to write; it must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The network's name [default: network- and eight random digits]
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Accounts that own the first tokens
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub accounts: u32,
    /// Whole tokens of QRT of each account, of 1 QRT each
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: u64,
}

/// Arguments of `torture`.
#[derive(Debug, Args)]
pub struct TortureArgs {
    /// How long validators are tortured; what was sent is brought to its end afterwards
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// The same seed chooses the same deeds
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Clients, each a thread with one request under way
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,
    /// Transfers in one request
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch: u16,
    /// Transfers a second at most, all clients together [default: as fast as answers come]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// End as soon as so many processes were killed; 0 for the time alone
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kills: u64,
    /// Longest pause between two deeds
    #[arg(long, value_name = "TIME", default_value = "3s")]
    #[arg(value_parser = node::cli::args::parse_time)]
    pub pause: Duration,
    /// Classes of deeds, by commas [default: all]
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub faults: Vec<Class>,
    /// No owner signs two transfers of one state
    #[arg(long)]
    pub no_rivals: bool,
    /// Validators
    #[arg(short = 'n', long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u16).range(1..=30))]
    pub validators: u16,
    /// Tokens of each of the ten accounts
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: u64,
    /// A new folder for the testnet, which stays [default: a fresh one, which goes if all is well]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Arguments of the hidden roles.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// End when standard input closes
    #[arg(long)]
    pub stop_with_stdin: bool,
    /// Become the leader of a session, so that a terminal's signals do not arrive
    #[arg(long)]
    pub own_session: bool,
}

/// Arguments passed on to `quorate`.
#[derive(Debug, Args)]
pub struct CliArgs {
    /// As `quorate` takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}
