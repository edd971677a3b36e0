//! The command line of `keys`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands of `keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key in a new file, readable by you alone; with --passphrase-file under a passphrase
    New(NewKeyArgs),
    /// Show the address of a key file; never its secret
    Show(KeyFileArgs),
    /// Put a key file under a passphrase, under another, or under none
    Passphrase(PassphraseArgs),
}

/// Arguments of `keys new`.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// Key file
    #[arg(value_name = "KEYFILE")]
    pub file: PathBuf,
    /// Ask for a passphrase at the terminal
    #[arg(long)]
    pub passphrase: bool,
}

/// Arguments of `keys passphrase`.
#[derive(Debug, Args)]
pub struct PassphraseArgs {
    /// Key file; --passphrase-file names the passphrase that it has
    #[arg(value_name = "KEYFILE")]
    pub file: PathBuf,
    /// File with the new passphrase; asked for at the terminal where none is named
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Leave the key readable to whoever can read the file
    #[arg(long)]
    pub remove: bool,
}

/// A key file.
#[derive(Debug, Args)]
pub struct KeyFileArgs {
    /// Key file
    #[arg(value_name = "KEYFILE")]
    pub file: PathBuf,
}
