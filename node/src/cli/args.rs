//! The command line of `quorate`: every command and flag, and nothing that they do.

mod content;
mod evidence;
mod keys;
mod store;
mod tx;
mod watch;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

pub use content::{ContentCommand, ContentGetArgs, ContentIdArgs, ContentPutArgs};
pub use evidence::{EvidenceCommand, EvidenceFileArgs};
pub use keys::{KeyFileArgs, KeysCommand, NewKeyArgs, PassphraseArgs};
pub use store::{StoreArgs, StoreCommand, StoreInitArgs, StoreRestoreArgs, StoreSnapshotArgs};
pub use tx::{TransferIdArgs, TxCommand, TxListArgs, TxRetryArgs, TxWaitArgs};
pub use watch::{TopArgs, WatchArgs};

/// A token ledger run by a committee of validators: its node and its client.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: quorate help exit-codes")]
pub struct CommandLine {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command. Precedence: flags, environment, file, defaults.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// One JSON document on standard output; words for people go to standard error
    #[arg(long, global = true, env = "QUORATE_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Testnet that gives names, keys, nodes and genesis [default: the newest one running]
    #[arg(long, global = true, env = "QUORATE_TESTNET", value_name = "DIR")]
    pub testnet: Option<PathBuf>,
    /// Node to ask, a URL or a validator's name; repeat for more, tried in the given order
    #[arg(long, global = true, env = "QUORATE_NODE", value_name = "URL", value_delimiter = ',')]
    pub node: Vec<String>,
    /// Where signed transfers are kept; for `store`: the node's folder
    #[arg(long, global = true, env = "QUORATE_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Configuration file; for `run` and `store`: the node's
    #[arg(long, global = true, env = "QUORATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long to wait for an outcome, like 10s or 500ms [default: 10s]
    #[arg(long, global = true, env = "QUORATE_TIMEOUT", value_name = "TIME")]
    #[arg(value_parser = parse_time)]
    pub timeout: Option<Duration>,
    /// File with the passphrase of key files; asked for at the terminal where none is named
    #[arg(long, global = true, env = "QUORATE_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// No notes for people on standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More notes for people on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node in the foreground until SIGTERM or Ctrl-C
    Run(RunArgs),
    /// Make a key file, or show whose it is
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the address of a key file
    Address(KeyFileArgs),
    /// Pay, move, split or join tokens
    Transfer(TransferArgs),
    /// Send a signed transfer that was made elsewhere
    Submit(SubmitArgs),
    /// Issue a fungible asset, or one indivisible item (NFT)
    Issue(IssueArgs),
    /// Sums of an account, by asset
    Balance(AccountArgs),
    /// Tokens of an account
    Tokens(AccountArgs),
    /// Transfers of this wallet or network: what became of them
    #[command(subcommand)]
    Tx(TxCommand),
    /// One token: its owner and its chain of transfers
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check receipts, offline
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Free tokens whose locks are split, or complete what was accepted of them
    Recover(RecoverArgs),
    /// Proofs that keys misbehaved; checking them is offline
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Files by their CIDs, in a node or from its peers
    #[command(subcommand)]
    Content(ContentCommand),
    /// Every validator of the network: up, ready, lag, version; and the supply
    Status,
    /// Whether the asked node can take transfers
    Health,
    /// The committee as the asked node sees it
    Peers,
    /// A node's events as they happen, a line each
    Watch(WatchArgs),
    /// The network on the whole terminal, as it stands; q, Esc or Ctrl-C ends it
    Top(TopArgs),
    /// Look for what commonly keeps a client or a node from working
    Doctor,
    /// A node's store, while the node is stopped
    #[command(subcommand)]
    Store(StoreCommand),
    /// Measure a network
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
    /// Help of a command, or of a topic: exit-codes
    Help(HelpArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// End when standard input closes
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
}

/// Arguments of `transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Name of a testnet account, or a key file
    pub from: String,
    /// Name of a testnet account, or an address (did:key:…)
    pub to: String,
    /// Decimal amount; with --token it may be left out
    #[arg(required_unless_present_any = ["count", "token"], conflicts_with = "count")]
    pub amount: Option<String>,
    /// Move any N tokens of the asset as they are
    #[arg(long, value_name = "N", conflicts_with = "token")]
    pub count: Option<usize>,
    /// Asset, by name or id [default: the first of genesis]
    #[arg(long)]
    pub asset: Option<String>,
    /// Token to spend, repeatable; without AMOUNT they move whole
    #[arg(long, value_name = "ID", conflicts_with = "asset")]
    pub token: Vec<String>,
    /// How the transfer is sent.
    #[command(flatten)]
    pub sending: SendingArgs,
}

/// How a transfer is signed and sent.
#[derive(Debug, Args)]
pub struct SendingArgs {
    /// Text in the transfer, at most 256 bytes
    #[arg(long, default_value = "")]
    pub memo: String,
    /// Return when the transfer is final, or as soon as a node has it
    #[arg(long, value_enum, default_value_t = Until::Final)]
    pub wait: Until,
    /// Show what would be signed; sign and send nothing
    #[arg(long, conflicts_with_all = ["sign_only", "receipt"])]
    pub dry_run: bool,
    /// Write the signed transfer into FILE and send nothing
    #[arg(long, value_name = "FILE", conflicts_with = "receipt")]
    pub sign_only: Option<PathBuf>,
    /// Write the receipt into FILE once the transfer is final
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// When a command returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Once it is final, or it is known that it won't be.
    Final,
    /// Once a node has it.
    Submitted,
}

/// Arguments of `submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// File that `transfer --sign-only` wrote
    pub file: PathBuf,
    /// Return when the transfer is final, or as soon as a node has it
    #[arg(long, value_enum, default_value_t = Until::Final)]
    pub wait: Until,
    /// Write the receipt into FILE once the transfer is final
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// Arguments of `issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Name of a testnet account, or a key file
    pub from: String,
    /// Name of the asset: 1 to 32 printable characters
    #[arg(long)]
    pub name: String,
    /// Digits behind the point, 0 to 18
    #[arg(long, requires = "supply", required_unless_present = "content")]
    pub decimals: Option<u8>,
    /// The whole supply, a decimal amount
    #[arg(long, requires = "decimals", required_unless_present = "content")]
    pub supply: Option<String>,
    /// Issue one item whose content is this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["decimals", "supply"])]
    pub content: Option<PathBuf>,
    /// How the transfer is sent.
    #[command(flatten)]
    pub sending: SendingArgs,
}

/// An account.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Name of a testnet account, an address (did:key:…), or a key file
    #[arg(value_name = "ADDR")]
    pub account: String,
}

/// Commands of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Asset, amount, owner, state
    Show(TokenIdArgs),
    /// The final transfers that moved it, oldest first
    History(TokenIdArgs),
    /// Check the receipts of its whole chain against the genesis
    Verify(TokenIdArgs),
}

/// A token.
#[derive(Debug, Args)]
pub struct TokenIdArgs {
    /// Id of the token
    pub id: String,
}

/// Commands of `receipt`.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check a receipt with nothing but the genesis file
    Verify(ReceiptArgs),
}

/// Arguments of `receipt verify`.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// Receipt, as JSON or canonical bytes
    pub file: PathBuf,
    /// Genesis file [default: the testnet's]
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
}

/// Arguments of `recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// Ids of tokens: `quorate tokens ADDR` lists them, a `locked` failure names them
    #[arg(required = true, value_name = "TOKEN")]
    pub tokens: Vec<String>,
    /// Key file of an owner that is no account of the testnet, repeatable
    #[arg(long, value_name = "KEYFILE")]
    pub key: Vec<PathBuf>,
}

/// Commands of `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Send transfers between testnet accounts and count what becomes final
    Load(LoadArgs),
}

/// Arguments of `bench load`.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Transfers a second, at most
    #[arg(long, value_name = "N", conflicts_with = "clients")]
    pub rate: Option<u64>,
    /// Clients, each with one request under way [default: 256; with --rate as many as it takes]
    #[arg(long, value_name = "N")]
    pub clients: Option<usize>,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub duration: Duration,
    /// Tokens that each transfer moves
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub tokens_per_transfer: usize,
    /// Transfers in one HTTP request [default: 1 with --clients]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Of each hundred transfers sent, how many more are badly signed copies
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=90))]
    pub forged: u8,
    /// Send to the first N validators only [default: 2]
    #[arg(long, value_name = "N")]
    pub nodes: Option<usize>,
    /// Time before the measurement
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub warm_up: Duration,
    /// Miss of this many final transfers a second is exit code 8
    #[arg(long, value_name = "N")]
    pub rate_min: Option<u64>,
    /// Write a page with plots, complete in one file
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Compare with an earlier run: what `bench load --json` printed
    #[arg(long, value_name = "FILE.json")]
    pub baseline: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `help`.
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// A command, or exit-codes
    pub topic: Vec<String>,
}

/// Longest time that a flag may name: points in time are computed from it.
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Reads `10s`, `500ms`, `2m`; a number alone is seconds. At most 30 days.
///
/// # Errors
/// A text that says what is read.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?} is no time; write 10s, 500ms or 2m"))?;
    let time = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        unit => return Err(format!("{unit:?} is no unit of time; write ms, s or m")),
    };
    if time > TIME_MAX { Err(format!("{text:?} is longer than 30 days")) } else { Ok(time) }
}

#[cfg(test)]
mod tests;
