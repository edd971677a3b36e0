//! The wallet: what the client commands keep between runs, one folder a home and network.
//!
//! ```text
//! HOME/<network id>/transfers/<id>.bin    signed bytes, synced before anything is sent
//!                   transfers/<id>.json   what became of it, for `tx list`
//!                   ledger.json           which transfers have not ended, and so hold tokens
//!                   lock                  held by whoever reads or changes ledger.json
//! ```
//!
//! A transfer is stored, then promised its tokens, then sent. After a crash between any two steps
//! the bytes are there to be sent again, or were never promised anything. Keys are not kept here.

pub mod process;
pub mod promises;
pub mod record;
pub mod select;
pub mod testnet;

pub use process::Process;
pub use promises::{Open, Promised, Promises};
pub use record::{Progress, Record};
pub use select::{Chosen, SelectError, Wanted, choose};
pub use testnet::{Registered, Registry, TestnetAccount, TestnetFile, TestnetValidator};

use crate::durable;
use crate::error::{CONFIG, Failure};
use ledger::{Canonical, Input, NetworkId, SignedTransfer, TransferId};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A wallet's folder for one network.
#[derive(Clone, Debug)]
pub struct Wallet {
    folder: PathBuf,
}

/// What can't be read or written in a wallet.
fn damaged(path: &Path, what: &str) -> Failure {
    let text = format!("wallet file {}: {what}; nothing was sent", path.display());
    Failure::new(CONFIG, text).help(format!("look at {} or use another --home", path.display()))
}

impl Wallet {
    /// Opens the wallet of a network in a home; both are made when they are not there.
    ///
    /// # Errors
    /// `config` when the folder can't be made.
    pub fn open(home: &Path, network: NetworkId) -> Result<Self, Failure> {
        let folder = home.join(network.to_string());
        let transfers = folder.join("transfers");
        if !transfers.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&transfers);
            // A synced file in a folder that a power cut takes away is gone, too.
            made.and_then(|()| durable::sync_folder_of(&transfers))
                .and_then(|()| durable::sync_folder_of(&folder))
                .and_then(|()| durable::sync_folder_of(home))
                .map_err(|error| damaged(&transfers, &error.to_string()))?;
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits for the list of promised tokens and holds it until it is dropped.
    ///
    /// # Errors
    /// `config` when the wallet can't be read.
    pub fn promises(&self) -> Result<Promises<'_>, Failure> {
        Promises::take(self)
    }

    /// Stores a signed transfer and its record durably. The same one again changes nothing.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn store(&self, signed: &SignedTransfer, record: &Record) -> Result<(), Failure> {
        if self.record(&record.id)?.is_none() {
            self.write_record(record)?;
        }
        let path = self.path(&record.id, "bin");
        if path.exists() {
            // A crash may have come between its name and the folder's sync.
            return self.keep(&record.id);
        }
        // Syncing the folder after the bytes makes the record durable, too.
        durable::replace(&path, &signed.to_bytes())
            .map_err(|error| damaged(&path, &error.to_string()))
    }

    /// Makes the bytes of a stored transfer as durable as [`Wallet::store`] left them, whatever
    /// ended the process that stored them.
    ///
    /// # Errors
    /// `config` when the folder can't be synced.
    pub fn keep(&self, id: &TransferId) -> Result<(), Failure> {
        let path = self.path(id, "bin");
        durable::sync_folder_of(&path).map_err(|error| damaged(&path, &error.to_string()))
    }

    /// Notes how far a transfer is, in its record and in the list. One that the wallet does not
    /// know is left alone, and so is one that is known to be final.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn settle(&self, id: &TransferId, status: Progress) -> Result<(), Failure> {
        let mut promises = self.promises()?;
        let Some(record) = self.record(id)? else { return Ok(()) };
        if record.status == Progress::Final && status != Progress::Final {
            return Ok(());
        }
        if record.status != status {
            self.write_record(&Record { status, ..record })?;
        }
        promises.settle(id, status)
    }

    /// Gives the tokens of a transfer back that was not proposed. Its bytes stay, and `retry` has
    /// to be promised the tokens again before it sends them.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn release(&self, id: &TransferId) -> Result<(), Failure> {
        let mut promises = self.promises()?;
        if let Some(record) = self.record(id)? {
            self.write_record(&Record { status: Progress::Signed, ..record })?;
        }
        promises.forget(id)
    }

    /// A stored signed transfer.
    ///
    /// # Errors
    /// `config` when the file is damaged.
    pub fn signed(&self, id: &TransferId) -> Result<Option<SignedTransfer>, Failure> {
        let path = self.path(id, "bin");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(&path, &error.to_string())),
        };
        let signed = SignedTransfer::from_bytes(&bytes)
            .map_err(|error| damaged(&path, &error.to_string()))?;
        if signed.transfer.id() != *id {
            return Err(damaged(&path, "it holds another transfer than its name says"));
        }
        Ok(Some(signed))
    }

    /// What is remembered of a transfer.
    ///
    /// # Errors
    /// `config` when the file is damaged.
    pub fn record(&self, id: &TransferId) -> Result<Option<Record>, Failure> {
        read_record(&self.path(id, "json"))
    }

    /// All that is remembered, oldest first.
    ///
    /// # Errors
    /// `config` when a file is damaged.
    pub fn records(&self) -> Result<Vec<Record>, Failure> {
        let folder = self.folder.join("transfers");
        let entries = std::fs::read_dir(&folder);
        let entries = entries.map_err(|error| damaged(&folder, &error.to_string()))?;
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| damaged(&folder, &error.to_string()))?.path();
            // A record without bytes is left by a crash: nothing was promised or sent.
            let is_record = path.extension().is_some_and(|end| end == "json");
            if is_record && path.with_extension("bin").exists() {
                records.extend(read_record(&path)?);
            }
        }
        records.sort_by_key(|record: &Record| (record.signed_s, record.id));
        Ok(records)
    }

    fn write_record(&self, record: &Record) -> Result<(), Failure> {
        let path = self.path(&record.id, "json");
        let bytes = serde_json::to_vec(record).expect("strings and numbers only");
        durable::replace_soon(&path, &bytes).map_err(|error| damaged(&path, &error.to_string()))
    }

    fn inputs_of(&self, id: &TransferId) -> Result<Vec<Input>, Failure> {
        let missing = || damaged(&self.path(id, "bin"), "it is gone and its tokens are promised");
        Ok(self.signed(id)?.ok_or_else(missing)?.transfer.inputs)
    }

    fn path(&self, id: &TransferId, end: &str) -> PathBuf {
        self.folder.join("transfers").join(format!("{id}.{end}"))
    }
}

fn read_record(path: &Path) -> Result<Option<Record>, Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(path, &error.to_string())),
    };
    let record = serde_json::from_slice(&text);
    record.map(Some).map_err(|error| damaged(path, &error.to_string()))
}

#[cfg(test)]
mod tests;
