//! The arguments of `content`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands of `content`.
#[derive(Debug, Subcommand)]
pub enum ContentCommand {
    /// Store a file in a node, which keeps and announces it; prints its CID
    Put(ContentPutArgs),
    /// Fetch a file, from wherever it is to be had within --timeout
    Get(ContentGetArgs),
    /// Have a node fetch a file and keep it
    Pin(ContentIdArgs),
    /// How much of a file a node has
    Stat(ContentIdArgs),
}

/// Arguments of `content put`.
#[derive(Debug, Args)]
pub struct ContentPutArgs {
    /// File to store
    pub file: PathBuf,
}

/// Arguments of `content get`.
#[derive(Debug, Args)]
pub struct ContentGetArgs {
    /// CID of the file
    pub cid: String,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A file of the network.
#[derive(Debug, Args)]
pub struct ContentIdArgs {
    /// CID of the file
    pub cid: String,
}
