//! Arguments of `tx`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands of `tx`.
#[derive(Debug, Subcommand)]
pub enum TxCommand {
    /// What is known of a transfer now
    Show(TransferIdArgs),
    /// Wait until a transfer has ended, or every one that may have been sent
    Wait(TxWaitArgs),
    /// Send the same signed bytes again: those of one transfer, or of every one that may have been
    /// sent and has not ended
    Retry(TxRetryArgs),
    /// Give the tokens of a signed transfer back that was never sent
    Forget(TransferIdArgs),
    /// The transfers of this wallet, oldest first
    List(TxListArgs),
}

/// A transfer.
#[derive(Debug, Args)]
pub struct TransferIdArgs {
    /// Id of the transfer
    pub id: String,
}

/// Arguments of `tx wait`.
#[derive(Debug, Args)]
pub struct TxWaitArgs {
    /// Id of the transfer; without one, all that are submitted, unknown or locked
    pub id: Option<String>,
}

/// Arguments of `tx retry`.
#[derive(Debug, Args)]
pub struct TxRetryArgs {
    /// Id of the transfer; without one, all that are submitted, unknown or locked. One that is only
    /// signed has to be named: it was never proposed, and may have been paid in another way since
    pub id: Option<String>,
    /// Write the receipt of the named transfer here once it is final
    #[arg(long, value_name = "FILE", requires = "id")]
    pub receipt: Option<PathBuf>,
}

/// Arguments of `tx list`.
#[derive(Debug, Args)]
pub struct TxListArgs {
    /// Only those that have not ended
    #[arg(long)]
    pub pending: bool,
}
