//! Arguments of `quorate store …`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands of `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// How large it is and how much is in it
    Info(StoreArgs),
    /// Read all of it and check every record and certificate
    Verify(StoreArgs),
    /// Write where every token stands, with proofs, to a file: a backup without promises and key
    Snapshot(StoreSnapshotArgs),
    /// Make a store out of a snapshot in an empty home; its node never votes
    Restore(StoreRestoreArgs),
    /// Permit a node's first start: without it, a node that finds no journal never votes
    Init(StoreInitArgs),
}

/// Arguments of `store init`.
#[derive(Debug, Args)]
pub struct StoreInitArgs {
    /// Genesis and key.
    #[command(flatten)]
    pub files: StoreArgs,
    /// Affirm that this key has never voted in this network: if it has, a double vote is possible
    #[arg(long, required = true)]
    pub key_never_voted: bool,
}

/// Arguments of `store snapshot`.
#[derive(Debug, Args)]
pub struct StoreSnapshotArgs {
    /// Genesis and key.
    #[command(flatten)]
    pub files: StoreArgs,
    /// The file to write; it must not be there
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `store restore`.
#[derive(Debug, Args)]
pub struct StoreRestoreArgs {
    /// Genesis and key.
    #[command(flatten)]
    pub files: StoreArgs,
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Genesis file [default: the one in the node's configuration]
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// The member's key file [default: the one in the node's configuration]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}
