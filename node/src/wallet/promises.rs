//! The list of tokens that are promised to transfers not yet ended, one a wallet folder. Whoever
//! has it, has it alone: the file `lock` is locked, across threads and processes, until it drops.
//! Nothing is asked of a node while it is held.
//!
//! `ledger.json` names transfers; which tokens they spend is read from their signed bytes. A
//! transfer that became final is remembered a while: a node that lags still shows what it spent. So
//! is a state of which a node said that it was spent elsewhere, by another device of the owner.

use super::process::Process;
use super::record::Progress;
use super::{Wallet, damaged};
use crate::durable;
use crate::error::Failure;
use ledger::transfer::INPUTS_MAX;
use ledger::{Input, SignedTransfer, TokenId, TransferId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Inputs of final transfers that are remembered, summed over transfers: the largest transfer
/// twice. The newest final transfer is always among them.
const SPENT_INPUTS_MAX: usize = 2 * INPUTS_MAX;
/// Final transfers that are remembered; each costs a file to read.
const SPENT_MAX: usize = 128;
/// States that are remembered as spent elsewhere; the oldest goes when there are more.
const ELSEWHERE_MAX: usize = 1_024;
/// How long they are: a node that lags longer is broken, and a node that lied hides a token no
/// longer. Seconds.
const ELSEWHERE_S: u64 = 600;
/// The schema of `ledger.json`.
const SCHEMA: &str = "quorate.wallet/1";

/// `ledger.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    /// Transfers that have not ended, oldest first.
    open: Vec<Open>,
    /// Final ones, oldest first, with how many inputs they have.
    spent: Vec<Spent>,
    /// States that others have spent, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<Elsewhere>,
}

/// A transfer that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The transfer.
    pub id: TransferId,
    /// How far it is.
    pub status: Progress,
    /// Who is at it; when that process is dead, nobody is.
    pub holder: Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    id: TransferId,
    inputs: usize,
}

/// A state that was spent by a transfer of another wallet, as a node has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    token: TokenId,
    height: u64,
    /// Until when that is remembered, seconds since 1970.
    until_s: u64,
}

/// A token is promised to another transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token {token} is promised to transfer {held_by}, which has not ended")]
pub struct Promised {
    /// The token.
    pub token: TokenId,
    /// Who has it.
    pub held_by: TransferId,
}

/// The list, held alone.
pub struct Promises<'a> {
    wallet: &'a Wallet,
    file: Document,
    /// Which open transfer has which token. Written by `load`, `promise`, `settle`.
    held: BTreeMap<TokenId, TransferId>,
    /// States that final transfers have spent, here or elsewhere.
    spent: BTreeSet<(TokenId, u64)>,
    /// Closing it releases the lock.
    _lock: File,
}

impl<'a> Promises<'a> {
    /// Waits for the lock and reads the list.
    ///
    /// # Errors
    /// `config` when the wallet's folder can't be used or a file in it is damaged.
    pub(super) fn take(wallet: &'a Wallet) -> Result<Self, Failure> {
        let path = wallet.folder.join("lock");
        let failed = |error: std::io::Error| damaged(&path, &error.to_string());
        // Not truncated: the file's lock counts, its bytes don't.
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed)?;
        lock.lock().map_err(failed)?;
        let file = read(wallet)?;
        let mut promises =
            Self { wallet, file, held: BTreeMap::new(), spent: BTreeSet::new(), _lock: lock };
        promises.load()?;
        Ok(promises)
    }

    fn load(&mut self) -> Result<(), Failure> {
        for open in &self.file.open {
            for input in self.wallet.inputs_of(&open.id)? {
                self.held.insert(input.state.token, open.id);
            }
        }
        for spent in &self.file.spent {
            for input in self.wallet.inputs_of(&spent.id)? {
                self.spent.insert((input.state.token, input.state.height));
            }
        }
        let now_s = now_s();
        self.file.elsewhere.retain(|state| state.until_s > now_s);
        self.spent.extend(self.file.elsewhere.iter().map(|state| (state.token, state.height)));
        Ok(())
    }

    /// The transfers that have not ended, oldest first.
    pub fn open(&self) -> &[Open] {
        &self.file.open
    }

    /// Which transfer has this token.
    pub fn holder_of(&self, token: &TokenId) -> Option<TransferId> {
        self.held.get(token).copied()
    }

    /// Whether a token may be spent: promised to no transfer, and not spent by one that a node
    /// which lags has not seen yet.
    pub fn is_free(&self, input: &Input) -> bool {
        !self.held.contains_key(&input.state.token) && !self.is_spent(input)
    }

    /// Whether a transfer that is final has spent this very state: one of this wallet, or, as a
    /// node said lately, another one.
    pub fn is_spent(&self, input: &Input) -> bool {
        self.spent.contains(&(input.state.token, input.state.height))
    }

    /// Promises the inputs of a stored transfer to it, durably. Again for one that is open only
    /// changes who is at it.
    ///
    /// # Errors
    /// [`Promised`] inside `Ok` when another transfer has one of them: nothing is changed then.
    /// `config` when the folder can't be written.
    pub fn promise(
        &mut self,
        id: TransferId,
        signed: &SignedTransfer,
        status: Progress,
    ) -> Result<Result<(), Promised>, Failure> {
        for input in &signed.transfer.inputs {
            let token = input.state.token;
            if let Some(held_by) = self.holder_of(&token).filter(|held_by| *held_by != id) {
                return Ok(Err(Promised { token, held_by }));
            }
        }
        let open = Open { id, status, holder: Process::current() };
        match self.file.open.iter_mut().find(|open| open.id == id) {
            Some(known) => *known = open,
            None => self.file.open.push(open),
        }
        self.write(durable::replace)?;
        let tokens = signed.transfer.inputs.iter().map(|input| (input.state.token, id));
        self.held.extend(tokens);
        Ok(Ok(()))
    }

    /// Notes how far a transfer is; one that has ended gives its tokens back.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn settle(&mut self, id: &TransferId, status: Progress) -> Result<(), Failure> {
        let known = self.file.open.iter().position(|open| open.id == *id);
        match known {
            Some(index) if status.is_ended() => {
                self.file.open.remove(index);
                self.held.retain(|_, held_by| held_by != id);
            }
            Some(index) => self.file.open[index].status = status,
            None if status != Progress::Final => return Ok(()),
            None => {}
        }
        if status == Progress::Final {
            self.remember(id)?;
        }
        self.write(durable::replace_soon)
    }

    /// Notes that a state was spent by another wallet's transfer: for ten minutes it is not free.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn spent_elsewhere(&mut self, token: TokenId, height: u64) -> Result<(), Failure> {
        let elsewhere = &mut self.file.elsewhere;
        elsewhere.retain(|state| (state.token, state.height) != (token, height));
        elsewhere.push(Elsewhere { token, height, until_s: now_s().saturating_add(ELSEWHERE_S) });
        let surplus = elsewhere.len().saturating_sub(ELSEWHERE_MAX);
        elsewhere.drain(..surplus);
        self.spent.insert((token, height));
        self.write(durable::replace_soon)
    }

    /// Gives the tokens of a transfer back that was never sent. Its bytes stay.
    ///
    /// # Errors
    /// `config` when the folder can't be written.
    pub fn forget(&mut self, id: &TransferId) -> Result<(), Failure> {
        self.file.open.retain(|open| open.id != *id);
        self.held.retain(|_, held_by| held_by != id);
        self.write(durable::replace_soon)
    }

    fn remember(&mut self, id: &TransferId) -> Result<(), Failure> {
        if self.file.spent.iter().any(|spent| spent.id == *id) {
            return Ok(());
        }
        let inputs = self.wallet.inputs_of(id)?;
        self.spent.extend(inputs.iter().map(|input| (input.state.token, input.state.height)));
        self.file.spent.push(Spent { id: *id, inputs: inputs.len() });
        let inputs = self.file.spent.iter().map(|spent| spent.inputs);
        let mut sum = inputs.fold(0usize, usize::saturating_add);
        while self.file.spent.len() > 1
            && (sum > SPENT_INPUTS_MAX || self.file.spent.len() > SPENT_MAX)
        {
            sum = sum.saturating_sub(self.file.spent.remove(0).inputs);
        }
        Ok(())
    }

    /// A promise is waited for; that one is over need not be: what comes back holds more tokens.
    fn write(&self, replace: fn(&Path, &[u8]) -> io::Result<()>) -> Result<(), Failure> {
        let path = self.wallet.folder.join("ledger.json");
        let bytes = serde_json::to_vec(&self.file).expect("strings and numbers only");
        replace(&path, &bytes).map_err(|error| damaged(&path, &error.to_string()))
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Reads `ledger.json`; without one, every transfer whose record says so is open.
fn read(wallet: &Wallet) -> Result<Document, Failure> {
    let path = wallet.folder.join("ledger.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let holder = Process { pid: 0, started: 0 };
            let records = wallet.records()?.into_iter();
            let open = records.filter(|record| !record.status.is_ended());
            let open = open.map(|record| Open { id: record.id, status: record.status, holder });
            let open = open.collect();
            let (spent, elsewhere) = (Vec::new(), Vec::new());
            return Ok(Document { schema: SCHEMA.into(), open, spent, elsewhere });
        }
        Err(error) => return Err(damaged(&path, &error.to_string())),
    };
    let file: Document =
        serde_json::from_slice(&text).map_err(|error| damaged(&path, &error.to_string()))?;
    if file.schema != SCHEMA {
        return Err(damaged(&path, &format!("it names schema {:?}", file.schema)));
    }
    Ok(file)
}
