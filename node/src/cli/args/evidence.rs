//! Arguments of `evidence`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands of `evidence`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// What the asked node keeps; with --json, a file that `evidence verify` takes
    List,
    /// Check evidence with nothing but the genesis file
    Verify(EvidenceFileArgs),
}

/// Arguments of `evidence verify`.
#[derive(Debug, Args)]
pub struct EvidenceFileArgs {
    /// One item of GET /v1/evidence, or a whole document of them
    pub file: PathBuf,
    /// Genesis file [default: the testnet's]
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
}
